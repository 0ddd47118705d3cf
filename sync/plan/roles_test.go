package plan_test

import (
	"fmt"
	"testing"

	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// office is a directory with administrators, users, and an account for each; root is
// administrator by hand and older than all.
func office(t *testing.T) *world {
	w := newWorld(t, "corp")
	w.has("admin", "root").has("user", "ann", "bob", "cid").linked("sign_in", "corp", "ann", "bob", "cid")
	return w.line("admin", "admins").line("user", "people")
}

func TestALineGivesItsRoleAndTakesItBack(t *testing.T) {
	t.Parallel()
	w := office(t).read("corp", 1, "users: ann bob cid", "admins: ann", "people: bob cid")
	expect(t, w.run(), "set_role ann user>admin")
	if w.role("ann") != "admin" || w.role("bob") != "user" || w.role("root") != "admin" {
		t.Errorf("ann is %s, bob %s, root %s", w.role("ann"), w.role("bob"), w.role("root"))
	}
	w.settled()
	w.read("corp", 5, "users: ann bob cid", "admins:", "people: bob cid")
	expect(t, w.run(), "set_role ann admin>user left")
	w.settled()
}

func TestAdminWinsAndTheNextLineFollows(t *testing.T) {
	t.Parallel()
	w := office(t).fresh("dan").read("corp", 1, "users: ann dan", "admins: ann dan", "people: ann dan")
	expect(t, w.run(), "set_role ann user>admin", "set_role dan pending>admin")
	w.settled()
	w.read("corp", 2, "users: ann dan", "admins:", "people: ann dan")
	expect(t, w.run(), "set_role ann admin>user left", "set_role dan admin>user left")
	w.settled()
	w.read("corp", 3, "users: ann dan", "admins:", "people:")
	expect(t, w.run(), "set_role dan user>pending left") // ann was user before us
	w.settled()
}

func TestWhatTheReadDoesNotProveChangesNoRole(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(*world){
		"the group was cut":         func(w *world) { w.read("corp", 9, "users: ann bob cid", "admins?:", "people: bob cid") },
		"the group is missing once": func(w *world) { w.read("corp", 9, "users: ann bob cid", "people: bob cid") },
		"the person is missing":     func(w *world) { w.read("corp", 9, "users: bob cid", "admins:", "people: bob cid") },
		"nothing was read for long": func(w *world) { w.now = at(3 * 24 * 60) },
		"the lists were cut":        func(w *world) { w.read("corp", 9, "users?:", "groups?:") },
	} {
		w := office(t).read("corp", 1, "users: ann bob cid", "admins: ann", "people: bob cid")
		w.run()
		next(w)
		if p := w.run(); w.role("ann") != "admin" || len(p.Changes) > 0 {
			t.Errorf("%s: %v", name, show(p))
		}
	}
}

func TestRolesThatAreNotOursAreLeft(t *testing.T) {
	t.Parallel()
	w := office(t)
	w.has("admin", "hand").linked("sign_in", "corp", "hand")
	w.read("corp", 1, "users: ann hand", "admins: ann", "people: hand")
	expect(t, w.run(), "set_role ann user>admin")
	if w.role("hand") != "admin" {
		t.Error("a line of users took an administrator by hand down")
	}
	w.settled()
}

func TestAnAdministratorByHandIsAdoptedUnlessLinkedByMail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		by   string
		want []string
		then string
	}{
		{"sign_in", []string{"set_role hand admin>admin"}, "user"},
		{"manual", []string{"set_role hand admin>admin"}, "user"},
		{"email", nil, "admin"},
	} {
		w := office(t)
		w.has("admin", "hand").linked(c.by, "corp", "hand")
		w.read("corp", 1, "users: hand ann", "admins: hand", "people: ann")
		expect(t, w.run(), c.want...)
		w.settled()
		w.read("corp", 2, "users: hand ann", "admins:", "people: ann")
		if w.run(); w.role("hand") != c.then {
			t.Errorf("linked by %s: %s, want %s", c.by, w.role("hand"), c.then)
		}
	}
}

func TestDisabledBecomesPendingAndComesBack(t *testing.T) {
	t.Parallel()
	w := office(t)
	w.roles.RevokeSessions = true
	w.rule("all", "ai-*")
	w.read("corp", 1, "users: ann bob", "admins: ann", "people: bob", "ai-x: ann bob")
	w.run()
	w.read("corp", 2, "users: -ann -bob", "admins: ann", "people: bob", "ai-x: ann bob")
	p := w.run()
	expect(t, p, "set_role ann admin>pending explicit", "set_role bob user>pending explicit", "remove_member ai-x ann explicit", "remove_member ai-x bob explicit")
	if !p.Changes[0].Revoke || p.Changes[0].Record.Why != "disabled" || p.Changes[0].Since != at(2) {
		t.Errorf("%+v", p.Changes[0])
	}
	w.settled()
	w.read("corp", 3, "users: ann bob", "admins: ann", "people: bob", "ai-x: ann bob")
	expect(t, w.run(), "add_member ai-x ann", "add_member ai-x bob", "set_role ann pending>admin", "set_role bob pending>user")
	w.settled()
}

func TestBackToWhatTheyWereWithoutAnyLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp")
	w.roles = &plan.AccountRules{Otherwise: "keep", Disabled: "pending", Gone: "keep"}
	w.has("admin", "root", "boss").has("user", "ann").linked("manual", "corp", "ann", "boss")
	w.read("corp", 1, "users: ann boss", "g: ann")
	w.run()
	w.settled()
	w.read("corp", 2, "users: -ann -boss", "g:")
	expect(t, w.run(), "set_role ann user>pending explicit", "set_role boss admin>pending explicit")
	w.settled()
	w.now = at(3 * 24 * 60) // too old to tell that they are back, or that they are not
	if w.run(); w.role("ann") != "pending" {
		t.Error("somebody is back on old knowledge")
	}
	w.read("corp", 3*24*60+1, "users: ann boss", "g:")
	expect(t, w.run(), "set_role ann pending>user", "set_role boss pending>admin")
	w.settled()
	w.read("corp", 3*24*60+2, "users: ann", "g:")
	w.read("corp", 3*24*60+30, "users: ann", "g:")
	expect(t, w.run()) // gone: keep
}

func TestGoneBecomesPendingAfterTheGrace(t *testing.T) {
	t.Parallel()
	w := office(t).read("corp", 1, "users: ann bob", "admins:", "people: bob")
	w.run()
	w.read("corp", 2, "users: ann", "admins:", "people:")
	p := w.run()
	expect(t, p)
	if p.ConfirmAt.IsZero() {
		t.Error("nothing confirms that bob is gone")
	}
	w.read("corp", 20, "users: ann", "admins:", "people:")
	expect(t, w.run(), "set_role bob user>pending gone")
	w.settled()
	w.read("corp", 21, "users: ann bob", "admins:", "people:")
	expect(t, w.run(), "set_role bob pending>user")
	w.settled()
}

func TestEveryAuthorityMustSayThatSomebodyIsOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		authority []string
		hr        string
		want      []string
	}{
		{"only corp decides", []string{"corp"}, "users: ann", []string{"set_role ann user>pending explicit", "remove_member ai-h ann explicit"}},
		{"hr says otherwise", []string{"corp", "hr"}, "users: ann", nil},
		{"both say so", []string{"corp", "hr"}, "users: -ann", []string{"set_role ann user>pending explicit", "remove_member ai-h ann explicit"}},
		{"hr only decides", []string{"hr"}, "users: ann", nil},
		{"one that decides is not there", []string{"corp", "crm"}, "users: ann", nil},
		{"hr cannot tell", []string{"corp", "hr"}, "users?:", nil},
	} {
		w := newWorld(t, "corp", "hr")
		w.roles = &plan.AccountRules{Authority: c.authority, Disabled: "pending", Gone: "pending"}
		w.rule("all", "ai-*").has("admin", "root").has("user", "ann")
		w.read("corp", 1, "users: ann", "g:").read("hr", 1, "users: ann", "ai-h: ann")
		w.run()
		w.read("corp", 2, "users: -ann", "g:")
		if c.hr == "users?:" {
			w.read("hr", 2, c.hr)
			w.sources[1].MaxAge = 0
		} else {
			w.read("hr", 2, c.hr, "ai-h: ann")
		}
		p := w.run()
		t.Log(c.name)
		expect(t, p, c.want...)
	}
}

func TestSuspendedByHandStays(t *testing.T) {
	t.Parallel()
	w := office(t).read("corp", 1, "users: ann bob", "admins: ann", "people: bob")
	w.run()
	w.has("pending", "bob")
	p := w.run()
	expect(t, p)
	if !told(p, run.KindSuspended, "bob@example.org was suspended") {
		t.Errorf("nobody is told: %v", texts(p))
	}
	w.has("user", "bob") // let in again by hand
	w.run()
	w.settled()
	// An administrator of ours, whom somebody suspended and made administrator again, is theirs.
	w.has("pending", "ann")
	w.run()
	w.has("admin", "ann").read("corp", 2, "users: ann bob", "admins:", "people: bob")
	expect(t, w.run())
	// Pending and old when the server was first seen.
	w = newWorld(t, "corp").has("pending", "eve").has("admin", "root").line("user", "people")
	w.read("corp", 1, "users: eve", "people: eve")
	if p := w.run(); w.role("eve") != "pending" || !told(p, run.KindSuspended, "eve") {
		t.Errorf("%v %v", show(p), texts(p))
	}
	// Pending because every new account is.
	w.fresh("new").read("corp", 2, "users: eve new", "people: eve new")
	expect(t, w.run(), "set_role new pending>user")
}

func TestOtherwisePendingTakesOnlyWhomNobodyCouldName(t *testing.T) {
	t.Parallel()
	start := func() *world {
		w := office(t)
		w.roles.Otherwise = "pending"
		w.has("user", "stranger")
		return w.read("corp", 1, "users: ann bob cid", "admins: ann", "people: bob")
	}
	w := start()
	expect(t, w.run(), "set_role cid user>pending", "set_role ann user>admin")
	if w.role("stranger") != "user" || w.role("root") != "admin" {
		t.Error("an account that belongs to nobody, or an administrator, was touched")
	}
	w.settled()
	w.read("corp", 2, "users: ann bob cid", "admins: ann", "people: bob cid")
	expect(t, w.run(), "set_role cid pending>user")
	for name, next := range map[string]func(*world){
		"never read": func(w *world) {
			w.line("user", "more").read("corp", 2, "users: ann bob cid", "admins: ann", "people: bob", "more?:")
		},
		"too old":              func(w *world) { w.now = at(3 * 24 * 60) },
		"a line finds nothing": func(w *world) { w.line("user", "nowhere") },
		"cid is missing":       func(w *world) { w.read("corp", 2, "users: ann bob", "admins: ann", "people: bob") },
		"protected":            func(w *world) { w.protect = []string{"cid@example.org"} },
	} {
		w := start()
		next(w)
		if w.run(); w.role("cid") != "user" {
			t.Errorf("%s: cid became %s", name, w.role("cid"))
		}
	}
}

func TestNobodyWhoMustStayIsDemoted(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*world){
		"protected": func(w *world) { w.protect = []string{"ann@example.org"} },
		"ourselves": func(w *world) { w.mem.Mirror.Self = "a-ann" },
	} {
		w := office(t).read("corp", 1, "users: ann", "admins: ann", "people:")
		w.run()
		set(w)
		w.read("corp", 2, "users: -ann", "admins:", "people:")
		t.Log(name)
		expect(t, w.run(), "set_role ann admin>pending explicit skipped protected")
	}
	w := newWorld(t, "corp").has("admin", "root", "two").linked("sign_in", "corp", "root").line("admin", "admins")
	w.read("corp", 1, "users: -root", "admins: root")
	expect(t, w.run(), "set_role root admin>pending explicit skipped protected") // the primary administrator
}

func TestTheLastAdministratorStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").has("user", "old", "ann", "bob").linked("sign_in", "corp", "ann", "bob").line("admin", "admins")
	w.read("corp", 1, "users: ann bob", "admins: ann bob")
	w.run()
	w.read("corp", 2, "users: ann bob", "admins:")
	expect(t, w.run(), "set_role ann admin>user left held last_admin", "set_role bob admin>user left held last_admin")
	h := w.hold(run.LastAdmin)
	w.approve(h.Hash)
	if w.run(); w.role("ann") != "admin" || w.role("bob") != "admin" || h.Approve != "" {
		t.Error("an approval let the last administrator go")
	}
	w.read("corp", 3, "users: ann bob", "admins: bob")
	expect(t, w.run(), "set_role ann admin>user left")
	if len(w.mem.Holds) != 0 {
		t.Errorf("held: %v", w.holds())
	}
}

func TestDemotionsAndNewAdministratorsAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").has("admin", "root").line("admin", "admins").line("user", "people")
	names, users := "", ""
	for i := range 8 {
		n := fmt.Sprintf("p%d", i)
		w.has("user", n).linked("sign_in", "corp", n)
		names += " " + n
	}
	w.limits.MaxNewAdmins, w.limits.MaxDemotions = plan.LimitCount(3), plan.LimitCount(2)
	w.read("corp", 1, "users:"+names, "admins: p0 p1 p2 p3", "people:"+users)
	p := w.run()
	if len(p.Changes) != 4 || w.hold(run.MaxNewAdmins).Keys == nil || w.role("p0") != "user" {
		t.Errorf("%v", show(p))
	}
	// A hold is not drained by runs of single people.
	n, _ := w.mem.Mirror.Number("a-p0")
	w.only = &plan.Only{Account: n}
	if w.run(); w.role("p0") != "user" {
		t.Error("a run of one person drained the hold")
	}
	w.only = nil
	w.approve(w.hold(run.MaxNewAdmins).Hash)
	if w.run(); w.role("p0") != "admin" || w.role("p3") != "admin" {
		t.Error("the approval let nobody through")
	}
	w.read("corp", 2, "users:"+names, "admins: p0 p1", "people:")
	w.run()
	if w.role("p3") != "user" {
		t.Error("two demotions are allowed")
	}
	w.read("corp", 3, "users:"+names, "admins: p0", "people:")
	if w.run(); w.role("p1") != "admin" || len(w.hold(run.MaxDemotions).Keys) != 1 {
		t.Errorf("p1 is %s, %v", w.role("p1"), w.holds())
	}
}

func TestChangedLinesAreHeld(t *testing.T) {
	t.Parallel()
	w := office(t).read("corp", 1, "users: ann bob", "admins: ann", "people: bob", "others:")
	w.run()
	w.accepted = w.rules
	w.rules = nil
	w.line("admin", "others").line("user", "people")
	p := w.run()
	expect(t, p, "set_role ann admin>user unruled held unruled")
	w.approve(w.hold(run.Unruled).Hash)
	w.run()
	if w.role("ann") != "user" {
		t.Error("the approval let nobody through")
	}
}

func TestNestedMembersAreNoAdministrators(t *testing.T) {
	t.Parallel()
	for _, direct := range []bool{true, false} {
		w := newWorld(t, "corp").has("admin", "root").has("user", "ann", "bob")
		w.line("admin", "admins", func(s *mapping.Spec) { s.Direct = direct })
		s := snapshot(1, "users: ann bob", "admins: ann", "inner: bob")
		s.Groups[0].Children = []uint32{1}
		s.Close(true)
		w.source("corp").Replica, _ = w.source("corp").Replica.Merge(s, 0)
		w.now = at(1)
		want := []string{"set_role ann user>admin"}
		if !direct {
			want = append(want, "set_role bob user>admin")
		}
		expect(t, w.run(), want...)
		w.settled()
	}
}

func TestAccountsAreMadeForWhomIsWantedOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp")
	w.roles = &plan.AccountRules{Create: "user", Disabled: "pending"}
	w.rule("all", "ai-*").has("admin", "root")
	w.sources[0].Domains = []string{"example.org"}
	w.read("corp", 1, "users: ann bob out=out@other.org two=same@example.org three=same@example.org -dis", "ai-x: ann out two three dis")
	p := w.run()
	expect(t, p, "create_account ann@example.org ann@example.org", "create_group ai-x")
	expect(t, w.run(), "add_member ai-x ann")
	w.settled()
	if by := w.mem.People; by.Len() != 1 {
		t.Error("the account is linked to nobody")
	}
	// Deleted by hand: it is not made again.
	w.without("ann")
	expect(t, w.run())
}
