package replica_test

import (
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/replica"
)

// TestReadReplacesOnlyWhatItCovers goes through what reads can cover, and what the
// merge makes of each.
func TestReadReplacesOnlyWhatItCovers(t *testing.T) {
	t.Parallel()
	first := read(0, "users: ann bob cid", "sales: ann bob", "eng: bob cid")
	for _, c := range []struct {
		name  string
		reads []*directory.Snapshot
		want  []string
	}{
		{"a whole read replaces everything",
			[]*directory.Snapshot{read(5, "users: ann bob cid", "sales: ann", "eng: bob cid ann")},
			[]string{"ann sales shown", "bob sales left", "ann eng shown", "bob eng shown", "cid eng shown"}},
		{"a cut group keeps its members, the others are replaced",
			[]*directory.Snapshot{read(5, "users: ann bob cid", "sales?: ann", "eng: cid")},
			[]string{"ann sales shown", "bob sales shown", "bob eng left", "cid eng shown"}},
		{"a look-up replaces the groups of that person only",
			[]*directory.Snapshot{lookUp(5, "bob", "eng")},
			[]string{"bob sales left", "bob eng shown", "ann sales shown", "cid eng shown"}},
		{"a token with an explicit empty claim takes everything of that person",
			[]*directory.Snapshot{lookUp(5, "bob")},
			[]string{"bob sales left", "bob eng left", "ann sales shown"}},
		{"a look-up that found nobody changes nothing",
			[]*directory.Snapshot{{AsOf: at(5), Reason: "nobody found"}},
			[]string{"ann sales shown", "bob sales shown", "bob eng shown", "cid eng shown"}},
		{"a person without a groups claim keeps everything",
			[]*directory.Snapshot{{AsOf: at(5), Users: []directory.User{{ID: "bob", Email: "bob@example.org"}}, Reason: "no claim"}},
			[]string{"bob sales shown", "bob eng shown"}},
		{"a lost connection keeps the rest",
			[]*directory.Snapshot{read(5, "users?: ann", "groups?", "sales: ann")},
			[]string{"ann sales shown", "bob sales shown", "bob eng shown", "cid eng shown"}},
		{"a group whose list is cut is not missing",
			[]*directory.Snapshot{read(5, "users: ann bob cid", "groups?", "sales: ann bob"), read(50, "users: ann bob cid", "groups?", "sales: ann bob")},
			[]string{"bob eng shown", "cid eng shown"}},
		{"a person whose list is cut is not missing",
			[]*directory.Snapshot{read(5, "users?: ann bob", "sales: ann bob", "eng: bob"), read(50, "users?: ann bob", "sales: ann bob", "eng: bob")},
			[]string{"cid eng shown"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expect(t, after(append([]*directory.Snapshot{first}, c.reads...)...), c.want...)
		})
	}
}

func TestCutGroupKeepsTheMembersOfEveryGroupAboveIt(t *testing.T) {
	t.Parallel()
	r := after(
		read(0, "users: ann bob cid", "top: ann +mid", "mid: +low", "low: bob cid"),
		read(5, "users: ann bob cid", "top: ann +mid", "mid: +low", "low?: bob"))
	expect(t, r, "cid low shown", "cid mid shown", "cid top shown", "bob top shown")
	r, _ = r.Merge(read(10, "users: ann bob cid", "top: ann +mid", "mid: +low", "low: bob"), 0)
	expect(t, r, "cid low left", "cid mid left", "cid top left", "bob top shown")
}

func TestZeroSnapshotChangesNothing(t *testing.T) {
	t.Parallel()
	r := after(read(0, "users: ann bob", "sales: ann bob"))
	next, learned := r.Merge(&directory.Snapshot{}, 5*time.Minute)
	if dump(next) != dump(r) || learned != (replica.Learned{}) {
		t.Errorf("an empty snapshot taught %+v:\n%s", learned, dump(next))
	}
}

// TestLookUpsAndFullReadsInBothOrders: of a look-up and a full read, the one that began
// later decides, whichever arrives first.
func TestLookUpsAndFullReadsInBothOrders(t *testing.T) {
	t.Parallel()
	base := read(0, "users: ann bob", "sales: ann", "eng: bob")
	for _, c := range []struct {
		name        string
		look, whole *directory.Snapshot
		want        []string
	}{
		{"a login during a full read that began earlier survives it",
			lookUp(12, "bob", "sales", "eng"), read(10, "users: ann bob", "sales: ann", "eng: bob"),
			[]string{"bob sales shown", "bob eng shown"}},
		{"somebody looked up as out stays out though the earlier read shows them",
			lookUp(12, "ann"), read(10, "users: ann bob", "sales: ann", "eng: bob"),
			[]string{"ann sales left"}},
		{"a full read that began later overrules the look-up",
			lookUp(10, "bob", "sales", "eng"), read(12, "users: ann bob", "sales: ann", "eng: bob"),
			[]string{"bob sales left", "bob eng shown"}},
		{"a full read that began later brings back whom the look-up did not show",
			lookUp(10, "ann"), read(12, "users: ann bob", "sales: ann", "eng: bob"),
			[]string{"ann sales shown"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expect(t, after(base, c.look, c.whole), c.want...)
			expect(t, after(base, c.whole, c.look), c.want...)
		})
	}
}

func TestGroupFirstSeenInALookUpIsUnread(t *testing.T) {
	t.Parallel()
	r := after(read(0, "users: ann bob cid", "sales: ann"), lookUp(5, "ann", "sales", "new"))
	expect(t, r, "ann new shown", "bob new unknown")
	n, _ := r.Group("new")
	if why, fresh := r.Fresh([]uint32{n}, at(6), time.Hour); fresh || !strings.Contains(why, "never shown all members") {
		t.Errorf("a group that was never read counts as fresh (%q)", why)
	}
	// A second look-up says that the person is not in it; of the third nothing is known.
	r, _ = r.Merge(lookUp(7, "bob"), 0)
	expect(t, r, "ann new shown", "bob new left", "cid new unknown")
	r, _ = r.Merge(read(10, "users: ann bob cid", "sales: ann", "new: ann cid"), 0)
	expect(t, r, "ann new shown", "bob new left", "cid new shown")
}

func TestOlderReadsChangeNothingNewer(t *testing.T) {
	t.Parallel()
	r := after(read(10, "users: ann -bob", "sales: ann"))
	old := read(5, "users: bob", "sales: bob")
	old.Users[0].Email = "old@example.org"
	next, _ := r.Merge(old, 0)
	expect(t, next, "ann sales shown", "bob sales explicit")
	if dump(next) != dump(r) {
		t.Errorf("an older read changed the replica:\n%s\nwas\n%s", dump(next), dump(r))
	}
}

func TestCompleteAtNeedsEverything(t *testing.T) {
	t.Parallel()
	r := after(read(0, "users: ann", "sales: ann"), read(5, "users: ann", "sales?: ann"))
	if !r.CompleteAt.Equal(at(0)) || !r.UsersAt.Equal(at(5)) || !r.GroupsAt.Equal(at(5)) {
		t.Errorf("complete at %v, users at %v, groups at %v", r.CompleteAt, r.UsersAt, r.GroupsAt)
	}
}

func TestDisabledIsExplicitAndKeptUntilRead(t *testing.T) {
	t.Parallel()
	r := after(read(0, "users: ann bob", "sales: ann bob"), read(5, "users: -ann bob", "sales: ann bob"))
	expect(t, r, "ann sales explicit", "bob sales shown")
	unknown := lookUp(6, "ann", "sales")
	unknown.Users[0].StatusKnown = false
	r, _ = r.Merge(unknown, 0)
	expect(t, r, "ann sales explicit")
	if n, _ := r.User("ann"); r.Active(n) {
		t.Error("a disabled person counts as active")
	}
	r, _ = r.Merge(read(10, "users: ann bob", "sales: ann bob"), 0)
	expect(t, r, "ann sales shown")
}

func TestAttributesFollowTheNewestRead(t *testing.T) {
	t.Parallel()
	s := read(5, "users: ann", "sales: ann")
	s.Users[0].Email, s.Groups[0].Name, s.Groups[0].DN = "new@example.org", "Sales", "cn=Sales"
	r := after(read(0, "users: ann", "sales: ann"), s)
	n, _ := r.User("ann")
	g, _ := r.Group("sales")
	if r.Users()[n].Email != "new@example.org" || r.Groups()[g].Name != "Sales" || r.Groups()[g].DN != "cn=Sales" {
		t.Errorf("kept %+v and %+v", r.Users()[n], r.Groups()[g])
	}
}

func TestSizeCountsWhoIsNeitherMissingNorDeleted(t *testing.T) {
	t.Parallel()
	r := after(read(0, "users: ann bob cid", "sales: ann +team", "eng: bob", "(team): cid"), read(5, "users: ann bob", "sales: ann"))
	if users, groups := r.Size(); users != 2 || groups != 1 {
		t.Errorf("%d users and %d groups, want 2 and 1", users, groups)
	}
}

func TestRestoredReplicaIsTheSame(t *testing.T) {
	t.Parallel()
	r := after(read(0, "users: ann bob", "top: +low", "low: ann"), read(5, "users: ann", "top: ~cn=low"))
	again := replica.Restore(r.Head, r.Users(), r.Groups())
	next := read(30, "users: ann", "top: ~cn=low")
	a, _ := r.Merge(next, 0)
	b, _ := again.Merge(next, 0)
	if dump(a) != dump(b) {
		t.Errorf("a restored replica goes on as\n%s\nnot as\n%s", dump(b), dump(a))
	}
}
