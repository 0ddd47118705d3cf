package ldap

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers/ldap/dn"
	"groupsyncd/providers/ldap/ldaptest"
)

// person makes an entry of a user whose id is derived from the number.
func person(n int) ldaptest.Entry {
	uid := fmt.Sprintf("u%d", n)
	return ldaptest.Entry{DN: "uid=" + uid + "," + people, Attributes: map[string][]string{
		"objectClass": {"inetOrgPerson"}, "entryUUID": {fmt.Sprintf("00000000-0000-4000-8000-%012d", n)},
		"uid": {uid}, "cn": {"User " + uid}, "mail": {uid + "@example.org"},
	}}
}

func group(name string, members ...string) ldaptest.Entry {
	return ldaptest.Entry{DN: name, Attributes: map[string][]string{"objectClass": {"groupOfNames"}, "cn": {dn.FirstValue(name)}, "member": members}}
}

func userDN(n int) string { return fmt.Sprintf("uid=u%d,%s", n, people) }

// pulled gives the groups of a complete pull by name.
func pulled(t *testing.T, s *source) (*directory.Snapshot, map[string]directory.Group) {
	t.Helper()
	snapshot, err := s.Pull(t.Context(), nil)
	if err != nil {
		t.Fatalf("Pull: %v", err)
	}
	return snapshot, byName(snapshot)
}

func byName(s *directory.Snapshot) map[string]directory.Group {
	m := map[string]directory.Group{}
	for _, g := range s.Groups {
		m[g.Name] = g
	}
	return m
}

// names gives the usernames of members, sorted.
func names(s *directory.Snapshot, members []uint32) string {
	var list []string
	for _, m := range members {
		list = append(list, s.Users[m].Username)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func TestANestedGroupOutsideTheFilterCounts(t *testing.T) {
	t.Parallel()
	outside := "cn=outside," + suffix
	deeper := "cn=deeper," + suffix
	_, url := serve(t, options(), person(1), person(2), person(3),
		group("cn=ai-all,"+groups, userDN(1), outside),
		group("cn=other,"+groups, userDN(3)),
		group(outside, deeper), group(deeper, userDN(2), outside))
	c := configure(t, RFC2307bis, url)
	c.Groups.Filter = "(cn=ai-*)"
	s := open(t, c)
	snapshot, found := pulled(t, s)
	if got := names(snapshot, found["ai-all"].Members); got != "u1 u2" {
		t.Errorf("members of ai-all are %q", got)
	}
	if !found["outside"].Unlisted || !found["deeper"].Unlisted || found["ai-all"].Unlisted {
		t.Errorf("groups are %+v", snapshot.Groups)
	}
	if _, ok := found["other"]; ok {
		t.Error("a group outside the filter that no group contains is shown")
	}
	one, err := s.LookUp(t.Context(), directory.Person{Username: "u2"})
	if err != nil {
		t.Fatal(err)
	}
	up := byName(one)
	if len(one.Groups) != 3 || up["ai-all"].Unlisted || !up["outside"].Unlisted || up["ai-all"].ID != found["ai-all"].ID {
		t.Errorf("the look-up gives %+v", one.Groups)
	}
	c.Nested = false
	flat := open(t, c)
	snapshot, found = pulled(t, flat)
	if got := names(snapshot, found["ai-all"].Members); got != "u1" {
		t.Errorf("without nesting the members are %q", got)
	}
	if one, err := flat.LookUp(t.Context(), directory.Person{Username: "u2"}); err != nil || len(one.Groups) != 0 || !one.Users[0].GroupsKnown {
		t.Errorf("without nesting the look-up gives %+v, %v", one, err)
	}
}

func TestReferencesToNobodyAreUnresolvedAndNoError(t *testing.T) {
	t.Parallel()
	printer := "cn=printer," + suffix
	_, url := serve(t, options(), person(1),
		ldaptest.Entry{DN: printer, Attributes: map[string][]string{"objectClass": {"device"}, "cn": {"printer"}}},
		group("cn=mixed,"+groups, userDN(1), "cn=dummy", bindDN, "cn=mixed,"+groups, userDN(9), printer, "not a DN"))
	snapshot, found := pulled(t, open(t, configure(t, RFC2307bis, url)))
	g := found["mixed"]
	want := []string{"cn=dummy", "cn=printer," + suffix, "cn=reader," + suffix, "not a dn", "uid=u9," + people}
	if !slices.Equal(g.Unresolved, want) || !g.MembersKnown || names(snapshot, g.Members) != "u1" {
		t.Errorf("unresolved %q, members %q, known %v", g.Unresolved, names(snapshot, g.Members), g.MembersKnown)
	}
}

func TestLooksAtReferencesAreBounded(t *testing.T) {
	t.Parallel()
	members := []string{userDN(1)}
	for i := range 40 {
		members = append(members, userDN(1000+i))
	}
	outside := "cn=outside," + suffix
	server, url := serve(t, options(), person(1), person(2), group("cn=a,"+groups, append(members, outside)...), group(outside, userDN(2)))
	s := open(t, configure(t, RFC2307bis, url))
	s.lookUps = 5
	snapshot, found := pulled(t, s)
	if _, searches := server.Counts(); searches != 4+5 {
		t.Errorf("%d searches, want those for the root entry, users, disabled users and groups, and 5 looks", searches)
	}
	if g := found["a"]; len(g.Unresolved) != 40 || !g.MembersKnown || names(snapshot, g.Members) != "u1 u2" {
		t.Errorf("unresolved %d, known %v, members %q: groups come before people in the order of looks", len(g.Unresolved), g.MembersKnown, names(snapshot, g.Members))
	}
}

func TestAFailedLookAtAReferenceLeavesItsGroupsUncovered(t *testing.T) {
	t.Parallel()
	outside := "cn=outside," + suffix
	server, url := serve(t, options(), person(1), person(2),
		group("cn=top,"+groups, "cn=a,"+groups), group("cn=a,"+groups, userDN(1), outside), group("cn=b,"+groups, userDN(2)), group(outside, userDN(2)))
	server.SetFault(func(q ldaptest.Search) ldaptest.Fault {
		if q.Base == outside {
			return ldaptest.Fault{Code: ldap.LDAPResultBusy}
		}
		return ldaptest.Fault{}
	})
	snapshot, err := open(t, configure(t, RFC2307bis, url)).Pull(t.Context(), nil)
	found := byName(snapshot)
	if fault.KindOf(err) != fault.Throttled || found["a"].MembersKnown || found["top"].MembersKnown || !found["b"].MembersKnown || !snapshot.GroupsListed {
		t.Errorf("error %v, groups %+v", err, snapshot.Groups)
	}
}

func TestUniqueMembersWithBitStrings(t *testing.T) {
	t.Parallel()
	_, url := serve(t, options(), person(1), person(2), ldaptest.Entry{DN: "cn=u," + groups, Attributes: map[string][]string{
		"objectClass": {"groupOfUniqueNames"}, "cn": {"u"}, "uniqueMember": {userDN(1) + "#'0101'B", strings.ToUpper(userDN(2))}}})
	c := configure(t, RFC2307bis, url)
	c.Groups.Members = List{"uniqueMember"}
	snapshot, found := pulled(t, open(t, c))
	if got := names(snapshot, found["u"].Members); got != "u1 u2" {
		t.Errorf("members are %q", got)
	}
}

func TestMemberAndMemberUidAreUnited(t *testing.T) {
	t.Parallel()
	_, url := serve(t, options(), person(1), person(2), ldaptest.Entry{DN: "cn=both," + groups, Attributes: map[string][]string{
		"objectClass": {"groupOfNames", "posixGroup"}, "cn": {"both"}, "member": {userDN(1)}, "memberUid": {"u2", "u1", "u77"}}})
	s := open(t, configure(t, RFC2307bis, url))
	snapshot, found := pulled(t, s)
	if g := found["both"]; names(snapshot, g.Members) != "u1 u2" || !slices.Equal(g.Unresolved, []string{"u77"}) {
		t.Errorf("members %q, unresolved %q", names(snapshot, g.Members), g.Unresolved)
	}
	one, err := s.LookUp(t.Context(), directory.Person{Username: "u2"})
	if err != nil || len(one.Groups) != 1 {
		t.Errorf("the look-up gives %+v, %v", one, err)
	}
}

func TestOverlappingBasesShowEverybodyOnce(t *testing.T) {
	t.Parallel()
	_, url := serve(t, options(), person(1), person(2), group("cn=a,"+groups, userDN(1), userDN(2)))
	c := configure(t, RFC2307bis, url)
	c.Users.Base, c.Groups.Base = List{suffix, people}, List{groups, suffix}
	snapshot, found := pulled(t, open(t, c))
	if len(snapshot.Users) != 2 || len(snapshot.Groups) != 1 || names(snapshot, found["a"].Members) != "u1 u2" {
		t.Errorf("%d users, %d groups", len(snapshot.Users), len(snapshot.Groups))
	}
}

func TestTwoPeopleWithOneIDAreNotMixed(t *testing.T) {
	t.Parallel()
	twin := person(2)
	twin.Attributes["entryUUID"] = person(1).Attributes["entryUUID"]
	_, url := serve(t, options(), person(1), twin, person(3), group("cn=a,"+groups, userDN(2)), group("cn=b,"+groups, userDN(3)))
	snapshot, err := open(t, configure(t, RFC2307bis, url)).Pull(t.Context(), nil)
	found := byName(snapshot)
	if err == nil || snapshot.UsersListed || found["a"].MembersKnown || !found["b"].MembersKnown {
		t.Errorf("error %v, users listed %v, groups %+v", err, snapshot.UsersListed, snapshot.Groups)
	}
}

func TestAReferenceToTwoGroupsIsNeither(t *testing.T) {
	t.Parallel()
	// To the server two values differ that we take for one.
	_, url := serve(t, options(), person(1), person(2), group("cn=x  y,"+groups, userDN(1)), group("cn=x y,"+groups, userDN(2)),
		group("cn=top,"+groups, "cn=x y,"+groups), group("cn=other,"+groups, userDN(1)))
	snapshot, err := open(t, configure(t, RFC2307bis, url)).Pull(t.Context(), nil)
	found := byName(snapshot)
	if fault.KindOf(err) != fault.Incomplete || found["top"].MembersKnown || !found["other"].MembersKnown || len(snapshot.Groups) != 4 {
		t.Errorf("error %v, groups %+v", err, snapshot.Groups)
	}
}

func TestAnEntryWithoutIDLeavesTheListUncovered(t *testing.T) {
	t.Parallel()
	bad := person(2)
	bad.Attributes["employeeNumber"] = nil
	good := person(1)
	good.Attributes["employeeNumber"] = []string{"1"}
	_, url := serve(t, options(), good, bad, group("cn=a,"+groups, userDN(1), userDN(2)), group("cn=b,"+groups, userDN(1)))
	c := configure(t, RFC2307bis, url)
	c.Users.ID = "employeeNumber"
	snapshot, err := open(t, c).Pull(t.Context(), nil)
	found := byName(snapshot)
	if fault.KindOf(err) != fault.Incomplete || !strings.Contains(err.Error(), "uid=u2,") || snapshot.UsersListed {
		t.Errorf("error %v, users listed %v", err, snapshot.UsersListed)
	}
	if found["a"].MembersKnown || !found["b"].MembersKnown {
		t.Errorf("groups %+v", snapshot.Groups)
	}
}

func TestAttributesThatNoEntryHasAreNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(*Config)
		hint string
	}{
		{"id", func(c *Config) { c.Users.ID = "entryUID" }, "users.id: entryUUID"},
		{"group id", func(c *Config) { c.Groups.ID = "objectGUID" }, "groups.id: entryUUID"},
		{"members", func(c *Config) { c.Groups.Members = List{"members"} }, "groups.members: member"},
		{"members of another layout", func(c *Config) {
			c.Groups.Members = List{"uniqueMember"}
			c.Groups.Filter = "(objectClass=groupOfNames)"
		}, "groups.members: member"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, url := serve(t, options(), person(1), group("cn=a,"+groups, userDN(1)))
			config := configure(t, RFC2307bis, url)
			c.edit(config)
			snapshot, err := open(t, config).Pull(t.Context(), nil)
			if fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), c.hint) || !strings.Contains(err.Error(), "cn, ") {
				t.Errorf("error %v, hint %q, want %q", err, fault.HintOf(err), c.hint)
			}
			for _, g := range snapshot.Groups {
				if g.MembersKnown {
					t.Errorf("group %s is covered", g.Name)
				}
			}
		})
	}
}

func TestDisabledSearchThatFailsLeavesOnlyTheStatusUnknown(t *testing.T) {
	t.Parallel()
	server, url := serve(t, options(), person(1), group("cn=a,"+groups, userDN(1)))
	server.SetFault(func(q ldaptest.Search) ldaptest.Fault {
		if strings.Contains(q.Filter, "pwdAccountLockedTime") {
			return ldaptest.Fault{Code: ldap.LDAPResultInappropriateMatching}
		}
		return ldaptest.Fault{}
	})
	snapshot, err := open(t, configure(t, RFC2307bis, url)).Pull(t.Context(), nil)
	if err == nil || snapshot.Users[0].StatusKnown || snapshot.Coverage() != directory.Full || !strings.Contains(snapshot.Reason, "disabled") {
		t.Errorf("error %v, coverage %s, reason %q", err, snapshot.Coverage(), snapshot.Reason)
	}
}

func TestReferencesBelowTheBaseLeaveTheListUncovered(t *testing.T) {
	t.Parallel()
	for layout, kind := range map[string]fault.Kind{RFC2307bis: fault.Incomplete, AD: 0} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			server, url := serve(t, options())
			server.SetFault(func(q ldaptest.Search) ldaptest.Fault {
				if q.Base == groups {
					return ldaptest.Fault{References: []string{"ldap://other.example.org/ou=far,dc=example,dc=test"}}
				}
				return ldaptest.Fault{}
			})
			snapshot, err := open(t, configure(t, layout, url)).Pull(t.Context(), nil)
			if fault.KindOf(err) != kind || snapshot.GroupsListed == (kind != 0) || !snapshot.UsersListed {
				t.Errorf("error %v, groups listed %v", err, snapshot.GroupsListed)
			}
		})
	}
}

func TestServersLimits(t *testing.T) {
	t.Parallel()
	var entries []ldaptest.Entry
	for i := range 30 {
		entries = append(entries, person(i+1))
	}
	entries = append(entries, group("cn=early,"+groups, userDN(1), userDN(2)), group("cn=late,"+groups, userDN(1), userDN(30)))
	for _, c := range []struct {
		name string
		edit func(*ldaptest.Options)
		hint string
	}{
		{"all pages together", func(o *ldaptest.Options) { o.SizeLimit = 25 }, "raise the server's limits"},
		{"size of a page", func(o *ldaptest.Options) { o.MaxPage = 1 }, "lower page_size"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := options()
			c.edit(&o)
			_, url := serve(t, o, entries...)
			config := configure(t, RFC2307bis, url)
			config.PageSize = 10
			snapshot, err := open(t, config).Pull(t.Context(), nil)
			if fault.KindOf(err) != fault.Incomplete || !strings.Contains(fault.HintOf(err), c.hint) || snapshot.UsersListed {
				t.Errorf("error %v, hint %q, users listed %v", err, fault.HintOf(err), snapshot.UsersListed)
			}
			if found := byName(snapshot); found["late"].MembersKnown || o.SizeLimit > 0 && !found["early"].MembersKnown {
				t.Errorf("groups %+v", snapshot.Groups)
			}
		})
	}
}

func TestAPageSizeThatAServerRefusesIsLoweredOnce(t *testing.T) {
	t.Parallel()
	var entries []ldaptest.Entry
	for i := range 30 {
		entries = append(entries, person(i+1))
	}
	o := options()
	o.MaxPage = 2
	server, url := serve(t, o, append(entries, group("cn=a,"+groups, userDN(1), userDN(30)))...)
	refused := 0
	server.SetFault(func(q ldaptest.Search) ldaptest.Fault {
		if q.PageSize > 2 {
			refused++
		}
		return ldaptest.Fault{}
	})
	c := configure(t, RFC2307bis, url)
	c.PageSize = 10
	s := open(t, c)
	var log bytes.Buffer
	s.logger = slog.New(slog.NewTextHandler(&log, nil))
	snapshot, found := pulled(t, s)
	if len(snapshot.Users) != 30 || names(snapshot, found["a"].Members) != "u1 u30" {
		t.Errorf("%d users, groups %+v", len(snapshot.Users), snapshot.Groups)
	}
	if text := log.String(); strings.Count(text, "refuses the page size") != 1 || !strings.Contains(text, "smaller=2") || refused != 0 {
		t.Errorf("%d larger pages were answered, the log is %q", refused, text)
	}
}

func TestASlowServerIsGivenUp(t *testing.T) {
	t.Parallel()
	server, url := serve(t, options(), person(1))
	server.SetFault(func(ldaptest.Search) ldaptest.Fault { return ldaptest.Fault{Delay: 300 * time.Millisecond} })
	s := open(t, configure(t, RFC2307bis, url))
	s.request = 30 * time.Millisecond
	snapshot, err := s.Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Unavailable || snapshot.Coverage() != directory.None {
		t.Errorf("coverage %s, error %v", snapshot.Coverage(), err)
	}
}

func TestCloseEndsAPullUnderWay(t *testing.T) {
	t.Parallel()
	server, url := serve(t, options(), person(1))
	asked := make(chan bool, 100)
	server.SetFault(func(ldaptest.Search) ldaptest.Fault {
		asked <- true
		return ldaptest.Fault{Delay: 200 * time.Millisecond}
	})
	s := open(t, configure(t, RFC2307bis, url))
	done := make(chan error)
	go func() {
		_, err := s.Pull(t.Context(), nil)
		done <- err
	}()
	<-asked
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; fault.KindOf(err) != fault.Canceled {
		t.Errorf("Pull ends with %v", err)
	}
}

func TestNothingBelowABaseThatCannotBeSeenIsNotAnEmptyDirectory(t *testing.T) {
	t.Parallel()
	server, url := serve(t, options())
	s := open(t, configure(t, RFC2307bis, url))
	if snapshot, err := s.Pull(t.Context(), nil); err != nil || snapshot.Coverage() != directory.Full {
		t.Fatalf("an empty directory: %v", err)
	}
	// An entry without any attribute matches no filter at all, like one that may not
	// be read.
	if err := server.Modify(people, "objectClass"); err != nil {
		t.Fatal(err)
	}
	snapshot, err := s.Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Auth || snapshot.UsersListed || !snapshot.GroupsListed {
		t.Errorf("error %v, users listed %v, groups listed %v", err, snapshot.UsersListed, snapshot.GroupsListed)
	}
}

func TestAWrongMemberAttributeInAnIncompleteListCoversNothing(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]ldaptest.Fault{"cut": {Cut: 1}, "limit": {Code: ldap.LDAPResultSizeLimitExceeded, CodeAfter: 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, url := serve(t, options(), person(1), group("cn=a,"+groups, userDN(1)), group("cn=b,"+groups, userDN(1)))
			server.SetFault(func(q ldaptest.Search) ldaptest.Fault {
				if q.Base == groups {
					return f
				}
				return ldaptest.Fault{}
			})
			c := configure(t, RFC2307bis, url)
			c.Groups.Members = List{"members"}
			snapshot, err := open(t, c).Pull(t.Context(), nil)
			if err == nil || len(snapshot.Groups) != 1 || snapshot.Groups[0].MembersKnown {
				t.Errorf("error %v, groups %+v", err, snapshot.Groups)
			}
		})
	}
}

func TestAServerMayNameAllPagesByOneCookie(t *testing.T) {
	t.Parallel()
	var entries []ldaptest.Entry
	for i := range 30 {
		entries = append(entries, person(i+1), group(fmt.Sprintf("cn=g%d,%s", i+1, groups), userDN(i+1)))
	}
	server, url := serve(t, options(), entries...)
	server.SetFault(func(ldaptest.Search) ldaptest.Fault { return ldaptest.Fault{ConstantCookie: true} })
	c := configure(t, RFC2307bis, url)
	c.PageSize = 7
	if snapshot, _ := pulled(t, open(t, c)); len(snapshot.Users) != 30 || len(snapshot.Groups) != 30 {
		t.Errorf("%d users and %d groups", len(snapshot.Users), len(snapshot.Groups))
	}
}
