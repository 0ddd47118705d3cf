package replica_test

import (
	"fmt"
	"testing"
	"time"

	"groupsyncd/directory"
)

// large is a directory of 100,000 people and 5,000 groups with 1,000,000 memberships.
func large() *directory.Snapshot {
	s := &directory.Snapshot{AsOf: at(0), UsersListed: true, GroupsListed: true, Cursor: []byte("1")}
	for i := range 100_000 {
		id := fmt.Sprintf("%08x-0000-4000-8000-%012x", i, i)
		s.Users = append(s.Users, directory.User{ID: id, Email: id + "@example.org", Username: id, Name: "Person " + id, DN: "uid=" + id + ",ou=people,dc=example,dc=org", StatusKnown: true})
	}
	for i := range 5_000 {
		g := directory.Group{ID: fmt.Sprintf("g%07d", i), Name: fmt.Sprintf("group %d", i), DN: fmt.Sprintf("cn=group %d,ou=groups,dc=example,dc=org", i), MembersKnown: true}
		for n := range 200 {
			g.Direct = append(g.Direct, uint32((i*20+n*499)%100_000))
		}
		s.Groups = append(s.Groups, g)
	}
	s.Close(true)
	return s
}

// BenchmarkPicture takes the base of a read of changes: with everybody there, and with one
// person missing, which moves all positions behind that person.
func BenchmarkPicture(b *testing.B) {
	s := large()
	whole := after(s)
	fewer := *s
	fewer.AsOf, fewer.Groups = at(1), s.Groups[:4999]
	gone := buried(delta(&fewer), s.Users[0].ID)
	gone.Users = gone.Users[:len(gone.Users)-1]
	for i := range gone.Groups {
		for _, n := range gone.Groups[i].Members {
			if int(n) == len(gone.Users) {
				gone.Groups[i].MembersKnown = false
				gone.Groups[i].Direct, gone.Groups[i].Members = nil, nil
				break
			}
		}
	}
	moved, _ := whole.Merge(gone, 0)
	b.Run("everybody", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			whole.Picture()
		}
	})
	b.Run("one missing", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			moved.Picture()
		}
	})
	b.Run("and merged", func(b *testing.B) {
		b.ReportAllocs()
		p := whole.Picture()
		p.Delta = true
		for b.Loop() {
			p.AsOf = p.AsOf.Add(time.Second)
			whole.Merge(p, 0)
		}
	})
}
