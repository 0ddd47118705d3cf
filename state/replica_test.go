package state

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"groupsyncd/directory"
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
