package access_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/permission"
	"groupsyncd/sync/access"
	"groupsyncd/sync/plan"

	"github.com/google/go-cmp/cmp"
)

func raw(text string) json.RawMessage { return json.RawMessage(text) }

// company has a group below a group, three people, an administrator, and somebody who waits.
func company(t *testing.T) (*house, *plan.Memory) {
	t.Helper()
	h := &house{version: "0.12.4", defaults: map[string]any{"chat": map[string]any{"call": false}},
		accounts: []plan.Account{
			{ID: "a-ana", Email: "ana@x.org", Name: "Ana", Role: "user"}, {ID: "a-bo", Email: "bo@x.org", Name: "Bo", Role: "user"},
			{ID: "a-cy", Email: "cy@x.org", Name: "Cy", Role: "admin"}, {ID: "a-di", Email: "di@x.org", Name: "Di", Role: "pending"}},
		groups: []plan.Group{
			{ID: "g-all", Name: "Company", MembersRead: true, Permissions: raw(`{"chat":{"call":true},"own":{"thing":true}}`), Members: []string{}},
			{ID: "g-fin", Name: "Finance", Parent: "g-all", MembersRead: true, MemberCount: 2, Members: []string{"a-ana", "a-di"},
				Permissions: raw(`{"workspace":{"models":true,"tools":false},"chat":{"call":true}}`)},
			{ID: "g-two", Name: "Twin", MembersRead: true, MemberCount: 1, Members: []string{"a-bo"}},
			{ID: "g-twin", Name: "Twin", MembersRead: true, Members: []string{}, Permissions: raw(`null`)}},
		things: []plan.Resource{
			{ResourceKey: plan.ResourceKey{Type: plan.Models, ID: "base"}, Name: "Base", Owner: "a-cy"},
			{ResourceKey: plan.ResourceKey{Type: plan.Models, ID: "fin"}, Name: "Fin model", Owner: "a-cy", Base: "base",
				Grants: []plan.Grant{{Kind: "group", ID: "g-all", Permission: "read"}, {Kind: "group", ID: "g-fin", Permission: "write"}}},
			{ResourceKey: plan.ResourceKey{Type: plan.Knowledge, ID: "k"}, Name: "Handbook", Owner: "a-ana",
				Grants: []plan.Grant{{Kind: "user", ID: "*", Permission: "read"}, {Kind: "user", ID: "a-bo", Permission: "write"}}},
			{ResourceKey: plan.ResourceKey{Type: plan.Tools, ID: "t"}, Name: "Drill", Owner: "a-cy", Grants: []plan.Grant{{Kind: "user", ID: "a-bo", Permission: "write"}}},
			{ResourceKey: plan.ResourceKey{Type: plan.Prompts, ID: "p"}, Name: "Handbook", Owner: "a-di"}}}
	mem := h.memory(t)
	return h, mem
}

func look(t *testing.T, mem *plan.Memory, id string, with, without []string) *access.User {
	t.Helper()
	v := access.New(mem, access.Seen{})
	n, known := v.Find(id)
	if !known {
		t.Fatalf("no account %s", id)
	}
	u, err := v.UserWith(n, with, without)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestEachRightNamesWhoGivesIt(t *testing.T) {
	t.Parallel()
	_, mem := company(t)
	u := look(t, mem, "a-ana", nil, nil)
	for key, want := range map[string]permission.Right{
		"chat.call":        {Allowed: true, From: []string{"group:Company", "group:Finance"}},
		"workspace.models": {Allowed: true, From: []string{"group:Finance"}},
		"workspace.tools":  {Allowed: false, From: []string{}},
		"own.thing":        {Allowed: true, From: []string{"group:Company"}},
		"chat.edit":        {Allowed: true, From: []string{"default"}}, // Shipped: the settings do not name it.
	} {
		if diff := cmp.Diff(want, u.Permissions[key]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
	want := []access.Resource{
		{Type: "models", ID: "fin", Name: "Fin model", Permission: "write", From: []string{"group:Finance"}, ReadFrom: []string{"group:Company"},
			Unusable: "its base model base is not shared with them"},
		{Type: "knowledge", ID: "k", Name: "Handbook", Permission: "write", From: []string{"owner"}, ReadFrom: []string{"owner", "public"}}}
	if diff := cmp.Diff(want, u.Resources); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	groups := []access.Membership{{ID: "g-all", Name: "Company", Via: []string{"Finance"}}, {ID: "g-fin", Name: "Finance", By: "hand"}}
	if diff := cmp.Diff(groups, u.Groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]access.Owned{{Type: "knowledge", ID: "k", Name: "Handbook"}}, u.Owns); diff != "" {
		t.Errorf("owns (-want +got):\n%s", diff)
	}
}

func TestWhoMayOnlyWriteSeesNothing(t *testing.T) {
	t.Parallel()
	_, mem := company(t)
	u := look(t, mem, "a-bo", nil, nil)
	if len(u.Resources) != 1 || u.Resources[0].ID != "k" || u.Resources[0].Permission != "write" || !slices.Equal(u.Resources[0].From, []string{"user"}) {
		t.Errorf("resources: %+v", u.Resources)
	}
	if len(u.WriteOnly) != 1 || u.WriteOnly[0].ID != "t" || !u.WriteOnly[0].Hidden {
		t.Errorf("write only: %+v", u.WriteOnly)
	}
	if u.Groups[0].Name != "Twin" {
		t.Errorf("groups: %+v", u.Groups)
	}
}

func TestWhoeverTheServerDoesNotAnswerMayDoNothing(t *testing.T) {
	t.Parallel()
	_, mem := company(t)
	u := look(t, mem, "a-di", nil, []string{"Finance"})
	for key, right := range u.Permissions {
		if right.Allowed || len(right.From) > 0 {
			t.Errorf("%s: %+v", key, right)
		}
	}
	if len(u.Permissions) == 0 || len(u.Resources) != 0 || len(u.Owns) != 1 || len(u.Groups) != 2 {
		t.Errorf("%+v", u)
	}
	if !slices.ContainsFunc(u.Notes, func(n string) bool { return strings.Contains(n, "API key") }) {
		t.Errorf("notes: %v", u.Notes)
	}
	if len(u.Change.Lost.Permissions)+len(u.Change.Gained.Permissions) != 0 {
		t.Errorf("change: %+v", u.Change)
	}
}

func TestAnAdministratorSeesWhatTheServerLetsThem(t *testing.T) {
	t.Parallel()
	_, mem := company(t)
	yes, no := true, false
	for _, c := range []struct {
		bypass *bool
		count  int
		note   bool
	}{{nil, 5, true}, {&yes, 5, false}, {&no, 5, false}} {
		v := access.New(mem, access.Seen{Settings: plan.Settings{AdminBypass: c.bypass}})
		n, _ := v.Find("a-cy")
		u := v.User(n)
		told := slices.ContainsFunc(u.Notes, func(n string) bool { return strings.Contains(n, "BYPASS_ADMIN_ACCESS_CONTROL") })
		if len(u.Resources) != c.count || told != c.note {
			t.Errorf("%d resources, notes %v", len(u.Resources), u.Notes)
		}
		for _, r := range u.Resources {
			owner, admin := slices.Contains(r.From, "owner"), slices.Contains(r.From, "admin")
			switch {
			case c.bypass == nil || *c.bypass:
				if !admin || r.Permission != "write" || r.Hidden {
					t.Errorf("%+v", r)
				}
			case r.ID == "p": // Only the page of the prompt itself asks for the role.
				if !admin || !r.Hidden || r.Permission != "read" {
					t.Errorf("%+v", r)
				}
			case !owner && r.ID != "k":
				t.Errorf("%+v", r)
			}
		}
	}
}

func TestAModelWithoutARowIsForAdministrators(t *testing.T) {
	t.Parallel()
	h, _ := company(t)
	h.things = []plan.Resource{
		{ResourceKey: plan.ResourceKey{Type: plan.Models, ID: "raw"}, Name: "Raw", Unlisted: true},
		{ResourceKey: plan.ResourceKey{Type: plan.Models, ID: "on-raw"}, Name: "On raw", Base: "raw", Grants: []plan.Grant{{Kind: "user", ID: "*", Permission: "read"}}},
		{ResourceKey: plan.ResourceKey{Type: plan.Models, ID: "off"}, Name: "Off", Inactive: true, Grants: []plan.Grant{{Kind: "user", ID: "*", Permission: "read"}}}}
	mem := h.memory(t)
	u := look(t, mem, "a-ana", nil, nil)
	if len(u.Resources) != 2 || u.Resources[0].Unusable != "it is switched off" || u.Resources[1].Unusable != "its base model raw is only for administrators" {
		t.Errorf("%+v", u.Resources)
	}
	if u = look(t, mem, "a-cy", nil, nil); len(u.Resources) != 3 || u.Resources[2].From[0] != "admin" || u.Resources[1].Unusable != "" {
		t.Errorf("%+v", u.Resources)
	}
}

func TestLeavingAndJoiningSaysWhatWouldChange(t *testing.T) {
	t.Parallel()
	_, mem := company(t)
	c := look(t, mem, "a-ana", nil, []string{"g-fin"}).Change
	if diff := cmp.Diff([]string{"chat.call", "own.thing", "workspace.models"}, c.Lost.Permissions); diff != "" {
		t.Error(diff)
	}
	// What she owns stays hers.
	if len(c.Lost.Resources) != 1 || c.Lost.Resources[0].ID != "fin" || len(c.Gained.Permissions)+len(c.Gained.Resources) != 0 {
		t.Errorf("%+v", c)
	}
	c = look(t, mem, "a-bo", []string{"Company"}, nil).Change
	if diff := cmp.Diff([]string{"chat.call", "own.thing"}, c.Gained.Permissions); diff != "" {
		t.Error(diff)
	}
	if len(c.Gained.Resources) != 1 || c.Gained.Resources[0].Permission != "read" {
		t.Errorf("%+v", c)
	}
	c = look(t, mem, "a-ana", []string{"Company", "g-twin"}, []string{"g-two"}).Change
	if len(c.Gained.Permissions)+len(c.Lost.Permissions) != 0 || !slices.Equal(c.Notes, []string{"not in Twin"}) {
		t.Errorf("%+v", c)
	}
	c = look(t, mem, "a-ana", []string{"Finance"}, []string{"Company"}).Change
	if !slices.Equal(c.Notes, []string{"already in Finance", "in Company only through Finance: that is the group to leave"}) {
		t.Errorf("%+v", c)
	}
}

func TestAGroupGivesItsOwnAndWhatStandsAbove(t *testing.T) {
	t.Parallel()
	_, mem := company(t)
	v := access.New(mem, access.Seen{})
	g, err := v.Group("Finance")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(g.Above, []access.GroupRef{{ID: "g-all", Name: "Company"}}) || g.Members != 2 || !g.Permissions["own.thing"].Allowed {
		t.Errorf("%+v", g)
	}
	if len(g.Resources) != 2 || g.Resources[0].ID != "fin" || g.Resources[1].From[0] != "public" {
		t.Errorf("%+v", g.Resources)
	}
	if g, err = v.Group("Company"); err != nil || g.Members != 0 || g.Inherited != 2 || g.Permissions["workspace.models"].Allowed {
		t.Errorf("%+v, %v", g, err)
	}
	if _, err = v.Group("Twin"); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "g-tw") {
		t.Errorf("%v", err)
	}
	if _, err = v.Group("Finanse"); fault.KindOf(err) != fault.NotFound || fault.HintOf(err) != "did you mean Finance?" {
		t.Errorf("%v, %s", err, fault.HintOf(err))
	}
}

func TestSomethingIsFoundByItsTypeAndIDOrAName(t *testing.T) {
	t.Parallel()
	_, mem := company(t)
	mem.Roles["a-cy"] = plan.OwnedRole{Role: "admin", Since: time.Unix(77, 0), Rule: "admins"}
	v := access.New(mem, access.Seen{})
	for what, want := range map[string]string{
		"models/fin": "models/fin", "model/fin": "models/fin", "fin": "models/fin", "Fin model": "models/fin", "prompts/Handbook": "prompts/p", "knowledge/k": "knowledge/k",
		"role:admin": "role:admin", "workspace.models": "workspace.models", "sharing.public_calendars": "sharing.public_calendars",
	} {
		h, err := v.Who(what)
		if err != nil || h.What != want {
			t.Errorf("%s: %+v, %v", what, h, err)
		}
	}
	for what, hint := range map[string]string{"Handbook": "knowledge/k, prompts/p", "fim": "", "workspace.model": "workspace.models", "models/fim": "models/fin", "role:boss": "admin"} {
		if _, err := v.Who(what); err == nil || !strings.Contains(fault.HintOf(err), hint) {
			t.Errorf("%s: %v (%s)", what, err, fault.HintOf(err))
		}
	}
	h, err := v.Who("role:admin")
	if err != nil {
		t.Fatal(err)
	}
	want := []access.Holder{{Person: access.Person{ID: "a-cy", Email: "cy@x.org", Name: "Cy"}, Role: "admin", From: []string{"groupsyncd"}, By: "groupsyncd",
		Since: time.Unix(77, 0), Note: "rule admins"}}
	if diff := cmp.Diff(want, h.People); diff != "" {
		t.Error(diff)
	}
	if from := look(t, mem, "a-cy", nil, nil).RoleFrom; from != (access.RoleFrom{By: "groupsyncd", Since: time.Unix(77, 0), Why: "rule admins"}) {
		t.Errorf("%+v", from)
	}
	mem.Roles["a-di"] = plan.OwnedRole{Role: "pending", Why: "disabled", Since: time.Unix(78, 0)}
	mem.Roles["a-bo"] = plan.OwnedRole{Role: "admin"} // Somebody has changed it since.
	if from := look(t, mem, "a-di", nil, nil).RoleFrom; from.By != "groupsyncd" || from.Why != "the directory has them as disabled" {
		t.Errorf("%+v", from)
	}
	if from := look(t, mem, "a-bo", nil, nil).RoleFrom; from != (access.RoleFrom{By: "hand"}) {
		t.Errorf("%+v", from)
	}
}

func TestWhatIsNotKnownIsSaid(t *testing.T) {
	t.Parallel()
	h, _ := company(t)
	mem := plan.NewMemory("chat", "i", time.Unix(0, 0))
	mem.Observe(&plan.Observation{Version: "0.12.4", Accounts: h.accounts, AllAccounts: true, Groups: h.groups, ResourceTypes: []string{plan.Models}, At: time.Unix(1000, 0)})
	mem.Observe(&plan.Observation{Version: "0.12.4", Groups: h.groups, ResourceTypes: []string{plan.Skills}, At: time.Unix(2000, 0)})
	u := look(t, mem, "a-ana", nil, nil)
	notes := strings.Join(u.Notes, "\n")
	for _, want := range []string{"default permissions were never read", "models there are as of 1970-01-01T00:16:40Z", "knowledge there were never read"} {
		if !strings.Contains(notes, want) {
			t.Errorf("%q is not in:\n%s", want, notes)
		}
	}
	if strings.Contains(notes, "skills") {
		t.Errorf("the skills are known:\n%s", notes)
	}
	if _, named := u.Permissions["chat.edit"]; named {
		t.Error("what was never read is filled with what is shipped")
	}
}

func TestOnlyWhatAVersionHasIsFilledIn(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]int{"0.8.0": 0, "0.11.4": 0, "0.12.0": 65, "0.12.4": 67, "0.13.0-rc1": 67, "0.12.4+fork": 67,
		"": 0, "main": 0, "1.x.2": 0} {
		mem := plan.NewMemory("chat", "i", time.Unix(0, 0))
		mem.Observe(&plan.Observation{Version: version, Accounts: []plan.Account{{ID: "a", Role: "user"}}, AllAccounts: true, Defaults: raw(`{}`), At: time.Unix(1, 0)})
		if got := len(look(t, mem, "a", nil, nil).Permissions); got != want {
			t.Errorf("%s: %d permissions, want %d", version, got, want)
		}
	}
}

func TestWhatBelongsToAnAccountThatIsGoneIsInTheReport(t *testing.T) {
	t.Parallel()
	h, mem := company(t)
	mem.Observe(&plan.Observation{Version: "0.12.4", Accounts: h.accounts[1:], AllAccounts: true, Groups: h.groups, At: time.Unix(2000, 0)})
	h.things[4].Owner = "never-seen"
	mem.Observe(&plan.Observation{Version: "0.12.4", Groups: h.groups, Resources: h.things, ResourceTypes: plan.ResourceTypes(), At: time.Unix(3000, 0)})
	var got []string
	for row, err := range access.New(mem, access.Seen{}).Report().Rows {
		if err != nil {
			t.Fatal(err)
		}
		if row.Email == "ana@x.org" {
			t.Errorf("an account that is gone: %+v", row)
		}
		if row.Kind == access.KindOwner && row.Email == "" {
			got = append(got, row.User+" "+row.What+" "+row.ID)
		}
	}
	if diff := cmp.Diff([]string{"(deleted account) knowledge/k a-ana", "(deleted account) prompts/p never-seen"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestAGrantOfOursSaysSinceWhen also shows that the rows of a review are as they are promised.
func TestAGrantOfOursSaysSinceWhen(t *testing.T) {
	t.Parallel()
	_, mem := company(t)
	key := plan.ResourceKey{Type: plan.Knowledge, ID: "k"}
	mem.Grants[key] = []plan.OwnedGrant{{Grant: plan.Grant{Kind: "user", ID: "a-bo", Permission: "write"}, Since: time.Unix(3600, 0), Rule: "r"}}
	mem.Owned["g-fin"] = &plan.OwnedGroup{GroupID: "g-fin", Feeds: []plan.OwnedFeed{{Accounts: []uint32{0}}}}
	v := access.New(mem, access.Seen{})
	v.Given("run-2", time.Unix(7200, 0), func(note func(account, group string)) {
		note("a-ana", "g-fin")
		note("nobody", "g-fin")
		note("a-ana", "gone")
	})
	v.Given("run-1", time.Unix(60, 0), func(note func(account, group string)) { note("a-ana", "g-fin"); note("a-bo", "g-two") })
	var got []string
	for row, err := range v.Report().Rows {
		if err != nil {
			t.Fatal(err)
		}
		if row.Email == "ana@x.org" || row.Email == "bo@x.org" {
			got = append(got, strings.Join(row.Cells()[1:9], " | "))
		}
	}
	want := []string{
		"ana@x.org | user | role | user |  | hand |  | hand",
		"ana@x.org | user | group | Company | member | group:Finance | 1970-01-01T02:00:00Z | groupsyncd",
		"ana@x.org | user | group | Finance | member | direct | 1970-01-01T02:00:00Z | groupsyncd",
		"ana@x.org | user | owner | knowledge/k | write | owner |  | ",
		"ana@x.org | user | permission | chat.call | allowed | group:Company, group:Finance | 1970-01-01T02:00:00Z | groupsyncd",
		"ana@x.org | user | permission | own.thing | allowed | group:Company | 1970-01-01T02:00:00Z | groupsyncd",
		"ana@x.org | user | permission | workspace.models | allowed | group:Finance | 1970-01-01T02:00:00Z | groupsyncd",
		"ana@x.org | user | resource | models/fin | read | group:Company | 1970-01-01T02:00:00Z | groupsyncd",
		"ana@x.org | user | resource | models/fin | write | group:Finance | 1970-01-01T02:00:00Z | groupsyncd",
		"bo@x.org | user | role | user |  | hand |  | hand",
		"bo@x.org | user | group | Twin | member | direct |  | hand",
		"bo@x.org | user | resource | knowledge/k | write | user | 1970-01-01T01:00:00Z | groupsyncd",
		"bo@x.org | user | resource | tools/t | write | user |  | hand",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
