package incident

import (
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/run"
	"groupsyncd/target/openwebui/openwebuitest"
)

// The sync deleted groups that another system had made (awslabs/ssosync#88, PR 105). Here
// only what we gave is ours to take: groups and members of others stay, also inside a
// group that we fill.
func TestIncident03GroupsOfAnotherSystem(t *testing.T) {
	t.Parallel()
	o := found(t)
	corp := o.directory("corp")
	o.hire(corp, "ann", "bob")
	o.signUp("guest", mail("guest"))
	partners, eng := o.web.Make("partners"), o.web.Make("eng")
	o.web.Put(partners, "bob")
	o.web.Put(partners, "guest")
	o.web.Put(eng, "guest")
	staff(corp, "eng", "ann")
	o.run()
	o.has("eng", "ann", "guest")
	o.quiet(o.run())
	staff(corp, "eng")
	o.run()
	o.steady("eng", "guest")
	o.has("partners", "bob", "guest")
	for _, e := range o.web.Effects {
		if e.Group == partners || e.Account == "guest" {
			t.Errorf("a call touched what is not ours: %+v", e)
		}
	}
}

// Syncs deleted or took over groups that were none of their business, because they compared
// everything there was (casdoor#5562, metabase#7571, open-webui#12392). Here only groups that
// a rule names are looked at, and a group of the same name that the rule may not take over
// is left alone, with a problem.
func TestIncident11GroupsThatAreNotManaged(t *testing.T) {
	t.Parallel()
	o := found(t, func(s *mapping.Spec) { s.Match.Names, s.Adopt = []string{"eng*"}, []string{"never"} })
	corp := o.directory("corp")
	o.hire(corp, "ann", "bob")
	o.signUp("guest", mail("guest"))
	staff(corp, "eng", "ann")
	staff(corp, "eng-new", "ann")
	staff(corp, "ops", "ann")
	for _, name := range []string{"eng", "ops", "wiki"} {
		o.web.Put(o.web.Make(name), "guest")
	}
	for range 2 {
		o.told(o.run(), run.KindCollision)
	}
	for _, name := range []string{"eng", "ops", "wiki"} {
		o.has(name, "guest")
	}
	o.has("eng-new", "ann")
	corp.Directory.RemoveGroup("g-ops")
	corp.Directory.RemoveGroup("g-eng")
	for _, name := range []string{"eng", "ops", "wiki"} {
		o.steady(name, "guest")
	}
}

// A mapping of roles demoted the administrator (open-webui#13418). Here the account of our
// key and those on the protect list lose nothing, and no call that we make can change a
// role.
func TestIncident13AdministratorDemoted(t *testing.T) {
	t.Parallel()
	o := found(t)
	chat := o.chat()
	o.setup.Targets[0].Protect = []string{mail("boss")}
	corp := o.directory("corp")
	o.hire(corp, "ann", "boss")
	corp.Directory.SetUser(directory.User{ID: "u-admin", Username: "admin", Email: "admin@example.org"})
	chat.SetRole("boss", "admin")
	staff(corp, "eng", "ann", "boss", "admin")
	o.run()
	o.has("eng", chat.Admin, "ann", "boss")
	staff(corp, "eng")
	for range 3 {
		o.later(time.Hour)
		o.run()
	}
	for _, h := range o.engine.Holds() {
		o.approve(h.Check)
	}
	o.run()
	o.has("eng", chat.Admin, "boss")
	for _, a := range chat.Accounts() {
		if admin := a.ID == chat.Admin || a.ID == "boss"; admin != (a.Role == "admin") {
			t.Errorf("%s is %s now", a.Email, a.Role)
		}
	}
	if i := slices.IndexFunc(chat.Log(), func(r openwebuitest.Request) bool {
		return r.Method != "GET" && !strings.HasPrefix(r.Path, "/api/v1/groups/")
	}); i >= 0 {
		t.Errorf("a call wrote elsewhere than in groups: %+v", chat.Log()[i])
	}
}

// A sync compared all users with those of one source, and deleted all others
// (sawtooth-next-directory#271, jumpserver PR 12471). Here every record names its source:
// what one source shows says nothing about the people of another, also where both number
// their people alike.
func TestIncident26ComparedWithAnotherSource(t *testing.T) {
	t.Parallel()
	o := found(t)
	corp, eu := o.directory("corp"), o.directory("eu")
	for i, p := range []string{"ann", "bob"} {
		o.signUp(p, mail(p))
		corp.Directory.SetUser(directory.User{ID: string(rune('1' + i)), Email: mail(p)})
	}
	for i, p := range []string{"cid", "dan"} {
		o.signUp(p, mail(p))
		eu.Directory.SetUser(directory.User{ID: string(rune('1' + i)), Email: mail(p)})
	}
	both := map[string]bool{"1": true, "2": true}
	corp.Directory.SetGroup(group("eng", both))
	eu.Directory.SetGroup(group("sales", both))
	o.run()
	o.has("eng", "ann", "bob")
	o.has("sales", "cid", "dan")
	o.quiet(o.run())
	// A complete read of one source alone, in which somebody is missing.
	eu.Directory.SetGroup(group("sales", map[string]bool{"2": true}))
	eu.Directory.RemoveUser("1")
	for range 3 {
		o.later(time.Hour)
		o.ask(t.Context(), run.Request{Trigger: run.Schedule, Source: "eu"})
	}
	o.has("eng", "ann", "bob")
	o.has("sales", "cid", "dan") // the other source could grant it, and was not asked since
	o.run()
	o.has("eng", "ann", "bob")
	o.has("sales", "dan")
}

// The first sync suspended everybody whom the directory did not know (1Password, SCIM best
// practices, Google Workspace). Here a first run takes nobody out: members who are there
// already are not ours, and where a rule says that a group takes only whom the directory
// names, the first removal waits for a person.
func TestIncident34FirstSyncSuspendedStrangers(t *testing.T) {
	t.Parallel()
	o := found(t, func(s *mapping.Spec) { s.Match.Names = []string{"eng"} })
	o.rule("strict", func(s *mapping.Spec) { s.Match.Names, s.Members = []string{"ops"}, "exact" })
	corp := o.directory("corp")
	o.hire(corp, "ann", "bob")
	for _, p := range []string{"xan", "yan"} {
		o.signUp(p, mail(p))
	}
	for _, name := range []string{"eng", "ops"} {
		id := o.web.Make(name)
		for _, p := range []string{"ann", "xan", "yan"} {
			o.web.Put(id, p)
		}
		staff(corp, name, "ann", "bob")
	}
	for range 3 {
		o.run()
		o.has("eng", "ann", "bob", "xan", "yan")
		o.has("ops", "ann", "bob", "xan", "yan")
		o.held(run.Exact)
		o.later(time.Hour)
	}
	o.approve(run.Exact)
	o.run()
	o.has("eng", "ann", "bob", "xan", "yan")
	o.has("ops", "ann", "bob")
}
