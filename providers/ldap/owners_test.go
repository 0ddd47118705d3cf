package ldap

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap/ldaptest"
)

// ownersOf gives the owners of a group by their ids, and references that lead nowhere.
func ownersOf(t *testing.T, s *directory.Snapshot, group string) string {
	t.Helper()
	for i := range s.Groups {
		g := &s.Groups[i]
		if g.OwnersOf == "" || s.Groups[slices.IndexFunc(s.Groups, func(o directory.Group) bool { return o.ID == g.OwnersOf })].Name != group {
			continue
		}
		var names []string
		for _, m := range g.Members {
			names = append(names, s.Users[m].Username)
		}
		slices.Sort(names)
		for _, ref := range g.Unresolved {
			names = append(names, "?"+ref)
		}
		if !g.MembersKnown {
			names = append(names, "unknown")
		}
		return strings.Join(names, " ")
	}
	return "none"
}

// owning is a directory with three people and groups that own each other.
func owning(t *testing.T, layout, attribute string, change func(*Config)) (*source, *ldaptest.Server) {
	t.Helper()
	srv, url := serve(t, options())
	person := func(n, uid string) ldaptest.Entry {
		return ldaptest.Entry{DN: "uid=" + uid + "," + people, Attributes: map[string][]string{"objectClass": {"inetOrgPerson"}, "entryUUID": {n}, "uid": {uid}, "cn": {uid}, "sn": {uid}, "mail": {uid + "@x.org"}}}
	}
	group := func(n, cn string, member, owner []string) ldaptest.Entry {
		e := ldaptest.Entry{DN: "cn=" + cn + "," + groups, Attributes: map[string][]string{"objectClass": {"groupOfNames"}, "entryUUID": {n}, "cn": {cn}, "member": member}}
		if owner != nil {
			e.Attributes[attribute] = owner
		}
		return e
	}
	add(t, srv, person("u1", "ann"), person("u2", "bob"), person("u3", "cid"),
		group("g1", "sales", []string{"uid=ann," + people}, []string{"UID=bob, " + people}),
		group("g2", "law", []string{"uid=cid," + people, "uid=bob," + people}, []string{"cn=sales," + groups, "uid=cid," + people, "uid=ghost," + people}),
		group("g3", "own", []string{"uid=ann," + people}, []string{"cn=own," + groups}),
		group("g4", "nobody", []string{"uid=ann," + people}, nil))
	c := configure(t, layout, url)
	c.Groups.Owners = attribute
	change(c)
	return open(t, c), srv
}

func TestOwnersAreGroupsOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, attribute := range []string{"owner", "managedBy"} {
		s, srv := owning(t, RFC2307bis, attribute, func(*Config) {})
		snapshot, err := s.Pull(t.Context(), nil)
		if err != nil || snapshot.Coverage() != directory.Full {
			t.Fatalf("%v, coverage %s", err, snapshot.Coverage())
		}
		for group, want := range map[string]string{"sales": "bob", "law": "ann cid ?uid=ghost," + people, "own": "", "nobody": ""} {
			if got := ownersOf(t, snapshot, group); got != want {
				t.Errorf("%s: owners of %s are %q, want %q", attribute, group, got, want)
			}
		}
		if len(snapshot.Cursor) > 0 {
			t.Error("changes could be followed, which would lose the owners")
		}
		one, err := s.LookUp(t.Context(), directory.Person{Username: "bob"})
		if err != nil || slices.ContainsFunc(one.Groups, func(g directory.Group) bool { return g.OwnersOf != "" }) {
			t.Errorf("%v, a look-up shows %+v", err, one.Groups)
		}
		if err := srv.Modify("cn=sales,"+groups, attribute); err != nil {
			t.Fatal(err)
		}
		snapshot, err = s.Pull(t.Context(), nil)
		if got := ownersOf(t, snapshot, "sales"); err != nil || got != "" {
			t.Errorf("%v, owners after the last was taken out: %q", err, got)
		}
	}
}

func TestWithoutTheKeyOwnersAreNotRead(t *testing.T) {
	t.Parallel()
	s, _ := owning(t, RFC2307bis, "owner", func(c *Config) { c.Groups.Owners = "" })
	snapshot, err := s.Pull(t.Context(), nil)
	if err != nil || len(snapshot.Groups) != 4 {
		t.Errorf("%v, groups %+v", err, snapshot.Groups)
	}
	if s.config.ShowsOwners() {
		t.Error("it says that it shows owners")
	}
}

// TestAFailedListSaysNothingOfOwners: whom it does not show may own something.
func TestAFailedListSaysNothingOfOwners(t *testing.T) {
	t.Parallel()
	s, srv := owning(t, RFC2307bis, "owner", func(*Config) {})
	srv.SetFault(func(q ldaptest.Search) ldaptest.Fault {
		if strings.HasPrefix(q.Base, "ou=people") {
			return ldaptest.Fault{Code: 4, CodeAfter: 1}
		}
		return ldaptest.Fault{}
	})
	snapshot, err := s.Pull(t.Context(), nil)
	if err == nil {
		t.Fatal("no error")
	}
	if got := ownersOf(t, snapshot, "law"); !strings.HasSuffix(got, "unknown") {
		t.Errorf("owners are %q, want them unknown", got)
	}
}

func TestChangesAreNotFollowedBesideOwners(t *testing.T) {
	t.Parallel()
	s, _ := owning(t, RFC2307bis, "owner", func(*Config) {})
	if _, err := s.PullChanges(t.Context(), &directory.Snapshot{Cursor: []byte("x")}, nil); !errors.Is(err, providers.ErrFullRead) {
		t.Errorf("%v", err)
	}
}

func TestOwnersBelongToTheScopeAndMustBeAnAttribute(t *testing.T) {
	t.Parallel()
	c := configure(t, RFC2307bis, "ldap://localhost")
	before := c.Scope()
	c.Groups.Owners = "Owner"
	if after := c.Scope(); after == before || !strings.Contains(after, "owners: owner") {
		t.Errorf("scope %q", after)
	}
	c.Groups.Owners = "o wner"
	if p := c.Check(); len(p) != 1 || strings.Join(p[0].Path, ".") != "groups.owners" {
		t.Errorf("%+v", p)
	}
}
