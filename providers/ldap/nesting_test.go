package ldap

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap/ldaptest"
)

// openLogged opens a source and gives what it logs.
func openLogged(t *testing.T, entries ...ldaptest.Entry) (providers.Source, *bytes.Buffer) {
	t.Helper()
	_, url := serve(t, ldaptest.Options{}, entries...)
	log := &bytes.Buffer{}
	s, err := configure(t, RFC2307bis, url).Open(providers.Options{Name: "corp", Logger: slog.New(slog.NewTextHandler(log, nil)).With("source", "corp")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, log
}

func TestGroupsThatContainEachOtherAreNamedInTheLog(t *testing.T) {
	t.Parallel()
	name := func(n int) string { return fmt.Sprintf("cn=Ring %d,%s", n, groups) }
	entries := []ldaptest.Entry{person(1), group("cn=Self,"+groups, "cn=self,"+groups)}
	for n := range 7 {
		entries = append(entries, group(name(n), name((n+1)%7), userDN(1)))
	}
	s, log := openLogged(t, entries...)
	snapshot, err := s.Pull(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range snapshot.Groups {
		if !g.MembersKnown {
			t.Errorf("%s is not covered", g.DN)
		}
	}
	line := log.String()
	for _, want := range []string{"level=WARN", "groups contain each other", "cycles=1", "cn=ring 0,", "cn=ring 4,", "and 2 more"} {
		if !strings.Contains(line, want) {
			t.Errorf("the log lacks %q: %s", want, line)
		}
	}
	for record := range strings.Lines(line) {
		if strings.Count(record, "source=corp") != 1 {
			t.Errorf("the source is not named once, as by the logger that it is given: %s", record)
		}
	}
	if strings.Contains(line, "cn=self") || strings.Contains(line, "ring 5") {
		t.Errorf("the log says too much: %s", line)
	}
}

func TestGroupsNestedTooDeeplyAreNotCovered(t *testing.T) {
	t.Parallel()
	name := func(n int) string { return fmt.Sprintf("cn=Level %d,%s", n, groups) }
	entries := []ldaptest.Entry{person(1), group(name(0), userDN(1))}
	for n := 1; n <= 101; n++ {
		entries = append(entries, group(name(n), name(n-1)))
	}
	s, log := openLogged(t, entries...)
	snapshot, err := s.Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Incomplete || !strings.Contains(snapshot.Reason, "more than 100 levels deep") {
		t.Errorf("the pull ends with %v, reason %q", err, snapshot.Reason)
	}
	for _, g := range snapshot.Groups {
		if known := g.Name != "Level 101"; g.MembersKnown != known || known && len(g.Members) != 1 {
			t.Errorf("%s: known %v, members %v", g.Name, g.MembersKnown, g.Members)
		}
	}
	if strings.Contains(log.String(), "contain each other") {
		t.Errorf("there is no cycle: %s", log)
	}
}
