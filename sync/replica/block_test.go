package replica_test

import (
	"strings"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/sync/replica"
)

// TestNestedGroupTakenOut: a reference that is gone takes its people out.
func TestNestedGroupTakenOut(t *testing.T) {
	t.Parallel()
	r := after(
		read(0, "users: ann bob", "top: ann +low", "low: bob"),
		read(10, "users: ann bob", "top: ann", "low: bob"))
	expect(t, r, "ann top shown", "bob top left", "bob low shown")
}

// TestNestedGroupThatDoesNotResolve: a reference that resolved at the last complete
// read and does not now takes nobody out, however the server shows the move.
func TestNestedGroupThatDoesNotResolve(t *testing.T) {
	t.Parallel()
	base := read(0, "users: ann bob cid", "top: ann +low", "low: bob cid")
	for _, c := range []struct {
		name  string
		reads []*directory.Snapshot
		want  []string
	}{
		{"moved out of the base: nobody leaves through it",
			[]*directory.Snapshot{read(10, "users: ann bob cid", "top: ann ~cn=low"), read(60, "users: ann bob cid", "top: ann ~cn=low")},
			[]string{"ann top shown", "bob top shown", "cid top shown"}},
		{"somebody who is in the group by themselves leaves all the same",
			[]*directory.Snapshot{read(10, "users: ann bob cid", "top: ~cn=low")},
			[]string{"ann top left", "bob top shown"}},
		{"the server rewrites the reference",
			[]*directory.Snapshot{read(10, "users: ann bob cid", "top: ann ~cn=low,ou=elsewhere"), read(60, "users: ann bob cid", "top: ann ~cn=low,ou=elsewhere")},
			[]string{"bob top shown", "cid top shown"}},
		{"it rewrites the reference a second time",
			[]*directory.Snapshot{read(10, "users: ann bob cid", "top: ann ~cn=low,ou=a"), read(60, "users: ann bob cid", "top: ann ~cn=low,ou=b")},
			[]string{"bob top shown", "cid top shown"}},
		{"ends when the reference is taken out",
			[]*directory.Snapshot{read(10, "users: ann bob cid", "top: ann ~cn=low"), read(60, "users: ann bob cid", "top: ann")},
			[]string{"ann top shown", "bob top left", "cid top left"}},
		{"ends when the rewritten reference is taken out",
			[]*directory.Snapshot{read(10, "users: ann bob cid", "top: ann ~cn=low,ou=a"), read(60, "users: ann bob cid", "top: ann")},
			[]string{"bob top left"}},
		{"ends when it resolves again",
			[]*directory.Snapshot{read(10, "users: ann bob cid", "top: ann ~cn=low"), read(60, "users: ann bob cid", "top: ann +low", "low: bob")},
			[]string{"bob top shown", "cid top left"}},
		{"a dangling reference that was always there blocks nothing",
			[]*directory.Snapshot{read(10, "users: ann bob cid", "top: ann +low ~cn=x", "low: bob cid"), read(20, "users: ann bob cid", "top: ann ~cn=x", "low: bob cid")},
			[]string{"bob top left", "cid top left"}},
		{"unlisted from the start: it was read by its name and counts",
			[]*directory.Snapshot{read(10, "users: ann bob cid", "top: ann +low", "(low): bob cid")},
			[]string{"bob top shown", "cid top shown"}},
		{"a look-up does not see that path either",
			[]*directory.Snapshot{read(10, "users: ann bob cid", "top: ann ~cn=low"), lookUp(20, "bob"), lookUp(25, "bob"), read(60, "users: ann bob cid", "top: ann ~cn=low")},
			[]string{"bob top shown", "cid top shown"}},
		{"the list of groups was cut",
			[]*directory.Snapshot{read(10, "users: ann bob cid", "groups?", "top: ann ~cn=low")},
			[]string{"bob top shown", "cid low shown"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expect(t, after(append([]*directory.Snapshot{base}, c.reads...)...), c.want...)
		})
	}
}

// TestLookUpsDoNotUndoABlock: the group that cannot be read any more was outside base
// and filter before, so that it never goes missing, and it stands before the group that
// contains it.
func TestLookUpsDoNotUndoABlock(t *testing.T) {
	t.Parallel()
	r := after(
		read(0, "users: ann bob", "(low): bob", "top: ann +low"),
		read(10, "users: ann bob", "top: ann ~cn=low"),
		lookUp(20, "bob"), lookUp(30, "bob"))
	expect(t, r, "bob top shown")
	r, _ = r.Merge(read(40, "users: ann bob", "top: ann ~cn=low"), 0)
	expect(t, r, "bob top shown")
}

func TestBlockReachesEveryGroupAbove(t *testing.T) {
	t.Parallel()
	moved := func(m int) *directory.Snapshot {
		return read(m, "users: ann bob cid", "root: ann +top", "top: +mid", "mid: cid ~cn=low")
	}
	r := after(read(0, "users: ann bob cid", "root: ann +top", "top: +mid", "mid: cid +low", "low: bob"), moved(10), moved(60))
	expect(t, r, "bob mid shown", "bob top shown", "bob root shown", "cid root shown")
	// The look-up of somebody sees the path no better.
	r, _ = r.Merge(lookUp(70, "bob"), 0)
	expect(t, r, "bob mid shown", "bob top shown", "bob root shown")
	// Once the reference is out, everybody who came through it is out, on each level.
	r, _ = r.Merge(read(80, "users: ann bob cid", "root: ann +top", "top: +mid", "mid: cid"), 0)
	expect(t, r, "bob mid left", "bob top left", "bob root left", "cid root shown")
}

// TestNewerLookUpDoesNotMakeAGroupLookMoved: a nested group that this read shows is
// not unresolved because a look-up saw it later still.
func TestNewerLookUpDoesNotMakeAGroupLookMoved(t *testing.T) {
	t.Parallel()
	r := after(
		read(0, "users: ann bob cid", "top: +low ann", "low: bob cid"),
		lookUp(12, "cid", "low", "top"),
		read(10, "users: ann bob cid", "top: +low ann ~cn=deleted-user", "low: cid"))
	expect(t, r, "bob low left", "bob top left", "cid top shown")
	top, _ := r.Group("top")
	if blocked := r.Groups()[top].Blocked; len(blocked) != 0 {
		t.Errorf("blocked %+v although the nested group was read", blocked)
	}
}

func TestGroupThatDropsOutOfTheListKeepsItsPeople(t *testing.T) {
	t.Parallel()
	// It is still nested in another, so it is read; rules cannot select it any more.
	out := func(m int) *directory.Snapshot { return read(m, "users: ann bob", "top: +low", "(low): ann") }
	r := after(read(0, "users: ann bob", "top: +low", "low: ann bob"), out(10))
	expect(t, r, "ann low unknown", "bob low unknown", "ann top shown", "bob top left")
	r, _ = r.Merge(out(30), 0)
	expect(t, r, "ann low gone")
}

func TestPathExplainsHowSomebodyIsInAGroup(t *testing.T) {
	t.Parallel()
	r := after(read(0, "users: ann bob cid dan", "root: ann +top", "top: +mid +side", "mid: cid +low", "side: +low", "low: bob +root"))
	for _, c := range []struct{ user, group, want string }{
		{"ann", "root", "root"},
		{"cid", "root", "root top mid"},
		{"bob", "root", "root top mid low"},
		{"bob", "side", "side low"},
		{"ann", "low", "low root"},
		{"dan", "root", ""},
	} {
		if got := path(r, c.user, c.group); got != c.want {
			t.Errorf("%s in %s by %q, want %q", c.user, c.group, got, c.want)
		}
	}
	t.Run("through a nested group that does not resolve any more", func(t *testing.T) {
		t.Parallel()
		r := after(read(0, "users: ann bob", "top: ann +low", "low: bob"), read(10, "users: ann bob", "top: ann ~cn=low"))
		if got := path(r, "bob", "top"); got != "top low" {
			t.Errorf("by %q", got)
		}
	})
	t.Run("nothing is known of the way after a look-up", func(t *testing.T) {
		t.Parallel()
		r := after(read(0, "users: ann bob", "top: ann +low", "low:"), lookUp(10, "bob", "top"))
		if got := path(r, "bob", "top"); got != "" {
			t.Errorf("by %q", got)
		}
	})
}

func path(r *replica.Replica, user, group string) string {
	u, _ := r.User(user)
	g, _ := r.Group(group)
	var names []string
	for _, n := range r.Path(u, g) {
		names = append(names, r.Groups()[n].Name)
	}
	return strings.Join(names, " ")
}
