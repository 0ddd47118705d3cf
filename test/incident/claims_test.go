package incident

import (
	"context"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers/ldap"
	"groupsyncd/providers/ldap/ldaptest"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/run"
)

// tokens is a source whose look-ups answer with what a token says.
type tokens struct {
	*enginetest.Source
	token func() *directory.Snapshot
}

func (s *tokens) LookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	if s.token != nil {
		return s.token(), nil
	}
	return s.Source.LookUp(ctx, who)
}

// tokens adds such a source.
func (o *office) tokens(name string) *tokens {
	s := &tokens{Source: enginetest.NewSource(enginetest.NewDirectory(o.clock), o.clock)}
	o.source(name, s)
	return s
}

// A PATCH without the key of the members emptied the group (langwatch#7131, PR 7136; its
// reviewer also warns of the silent opposite). Here an attribute that is not shown is no
// empty list: not in a group that was not covered, and not when the account of the reader
// loses the right to see members. An empty list that is covered counts.
func TestIncident09AbsentIsNotEmpty(t *testing.T) {
	t.Parallel()
	o := found(t)
	server, _ := o.ldap(func(c *ldap.Config, _ *ldaptest.Options) { c.Groups.Filter = "(objectClass=groupOfNames)" })
	mandatory := func(e ldaptest.Entry) ldaptest.Entry {
		e.Attributes["objectClass"] = []string{"groupOfNames"}
		return e
	}
	o.add(server, append(o.enter("ann", "bob"), mandatory(team("eng", "ann", "bob")), mandatory(team("ops", "ann")))...)
	o.run()
	for _, name := range []string{"eng", "ops"} {
		o.must(server.Modify(groupDN(name), "member"))
	}
	o.steady("eng", "ann", "bob")
	o.has("ops", "ann")
	o.exit(run.ExitSource)
	o.must(server.AddValues(groupDN("eng"), "member", userDN("ann")))
	o.must(server.AddValues(groupDN("ops"), "member", "cn=nobody"))
	o.run()
	o.has("eng", "ann")
	o.has("ops")
}

// Whoever left their last group kept everything, because the claim was absent from the
// token then, and absent was read as "no change"; read as "no groups" it takes everything
// from everybody whose token has none (open-webui#7102, PR 12467). Here a token without the
// claim proves nothing about groups, and a claim that is there and empty takes them away.
func TestIncident12ClaimAbsentOrEmpty(t *testing.T) {
	t.Parallel()
	o := found(t)
	oidc := o.tokens("oidc")
	o.hire(oidc.Source, "ann", "bob")
	staff(oidc.Source, "eng", "ann", "bob")
	o.run()
	ann := directory.User{ID: "u-ann", Username: "ann", Email: mail("ann"), StatusKnown: true}
	oidc.token = func() *directory.Snapshot {
		return &directory.Snapshot{AsOf: o.clock.Now(), Users: []directory.User{ann}, Reason: "the token has no groups claim"}
	}
	o.quiet(o.login("ann"))
	o.has("eng", "ann", "bob")
	oidc.token = func() *directory.Snapshot {
		u := ann
		u.GroupsKnown = true
		return &directory.Snapshot{AsOf: o.clock.Now(), Users: []directory.User{u}}
	}
	if tr := o.login("ann"); tr.Summary.MembersRemoved != 1 {
		t.Errorf("an empty claim: %+v", tr.Summary)
	}
	o.has("eng", "bob")
}

// Somebody in too many groups had none in the token, and was locked out; a fallback gave
// ids in the place of names (teleport#69776, mcp-gateway-registry#929). Here an answer that
// covers nothing changes nothing: no membership, and no name either.
func TestIncident18TooManyGroupsForTheToken(t *testing.T) {
	t.Parallel()
	o := found(t)
	entra := o.tokens("entra")
	o.hire(entra.Source, "ann")
	staff(entra.Source, "eng", "ann")
	o.run()
	id := o.group("eng")
	entra.token = func() *directory.Snapshot {
		return &directory.Snapshot{AsOf: o.clock.Now(), Reason: "the token names no groups, there are too many (_claim_names)",
			Users:  []directory.User{{ID: "u-ann", Username: "ann", Email: mail("ann")}},
			Groups: []directory.Group{{ID: "g-eng", Name: "7a1e3c52-overage", Direct: []uint32{0}, Members: []uint32{0}}}}
	}
	o.quiet(o.login("ann"))
	if r := o.last.Sources[0]; r.Coverage != string(directory.None) || r.Reason == "" {
		t.Errorf("the report says %+v", r)
	}
	entra.Next.Fails = true // the names are not read again
	o.quiet(o.run())
	o.has("eng", "ann")
	if o.web.Name(id) != "eng" {
		t.Errorf("the group is named %q now", o.web.Name(id))
	}
}

// Login code put people into groups and the periodic code took them out again, because it
// looked below another base and at another attribute (centreon PR 7964, opnsense#3999).
// Here sign-in, schedule and command see the same, nested groups included: whichever comes
// first, the next has nothing to do.
func TestIncident25LoginAndScheduleDisagree(t *testing.T) {
	t.Parallel()
	ways := map[string]func(*office) *run.TargetReport{
		"login":    func(o *office) *run.TargetReport { return o.login("ann") },
		"schedule": func(o *office) *run.TargetReport { return o.run() },
		"command": func(o *office) *run.TargetReport {
			return o.ask(o.t.Context(), run.Request{Trigger: run.Manual, User: mail("ann")})
		},
	}
	for name, first := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := found(t)
			server, _ := o.ldap(nil)
			all := team("all", "bob")
			all.Attributes["member"] = append(all.Attributes["member"], groupDN("eng"))
			o.add(server, append(o.enter("ann", "bob"), team("eng", "bob"), team("ops", "ann"), all)...)
			o.run()
			o.must(server.AddValues(groupDN("eng"), "member", userDN("ann")))
			o.must(server.RemoveValues(groupDN("ops"), "member", userDN("ann")))
			if tr := first(o); tr.Summary.MembersAdded != 2 || tr.Summary.MembersRemoved != 1 {
				t.Errorf("%s: %+v", name, tr.Changes)
			}
			o.has("eng", "ann", "bob")
			o.has("all", "ann", "bob")
			o.has("ops")
			for next, again := range ways {
				if tr := again(o); len(tr.Changes) != 0 {
					t.Errorf("%s after %s: %+v", next, name, tr.Changes)
				}
			}
		})
	}
}

// The secret of the application expired after a year, and the sync was dead; others took
// the refusal for an empty directory (OfficeDev company-communicator#579,
// cristianoag/microsoft-teams-apps-company-communicator#76). Here a refused credential
// proves nothing; it is told once, with what to do, and not tried over and over; and the
// renewed one is used without a restart.
func TestIncident30SecretExpired(t *testing.T) {
	t.Parallel()
	o := found(t)
	o.health = o.store
	path := t.TempDir() + "/password"
	server, _ := o.ldap(func(c *ldap.Config, _ *ldaptest.Options) { c.Bind.Password = keep(t, path, password) })
	o.add(server, append(o.enter("ann", "bob"), team("eng", "ann", "bob"))...)
	o.run()
	keep(t, path, "expired")
	before, _ := server.Counts()
	told := 0
	for range 10 {
		tr := o.run()
		o.has("eng", "ann", "bob")
		o.exit(run.ExitSource)
		if tr.Summary.MembersRemoved+tr.Summary.Held != 0 || len(tr.Holds) != 0 {
			t.Errorf("somebody loses something: %+v, holds %+v", tr.Changes, tr.Holds)
		}
		for _, n := range o.last.Notices {
			if n.Kind == run.NoticeQuarantined && n.Hint != "" {
				told++
			}
		}
	}
	if tries, _ := server.Counts(); tries-before != 1 || told != 1 {
		t.Errorf("tried %d times and told %d times within ten minutes", tries-before, told)
	}
	o.steady("eng", "ann", "bob")
	keep(t, path, password)
	o.must(server.RemoveValues(groupDN("eng"), "member", userDN("bob")))
	o.ask(t.Context(), run.Request{Trigger: run.Manual})
	o.has("eng", "ann")
	o.exit(run.ExitOK)
	// The key of the target expires as well.
	o.web.Down = fault.Errorf(fault.Auth, "read groups", "target chat", "401")
	o.later(time.Hour)
	o.run()
	o.exit(run.ExitTarget)
	o.has("eng", "ann")
}

// A renamed unit, or an edited filter, staged the deletion of everybody who was outside of
// it now (Microsoft Entra Connect manual, prevent accidental deletes). Here a changed base
// or filter is known as such, and what would be lost by it waits for a person.
func TestIncident33FilterOrBaseChanged(t *testing.T) {
	t.Parallel()
	o := found(t)
	server, corp := o.ldap(nil)
	o.add(server, append(o.enter("ann", "bob"), team("eng", "ann", "bob"), team("ops", "ann"))...)
	o.run()
	o.config.Groups.Filter = "(&(objectClass=groupOfMembers)(cn=ops))"
	o.open(corp)
	o.reload()
	for range 4 {
		o.later(time.Hour)
		o.run()
		o.held(run.SourceChanged)
	}
	o.has("eng", "ann", "bob")
	o.has("ops", "ann")
	o.exit(run.ExitHeld)
	o.approve(run.SourceChanged)
	o.run()
	o.run()
	o.has("eng")
	o.has("ops", "ann")
	o.held()
}
