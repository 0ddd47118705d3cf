package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"groupsyncd/providers/ldap/ldaptest"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

const (
	suffix    = "dc=example,dc=org"
	usersBase = "ou=people," + suffix
	groups    = "ou=groups," + suffix
	bindDN    = "cn=sync," + suffix
	salesDN   = "cn=Sales," + groups
	password  = "canary-ldap-password"
)

func personDN(name string) string { return "uid=" + name + "," + usersBase }

// county is a town whose people are in an LDAP server.
type county struct {
	*town
	server *ldaptest.Server
	url    string
}

func newCounty(t *testing.T, changes ldaptest.Changes) *county {
	t.Helper()
	w := &county{town: newTown(t)}
	w.server = ldaptest.New(ldaptest.Options{BindDN: bindDN, Password: password, Changes: changes})
	t.Cleanup(func() {
		if err := w.server.Close(); err != nil {
			t.Error(err)
		}
	})
	var entries []ldaptest.Entry
	for _, ou := range []string{suffix, usersBase, groups} {
		entries = append(entries, ldaptest.Entry{DN: ou, Attributes: map[string][]string{"objectClass": {"organizationalUnit"}}})
	}
	names := strings.Split(strings.Trim(members, "[]"), ", ")
	for i, name := range names {
		entries = append(entries, ldaptest.Entry{DN: personDN(name), Attributes: map[string][]string{"objectClass": {"inetOrgPerson"}, "uid": {name}, "cn": {name},
			"mail": {name + "@example.org"}, "entryUUID": {fmt.Sprintf("00000000-0000-4000-8000-%012x", i+1)}}})
	}
	entries = append(entries, ldaptest.Entry{DN: salesDN, Attributes: map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"Sales"},
		"entryUUID": {"00000000-0000-4000-8000-0000000000aa"}, "member": {personDN("ana"), personDN("bo"), personDN("chloe")}}})
	must(t, w.server.Add(entries...))
	var err error
	w.url, err = w.server.Start("127.0.0.1:0")
	must(t, err)
	w.write("ldap-password", password)
	w.point("auto")
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// point writes the configuration.
func (w *county) point(changes string) {
	w.Helper()
	w.write("groupsyncd.yaml", fmt.Sprintf(`state: state
sources:
  corp:
    type: ldap
    url: %q
    bind: {dn: %q, password: file:ldap-password}
    layout: rfc2307bis
    users: {base: %q}
    groups: {base: %q}
    schedule: every 24h
    changes: %s
targets:
  chat: {type: openwebui, url: %q, api_key: file:key}
rules:
  - {name: all, match: "*"}
server: {admin: {listen: ""}}
`, w.url, bindDN, usersBase, groups, changes, w.chat.URL))
}

// TestAWatchedDirectoryIsFollowed from the change of an entry to the group in Open WebUI,
// without a schedule and without a second full read.
func TestAWatchedDirectoryIsFollowed(t *testing.T) {
	t.Parallel()
	w := newCounty(t, ldaptest.Changes{Syncprov: true, SessionLog: 100})
	_, client, hup := w.serve()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 3 })
	watch := func() *engine.WatchStatus {
		s, err := client.Status(t.Context())
		must(t, err)
		return s.Sources[0].Watch
	}
	// Whether a watch stands can be told by what it notices only.
	toggle := 0
	w.until("the watch notices something", func() bool {
		toggle++
		must(t, w.server.Modify(personDN("emre"), "description", fmt.Sprint(toggle)))
		return watch().State == engine.WatchWorks
	})
	must(t, w.server.AddValues(salesDN, "member", personDN("dmitri")))
	w.until("somebody is added", func() bool { return w.size("Sales") == 4 })
	must(t, w.server.Modify(salesDN, "member", personDN("ana"), personDN("chloe"), personDN("dmitri")))
	w.until("somebody is taken out", func() bool { return w.size("Sales") == 3 })

	runs, err := client.History(t.Context(), 100)
	must(t, err)
	var full int
	for _, r := range runs {
		if r.Sources[0].Read.IsZero() {
			full++
		}
		if r.Trigger == run.Watch && r.Sources[0].Read != run.ReadChanges {
			t.Errorf("a watched run read %+v", r.Sources[0])
		}
	}
	if full != 1 {
		t.Errorf("%d full reads", full)
	}
	s, err := client.Status(t.Context())
	must(t, err)
	if src := s.Sources[0]; src.Read != run.ReadChanges || !src.FullAsOf.Before(src.CompleteAsOf) {
		t.Errorf("%+v", src)
	}

	// A reload that takes it away takes the watch away.
	w.point("off")
	hup <- struct{}{}
	w.until("nobody watches", func() bool { return watch() == nil })
	w.point("auto")
	must(t, client.Reload(t.Context()))
	if watch() == nil {
		t.Error("nobody watches again")
	}
	w.until("the new watch notices something", func() bool {
		toggle++
		must(t, w.server.Modify(personDN("emre"), "description", fmt.Sprint(toggle)))
		return watch().State == engine.WatchWorks
	})
	must(t, w.server.AddValues(salesDN, "member", personDN("bo")))
	w.until("somebody is added again", func() bool { return w.size("Sales") == 4 })
}

// TestADirectoryThatCannotBeWatchedIsReadByItsSchedule, which status and log say once.
func TestADirectoryThatCannotBeWatchedIsReadByItsSchedule(t *testing.T) {
	t.Parallel()
	w := newCounty(t, ldaptest.Changes{})
	_, client, _ := w.serve()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 3 })
	w.until("status says so", func() bool {
		s, err := client.Status(t.Context())
		must(t, err)
		return s.Sources[0].Watch != nil && s.Sources[0].Watch.State == engine.WatchNone && s.Sources[0].Watch.Reason != ""
	})
	if n := strings.Count(w.log.String(), "source is not watched"); n != 1 {
		t.Errorf("told %d times:\n%s", n, w.log)
	}
	must(t, w.server.AddValues(salesDN, "member", personDN("dmitri")))
	r := sync1(w.town, client, run.Request{})
	if w.size("Sales") != 4 || !r.Sources[0].Read.IsZero() || !slices.ContainsFunc(r.Targets[0].Changes, func(c run.Change) bool { return c.Op == run.AddMember }) {
		t.Errorf("%+v", r)
	}
}

// TestAnotherProcessGoesOnFromTheCursor that the one before has kept with what it read.
func TestAnotherProcessGoesOnFromTheCursor(t *testing.T) {
	t.Parallel()
	w := newCounty(t, ldaptest.Changes{Syncprov: true, SessionLog: 100})
	once := func(req run.Request) *run.SourceReport {
		a := w.open()
		report := sync1(w.town, a, req)
		must(t, a.db.Close())
		return &report.Sources[0]
	}
	if src := once(run.Request{}); src.Read != run.ReadFull {
		t.Errorf("the first run: %+v", src)
	}
	must(t, w.server.AddValues(salesDN, "member", personDN("dmitri")))
	if src := once(run.Request{}); src.Read != run.ReadChanges || src.Memberships != 4 || w.size("Sales") != 4 {
		t.Errorf("the second run: %+v", src)
	}
	if src := once(run.Request{Full: true}); src.Read != run.ReadFull || src.Memberships != 4 {
		t.Errorf("one that reads everything: %+v", src)
	}
	if src := once(run.Request{}); src.Read != run.ReadChanges || src.Memberships != 4 {
		t.Errorf("and the one after: %+v", src)
	}
}
