package replica_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/directory"
	"groupsyncd/sync/replica"
)

func TestLeaversAreThoseWhomKnownGroupsDoNotShowAnyMore(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	first := &directory.Snapshot{AsOf: at, UsersListed: true, GroupsListed: true,
		Users: []directory.User{{ID: "ann"}, {ID: "bob"}, {ID: "cid"}},
		Groups: []directory.Group{{ID: "one", Direct: []uint32{0, 1, 2}, MembersKnown: true}, {ID: "two", Direct: []uint32{1}, MembersKnown: true},
			{ID: "above", Children: []uint32{1}, MembersKnown: true}, {ID: "one:owners", OwnersOf: "one", Direct: []uint32{1}, MembersKnown: true}}}
	first.Close(true)
	r, _ := (&replica.Replica{}).Merge(first, 0)
	if left := r.Leavers(first); left != nil {
		t.Errorf("nobody left, and %v did", left)
	}
	// cid is not there any more, which is another absence; ann's group was not read to its end.
	next := &directory.Snapshot{AsOf: at.Add(time.Hour), UsersListed: true, GroupsListed: true,
		Users:  []directory.User{{ID: "dan"}, {ID: "bob"}, {ID: "ann"}},
		Groups: []directory.Group{{ID: "new", MembersKnown: true}, {ID: "two", MembersKnown: true}, {ID: "above", Children: []uint32{1}, MembersKnown: true}, {ID: "one", Direct: []uint32{0}}, {ID: "one:owners", OwnersOf: "one", MembersKnown: true}}}
	next.Close(true)
	want := []replica.Leaver{{ID: "bob", Groups: []int{1, 2}}}
	if diff := cmp.Diff(want, r.Leavers(next)); diff != "" {
		t.Error(diff)
	}
	next.Groups[3].MembersKnown = true
	want = []replica.Leaver{{ID: "bob", Groups: []int{1, 2, 3}}, {ID: "ann", Groups: []int{3}}}
	if diff := cmp.Diff(want, r.Leavers(next)); diff != "" {
		t.Error(diff)
	}
}
