package ldap

import (
	"strings"
	"testing"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/internal/fault"
	"groupsyncd/providers/ldap/ldaptest"
)

// in makes an entry say which groups it is in.
func in(e ldaptest.Entry, groups ...string) ldaptest.Entry {
	e.Attributes["memberOf"] = groups
	return e
}

// bare is a group that does not show its members.
func bare(dn string) ldaptest.Entry {
	e := group(dn)
	delete(e.Attributes, "member")
	return e
}

func memberOf(t *testing.T, url string) *Config {
	t.Helper()
	c := configure(t, RFC2307bis, url)
	c.Groups.Members = List{"memberOf"}
	return c
}

func TestGroupsThatOnlyTheirMembersName(t *testing.T) {
	t.Parallel()
	outside := "cn=outside," + suffix
	_, url := serve(t, options(),
		in(person(1), "cn=A,"+groups, "cn=b,"+groups), in(person(2), outside, "cn=nobody,"+groups), person(3),
		bare("cn=a,"+groups), in(bare("cn=b,"+groups), "cn=a,"+groups), bare("cn=c,"+groups), in(bare(outside), "cn=c,"+groups))
	c := memberOf(t, url)
	snapshot, found := pulled(t, open(t, c))
	for name, want := range map[string]string{"a": "u1", "b": "u1", "c": "u2", "outside": "u2"} {
		if got := names(snapshot, found[name].Members); got != want || !found[name].MembersKnown {
			t.Errorf("members of %s are %q, want %q", name, got, want)
		}
	}
	if b := found["a"].Children; len(b) != 1 || snapshot.Groups[b[0]].Name != "b" || !found["outside"].Unlisted {
		t.Errorf("groups are %+v", snapshot.Groups)
	}
	c.Nested = false
	snapshot, found = pulled(t, open(t, c))
	if got := names(snapshot, found["c"].Members); got != "" || names(snapshot, found["a"].Members) != "u1" {
		t.Errorf("without nesting the members of c are %q", got)
	}
}

func TestManyGroupsOfOnePersonComeInRanges(t *testing.T) {
	t.Parallel()
	o := options()
	o.MaxValues = 3
	entries := []ldaptest.Entry{}
	var all []string
	for name := range strings.SplitSeq("abcdefgh", "") {
		all = append(all, "cn="+name+","+groups)
		entries = append(entries, bare("cn="+name+","+groups))
	}
	server, url := serve(t, o, append(entries, in(person(1), all...), in(person(2), all[0]))...)
	c := memberOf(t, url)
	snapshot, found := pulled(t, open(t, c))
	if names(snapshot, found["a"].Members) != "u1 u2" || names(snapshot, found["h"].Members) != "u1" {
		t.Errorf("groups are %+v", snapshot.Groups)
	}
	server.SetFault(func(q ldaptest.Search) ldaptest.Fault {
		if len(q.Attributes) > 0 && strings.HasPrefix(q.Attributes[0], "memberOf;range=3") {
			return ldaptest.Fault{Code: ldap.LDAPResultBusy}
		}
		return ldaptest.Fault{}
	})
	snapshot, err := open(t, c).Pull(t.Context(), nil)
	for _, g := range snapshot.Groups {
		if g.MembersKnown {
			t.Errorf("group %s is covered, though somebody may be in it", g.Name)
		}
	}
	if fault.KindOf(err) != fault.Throttled {
		t.Errorf("error %v", err)
	}
}

func TestPeopleWhoSayNothingAboutTheirGroupsEmptyNone(t *testing.T) {
	t.Parallel()
	_, url := serve(t, options(), person(1), bare("cn=a,"+groups))
	snapshot, err := open(t, memberOf(t, url)).Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Auth || snapshot.Groups[0].MembersKnown || !strings.Contains(err.Error(), "memberOf") {
		t.Errorf("error %v, groups %+v", err, snapshot.Groups)
	}
}

func TestAnUnreadPersonMayBeInAnyGroupThatOnlyItsMembersName(t *testing.T) {
	t.Parallel()
	for name, base := range map[string]string{"users": people, "groups": groups} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, url := serve(t, options(), in(person(1), "cn=a,"+groups), person(2), bare("cn=a,"+groups), bare("cn=b,"+groups))
			server.SetFault(func(q ldaptest.Search) ldaptest.Fault {
				if q.Base == base && !strings.Contains(q.Filter, "pwdAccountLockedTime") {
					return ldaptest.Fault{Code: ldap.LDAPResultSizeLimitExceeded, CodeAfter: 1}
				}
				return ldaptest.Fault{}
			})
			snapshot, err := open(t, memberOf(t, url)).Pull(t.Context(), nil)
			if err == nil || len(snapshot.Groups) == 0 {
				t.Fatalf("error %v, groups %+v", err, snapshot.Groups)
			}
			for _, g := range snapshot.Groups {
				if g.MembersKnown {
					t.Errorf("group %s is covered", g.Name)
				}
			}
		})
	}
}
