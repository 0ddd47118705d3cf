package access_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/sync/access"
	"groupsyncd/sync/plan"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// house is an Open WebUI as its own tables hold it. What follows is a translation of its
// Python, slow and without any index, that shares nothing with the package.
type house struct {
	version  string
	defaults map[string]any
	accounts []plan.Account
	groups   []plan.Group
	things   []plan.Resource
	bypass   bool
}

// shippedIn is DEFAULT_USER_PERMISSIONS of 0.12.4.
const shippedIn = `{"workspace":{"models":false,"knowledge":false,"prompts":false,"tools":false,"skills":false,"models_import":false,
"models_export":false,"models_hidden":false,"prompts_import":false,"prompts_export":false,"tools_import":false,"tools_export":false,
"skills_import":false,"skills_export":false},
"sharing":{"models":false,"public_models":false,"knowledge":false,"public_knowledge":false,"prompts":false,"public_prompts":false,"tools":false,
"public_tools":false,"skills":false,"public_skills":false,"notes":false,"public_notes":false,"folders":false,"public_chats":false,"open_chats":false,
"public_calendars":false},
"access_grants":{"allow_users":true,"allow_groups":true},
"chat":{"controls":true,"valves":true,"system_prompt":true,"params":true,"file_upload":true,"web_upload":true,"delete":true,"delete_message":true,
"continue_response":true,"regenerate_response":true,"rate_response":true,"edit":true,"share":true,"export":true,"import":true,"stt":true,"tts":true,
"call":true,"multiple_models":true,"temporary":true,"temporary_enforced":false},
"features":{"api_keys":false,"notes":true,"folders":true,"channels":true,"encrypted_channels":false,"direct_tool_servers":false,"web_search":true,
"image_generation":true,"code_interpreter":true,"memories":true,"automations":false,"calendar":true,"webhooks":false},
"settings":{"interface":true}}`

func fillMissing(permissions, defaults map[string]any) map[string]any {
	for key, value := range defaults {
		have, there := permissions[key]
		inner, isTree := value.(map[string]any)
		mine, mineIsTree := have.(map[string]any)
		switch {
		case !there && isTree:
			permissions[key] = fillMissing(map[string]any{}, inner)
		case !there:
			permissions[key] = value
		case isTree && mineIsTree:
			permissions[key] = fillMissing(mine, inner)
		}
	}
	return permissions
}

func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case float64:
		return v != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return false
}

func combine(permissions, group map[string]any) map[string]any {
	for key, value := range group {
		if tree, is := value.(map[string]any); is {
			if _, there := permissions[key]; !there {
				permissions[key] = map[string]any{}
			}
			permissions[key] = combine(permissions[key].(map[string]any), tree)
			continue
		}
		if have, there := permissions[key]; !there || !truth(have) {
			permissions[key] = value
		}
	}
	return permissions
}

func parsed(raw []byte) map[string]any {
	var out map[string]any
	if json.Unmarshal(raw, &out) != nil || out == nil {
		return map[string]any{}
	}
	return out
}

func (h *house) groupsOf(user string) map[string]bool {
	in := map[string]bool{}
	for _, g := range h.groups {
		if slices.Contains(g.Members, user) {
			in[g.ID] = true
		}
	}
	for {
		before := len(in)
		for _, g := range h.groups {
			if in[g.ID] && slices.ContainsFunc(h.groups, func(p plan.Group) bool { return p.ID == g.Parent }) {
				in[g.Parent] = true
			}
		}
		if len(in) == before {
			return in
		}
	}
}

// permissionsOf is get_permissions, by dotted names.
func (h *house) permissionsOf(user string) map[string]bool {
	raw, err := json.Marshal(h.defaults)
	if err != nil {
		panic(err)
	}
	all := fillMissing(parsed(raw), parsed([]byte(shippedIn)))
	for _, g := range h.groups {
		if h.groupsOf(user)[g.ID] {
			all = combine(all, parsed(g.Permissions))
		}
	}
	out := map[string]bool{}
	dotted(all, "", out)
	return out
}

func dotted(tree map[string]any, prefix string, out map[string]bool) {
	for key, value := range tree {
		if inner, is := value.(map[string]any); is {
			dotted(inner, prefix+key+".", out)
		} else {
			out[prefix+key] = truth(value)
		}
	}
}

// granted is has_access of a stored resource.
func (h *house) granted(user string, r *plan.Resource, permission string) bool {
	for _, g := range r.Grants {
		if g.Permission == permission && (g.Kind == "user" && (g.ID == "*" || g.ID == user) || g.Kind == "group" && h.groupsOf(user)[g.ID]) {
			return true
		}
	}
	return false
}

// listed is a list of one type, with write_access of each entry.
func (h *house) listed(a *plan.Account) map[string]string {
	out := map[string]string{}
	if a.Role != "user" && a.Role != "admin" {
		return out
	}
	for i := range h.things {
		r := &h.things[i]
		bypass := a.Role == "admin" && h.bypass
		if bypass || r.Owner == a.ID || h.granted(a.ID, r, "read") {
			out[r.Type+"/"+r.ID] = "read"
			if bypass || r.Owner == a.ID || h.granted(a.ID, r, "write") {
				out[r.Type+"/"+r.ID] = "write"
			}
		}
	}
	return out
}

// answers is check_model_access.
func (h *house) answers(a *plan.Account, id string) bool {
	find := func(id string) *plan.Resource {
		for i := range h.things {
			if h.things[i].Type == plan.Models && h.things[i].ID == id {
				return &h.things[i]
			}
		}
		return nil
	}
	if a.Role == "admin" {
		return true
	}
	info := find(id)
	if !(a.ID == info.Owner || h.granted(a.ID, info, "read")) {
		return false
	}
	seen := map[string]bool{id: true}
	for base := info.Base; base != "" && !seen[base]; {
		seen[base] = true
		below := find(base)
		if below == nil || !(a.ID == below.Owner || h.granted(a.ID, below, "read")) {
			return false
		}
		base = below.Base
	}
	return true
}

func (h *house) memory(t interface{ Fatal(...any) }) *plan.Memory {
	raw, err := json.Marshal(h.defaults)
	if err != nil {
		t.Fatal(err)
	}
	mem := plan.NewMemory("chat", "i", time.Unix(0, 0))
	o := plan.Observation{Version: h.version, Accounts: h.accounts, AllAccounts: true, Groups: h.groups, Resources: h.things,
		ResourceTypes: plan.ResourceTypes(), Defaults: raw, At: time.Unix(1000, 0)}
	mem.Observe(&o)
	return mem
}

func drawHouse(t *rapid.T) *house {
	h := &house{version: "0.12.4", bypass: rapid.Bool().Draw(t, "bypass")}
	value := rapid.SampledFrom([]any{true, true, false, false, nil, 0.0, 3.0, "", "x", []any{}})
	tree := func(label string) map[string]any {
		out := map[string]any{}
		for _, c := range rapid.SliceOfN(rapid.SampledFrom([]string{"workspace", "chat", "own", "features"}), 0, 3).Draw(t, label) {
			inner := map[string]any{}
			for _, k := range rapid.SliceOfN(rapid.SampledFrom([]string{"models", "call", "api_keys", "new", "tools"}), 0, 3).Draw(t, "keys") {
				inner[k] = value.Draw(t, "value")
			}
			out[c] = inner
		}
		return out
	}
	h.defaults = tree("defaults")
	people, groups := rapid.IntRange(1, 6).Draw(t, "people"), rapid.IntRange(0, 7).Draw(t, "groups")
	person := rapid.Custom(func(t *rapid.T) string { return fmt.Sprint("u", rapid.IntRange(0, people-1).Draw(t, "person")) })
	inGroup := rapid.Custom(func(t *rapid.T) string { return fmt.Sprint("g", rapid.IntRange(0, 7).Draw(t, "group")) })
	for i := range people {
		h.accounts = append(h.accounts, plan.Account{ID: fmt.Sprint("u", i), Email: fmt.Sprint("u", i, "@x.org"), Name: fmt.Sprint("U", i),
			Role: rapid.SampledFrom([]string{"user", "user", "user", "admin", "pending", "zzz"}).Draw(t, "role")})
	}
	for i := range groups {
		g := plan.Group{ID: fmt.Sprint("g", i), Name: "G" + rapid.SampledFrom([]string{"a", "b", fmt.Sprint(i)}).Draw(t, "name"), MembersRead: true,
			Members: rapid.SliceOfNDistinct(person, 0, people, rapid.ID).Draw(t, "members")}
		g.MemberCount = len(g.Members)
		if rapid.Bool().Draw(t, "nested") {
			g.Parent = inGroup.Draw(t, "parent") // May be itself, in a circle, or not there.
		}
		if rapid.IntRange(0, 4).Draw(t, "null") > 0 {
			raw, err := json.Marshal(tree("permissions"))
			if err != nil {
				t.Fatal(err)
			}
			g.Permissions = raw
		}
		h.groups = append(h.groups, g)
	}
	grant := rapid.Custom(func(t *rapid.T) plan.Grant {
		g := plan.Grant{Permission: rapid.SampledFrom([]string{"read", "write"}).Draw(t, "permission")}
		switch rapid.IntRange(0, 6).Draw(t, "principal") {
		case 0:
			g.Kind, g.ID = "user", "*"
		case 1:
			g.Kind, g.ID = "anyone", "*"
		case 2, 3:
			g.Kind, g.ID = "user", person.Draw(t, "to")
		default:
			g.Kind, g.ID = "group", inGroup.Draw(t, "to")
		}
		return g
	})
	for i := range rapid.IntRange(0, 8).Draw(t, "things") {
		r := plan.Resource{ResourceKey: plan.ResourceKey{Type: rapid.SampledFrom(plan.ResourceTypes()).Draw(t, "type"), ID: fmt.Sprint("r", i)},
			Name: fmt.Sprint("R", i), Grants: rapid.SliceOfNDistinct(grant, 0, 4, rapid.ID).Draw(t, "grants")}
		if rapid.Bool().Draw(t, "owned") {
			r.Owner = person.Draw(t, "owner")
		}
		if r.Type == plan.Models && rapid.Bool().Draw(t, "built") {
			r.Base = fmt.Sprint("r", rapid.IntRange(0, 8).Draw(t, "base"))
		}
		h.things = append(h.things, r)
	}
	return h
}

// TestItIsWhatOpenWebUIComputes compares every account with the translation of the server's
// own code, key by key and resource by resource.
func TestItIsWhatOpenWebUIComputes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := drawHouse(t)
		v := access.New(h.memory(t), access.Seen{Settings: plan.Settings{AdminBypass: &h.bypass}})
		for i := range h.accounts {
			a := &h.accounts[i]
			n, known := v.Find(a.ID)
			if !known {
				t.Fatalf("%s is not known", a.ID)
			}
			u := v.User(n)
			want := h.permissionsOf(a.ID)
			if a.Role != "user" && a.Role != "admin" {
				for key := range want {
					want[key] = false
				}
			}
			got := map[string]bool{}
			for key, right := range u.Permissions {
				got[key] = right.Allowed
				if right.Allowed != (len(right.From) > 0) {
					t.Errorf("%s: %s is allowed: %v, from %v", a.ID, key, right.Allowed, right.From)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("permissions of %s (-want +got):\n%s", a.ID, diff)
			}
			h.compareResources(t, a, u)
		}
	})
}

func (h *house) compareResources(t *rapid.T, a *plan.Account, u *access.User) {
	got := map[string]string{}
	for _, r := range u.Resources {
		if r.Hidden {
			continue
		}
		got[r.Type+"/"+r.ID] = r.Permission
		if r.Type == plan.Models && (r.Unusable == "") != h.answers(a, r.ID) {
			t.Errorf("%s may use model %s: %v, but %q", a.ID, r.ID, h.answers(a, r.ID), r.Unusable)
		}
	}
	if diff := cmp.Diff(h.listed(a), got); diff != "" {
		t.Errorf("resources of %s (-want +got):\n%s", a.ID, diff)
	}
	blind := map[string]bool{}
	for _, r := range u.WriteOnly {
		blind[r.Type+"/"+r.ID] = true
	}
	for i := range h.things {
		r := &h.things[i]
		key := r.Type + "/" + r.ID
		active := a.Role == "user" || a.Role == "admin"
		if want := active && h.listed(a)[key] == "" && h.granted(a.ID, r, "write"); want != blind[key] {
			t.Errorf("%s writes %s unseen: %v", a.ID, key, blind[key])
		}
	}
}

// TestEveryAnswerSaysTheSame compares the lists of who has something, and the rows of the
// review, with what each account is told.
func TestEveryAnswerSaysTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := drawHouse(t)
		v := access.New(h.memory(t), access.Seen{Settings: plan.Settings{AdminBypass: &h.bypass}})
		users := map[string]*access.User{}
		keys := map[string]bool{}
		for i := range h.accounts {
			n, _ := v.Find(h.accounts[i].ID)
			u := v.User(n)
			users[u.User.ID] = u
			for key := range u.Permissions {
				keys[key] = true
			}
		}
		for key := range keys {
			who, err := v.Who(key)
			if err != nil {
				t.Fatal(err)
			}
			want, got := []string{}, []string{}
			for id, u := range users {
				if u.Permissions[key].Allowed || u.Role == "admin" {
					want = append(want, id+strings.Join(u.Permissions[key].From, ","))
				}
			}
			for _, p := range who.People {
				from := slices.DeleteFunc(slices.Clone(p.From), func(f string) bool { return f == access.FromAdmin })
				got = append(got, p.ID+strings.Join(from, ","))
			}
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("who has %s (-users +who):\n%s", key, diff)
			}
		}
		for i := range h.things {
			key := h.things[i].Type + "/" + h.things[i].ID
			who, err := v.Who(key)
			if err != nil {
				t.Fatal(err)
			}
			want, got := map[string]string{}, map[string]string{}
			for id, u := range users {
				for _, r := range append(slices.Clone(u.Resources), u.WriteOnly...) {
					if r.Type+"/"+r.ID == key {
						want[id] = r.Permission + strings.Join(r.From, ",")
					}
				}
			}
			for _, p := range who.People {
				got[p.ID] = p.Permission + strings.Join(p.From, ",")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("who uses %s (-users +who):\n%s", key, diff)
			}
		}
		compareRows(t, v, users)
	})
}

func compareRows(t *rapid.T, v *access.View, users map[string]*access.User) {
	common, got, once := map[string]bool{}, map[string]map[string]bool{}, map[string]bool{}
	for id := range users {
		got[id] = map[string]bool{}
	}
	for row, err := range v.Report().Rows {
		if err != nil {
			t.Fatal(err)
		}
		what := row.What + " " + row.Permission
		switch {
		case row.ID == "" && row.Role == "user":
			common[what] = true
		case row.ID != "" && (row.Kind == access.KindPermission || row.Kind == access.KindResource):
			if once[row.ID+what] {
				t.Errorf("%s has two rows of %s", row.ID, what)
			}
			once[row.ID+what], got[row.ID][what] = true, true
		case row.ID != "" && row.Kind == access.KindOwner && (users[row.ID].Role == "user" || users[row.ID].Role == "admin"):
			got[row.ID][row.What+" read"], got[row.ID][row.What+" write"] = true, true
		}
	}
	for id, u := range users {
		want := map[string]bool{}
		for key, right := range u.Permissions {
			if right.Allowed {
				want[key+" allowed"] = true
			}
		}
		for _, r := range u.Resources {
			byRole := r.Hidden || slices.Equal(r.From, []string{access.FromAdmin})
			if byRole {
				continue // One row says it of all administrators.
			}
			if r.Permission == plan.Write {
				want[r.Type+"/"+r.ID+" write"] = true
			}
			want[r.Type+"/"+r.ID+" read"] = true
		}
		for _, r := range u.WriteOnly {
			want[r.Type+"/"+r.ID+" write"] = true
		}
		have := maps.Clone(got[id])
		if u.Role == "user" || u.Role == "admin" {
			maps.Copy(have, common)
		}
		if u.Role == "admin" {
			continue // What an administrator may by role alone is not in rows of their own.
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("rows of %s (-user +rows):\n%s", id, diff)
		}
	}
}
