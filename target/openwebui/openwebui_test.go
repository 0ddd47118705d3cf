package openwebui_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
	"groupsyncd/target/openwebui"
	"groupsyncd/target/openwebui/openwebuitest"
)

const canary = "sk-canary0canary0canary0canary0canar"

// world is a simulator, a client, and a clock that both go by.
type world struct {
	*openwebuitest.Server
	client *openwebui.Client
	memory *plan.Memory
	logs   *lockedBuffer
	clock  *atomic.Int64
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newWorld(t *testing.T, version string, change func(*openwebui.Options)) *world {
	t.Helper()
	w := &world{clock: &atomic.Int64{}, logs: &lockedBuffer{}, memory: plan.NewMemory("chat", "test", time.Unix(0, 0))}
	w.clock.Store(1_795_000_000)
	now := func() time.Time { return time.Unix(w.clock.Load(), 0) }
	w.Server = openwebuitest.New(openwebuitest.Options{Version: version, Now: now, Key: canary, Deployment: "d1"})
	o := openwebui.Options{
		Name: "chat", URL: "http://chat.example.org", Transport: w.Transport(), NeedSubjects: true, Now: now,
		APIKey: func() (secret.Value, error) { return secret.New(canary), nil },
		Retry:  httpx.Retry{First: time.Millisecond, Max: time.Millisecond, Tries: 3}, Timeout: 5 * time.Second,
		Logger: slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&o)
	}
	c, err := openwebui.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.client = c
	t.Cleanup(func() {
		if strings.Contains(w.logs.String(), "canary") {
			t.Error("the key is in the log")
		}
	})
	return w
}

func (w *world) pass(seconds int64) { w.clock.Add(seconds) }

// accounts makes n accounts, one a second, with a subject each.
func (w *world) accounts(n int) []string {
	var ids []string
	for i := range n {
		w.pass(1)
		ids = append(ids, w.AddAccount(openwebuitest.Account{
			Email: fmt.Sprintf("u%d@example.org", i), OAuth: map[string]string{"oidc": fmt.Sprintf("sub-%d", i)},
		}))
	}
	return ids
}

// look observes, takes the result into the memory, and gives what it cost.
func (w *world) look(t *testing.T, all bool) (*plan.Observation, int) {
	t.Helper()
	s := w.client.Session()
	o, err := s.Observe(t.Context(), w.memory.Mirror, plan.Look{All: all})
	if err != nil {
		t.Fatalf("observe: %v", err)
	}
	w.memory.Observe(o)
	requests, writes := s.Spent()
	if writes != 0 {
		t.Errorf("looking wrote %d times", writes)
	}
	return o, requests
}

func (w *world) members(id string) []string {
	var out []string
	for _, n := range w.memory.Mirror.Group(id).Numbers {
		out = append(out, w.memory.Mirror.Account(n).ID)
	}
	slices.Sort(out)
	return out
}

// check compares everything the mirror holds with the server.
func (w *world) check(t *testing.T) {
	t.Helper()
	groups := w.Groups()
	if have := len(w.memory.Mirror.Groups()); have != len(groups) {
		t.Errorf("the mirror has %d groups, the server %d", have, len(groups))
	}
	for _, g := range groups {
		if w.memory.Mirror.Group(g.ID) == nil {
			t.Errorf("group %s is not in the mirror", g.Name)
		} else if have := w.members(g.ID); !slices.Equal(have, g.Members) {
			t.Errorf("the mirror holds %v in %s, the server %v", have, g.Name, g.Members)
		}
	}
	accounts := w.Accounts()
	if living := w.memory.Mirror.Living(); living != len(accounts) {
		t.Errorf("the mirror has %d accounts, the server %d", living, len(accounts))
	}
	for _, a := range accounts {
		n, ok := w.memory.Mirror.Number(a.ID)
		if !ok || w.memory.Mirror.Account(n).Email != a.Email {
			t.Errorf("account %s is not in the mirror", a.Email)
		}
	}
}

func TestADemotedAdministratorProvesNothing(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"0.8.12", "0.12.4"} {
		w := newWorld(t, version, nil)
		ids := w.accounts(2)
		g := w.CreateGroup("g")
		w.AddMembers(g, ids...)
		w.SetRole(w.Admin, "user") // now the list shows own groups only: none
		s := w.client.Session()
		_, readErr := s.ReadGroup(t.Context(), g)
		_, lookErr := s.Observe(t.Context(), w.memory.Mirror, plan.Look{})
		addErr := s.AddMembers(t.Context(), g, ids)
		for what, err := range map[string]error{"read": readErr, "observe": lookErr, "add": addErr} {
			if fault.KindOf(err) != fault.Auth || !strings.Contains(fault.HintOf(err), "administrator") {
				t.Errorf("%s %s: %v", version, what, err)
			}
		}
	}
}

func TestFailuresSayWhatToDo(t *testing.T) {
	t.Parallel()
	const exports = "/api/v1/groups/id/*/export"
	for name, c := range map[string]struct {
		fault openwebuitest.Fault
		kind  fault.Kind
		text  string
		hint  string
	}{
		"401":                  {openwebuitest.Fault{Path: "/api/v1/groups/", Status: 401}, fault.Auth, "401 Unauthorized", "make a new key"},
		"403":                  {openwebuitest.Fault{Path: "/api/v1/groups/", Status: 403}, fault.Auth, "403 Forbidden", "ENABLE_API_KEYS=true"},
		"403 by a proxy":       {openwebuitest.Fault{Status: 403, HTML: true}, fault.Auth, "403", "proxy"},
		"429":                  {openwebuitest.Fault{Path: exports, Status: 429}, fault.Throttled, "429", "limits requests"},
		"429 for long":         {openwebuitest.Fault{Path: exports, Status: 429, RetryAfter: "3600"}, fault.Throttled, "429", "limits requests"},
		"500":                  {openwebuitest.Fault{Path: exports, Status: 500, Text: true}, fault.Unavailable, "500", "own log"},
		"502 by a proxy":       {openwebuitest.Fault{Status: 502, HTML: true}, fault.Unavailable, "502", "own log"},
		"dropped":              {openwebuitest.Fault{Path: "/api/v1/users/all", Drop: openwebuitest.DropBefore}, fault.Unavailable, "reset", ""},
		"dropped after":        {openwebuitest.Fault{Path: exports, Drop: openwebuitest.DropAfter}, fault.Unavailable, "reset", ""},
		"web page":             {openwebuitest.Fault{Path: "/api/v1/groups/", HTML: true}, fault.Invalid, "text/html, not JSON", "web page"},
		"cut":                  {openwebuitest.Fault{Path: exports, Cut: true}, fault.Unavailable, "cut", ""},
		"cut without a sign":   {openwebuitest.Fault{Path: "/api/v1/groups/", Truncate: true}, fault.Unavailable, "not complete JSON", ""},
		"redirected":           {openwebuitest.Fault{Location: "https://login.example.org/?next=canary"}, fault.Invalid, "https://login.example.org/", "set url"},
		"no version":           {openwebuitest.Fault{Path: "/api/version", Body: `{}`}, fault.Invalid, "does not tell its version", "Open WebUI"},
		"another list":         {openwebuitest.Fault{Path: "/api/v1/groups/", Body: `{"groups":[]}`}, fault.Invalid, "unknown form", ""},
		"a group twice":        {openwebuitest.Fault{Path: "/api/v1/groups/", Body: `[{"id":"a","member_count":0},{"id":"a","member_count":0}]`}, fault.Incomplete, "twice", ""},
		"a group without id":   {openwebuitest.Fault{Path: "/api/v1/groups/", Body: `[{"member_count":0}]`}, fault.Incomplete, "without its id", ""},
		"export of another":    {openwebuitest.Fault{Path: exports, Body: `{"id":"other","member_count":0,"user_ids":[]}`}, fault.Incomplete, "another group", ""},
		"401 for one group":    {openwebuitest.Fault{Path: exports, Status: 401}, fault.Auth, "401", ""},
		"404 by a proxy":       {openwebuitest.Fault{Path: exports, Status: 404, HTML: true}, fault.Invalid, "404", "proxy"},
		"404 for one we see":   {openwebuitest.Fault{Path: exports, Status: 404}, fault.Conflict, "404", ""},
		"400 for one we see":   {openwebuitest.Fault{Path: exports, Status: 400, Detail: "[ERROR: database is locked]"}, fault.Invalid, "database is locked", ""},
		"the list fails after": {openwebuitest.Fault{Path: "/api/v1/users/", Status: 503}, fault.Unavailable, "503", "own log"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", nil)
			w.AddMembers(w.CreateGroup("g"), w.accounts(2)...)
			w.Inject(c.fault)
			_, err := w.client.Session().Observe(t.Context(), plan.NewMirror(), plan.Look{})
			if fault.KindOf(err) != c.kind {
				t.Fatalf("%v is %s, want %s", err, fault.KindOf(err), c.kind)
			}
			if !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), "target chat") || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("%q with the hint %q", err, fault.HintOf(err))
			}
			if strings.Contains(err.Error()+fault.HintOf(err), "canary") {
				t.Errorf("a secret shows: %v", err)
			}
		})
	}
}

func TestFailuresThatPassAreNotSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	ids := w.accounts(10)
	g := w.CreateGroup("g")
	w.AddMembers(g, ids[:5]...)
	w.Inject(
		openwebuitest.Fault{Path: "/api/version", Times: 1, Status: 503},
		openwebuitest.Fault{Path: "/api/v1/groups/", Times: 1, Cut: true},
		openwebuitest.Fault{Path: "/api/v1/users/all", Times: 2, Drop: openwebuitest.DropBefore},
		openwebuitest.Fault{Path: "/api/v1/users/", Times: 1, Status: 429, RetryAfter: "0"},
		openwebuitest.Fault{Path: "/api/v1/groups/id/*/export", Times: 2, Truncate: true},
		openwebuitest.Fault{Path: "/api/v1/groups/id/*/users/add", Times: 1, Drop: openwebuitest.DropAfter},
		openwebuitest.Fault{Path: "/api/v1/groups/id/*/users/remove", Times: 1, Status: 502, HTML: true},
	)
	w.look(t, false)
	w.check(t)
	s := w.client.Session()
	if err := errors.Join(s.AddMembers(t.Context(), g, ids), s.RemoveMembers(t.Context(), g, ids[:2])); err != nil {
		t.Fatal(err)
	}
	read, err := s.ReadGroup(t.Context(), g)
	if err != nil || len(read.Members) != 8 {
		t.Errorf("%v, %v", read.Members, err)
	}
	if requests, writes := s.Spent(); requests != 5 || writes != 4 {
		t.Errorf("%d requests, %d writes", requests, writes)
	}
}

func TestALostCreationMakesNoSecondGroup(t *testing.T) {
	t.Parallel()
	const create = "/api/v1/groups/create"
	for name, c := range map[string]struct {
		faults []openwebuitest.Fault
		fails  bool
	}{
		"answer lost":                  {[]openwebuitest.Fault{{Path: create, Times: 1, Drop: openwebuitest.DropAfter}}, false},
		"answer cut":                   {[]openwebuitest.Fault{{Path: create, Times: 1, Cut: true}}, false},
		"answer damaged":               {[]openwebuitest.Fault{{Path: create, Times: 1, Truncate: true}}, false},
		"never arrived":                {[]openwebuitest.Fault{{Path: create, Times: 1, Drop: openwebuitest.DropBefore}}, false},
		"throttled":                    {[]openwebuitest.Fault{{Path: create, Times: 2, Status: 429}}, false},
		"lost and the look fails once": {[]openwebuitest.Fault{{Path: create, Times: 1, Drop: openwebuitest.DropAfter}, {Path: "/api/v1/groups/", Skip: 1, Times: 1, Status: 503}}, false},
		"the last attempt is lost":     {[]openwebuitest.Fault{{Path: create, Times: 2, Drop: openwebuitest.DropBefore}, {Path: create, Skip: 2, Times: 1, Drop: openwebuitest.DropAfter}}, false},
		"never works":                  {[]openwebuitest.Fault{{Path: create, Status: 500}}, true},
		"refused":                      {[]openwebuitest.Fault{{Path: create, Status: 400}}, true},
	} {
		for _, marked := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, mark %t", name, marked), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, "", nil)
				w.CreateGroup("Sales") // somebody else's of that name
				w.Inject(c.faults...)
				s := w.client.Session()
				if _, err := s.ListGroups(t.Context()); err != nil {
					t.Fatal(err)
				}
				spec := plan.GroupSpec{Name: "Sales"}
				if marked {
					spec.Mark = &plan.Mark{Instance: "i", Rule: "r", To: "Sales", Serial: 1}
				}
				g, err := s.CreateGroup(t.Context(), spec)
				want := 2
				if c.fails {
					want = 1
				}
				if (err != nil) != c.fails || len(w.Groups()) != want {
					t.Fatalf("%v, %d groups", err, len(w.Groups()))
				}
				if have, ok := w.Group(g.ID); !c.fails && (!ok || marked && !strings.Contains(string(have.Data), `"instance":"i"`)) {
					t.Errorf("%+v is not the new group", g)
				}
			})
		}
	}
}

func TestALostCreationThatComesLateIsMadeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	const create = "/api/v1/groups/create"
	mark := &plan.Mark{Instance: "i", Rule: "r", To: "Sales", Serial: 1}
	data, err := json.Marshal(map[string]any{"groupsyncd": mark})
	if err != nil {
		t.Fatal(err)
	}
	// The first attempt has its effect while the second one is under way.
	w.Inject(openwebuitest.Fault{Path: create, Times: 1, Drop: openwebuitest.DropBefore},
		openwebuitest.Fault{Path: create, Skip: 1, Times: 1, Do: func() { w.SetData(w.CreateGroup("Sales"), data) }})
	g, err := w.client.Session().CreateGroup(t.Context(), plan.GroupSpec{Name: "Sales", Mark: mark})
	if groups := w.Groups(); err != nil || len(groups) != 1 || groups[0].ID != g.ID {
		t.Errorf("%v, %+v", err, groups)
	}
}

func TestLostIdsShowInTheReading(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	ids := w.accounts(3)
	g := w.CreateGroup("g")
	w.Inject(openwebuitest.Fault{Path: "/api/v1/groups/id/*/users/add", Lose: func(id string) bool { return id == ids[1] }})
	s := w.client.Session()
	if err := s.AddMembers(t.Context(), g, ids); err != nil {
		t.Fatal(err)
	}
	read, err := s.ReadGroup(t.Context(), g)
	if err != nil || read.MemberCount != 2 || slices.Contains(read.Members, ids[1]) {
		t.Errorf("%+v, %v", read, err)
	}
}

func TestOldVersionsAreRefused(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"0.6.36", "0.6.43", "0.7.2"} {
		w := newWorld(t, version, nil)
		_, err := w.client.Session().Observe(t.Context(), plan.NewMirror(), plan.Look{})
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), version) || !strings.Contains(err.Error(), "0.8.0") || fault.HintOf(err) != "upgrade Open WebUI" {
			t.Errorf("%s: %v", version, err)
		}
		if reads, writes := w.Count(); reads != 1 || writes != 0 {
			t.Errorf("%s: %d reads, %d writes", version, reads, writes)
		}
	}
	// A fork is judged by what it answers.
	for version, ok := range map[string]bool{"main": true, "2026.11-corp": true, "v0.12.4-fork": true, "0.12.4+7": true, "0.7.9rc1": false} {
		w := newWorld(t, "", nil)
		w.accounts(3)
		w.Inject(openwebuitest.Fault{Path: "/api/version", Body: `{"version":"` + version + `"}`})
		if _, err := w.client.Session().Observe(t.Context(), plan.NewMirror(), plan.Look{}); (err == nil) != ok {
			t.Errorf("%s: %v", version, err)
		}
	}
	w := newWorld(t, "0.6.36", nil)
	w.CreateGroup("g")
	w.Inject(openwebuitest.Fault{Path: "/api/version", Body: `{"version":"corp"}`})
	if _, err := w.client.Session().Observe(t.Context(), plan.NewMirror(), plan.Look{}); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "0.8.0") {
		t.Errorf("a fork of an old version: %v", err)
	}
}

func TestTheBuiltInSyncIsReported(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set   openwebuitest.BuiltIn
		fault openwebuitest.Fault
		want  []string
	}{
		"off":               {openwebuitest.BuiltIn{}, openwebuitest.Fault{Path: "/none"}, nil},
		"oauth":             {openwebuitest.BuiltIn{OAuth: true, OAuthCreate: true}, openwebuitest.Fault{Path: "/none"}, []string{"OAuth group sync is on"}},
		"ldap":              {openwebuitest.BuiltIn{LDAP: true, LDAPGroups: true}, openwebuitest.Fault{Path: "/none"}, []string{"LDAP group sync is on"}},
		"ldap without ldap": {openwebuitest.BuiltIn{LDAPGroups: true}, openwebuitest.Fault{Path: "/none"}, nil},
		"forbidden": {openwebuitest.BuiltIn{}, openwebuitest.Fault{Path: "/api/v1/auths/admin/config/*", Status: 403},
			[]string{"OAuth group sync is on could not be read", "LDAP group sync is on could not be read"}},
		"no such page": {openwebuitest.BuiltIn{LDAP: true}, openwebuitest.Fault{Path: "/api/v1/auths/admin/config/*", Skip: 1, HTML: true}, []string{"LDAP group sync is on could not be read"}},
	} {
		w := newWorld(t, "", nil)
		w.SetBuiltIn(c.set)
		w.Inject(c.fault)
		problems, err := w.client.Session().BuiltInSync(t.Context())
		if err != nil || len(problems) != len(c.want) {
			t.Errorf("%s: %v, %v", name, problems, err)
			continue
		}
		for i, p := range problems {
			if p.Kind != run.KindCompeting || !strings.Contains(p.Message, c.want[i]) || p.Hint == "" || strings.Contains(p.Message+p.Hint, "canary") {
				t.Errorf("%s: %+v", name, p)
			}
		}
	}
	w := newWorld(t, "", nil)
	w.Inject(openwebuitest.Fault{Status: 500})
	if _, err := w.client.Session().BuiltInSync(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a failing server: %v", err)
	}
}

func TestDoctorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*openwebui.Options)
		set    func(*world)
		check  string
		level  providers.Level
		text   string
	}{
		"key revoked":        {nil, func(w *world) { w.RevokeKey(canary) }, "api_key", providers.Failed, "administrator"},
		"keys off":           {nil, func(w *world) { w.AllowKeys(false) }, "api_key", providers.Failed, "ENABLE_API_KEYS"},
		"groups only":        {nil, func(w *world) { w.AllowKeys(true, "/api/v1/groups") }, "admin", providers.Failed, "/api/v1/users"},
		"no settings":        {nil, func(w *world) { w.AllowKeys(true, "/api/v1/groups", "/api/v1/users") }, "built_in_sync", providers.Warning, "/api/v1/auths/admin/config"},
		"not an admin":       {nil, func(w *world) { w.SetRole(w.Admin, "user") }, "admin", providers.Failed, "administrator"},
		"too old":            {nil, func(w *world) { w.Upgrade("0.7.2") }, "reachable", providers.Failed, "0.8.0"},
		"down":               {nil, func(w *world) { w.Inject(openwebuitest.Fault{Drop: openwebuitest.DropBefore}) }, "reachable", providers.Failed, "reset"},
		"clock":              {func(o *openwebui.Options) { o.Now = func() time.Time { return time.Unix(1_795_000_000+3600, 0) } }, nil, "clock", providers.Warning, "59m"},
		"path":               {func(o *openwebui.Options) { o.URL += "/chat" }, nil, "url", providers.Warning, "/chat"},
		"exports fail":       {nil, func(w *world) { w.Inject(openwebuitest.Fault{Path: "/api/v1/groups/id/*/export", Status: 500}) }, "members", providers.Failed, "500"},
		"settings fail":      {nil, func(w *world) { w.Inject(openwebuitest.Fault{Path: "/api/v1/auths/admin/config/*", Status: 500}) }, "built_in_sync", providers.Failed, "500"},
		"everything is fine": {nil, nil, "admin", providers.OK, "accounts"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", c.change)
			w.AddMembers(w.CreateGroup("g"), w.accounts(2)...)
			if c.set != nil {
				c.set(w)
			}
			found := w.client.Check(t.Context(), openwebui.Expect{})
			i := slices.IndexFunc(found, func(f providers.Finding) bool { return f.Check == c.check && f.Level == c.level })
			if i < 0 || !strings.Contains(found[i].Message+found[i].Remedy, c.text) {
				t.Errorf("%+v", found)
			}
			if _, writes := w.Count(); writes != 0 || strings.Contains(fmt.Sprint(found), "canary") {
				t.Errorf("doctor wrote %d times or shows a secret", writes)
			}
		})
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	t.Parallel()
	key := func() (secret.Value, error) { return secret.New(canary), nil }
	for name, o := range map[string]openwebui.Options{
		"no url":       {APIKey: key},
		"password":     {URL: "https://a:canary@x", APIKey: key},
		"api path":     {URL: "https://x/api/v1", APIKey: key},
		"api":          {URL: "https://x/api/", APIKey: key},
		"no key":       {URL: "https://x"},
		"no such file": {URL: "https://x", APIKey: key, CAFile: "/no/such/file"},
	} {
		o.Name = "chat"
		if _, err := openwebui.New(o); fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAStoppedRunEndsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	w.AddMembers(w.CreateGroup("g"), w.accounts(2)...)
	w.Inject(openwebuitest.Fault{Path: "/api/v1/groups/id/*/export", Latency: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := w.client.Session().Observe(ctx, plan.NewMirror(), plan.Look{}); fault.KindOf(err) != fault.Canceled {
		t.Errorf("%v", err)
	}
}

func TestAnAccountThatTheServerFailsToShowIsNotGone(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 404} {
		w := newWorld(t, "", nil)
		id := w.accounts(1)[0]
		w.Inject(openwebuitest.Fault{Path: "/api/v1/users/" + id, Status: status})
		_, err := w.client.Session().Account(t.Context(), id, true)
		if kind := fault.KindOf(err); kind == fault.NotFound || kind == 0 {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestAShortListProvesNobodyGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	w.Inject(openwebuitest.Fault{Path: "/api/v1/users/all", Body: `{"users":[{"id":"a"}],"total":2}`})
	if _, err := w.client.Session().Account(t.Context(), "b", true); fault.KindOf(err) != fault.Incomplete {
		t.Errorf("%v", err)
	}
}

func TestSomebodyElsesGroupIsNotTakenForALostCreation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	const create = "/api/v1/groups/create"
	var theirs string
	w.Inject(openwebuitest.Fault{Path: create, Times: 1, Do: func() { theirs = w.CreateGroup("Sales") }, Drop: openwebuitest.DropBefore})
	mark := &plan.Mark{Instance: "i", Rule: "r", To: "Sales", Serial: 1}
	g, err := w.client.Session().CreateGroup(t.Context(), plan.GroupSpec{Name: "Sales", Mark: mark})
	if err != nil || g.ID == theirs || len(w.Groups()) != 2 {
		t.Errorf("%v, %+v", err, g)
	}
}
