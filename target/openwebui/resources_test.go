package openwebui_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/permission"
	"groupsyncd/sync/plan"
	"groupsyncd/target/openwebui"
	"groupsyncd/target/openwebui/openwebuitest"
)

// lists looks at types of resource.
func (w *world) lists(t *testing.T, look plan.Look) (*plan.Observation, error) {
	t.Helper()
	return w.client.Session().Observe(t.Context(), w.memory.Mirror, look)
}

func models(list []plan.Resource) map[string]plan.Resource {
	out := map[string]plan.Resource{}
	for _, r := range list {
		out[r.ID] = r
	}
	return out
}

func TestModelsAreThoseWithAndWithoutARow(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"0.8.0", "0.12.4"} {
		w := newWorld(t, version, nil)
		owner := w.accounts(1)[0]
		w.OfferModels("gpt-4", "gpt-5", "o/x:1")
		w.Share(openwebuitest.Resource{Type: plan.Models, ID: "gpt-4", Name: "GPT 4", Grants: []openwebuitest.Grant{
			{Kind: "user", ID: "*", Permission: "read"}, {Kind: "group", ID: "g", Permission: "write"}, {Kind: "group", ID: "g", Permission: "read"}}})
		for i := range 65 {
			w.Share(openwebuitest.Resource{Type: plan.Models, ID: fmt.Sprintf("preset-%d", i), Base: "gpt-4", Owner: owner, Inactive: i == 3})
		}
		o, err := w.lists(t, plan.Look{Resources: []string{plan.Models}})
		if err != nil {
			t.Fatal(err)
		}
		have := models(o.Resources)
		if len(have) != 68 || len(o.Resources) != 68 || !slices.IsSortedFunc(o.Resources, func(a, b plan.Resource) int { return cmp.Compare(a.ID, b.ID) }) {
			t.Errorf("%s: %d models", version, len(have))
		}
		if r := have["gpt-4"]; r.Name != "GPT 4" || r.Unlisted || r.Base != "" || len(r.Grants) != 3 || r.Grants[0].Permission != "read" || !r.Grants[2].Public() {
			t.Errorf("%s: %+v", version, r)
		}
		if r := have["gpt-5"]; !r.Unlisted || r.Owner != "" || r.Grants != nil {
			t.Errorf("%s: %+v", version, r)
		}
		if r := have["preset-3"]; !r.Inactive || r.Base != "gpt-4" || r.Owner != owner {
			t.Errorf("%s: %+v", version, r)
		}
		w.firstGrant(t, have["gpt-5"], version != "0.8.0")
	}
}

// firstGrant gives the first grant on a model that has no row.
func (w *world) firstGrant(t *testing.T, r plan.Resource, makes bool) {
	t.Helper()
	s := w.client.Session()
	if now, err := s.Resource(t.Context(), r.ResourceKey); err != nil || !now.Unlisted {
		t.Errorf("a model without a row: %+v, %v", now, err)
	}
	want := []plan.Grant{{Kind: plan.KindGroup, ID: "g", Permission: plan.Read}}
	after, err := s.SetGrants(t.Context(), r, want)
	if makes && (err != nil || after.Unlisted || after.Owner != w.Admin || after.Name != r.Name) {
		t.Errorf("the first grant: %+v, %v", after, err)
	}
	if !makes && (fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), "0.8.12")) {
		t.Errorf("a version that makes no row: %v", err)
	}
}

// TestAListThatIsCutIsNoShorterList spoils each list of resources in turn.
func TestAListThatIsCutIsNoShorterList(t *testing.T) {
	t.Parallel()
	const grants = `"access_grants":[]`
	for name, c := range map[string]struct {
		fault openwebuitest.Fault
		kind  fault.Kind
		types string
	}{
		"too few":           {openwebuitest.Fault{Path: "/api/v1/prompts/list", Body: `{"items":[],"total":2}`}, fault.Incomplete, plan.Prompts},
		"too few knowledge": {openwebuitest.Fault{Path: "/api/v1/knowledge/", Body: `{"items":[{"id":"a",` + grants + `}],"total":2}`}, fault.Incomplete, plan.Knowledge},
		"no total":          {openwebuitest.Fault{Path: "/api/v1/skills/list", Body: `{"items":[]}`}, fault.Incomplete, plan.Skills},
		"no items":          {openwebuitest.Fault{Path: "/api/v1/models/list", Body: `{"total":0}`}, fault.Incomplete, plan.Models},
		"null":              {openwebuitest.Fault{Path: "/api/v1/tools/list", Body: `null`}, fault.Incomplete, plan.Tools},
		"null of bases":     {openwebuitest.Fault{Path: "/api/v1/models/base", Body: `null`}, fault.Incomplete, plan.Models},
		"null of offers":    {openwebuitest.Fault{Path: "/api/models/base", Body: `{}`}, fault.Incomplete, plan.Models},
		"without id":        {openwebuitest.Fault{Path: "/api/v1/tools/list", Body: `[{` + grants + `}]`}, fault.Incomplete, plan.Tools},
		"twice":             {openwebuitest.Fault{Path: "/api/v1/tools/list", Body: `[{"id":"a",` + grants + `},{"id":"a",` + grants + `}]`}, fault.Incomplete, plan.Tools},
		"without grants":    {openwebuitest.Fault{Path: "/api/v1/tools/list", Body: `[{"id":"a"}]`}, fault.Incomplete, plan.Tools},
		"of old":            {openwebuitest.Fault{Path: "/api/v1/tools/list", Body: `[{"id":"a","access_control":{}}]`}, fault.Invalid, plan.Tools},
		"public of old":     {openwebuitest.Fault{Path: "/api/v1/tools/list", Body: `[{"id":"a","access_control":null}]`}, fault.Invalid, plan.Tools},
		"a page":            {openwebuitest.Fault{Path: "/api/v1/tools/list", HTML: true}, fault.Invalid, plan.Tools},
		"fewer than counted": {openwebuitest.Fault{Path: "/api/v1/users/*/preview", Body: `{"tools":{"total":1}}`}, fault.Incomplete,
			plan.Tools},
		"folders": {openwebuitest.Fault{Path: "/nothing"}, fault.Invalid, plan.Folders},
	} {
		w := newWorld(t, "", nil)
		w.Inject(c.fault)
		if _, err := w.lists(t, plan.Look{Resources: []string{c.types}}); fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
		// Beside what is needed the same is left out, and everything else is read.
		o, err := w.lists(t, plan.Look{Also: append(plan.ResourceTypes(), plan.Folders)})
		if err != nil || slices.Contains(o.ResourceTypes, c.types) {
			t.Errorf("%s, not needed: %v, %v", name, o, err)
		}
		if err == nil && len(o.ResourceTypes) < len(plan.ResourceTypes())-1 {
			t.Errorf("%s, not needed: only %v", name, o.ResourceTypes)
		}
	}
}

func TestAListThatMovesWhileItIsReadIsReadAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	for i := range 40 {
		w.Share(openwebuitest.Resource{Type: plan.Prompts, ID: fmt.Sprintf("p%02d", i)})
		w.pass(1)
	}
	// One more appears between the pages: the second shows one of the first again.
	w.Inject(openwebuitest.Fault{Path: "/api/v1/prompts/list", Skip: 1, Times: 1, Do: func() {
		w.Unshare(plan.Prompts, "p39")
	}})
	o, err := w.lists(t, plan.Look{Resources: []string{plan.Prompts}})
	if err != nil || len(o.Resources) != 39 {
		t.Errorf("%d prompts, %v", len(o.Resources), err)
	}
}

// TestARestrictedKeySaysWhatToAllow has a key for groups and accounts only.
func TestARestrictedKeySaysWhatToAllow(t *testing.T) {
	t.Parallel()
	for kind, path := range map[string]string{plan.Models: "/api/v1/models,/api/models", plan.Knowledge: "/api/v1/knowledge", plan.Skills: "/api/v1/skills"} {
		w := newWorld(t, "", nil)
		w.AllowKeys(true, "/api/v1/groups", "/api/v1/users")
		if _, err := w.lists(t, plan.Look{Resources: []string{kind}}); fault.KindOf(err) != fault.Auth || !strings.Contains(fault.HintOf(err), path) {
			t.Errorf("%s: %v", kind, err)
		}
		o, err := w.lists(t, plan.Look{Also: plan.ResourceTypes(), Defaults: true})
		if err != nil || len(o.ResourceTypes) != 0 || o.Defaults == nil {
			t.Errorf("not needed: %+v, %v", o, err)
		}
		allow := append([]string{"/api/v1/groups", "/api/v1/users"}, strings.Split(path, ",")...)
		w.AllowKeys(true, allow...)
		if _, err := w.lists(t, plan.Look{Resources: []string{kind}}); err != nil {
			t.Errorf("%s allowed: %v", kind, err)
		}
	}
}

// TestWhatIsNotSharedWithUsIsNotGone is about BYPASS_ADMIN_ACCESS_CONTROL=false.
func TestWhatIsNotSharedWithUsIsNotGone(t *testing.T) {
	t.Parallel()
	for _, kind := range plan.ResourceTypes() {
		for _, visible := range []bool{true, false} {
			w := newWorld(t, "", nil)
			owner := w.accounts(1)[0]
			if kind == plan.Prompts || kind == plan.Skills {
				// Nothing counts these; what is known of another type serves.
				w.Share(openwebuitest.Resource{Type: plan.Knowledge, ID: "other", Owner: owner})
			}
			hidden := w.Share(openwebuitest.Resource{Type: kind, ID: "hidden", Base: "b", Owner: owner})
			if visible {
				w.Share(openwebuitest.Resource{Type: kind, ID: "shown", Base: "b", Owner: owner, Grants: []openwebuitest.Grant{{Kind: "user", ID: w.Admin, Permission: "read"}}})
			}
			look := plan.Look{Resources: []string{kind}}
			o, err := w.lists(t, look)
			if err != nil || !slices.ContainsFunc(o.Resources, func(r plan.Resource) bool { return r.ID == hidden }) {
				t.Fatalf("%s: %v", kind, err)
			}
			got, err := w.client.Session().Settings(t.Context())
			if err != nil || (got.AdminBypass == nil) != (kind == plan.Tools) {
				t.Errorf("%s: settings %+v, %v", kind, got, err)
			}
			w.SetAdminBypass(false)
			if _, err := w.lists(t, look); fault.KindOf(err) != fault.Incomplete || !strings.Contains(fault.HintOf(err), "BYPASS_ADMIN_ACCESS_CONTROL") {
				t.Errorf("%s, something visible: %t: %v", kind, visible, err)
			}
			if _, err := w.client.Session().Resource(t.Context(), plan.ResourceKey{Type: kind, ID: hidden}); fault.KindOf(err) == fault.NotFound {
				t.Errorf("%s that is hidden counts as gone: %v", kind, err)
			}
			if got, err = w.client.Session().Settings(t.Context()); err != nil || (visible || kind != plan.Models) && kind != plan.Tools && (got.AdminBypass == nil || *got.AdminBypass) {
				t.Errorf("%s: settings without: %+v, %v", kind, got, err)
			}
		}
	}
}

func TestChannelsAreReadAndNeverChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	w.Share(openwebuitest.Resource{Type: plan.Channels, ID: "c", Grants: []openwebuitest.Grant{{Kind: "group", ID: "g", Permission: "read"}}})
	look := plan.Look{Resources: []string{plan.Channels}}
	if _, err := w.lists(t, look); fault.KindOf(err) != fault.Auth || !strings.Contains(fault.HintOf(err), "channels are switched on") {
		t.Errorf("switched off: %v", err)
	}
	w.SetChannels(true)
	o, err := w.lists(t, look)
	if err != nil || len(o.Resources) != 1 || len(o.Resources[0].Grants) != 1 {
		t.Fatalf("%+v, %v", o, err)
	}
	s := w.client.Session()
	for _, kind := range []string{plan.Channels, plan.Notes, plan.Folders, "x"} {
		key := plan.ResourceKey{Type: kind, ID: "c"}
		_, setErr := s.SetGrants(t.Context(), plan.Resource{ResourceKey: key}, nil)
		_, readErr := s.Resource(t.Context(), key)
		if fault.KindOf(setErr) != fault.Invalid || fault.KindOf(readErr) != fault.Invalid {
			t.Errorf("%s: %v, %v", kind, setErr, readErr)
		}
	}
}

func TestGrantsThatTheServerDidNotTakeAreAnError(t *testing.T) {
	t.Parallel()
	want := []plan.Grant{{Kind: plan.KindGroup, ID: "g", Permission: plan.Read}, {Kind: plan.KindGroup, ID: "h", Permission: plan.Read}}
	key := plan.ResourceKey{Type: plan.Knowledge, ID: "k"}
	for name, c := range map[string]struct {
		fault openwebuitest.Fault
		kind  fault.Kind
	}{
		"lost":           {openwebuitest.Fault{Lose: func(id string) bool { return id == "h" }}, fault.Conflict},
		"more than said": {openwebuitest.Fault{Method: "POST", Body: `{"id":"k","access_grants":[{"principal_type":"user","principal_id":"*","permission":"read"}]}`}, fault.Conflict},
		"null":           {openwebuitest.Fault{Method: "POST", Body: `null`}, fault.Incomplete},
		"no grants":      {openwebuitest.Fault{Method: "POST", Body: `{"id":"k"}`}, fault.Incomplete},
		"another":        {openwebuitest.Fault{Method: "POST", Body: `{"id":"x","access_grants":[]}`}, fault.Incomplete},
		"of old":         {openwebuitest.Fault{Method: "POST", Body: `{"id":"k","access_control":null}`}, fault.Invalid},
		"listed":         {openwebuitest.Fault{Method: "POST", Status: 404}, fault.Conflict},
		"forbidden":      {openwebuitest.Fault{Method: "POST", Status: 403}, fault.Auth},
		"fails":          {openwebuitest.Fault{Method: "POST", Status: 500}, fault.Unavailable},
		"lost answer":    {openwebuitest.Fault{Method: "POST", Drop: openwebuitest.DropAfter, Times: 1}, 0},
	} {
		w := newWorld(t, "", nil)
		w.Share(openwebuitest.Resource{Type: plan.Knowledge, ID: key.ID})
		w.Inject(c.fault)
		_, err := w.client.Session().SetGrants(t.Context(), plan.Resource{ResourceKey: key}, want)
		if fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDoctorSaysWhatSharingNeeds is about accounts, defaults and resources.
func TestDoctorSaysWhatSharingNeeds(t *testing.T) {
	t.Parallel()
	all := openwebui.Expect{Creates: true, Defaults: permission.Set{"chat.edit": true}, Resources: plan.ResourceTypes()}
	restricted := func(paths ...string) func(*world) {
		return func(w *world) { w.AllowKeys(true, append(paths, "/api/v1/groups", "/api/v1/users")...) }
	}
	for name, c := range map[string]struct {
		expect openwebui.Expect
		set    func(*world)
		check  string
		level  string
		text   string
	}{
		"no merging":       {all, nil, "accounts_create", "warning", "OAUTH_MERGE_ACCOUNTS_BY_EMAIL=true"},
		"merging":          {all, func(w *world) { w.MergeByEmail(true) }, "accounts_create", "ok", "takes over"},
		"unread":           {all, restricted(), "accounts_create", "warning", "/api/v1/auths/add"},
		"not allowed":      {all, restricted("/api/v1/auths/admin"), "accounts_create", "failed", "API_KEYS_ALLOWED_ENDPOINTS contain /api/v1/auths/add"},
		"allowed":          {all, restricted("/api/v1/auths"), "accounts_create", "warning", "OAUTH_MERGE"},
		"no resources":     {all, restricted(), "resources", "failed", "/api/v1/knowledge"},
		"resources":        {all, nil, "resources", "ok", "skills can be read: 0"},
		"defaults fail":    {all, func(w *world) { w.Inject(openwebuitest.Fault{Path: "/api/v1/users/default/permissions", Body: `[]`}) }, "permissions", "failed", "no tree"},
		"hidden":           {all, func(w *world) { w.Share(openwebuitest.Resource{Type: plan.Tools, Owner: "x"}); w.SetAdminBypass(false) }, "resources", "failed", "BYPASS_ADMIN"},
		"users at once":    {openwebui.Expect{}, nil, "default_role", "ok", "at once"},
		"pending":          {openwebui.Expect{}, func(w *world) { w.SetDefaultRole("pending") }, "default_role", "warning", "accounts.role.user"},
		"pending, let in":  {openwebui.Expect{LetsIn: true}, func(w *world) { w.SetDefaultRole("pending") }, "default_role", "ok", "accounts.role"},
		"administrators":   {openwebui.Expect{}, func(w *world) { w.SetDefaultRole("admin") }, "default_role", "warning", "DEFAULT_USER_ROLE=user"},
		"role unread":      {openwebui.Expect{LetsIn: true}, restricted(), "default_role", "warning", "/api/v1/auths/admin/config"},
		"own role sync":    {openwebui.Expect{}, func(w *world) { w.SetRoleSync(true) }, "built_in_sync", "warning", "ENABLE_OAUTH_ROLE_MANAGEMENT=false"},
		"settings failing": {all, func(w *world) { w.Inject(openwebuitest.Fault{Path: "/api/v1/auths/admin/config", Status: 500}) }, "default_role", "failed", "500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", nil)
			if c.set != nil {
				c.set(w)
			}
			for _, f := range w.client.Check(t.Context(), c.expect) {
				if f.Check == c.check && string(f.Level) == c.level && strings.Contains(f.Message+" "+f.Remedy, c.text) {
					return
				}
			}
			t.Errorf("%+v", w.client.Check(t.Context(), c.expect))
		})
	}
}

// TestARefusalProvesNothing hides a skill where nothing else shows that things are hidden.
func TestARefusalProvesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	w.Share(openwebuitest.Resource{Type: plan.Skills, ID: "hidden", Owner: w.accounts(1)[0]})
	w.SetAdminBypass(false)
	if _, err := w.client.Session().Resource(t.Context(), plan.ResourceKey{Type: plan.Skills, ID: "hidden"}); fault.KindOf(err) != fault.Incomplete {
		t.Errorf("hidden: %v", err)
	}
	if _, err := w.client.Session().Resource(t.Context(), plan.ResourceKey{Type: plan.Skills, ID: "gone"}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("gone: %v", err)
	}
}
