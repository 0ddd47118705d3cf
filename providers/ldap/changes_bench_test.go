package ldap

import (
	"fmt"
	"testing"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
)

// BenchmarkOneMembershipOfAMillion is the work of one changed group among 100,000
// people, 5,000 groups and 1,000,000 memberships, the network apart.
func BenchmarkOneMembershipOfAMillion(b *testing.B) {
	base := &directory.Snapshot{UsersListed: true, GroupsListed: true}
	for n := range 100000 {
		base.Users = append(base.Users, directory.User{ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", n), DN: fmt.Sprintf("uid=u%d,%s", n, people),
			Username: fmt.Sprintf("u%d", n), Email: fmt.Sprintf("u%d@example.org", n), StatusKnown: true})
	}
	for n := range 5000 {
		g := directory.Group{ID: fmt.Sprintf("00000000-0000-4000-9000-%012d", n), DN: fmt.Sprintf("cn=g%d,%s", n, groups), Name: fmt.Sprintf("g%d", n), MembersKnown: true}
		for i := range 200 {
			g.Direct = append(g.Direct, uint32((n*37+i*499)%100000))
		}
		base.Groups = append(base.Groups, g)
	}
	base.Close(true)
	l := presetsOf(RFC2307bis)
	shown := &layout{nested: true, users: l.users, groups: l.groups}
	entry := ldap.NewEntry(base.Groups[0].DN, map[string][]string{"entryUUID": {base.Groups[0].ID}, "cn": {"g0"}, "member": {base.Users[7].DN, base.Users[8].DN}})
	b.ReportAllocs()
	for b.Loop() {
		d := &differ{layout: shown, base: base, from: &cursor{Print: fingerprint(base)}}
		d.prepare()
		d.groups.entries[base.Groups[0].ID] = entry
		s, err := newPicture(d).build(b.Context(), &cursor{})
		if err != nil {
			b.Fatal(err)
		}
		if fingerprint(s) == d.from.Print || len(s.Groups[0].Members) != 2 {
			b.Fatal("nothing changed")
		}
	}
}
