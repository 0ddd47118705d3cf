package incident

import (
	"slices"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/run"
)

// group makes a directory group whose id is its name, with members by their ids.
func group(name string, members map[string]bool) enginetest.TrueGroup {
	return enginetest.TrueGroup{ID: name, Name: name, Members: members}
}

// A renamed group became a deletion and a creation, and what was shared with it was lost
// (bitwarden/directory-connector#397). Here the key is an id that the directory never
// changes: the group is renamed, and nobody leaves it for a moment.
func TestIncident19RenameBecameDeleteAndCreate(t *testing.T) {
	t.Parallel()
	o := found(t)
	server, _ := o.ldap(nil)
	o.add(server, append(o.enter("ann", "bob"), team("eng", "ann", "bob"))...)
	o.run()
	id := o.group("eng")
	o.must(server.Rename(groupDN("eng"), groupDN("engineering")))
	o.must(server.Modify(groupDN("engineering"), "cn", "engineering"))
	o.run()
	o.steady("engineering", "ann", "bob")
	if o.group("engineering") != id || len(o.web.Groups()) != 1 {
		t.Errorf("group %s is %s now, of %d", id, o.group("engineering"), len(o.web.Groups()))
	}
	if slices.ContainsFunc(o.web.Effects, func(e enginetest.Effect) bool { return e.Op == run.RemoveMember }) {
		t.Error("somebody was out for a moment")
	}
}

// The user name was the key: a marriage made a second person, and the first empty id was
// overwritten by all others without one (osiris#213, snipe-it#6714). Here people are known
// by their id whatever else changes, and an entry without one makes the list uncovered.
func TestIncident20UserNameAsKey(t *testing.T) {
	t.Parallel()
	o := found(t)
	server, _ := o.ldap(nil)
	o.add(server, append(o.enter("ann", "bob"), team("eng", "ann", "bob"))...)
	o.run()
	o.must(server.Rename(userDN("ann"), userDN("ann-lee")))
	o.must(server.Modify(userDN("ann-lee"), "uid", "ann-lee"))
	o.must(server.Modify(userDN("ann-lee"), "mail", mail("ann.lee")))
	o.must(server.RemoveValues(groupDN("eng"), "member", userDN("ann")))
	o.must(server.AddValues(groupDN("eng"), "member", userDN("ann-lee")))
	o.steady("eng", "ann", "bob")
	if tr := o.run(); tr.Summary.Unchanged != 2 || tr.Summary.Pending != 0 {
		t.Errorf("after the marriage: %+v", tr.Summary)
	}
	o.exit(run.ExitOK)
	for _, value := range []string{"", " "} {
		o.must(server.Modify(userDN("bob"), "entryUUID", value))
		o.steady("eng", "ann", "bob")
		o.exit(run.ExitSource)
	}
}

// Somebody new got the mail address of somebody who had left, and with it the account, or
// both became one (keycloak#39345, #19056, synapse#9437). Here a pair of person and account
// is never guessed again, and an address that somebody else of the source has, or had in the
// last 90 days, matches nobody: a conflict for a person to settle.
func TestIncident22RecycledMail(t *testing.T) {
	t.Parallel()
	o := found(t)
	corp := o.directory("corp")
	o.hire(corp, "ann", "bob")
	staff(corp, "eng", "ann")
	staff(corp, "ops", "new")
	o.run()
	// ann is still there under another address; her account is hers.
	corp.Directory.SetUser(directory.User{ID: "u-ann", Username: "ann", Email: mail("ann.lee")})
	corp.Directory.SetUser(directory.User{ID: "u-new", Username: "new", Email: mail("ann")})
	o.told(o.run(), run.KindConflict)
	o.has("ops")
	o.has("eng", "ann")
	// cid never had an account, and has been gone for a month when somebody else signs up
	// with the address.
	corp.Directory.SetUser(directory.User{ID: "u-cid", Email: mail("cid")})
	o.run()
	corp.Directory.RemoveUser("u-cid")
	o.run()
	o.later(30 * 24 * time.Hour)
	o.run()
	corp.Directory.SetUser(directory.User{ID: "u-heir", Email: mail("cid")})
	staff(corp, "qa", "heir")
	o.signUp("cid", mail("cid"))
	o.told(o.run(), run.KindConflict)
	o.has("qa")
	// Another two months later the address is free.
	o.later(61 * 24 * time.Hour)
	o.run()
	o.has("qa", "cid")
}

// People were matched by the part before the @, and one overwrote another (zammad#1233).
// Here the whole address counts, and it must be unique on both sides.
func TestIncident23MatchedByLocalPart(t *testing.T) {
	t.Parallel()
	o := found(t)
	corp := o.directory("corp")
	o.signUp("ann", "ann@x.org")
	o.signUp("bob1", "bob@x.org")
	o.signUp("bob2", "BOB@x.org")
	corp.Directory.SetUser(directory.User{ID: "1", Email: "ann@other.org"})
	corp.Directory.SetUser(directory.User{ID: "2", Email: "bob@x.org"})
	corp.Directory.SetGroup(group("eng", map[string]bool{"1": true, "2": true}))
	tr := o.run()
	o.has("eng")
	o.told(tr, run.KindUnmatched)
	if tr.Summary.Pending != 1 {
		t.Errorf("%d people wait for an account", tr.Summary.Pending)
	}
}

// Addresses that differed in case matched nobody, made duplicates, or were tried for ever
// (o365-moodle#1356, adobe user-sync.py#649, owncloud/user_ldap#499). Here there is one
// rule: ASCII without regard to case, everything else byte for byte, on both sides, and the
// same for the DNs of members.
func TestIncident24CaseOfAddresses(t *testing.T) {
	t.Parallel()
	o := found(t)
	server, _ := o.ldap(nil)
	e := person("ann")
	e.Attributes["mail"] = []string{"Ann.Lee@X.ORG"}
	eng := team("eng", "turk")
	eng.Attributes["member"] = append(eng.Attributes["member"], "UID=Ann, OU=People,DC=Example,DC=Test")
	turk := person("turk")
	turk.Attributes["mail"] = []string{"adm\u0131n@x.org"}
	o.add(server, e, turk, eng)
	o.signUp("ann", "ann.lee@x.org")
	o.signUp("admin", "admin@x.org")
	o.run()
	o.has("eng", "ann")
	o.quiet(o.run())
}

// Somebody's account was deleted and made again; it never matched, and stayed without
// groups in silence (support.mattermost.com, request 49208119410324). Here the end of the
// link is told, the new account is matched, and who has no account is counted.
func TestIncident27AccountMadeAgain(t *testing.T) {
	t.Parallel()
	o := found(t)
	corp := o.directory("corp")
	o.hire(corp, "ann", "bob", "cid")
	staff(corp, "eng", "ann", "bob", "cid")
	o.run()
	o.web.DeleteAccount("ann")
	tr := o.run()
	o.told(tr, run.KindUnmatched)
	if tr.Summary.Pending != 1 {
		t.Errorf("%d people wait for an account", tr.Summary.Pending)
	}
	o.has("eng", "bob", "cid")
	o.signUp("ann-again", mail("ann"))
	o.run()
	o.has("eng", "ann-again", "bob", "cid")
}
