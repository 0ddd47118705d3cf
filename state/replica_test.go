package state

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/replica"

	"pgregory.net/rapid"
)

// TestStateOfVersionTwoKnowsNobodyDeleted opens a file that the version before wrote: one
// that never read changes, and has no cursor to begin with.
func TestStateOfVersionTwoKnowsNobodyDeleted(t *testing.T) {
	t.Parallel()
	packed, err := os.ReadFile("testdata/version-2.db.gz")
	ok(t, err)
	z, err := gzip.NewReader(bytes.NewReader(packed))
	ok(t, err)
	old, err := io.ReadAll(z)
	ok(t, err)
	dir := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(dir, FileName), old, 0o600))
	db := mustOpen(t, testOptions(dir))
	ok(t, db.Check(t.Context()))
	r, err := db.Replica("01S")
	ok(t, err)
	g := r.Groups()[0]
	if len(r.Users()) != 2 || !r.Users()[1].Missing.Is() || len(g.Members) != 2 || len(g.Kept) != 0 || !r.Users()[1].DeletedAt.IsZero() || r.Cursor != nil || !r.FullAt.IsZero() {
		t.Fatalf("%+v\n%+v\n%+v", r.Head, r.Users(), r.Groups())
	}
	// The next whole read says whom the group keeps.
	s := &directory.Snapshot{AsOf: noon().Add(time.Hour), UsersListed: true, GroupsListed: true, Cursor: []byte{0, 1, 255}, Scope: "layout=ad", DeletedUsers: []string{"u2"},
		Users:  []directory.User{{ID: "u1", Email: "ann@example.org", StatusKnown: true}},
		Groups: []directory.Group{{ID: "g1", Name: "top", DN: "cn=top", MembersKnown: true, Direct: []uint32{0}, Unresolved: []string{"cn=low"}}}}
	s.Close(true)
	next, _ := r.Merge(s, 0)
	ok(t, db.SaveReplica(next))
	got, err := again(t, db).Replica("01S")
	ok(t, err)
	sameReplica(t, got, next)
	if len(got.Groups()[0].Kept) != 1 || got.Users()[1].DeletedAt.IsZero() || !bytes.Equal(got.Cursor, s.Cursor) || got.Scope != s.Scope || !got.FullAt.Equal(s.AsOf) {
		t.Fatalf("%+v\n%+v", got.Head, got.Groups()[0])
	}
}

// TestALookUpIsStoredWholeWithFewRows: whatever a look-up changes is on the disk, although
// the rows that it shares with the replica before are not compared with what is there.
func TestALookUpIsStoredWholeWithFewRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		db := mustOpen(t, testOptions(t.TempDir()))
		defer func() { ok(t, db.Close()) }()
		r, asOf := replica.New("01S"), noon()
		for range rapid.IntRange(1, 8).Draw(rt, "reads") {
			asOf = asOf.Add(time.Minute)
			s := &directory.Snapshot{AsOf: asOf}
			whole := rapid.IntRange(0, 3).Draw(rt, "whole") == 0
			many := 1
			if whole {
				many = rapid.SampledFrom([]int{3, 700}).Draw(rt, "people")
				s.UsersListed, s.GroupsListed = true, true
			}
			for range many {
				n := len(s.Users)
				if !whole {
					n = rapid.IntRange(0, 5).Draw(rt, "who")
				}
				u := directory.User{ID: fmt.Sprint("u", n), Email: rapid.SampledFrom([]string{"", "a@x", "b@x"}).Draw(rt, "mail"), StatusKnown: true, GroupsKnown: !whole,
					Disabled: rapid.Bool().Draw(rt, "disabled")}
				if rapid.Bool().Draw(rt, "attributes") {
					u.Attributes = map[string][]string{"dept": {rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "dept")}}
				}
				s.Users = append(s.Users, u)
			}
			for n := range rapid.IntRange(0, 3).Draw(rt, "groups") {
				s.Groups = append(s.Groups, directory.Group{ID: fmt.Sprint("g", n), Name: rapid.SampledFrom([]string{"one", "two"}).Draw(rt, "name"), MembersKnown: whole, Direct: []uint32{0}, Members: []uint32{0}})
			}
			if whole {
				s.Close(true)
			}
			r, _ = r.Merge(s, rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(rt, "lag"))
			ok(t, db.SaveReplica(r))
			got, err := db.Replica("01S")
			ok(t, err)
			sameReplica(t, got, r)
		}
	})
}
