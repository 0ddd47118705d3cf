package ldap

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap/ldaptest"
)

// account makes a user of Active Directory in the primary group 513.
func account(n int, edit func(map[string][]string)) ldaptest.Entry {
	name := fmt.Sprintf("u%d", n)
	a := map[string][]string{
		"objectClass": {"user"}, "objectCategory": {"person"}, "objectGUID": {guidBytes(fmt.Sprintf("00000000-0000-4000-8000-%012d", n))},
		"sAMAccountName": {name}, "displayName": {name}, "mail": {name + "@example.org"},
		"userAccountControl": {"512"}, "accountExpires": {"0"}, "primaryGroupID": {"513"}, "objectSid": {sidBytes(uint32(1000 + n))},
	}
	if edit != nil {
		edit(a)
	}
	return ldaptest.Entry{DN: "CN=u" + fmt.Sprint(n) + "," + people, Attributes: a}
}

func adGroup(name string, n uint32, members ...string) ldaptest.Entry {
	a := map[string][]string{
		"objectClass": {"group"}, "objectCategory": {"group"}, "objectGUID": {guidBytes(fmt.Sprintf("00000000-0000-4000-9000-%012d", n))},
		"cn": {name}, "primaryGroupToken": {fmt.Sprint(n)}, "objectSid": {sidBytes(n)},
	}
	if len(members) > 0 {
		a["member"] = members
	}
	return ldaptest.Entry{DN: "CN=" + name + "," + groups, Attributes: a}
}

func TestThePrimaryGroupOfActiveDirectoryHasItsMembers(t *testing.T) {
	t.Parallel()
	_, url := serve(t, options(),
		account(1, nil), account(2, func(a map[string][]string) { a["primaryGroupID"] = []string{"600"} }),
		adGroup("Domain Users", 513), adGroup("Special", 600), adGroup("Everyone", 700, "CN=Domain Users,"+groups))
	s := open(t, configure(t, AD, url))
	snapshot, found := pulled(t, s)
	for name, want := range map[string]string{"Domain Users": "u1", "Special": "u2", "Everyone": "u1"} {
		if got := names(snapshot, found[name].Members); got != want {
			t.Errorf("members of %s are %q, want %q", name, got, want)
		}
	}
	one, err := s.LookUp(t.Context(), directory.Person{ID: "00000000-0000-4000-8000-000000000001"})
	if err != nil {
		t.Fatal(err)
	}
	if up := byName(one); len(up) != 2 || up["Domain Users"].ID != found["Domain Users"].ID || up["Everyone"].ID == "" {
		t.Errorf("the look-up gives %+v", one.Groups)
	}
}

func TestStatusOfAccounts(t *testing.T) {
	t.Parallel()
	past, future := sinceEpoch(time.Now().Add(-time.Hour)), sinceEpoch(time.Now().Add(time.Hour))
	for _, c := range []struct {
		control, expires string
		disabled         bool
	}{
		{"512", "0", false},
		{"512", neverExpires, false},
		{"514", "0", true},
		{"66050", neverExpires, true},
		{"66048", neverExpires, false},
		{"528", "0", false}, // locked out
		{"512", past, true},
		{"512", future, false},
	} {
		_, url := serve(t, options(), account(1, func(a map[string][]string) {
			a["userAccountControl"], a["accountExpires"] = []string{c.control}, []string{c.expires}
		}))
		s := open(t, configure(t, AD, url))
		snapshot, _ := pulled(t, s)
		if u := snapshot.Users[0]; !u.StatusKnown || u.Disabled != c.disabled {
			t.Errorf("control %s, expires %s: %+v", c.control, c.expires, u)
		}
		one, err := s.LookUp(t.Context(), directory.Person{Username: "U1"})
		if err != nil || one.Users[0].Disabled != c.disabled {
			t.Errorf("control %s, expires %s: look-up %+v, %v", c.control, c.expires, one, err)
		}
	}
}

func TestAnUnreadableStatusIsNotEnabled(t *testing.T) {
	t.Parallel()
	_, url := serve(t, options(), account(1, nil), account(2, func(a map[string][]string) { delete(a, "userAccountControl") }), adGroup("g", 600, "CN=u2,"+people))
	s := open(t, configure(t, AD, url))
	snapshot, err := s.Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Auth || snapshot.Coverage() != directory.Full || !snapshot.Users[0].StatusKnown || snapshot.Users[1].StatusKnown {
		t.Errorf("error %v, coverage %s, users %+v", err, snapshot.Coverage(), snapshot.Users)
	}
	if one, err := s.LookUp(t.Context(), directory.Person{Username: "u2"}); err == nil || one.Coverage() != directory.None {
		t.Errorf("the look-up gives %+v, %v", one, err)
	}
}

func TestMembersInRangesAreReadToTheEnd(t *testing.T) {
	t.Parallel()
	var entries []ldaptest.Entry
	var members []string
	for i := range 47 {
		entries = append(entries, account(i+1, nil))
		members = append(members, entries[i].DN)
	}
	o := options()
	o.MaxValues = 10
	for _, n := range []int{9, 10, 11, 20, 47} {
		_, url := serve(t, o, append(entries, adGroup("many", 600, members[:n]...))...)
		if snapshot, found := pulled(t, open(t, configure(t, AD, url))); len(found["many"].Members) != n {
			t.Errorf("%d of %d members; %s", len(found["many"].Members), n, snapshot.Reason)
		}
	}
}

func TestMembersOfAnotherForestAreNamedAsSuch(t *testing.T) {
	t.Parallel()
	foreign := func(n int) string {
		return fmt.Sprintf("CN=S-1-5-21-9-9-9-%d,CN=ForeignSecurityPrincipals,%s", n, suffix)
	}
	server, url := serve(t, options(), account(1, nil), adGroup("Domain Users", 513), adGroup("mixed", 600, "CN=u1,"+people, foreign(1), foreign(2)))
	s := open(t, configure(t, AD, url))
	var log bytes.Buffer
	s.logger = slog.New(slog.NewTextHandler(&log, nil))
	snapshot, found := pulled(t, s)
	g := found["mixed"]
	if names(snapshot, g.Members) != "u1" || len(g.Unresolved) != 2 || !g.MembersKnown {
		t.Errorf("group %+v", g)
	}
	if text := log.String(); !strings.Contains(text, "another forest") || !strings.Contains(text, "count=2") {
		t.Errorf("the log is %q", text)
	}
	if _, searches := server.Counts(); searches != 3 {
		t.Errorf("%d searches, want those for the root entry, users and groups", searches)
	}
}

func TestValuesOfOneEntryInRanges(t *testing.T) {
	t.Parallel()
	var members []string
	for n := range 25 {
		members = append(members, fmt.Sprintf("CN=u%d,%s", n, people))
	}
	o := options()
	o.MaxValues = 10
	_, url := serve(t, o, adGroup("many", 600, members...))
	s := open(t, configure(t, AD, url))
	made, err := s.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer made.close()
	if got, err := made.values(t.Context(), "CN=many,"+groups, "member"); err != nil || !slices.Equal(got, members) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := made.values(t.Context(), "CN=none,"+groups, "member"); err == nil {
		t.Error("values of an entry that is not there")
	}
}

func TestAGroupThatChangesUnderTheReadOfItsRanges(t *testing.T) {
	t.Parallel()
	var entries []ldaptest.Entry
	var members []string
	for i := range 25 {
		entries = append(entries, account(i+1, nil))
		members = append(members, entries[i].DN)
	}
	many := adGroup("many", 600, members...)
	many.Attributes["uSNChanged"] = []string{"1"}
	entries = append(entries, many, adGroup("small", 601, members[0]))
	o := options()
	o.MaxValues = 10
	for name, times := range map[string]int{"once": 1, "for ever": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, url := serve(t, o, entries...)
			changed := 0
			server.SetFault(func(q ldaptest.Search) ldaptest.Fault {
				if len(q.Attributes) > 0 && strings.HasPrefix(q.Attributes[0], "member;range=10-") && changed < times {
					changed++
					if err := server.Modify(many.DN, "uSNChanged", fmt.Sprint(1+changed)); err != nil {
						t.Error(err)
					}
				}
				return ldaptest.Fault{}
			})
			snapshot, err := open(t, configure(t, AD, url)).Pull(t.Context(), nil)
			found := byName(snapshot)
			if times == 1 && (err != nil || len(found["many"].Members) != 25) {
				t.Errorf("%d members, %v", len(found["many"].Members), err)
			}
			if times > 1 && (fault.KindOf(err) != fault.Incomplete || found["many"].MembersKnown || !found["small"].MembersKnown) {
				t.Errorf("error %v, groups %+v", err, snapshot.Groups)
			}
		})
	}
}

func TestIDsOfActiveDirectoryAreInMicrosoftsOrder(t *testing.T) {
	t.Parallel()
	raw := []byte{0x78, 0x56, 0x34, 0x12, 0xbc, 0x9a, 0xf0, 0xde, 1, 2, 3, 4, 5, 6, 7, 8}
	const want = "12345678-9abc-def0-0102-030405060708"
	if got, err := appendIDText(nil, "objectGUID", raw); string(got) != want || err != nil {
		t.Errorf("appendIDText = %q, %v", got, err)
	}
	if got := idAssertion("objectGUID", want); got != escapeBytes(raw) {
		t.Errorf("idAssertion = %s", got)
	}
	if _, err := appendIDText(nil, "objectGUID", raw[:15]); err == nil {
		t.Error("15 bytes are taken for an objectGUID")
	}
	for _, bad := range []string{"*", "12345678", "x2345678-9abc-def0-0102-030405060708"} {
		if got := idAssertion("objectGUID", bad); got != "" {
			t.Errorf("idAssertion(%q) = %q", bad, got)
		}
	}
}

func TestADisabledFilterReplacesTheFlagsOfActiveDirectory(t *testing.T) {
	t.Parallel()
	_, url := serve(t, options(), account(1, func(a map[string][]string) { a["employeeType"] = []string{"left"} }),
		account(2, func(a map[string][]string) { delete(a, "userAccountControl") }))
	c := configure(t, AD, url)
	c.Users.Disabled = "(employeeType=left)"
	s := open(t, c)
	snapshot, _ := pulled(t, s)
	if a, b := snapshot.Users[0], snapshot.Users[1]; !a.Disabled || b.Disabled || !a.StatusKnown || !b.StatusKnown {
		t.Errorf("users are %+v", snapshot.Users)
	}
	if one, err := s.LookUp(t.Context(), directory.Person{Username: "u1"}); err != nil || !one.Users[0].Disabled {
		t.Errorf("the look-up gives %+v, %v", one, err)
	}
}

func TestTheGivenClockCounts(t *testing.T) {
	t.Parallel()
	_, url := serve(t, options(), account(1, func(a map[string][]string) { a["accountExpires"] = []string{sinceEpoch(time.Now().Add(time.Hour))} }))
	later := time.Now().Add(2 * time.Hour)
	s, err := configure(t, AD, url).Open(providers.Options{Name: "corp", Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return later }})
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := s.Pull(t.Context(), nil)
	if err != nil || !snapshot.AsOf.Equal(later) || !snapshot.Users[0].Disabled {
		t.Errorf("as of %s, users %+v, %v", snapshot.AsOf, snapshot.Users, err)
	}
}

func TestDomainControllersMayLagBehindEachOther(t *testing.T) {
	t.Parallel()
	for layout, want := range map[string]bool{AD: true, RFC2307bis: false} {
		_, url := serve(t, options(), account(1, nil))
		s := open(t, configure(t, layout, url))
		if snapshot, _ := s.Pull(t.Context(), nil); snapshot.Replicated != want {
			t.Errorf("%s: replicated is %v", layout, snapshot.Replicated)
		}
	}
}
