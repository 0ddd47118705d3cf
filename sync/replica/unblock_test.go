package replica_test

import (
	"slices"
	"strings"
	"testing"

	"groupsyncd/directory"
)

// TestUnblock: a reference that does not resolve any more counts no longer when somebody
// says so. Whoever came only through it is dropped, in every group above; reads that still
// show the reference bring nobody back.
func TestUnblock(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		reads   []*directory.Snapshot
		group   string
		dropped string
		want    []string
	}{
		{"who came through it is dropped",
			[]*directory.Snapshot{read(0, "users: ann bob cid", "top: ann +low", "low: bob cid"), read(10, "users: ann bob cid", "top: ann ~cn=low")},
			"top", "bob/top cid/top", []string{"ann top shown", "bob top left", "cid top left"}},
		{"who is named beside it stays",
			[]*directory.Snapshot{read(0, "users: ann bob", "top: ann bob +low", "low: bob ann"), read(10, "users: ann bob", "top: bob ~cn=low")},
			"top", "ann/top", []string{"bob top shown", "ann top left"}},
		{"who comes through another nested group stays",
			[]*directory.Snapshot{read(0, "users: ann bob", "top: +low +side", "low: ann bob", "side: bob"), read(10, "users: ann bob", "top: ~cn=low +side", "side: bob")},
			"top", "ann/top", []string{"bob top shown", "ann top left"}},
		{"groups above lose them too, but for whom they name themselves",
			[]*directory.Snapshot{
				read(0, "users: ann bob cid", "root: bob +top", "top: cid +low", "low: ann bob"),
				read(10, "users: ann bob cid", "root: bob +top", "top: cid ~cn=low")},
			"top", "ann/root ann/top bob/top", []string{"ann root left", "bob root shown", "bob top left", "cid root shown"}},
		{"another group that names the same one keeps its people",
			[]*directory.Snapshot{
				read(0, "users: ann", "root: +top +next", "top: +low", "next: +low", "low: ann"),
				read(10, "users: ann", "root: +top +next", "top: ~cn=low", "next: ~cn=low")},
			"top", "ann/top", []string{"ann top left", "ann next shown", "ann root shown"}},
		{"groups in a circle",
			[]*directory.Snapshot{
				read(0, "users: ann bob", "root: +top", "top: bob +root +low", "low: ann"),
				read(10, "users: ann bob", "root: +top", "top: bob +root ~cn=low")},
			"root", "", []string{"ann top shown", "bob root shown"}},
		{"nothing is blocked",
			[]*directory.Snapshot{read(0, "users: ann", "top: +low", "low: ann")},
			"top", "", []string{"ann top shown"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			before := after(c.reads...)
			g, _ := before.Group(c.group)
			next, dropped := before.Unblock(g)
			var got []string
			for _, d := range dropped {
				got = append(got, next.Users()[d.User].ID+"/"+next.Groups()[d.Group].ID)
			}
			slices.Sort(got)
			if s := strings.Join(got, " "); s != c.dropped {
				t.Errorf("dropped %q, want %q", s, c.dropped)
			}
			expect(t, next, c.want...)
			// The same answer again changes nothing, and blocks nothing.
			again := *c.reads[len(c.reads)-1]
			again.AsOf = at(60)
			next, _ = next.Merge(&again, 0)
			expect(t, next, c.want...)
			if c.dropped != "" && len(next.Groups()[g].Blocked) > 0 {
				t.Errorf("blocked again: %+v", next.Groups()[g].Blocked)
			}
		})
	}
}

// TestUnblockLeavesTheOldReplica: what others hold of it does not change under them.
func TestUnblockLeavesTheOldReplica(t *testing.T) {
	t.Parallel()
	r := after(read(0, "users: ann bob", "top: ann +low", "low: bob"), read(10, "users: ann bob", "top: ann ~cn=low"))
	top, _ := r.Group("top")
	next, _ := r.Unblock(top)
	expect(t, r, "bob top shown")
	expect(t, next, "bob top left")
	if len(r.Groups()[top].Blocked) != 1 || path(next, "ann", "top") != "top" {
		t.Errorf("blocked %+v, ann by %q", r.Groups()[top].Blocked, path(next, "ann", "top"))
	}
}

// TestAReferenceBlocksAnewAfterItResolved: the decision was about that time only.
func TestAReferenceBlocksAnewAfterItResolved(t *testing.T) {
	t.Parallel()
	r := after(read(0, "users: bob", "top: +low", "low: bob"), read(10, "users: bob", "top: ~cn=low"))
	top, _ := r.Group("top")
	r, _ = r.Unblock(top)
	for i, lines := range [][]string{{"top: +low", "low: bob"}, {"top: ~cn=low"}} {
		r, _ = r.Merge(read(20+i, append([]string{"users: bob"}, lines...)...), 0)
		expect(t, r, "bob top shown")
	}
	if r.Groups()[top].Blocked == nil {
		t.Error("it is not blocked")
	}
}
