package plan_test

import (
	"slices"
	"testing"

	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// Whoever moves from one line to another keeps a role for as long as the other line cannot be read.
func TestAnUnreadLineKeepsWhomAnotherLineLetsGo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, was, lost, want string }{
		{"from users to administrators", "people: dan", "admins?:", "user"},
		{"from administrators to users", "admins: dan", "people?:", "user"},
	} {
		other := map[string]string{"admins?:": "admins:", "people?:": "people:"}[c.lost]
		left := map[string]string{"people: dan": "people:", "admins: dan": "admins:"}[c.was]
		w := office(t).fresh("dan").read("corp", 1, "users: ann dan", c.was, other)
		w.run()
		w.settled()
		w.read("corp", 3*24*60, "users: ann dan", left, c.lost) // the other group was not read for longer than max_age
		w.run()
		if got := w.role("dan"); got != c.want {
			t.Errorf("%s: dan is %s, want %s", c.name, got, c.want)
		}
		w.settled()
		w.read("corp", 3*24*60+1, "users: ann dan", "admins:", "people:")
		if w.run(); w.role("dan") != "pending" {
			t.Errorf("%s: dan is %s, and no line names them any more", c.name, w.role("dan"))
		}
		w.settled()
	}
}

// What is held about somebody whom no line names stays held while the lines cannot be read.
func TestAHeldOtherwiseOutlivesASourceThatIsNotRead(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(*world){
		"too old":        func(w *world) { w.now = at(3 * 24 * 60) },
		"cid is missing": func(w *world) { w.read("corp", 2, "users: ann bob", "admins: ann", "people: bob") },
		"a line is cut": func(w *world) {
			w.read("corp", 3*24*60, "users: ann bob cid", "admins: ann", "people?: bob")
		},
	} {
		w := office(t)
		w.roles.Otherwise, w.limits.MaxDemotions = "pending", plan.LimitCount(0)
		w.read("corp", 1, "users: ann bob cid", "admins: ann", "people: bob").run()
		next(w)
		w.run()
		w.limits.MaxDemotions = plan.LimitOff()
		w.read("corp", 4*24*60, "users: ann bob cid", "admins: ann", "people: bob")
		if w.run(); w.role("cid") != "user" || len(w.hold(run.MaxDemotions).Keys) != 1 {
			t.Errorf("%s: cid is %s, held: %v", name, w.role("cid"), w.holds())
		}
	}
	// It ends when a line names them.
	w := office(t)
	w.roles.Otherwise, w.limits.MaxDemotions = "pending", plan.LimitCount(0)
	w.read("corp", 1, "users: cid", "admins:", "people:").run()
	w.read("corp", 2, "users: cid", "admins:", "people: cid").run()
	if len(w.mem.Holds) > 0 {
		t.Errorf("held: %v", w.holds())
	}
}

// A line may name the same person in another source, under a name that leads to no account.
func TestOtherwiseTakesNobodyWhoMayBeNamedElsewhere(t *testing.T) {
	t.Parallel()
	for people, want := range map[string]string{"people: h7": "user", "people:": "pending"} {
		w := newWorld(t, "corp", "hr").has("admin", "root").has("user", "ann").linked("sign_in", "corp", "ann").line("user", "people")
		w.roles.Authority, w.roles.Otherwise = []string{"corp", "hr"}, "pending"
		w.read("corp", 1, "users: ann", "g:").read("hr", 1, "users: h7=", people).run()
		if got := w.role("ann"); got != want {
			t.Errorf("%s: ann is %s, want %s", people, got, want)
		}
	}
}

// A look-up shows that somebody is in a group and not how: before the group itself was read, they
// may be in it through another one, and that makes nobody administrator.
func TestALookUpAloneMakesNobodyAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").has("admin", "root").has("user", "bob").linked("sign_in", "corp", "bob").line("admin", "admins")
	n, _ := w.mem.Mirror.Number("a-bob")
	w.only = &plan.Only{Account: n}
	w.lookUp("corp", 1, "bob", "admins")
	expect(t, w.run())
	w.only = nil
	w.read("corp", 2, "users: bob", "admins: bob")
	expect(t, w.run(), "set_role bob user>admin")
	w.settled()
	w.only = &plan.Only{Account: n} // a group that has no groups in it
	w.has("user", "bob").lookUp("corp", 3, "bob", "admins")
	expect(t, w.run(), "set_role bob user>admin")
	// Single people are all that such a source has.
	w = newWorld(t, "idp").has("admin", "root").has("user", "bob").linked("sign_in", "idp", "bob").line("admin", "admins")
	w.roles.Disabled, w.roles.Gone, w.sources[0].Single, w.sources[0].Provider = "keep", "keep", true, "oidc"
	w.lookUp("idp", 1, "bob", "admins")
	expect(t, w.run(), "set_role bob user>admin")
}

// An administrator by hand whom a line of users names too comes back as administrator.
func TestAnAdministratorByHandComesBackAsOne(t *testing.T) {
	t.Parallel()
	w := office(t)
	w.has("admin", "boss").linked("manual", "corp", "boss")
	w.read("corp", 1, "users: ann boss", "admins:", "people: ann boss")
	w.run()
	w.settled()
	w.read("corp", 2, "users: ann -boss", "admins:", "people: ann boss")
	expect(t, w.run(), "set_role boss admin>pending explicit")
	w.settled()
	w.read("corp", 3, "users: ann boss", "admins:", "people: ann boss")
	expect(t, w.run(), "set_role boss pending>admin")
	w.settled()
}

// restored accepts a server on which accounts have the roles of an earlier time.
func (w *world) restored(minute int, roles map[string]string) *world {
	accounts := slices.Clone(w.mem.Mirror.Accounts())
	for i := range accounts {
		if role := roles[accounts[i].ID]; role != "" {
			accounts[i].Role = role
		}
	}
	w.now = at(minute)
	w.mem.Accept(&plan.Observation{Accounts: accounts, AllAccounts: true, Groups: w.groups(), At: w.now})
	return w
}

// On a restored server nobody was suspended by hand who has not got their role yet, and a role that
// we took is ours to take again.
func TestRolesOfARestoredServer(t *testing.T) {
	t.Parallel()
	w := office(t).fresh("dan", "eve").read("corp", 1, "users: ann bob dan eve", "admins: ann", "people: bob dan eve")
	w.run()
	feeds := w.mem.Owned[plan.RoleGroup("admin")].Feeds
	w.has("pending", "eve") // by hand, before the backup is taken
	w.read("corp", 2, "users: ann bob dan eve", "admins:", "people: bob dan eve")
	n, _ := w.mem.Mirror.Number("a-ann")
	w.mem.Tombstones = append(w.mem.Tombstones, plan.Tombstone{At: w.now, Group: plan.RoleGroup("admin"), Account: "a-ann", Feed: feeds[0].Key})
	expect(t, w.run(), "set_role ann admin>user left")
	w.settled()
	w.restored(3*24*60, map[string]string{"a-ann": "admin", "a-dan": "pending"})
	if w.mem.Mirror.Account(n).Role != "admin" {
		t.Fatal("not restored")
	}
	w.read("corp", 3*24*60+1, "users: ann bob dan eve", "admins:", "people: bob dan eve")
	p := w.run()
	expect(t, p, "set_role ann admin>user left", "set_role dan pending>user")
	if w.role("eve") != "pending" || !told(p, run.KindSuspended, "eve@example.org") {
		t.Errorf("eve is %s", w.role("eve"))
	}
	w.settled()
}

// Undoing a suspension gives the role back as it was: later it ends where it would have ended.
func TestAnUndoneSuspensionForgetsNothing(t *testing.T) {
	t.Parallel()
	w := office(t).read("corp", 1, "users: ann bob", "admins: ann", "people:")
	w.run()
	feeds := w.mem.Owned[plan.RoleGroup("admin")].Feeds
	w.read("corp", 2, "users: -ann bob", "admins: ann", "people:")
	p, r := w.runAs("two")
	expect(t, p, "set_role ann admin>pending explicit")
	w.mem.Tombstones = append(w.mem.Tombstones, plan.Tombstone{At: w.now, Group: plan.RoleGroup("admin"), Account: "a-ann", Feed: feeds[0].Key})
	p, _ = w.minute(3).revert("three", r)
	expect(t, p, "set_role ann pending>admin")
	w.read("corp", 4, "users: ann bob", "admins: ann", "people:").run()
	w.read("corp", 5, "users: ann bob", "admins:", "people:")
	expect(t, w.run(), "set_role ann admin>user left")
}

// New administrators that are held stay held while nobody can tell, so that runs of one person each
// do not let them through one by one.
func TestHeldAdministratorsOutliveASourceThatIsNotRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").has("admin", "root").has("user", "ann", "bob").has("admin", "boss").line("admin", "admins").linked("manual", "corp", "ann", "bob", "boss")
	w.limits.MaxNewAdmins = plan.LimitCount(0)
	w.read("corp", 1, "users: ann bob -boss", "admins: ann bob").run()
	w.read("corp", 2, "users: ann bob boss", "admins: ann bob").run()
	if n := len(w.hold(run.MaxNewAdmins).Keys); n != 3 {
		t.Fatalf("%d are held", n)
	}
	w.now = at(3 * 24 * 60)
	w.run()
	w.limits.MaxNewAdmins = plan.LimitCount(1)
	n, _ := w.mem.Mirror.Number("a-ann")
	w.only = &plan.Only{Account: n}
	w.lookUp("corp", 3*24*60+1, "ann", "admins")
	if w.run(); w.role("ann") != "user" || len(w.hold(run.MaxNewAdmins).Keys) != 3 {
		t.Errorf("ann is %s, held: %v", w.role("ann"), w.holds())
	}
	w.only = nil
	w.read("corp", 3*24*60+2, "users: ann bob boss", "admins:").run()
	if n := len(w.hold(run.MaxNewAdmins).Keys); n != 1 {
		t.Errorf("%d are held, only boss was administrator before", n)
	}
}

// An administrator by hand whom a line of users let go and one of administrators names is adopted
// once.
func TestWhoMovesToTheAdministratorsIsAdoptedOnce(t *testing.T) {
	t.Parallel()
	w := office(t).read("corp", 1, "users: ann bob", "admins:", "people: bob")
	w.run()
	w.has("admin", "bob").read("corp", 2, "users: ann bob", "admins: bob", "people:")
	expect(t, w.run(), "set_role bob admin>admin")
	w.settled()
}

// Of a deciding source that was never read nobody knows whom it would show.
func TestADecidingSourceThatWasNeverReadSuspendsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp", "hr").has("admin", "root").has("user", "ann").linked("sign_in", "corp", "ann").line("user", "people")
	w.roles.Authority = []string{"corp", "hr"}
	w.read("corp", 1, "users: -ann", "people:").read("hr", 1, "users?:")
	if w.run(); w.role("ann") != "user" {
		t.Errorf("ann is %s, and hr was never read", w.role("ann"))
	}
	w.read("hr", 2, "users: ann", "g:")
	if w.run(); w.role("ann") != "user" {
		t.Errorf("ann is %s, and hr says that they are enabled", w.role("ann"))
	}
	w.read("hr", 3, "users: -ann", "g:")
	expect(t, w.run(), "set_role ann user>pending explicit")
}
