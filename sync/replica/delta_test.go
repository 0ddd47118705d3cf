package replica_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"

	"pgregory.net/rapid"
)

// delta makes a read one of changes: the picture that they lead to.
func delta(s *directory.Snapshot) *directory.Snapshot {
	s.Delta = true
	return s
}

// buried adds tombstones to a read; groups are written with a leading +.
func buried(s *directory.Snapshot, ids ...string) *directory.Snapshot {
	for _, id := range ids {
		if group, is := strings.CutPrefix(id, "+"); is {
			s.DeletedGroups = append(s.DeletedGroups, group)
		} else {
			s.DeletedUsers = append(s.DeletedUsers, id)
		}
	}
	return s
}

// ending gives a read a cursor.
func ending(s *directory.Snapshot, cursor string) *directory.Snapshot {
	s.Cursor = []byte(cursor)
	return s
}

// seen writes down what a snapshot shows, whatever the order. Groups outside of the list to
// which nothing leads are no part of it.
func seen(s *directory.Snapshot) string {
	shown := make([]bool, len(s.Groups))
	for again := true; again; {
		again = false
		for i := range s.Groups {
			led := func(g directory.Group) bool { return slices.Contains(g.Children, uint32(i)) }
			if !shown[i] && (!s.Groups[i].Unlisted || slices.ContainsFunc(s.Groups, func(g directory.Group) bool {
				return led(g) && shown[slices.IndexFunc(s.Groups, func(x directory.Group) bool { return x.ID == g.ID })]
			})) {
				shown[i], again = true, true
			}
		}
	}
	names := func(list []uint32, name func(uint32) string) []string {
		out := []string{}
		for _, n := range list {
			out = append(out, name(n))
		}
		slices.Sort(out)
		return out
	}
	user := func(n uint32) string { return s.Users[n].ID }
	group := func(n uint32) string { return s.Groups[n].ID }
	var lines []string
	for _, u := range s.Users {
		lines = append(lines, fmt.Sprintf("%+v", u))
	}
	for i, g := range s.Groups {
		if shown[i] {
			lines = append(lines, fmt.Sprintf("%s %q %q %q known %v unlisted %v: direct %v children %v members %v unresolved %v", g.ID, g.Name, g.DN, g.Path,
				g.MembersKnown, g.Unlisted, names(g.Direct, user), names(g.Children, group), names(g.Members, user), slices.Sorted(slices.Values(g.Unresolved))))
		}
	}
	slices.Sort(lines)
	return fmt.Sprintf("%v %v %s %q %q\n%s", s.UsersListed, s.GroupsListed, s.AsOf, s.Cursor, s.Scope, strings.Join(lines, "\n"))
}

// wholeRead draws a read of everything.
func wholeRead(t *rapid.T, minutes int) *directory.Snapshot {
	return rapid.Custom(func(t *rapid.T) *directory.Snapshot { return anyRead(t, minutes) }).
		Filter(func(s *directory.Snapshot) bool { return s.Coverage() == directory.Full }).Draw(t, "whole")
}

// TestPictureIsWhatTheLastWholeReadShowed: whatever was known before, and whomever the merge
// keeps although the read does not show them.
func TestPictureIsWhatTheLastWholeReadShowed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lag := anyLag(t)
		r := lagging(lag, anyReads(t)...)
		s := wholeRead(t, 61)
		next, _ := r.Merge(s, lag)
		if got, want := seen(next.Picture()), seen(s); got != want {
			t.Fatalf("the picture is\n%s\nand the read was\n%s", got, want)
		}
	})
}

// TestDeltaWithoutChangesTeachesNothing: a picture to which nothing was applied leaves
// everything but the times as it is, also after look-ups.
func TestDeltaWithoutChangesTeachesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lag := anyLag(t)
		r := lagging(lag, anyReads(t)...)
		r, _ = r.Merge(wholeRead(t, 61), lag)
		listed := slices.DeleteFunc(slices.Clone(teams), func(g string) bool {
			n, known := r.Group(g)
			return known && r.Groups()[n].Missing.Is()
		})
		for range rapid.IntRange(0, 2).Draw(t, "look-ups") {
			l := lookUp(61, rapid.SampledFrom(people).Draw(t, "who"), subset(t, "in", listed)...)
			l.AsOf = l.AsOf.Add(time.Second) // Before any lag is over that was not over at the read.
			r, _ = r.Merge(l, lag)
		}
		p := r.Picture()
		if p.Coverage() != directory.Full {
			return // A look-up found a group that was never read: nobody goes on from there.
		}
		p.AsOf, p.Delta = at(61).Add(2*time.Second), true
		next, _ := r.Merge(p, lag)
		if !slices.Equal(edges(next), edges(r)) {
			t.Fatalf("nothing changed, and\n%v\nbecame\n%v", edges(r), edges(next))
		}
		for n, u := range r.Users() {
			now := next.Users()[n]
			if now.Missing != u.Missing || now.DeletedAt != u.DeletedAt || now.Disabled != u.Disabled || now.Email != u.Email {
				t.Fatalf("nothing changed, and %+v became %+v", u, now)
			}
		}
		for n, g := range r.Groups() {
			now := next.Groups()[n]
			if now.Missing != g.Missing || now.DeletedAt != g.DeletedAt || now.Listed != g.Listed || len(now.Blocked) != len(g.Blocked) {
				t.Fatalf("nothing changed, and %+v became %+v", g, now)
			}
		}
	})
}

// TestPictureChangesNothing: to take one, and to merge what was made of it, leaves the
// replica as it is.
func TestPictureChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := lagging(anyLag(t), anyReads(t)...)
		before := dump(r)
		p, other := r.Picture(), r.Picture()
		p.AsOf, p.Delta = at(90), true
		for i := range p.Groups {
			p.Groups[i].Direct = append(p.Groups[i].Direct, 0)
			other.Groups[i].Direct = append(other.Groups[i].Direct, 9)
			if last := len(p.Groups[i].Direct) - 1; p.Groups[i].Direct[last] != 0 {
				t.Fatal("two pictures grow into one list")
			}
			p.Groups[i].Unresolved = append(p.Groups[i].Unresolved, "cn=x")
		}
		if dump(r) != before {
			t.Fatalf("the replica changed:\n%s\nwas\n%s", dump(r), before)
		}
	})
}

// TestDeltaIsAFirstSightingOnly: however often deltas do not show somebody, only complete
// reads settle that they are gone.
func TestDeltaIsAFirstSightingOnly(t *testing.T) {
	t.Parallel()
	r := after(read(0, "users: ann bob", "sales: ann bob", "eng: ann"))
	for _, minute := range []int{10, 40, 80} {
		r, _ = r.Merge(delta(read(minute, "users: ann", "sales: ann")), 0)
		expect(t, r, "bob sales unknown", "ann eng unknown")
	}
	if v := stands(t, r, "bob", "sales"); !v.ConfirmAt.Equal(at(25)) || !strings.Contains(v.Why, "seen in 0 of 2 complete reads") {
		t.Errorf("it waits until %v: %s", v.ConfirmAt, v.Why)
	}
	r, _ = r.Merge(read(90, "users: ann", "sales: ann"), 0)
	expect(t, r, "bob sales unknown", "ann eng unknown")
	r, _ = r.Merge(delta(read(95, "users: ann", "sales: ann")), 0)
	expect(t, r, "bob sales unknown", "ann eng unknown")
	r, _ = r.Merge(read(100, "users: ann", "sales: ann"), 0)
	expect(t, r, "bob sales gone", "ann eng gone")
	r, _ = r.Merge(delta(read(110, "users: ann bob", "sales: ann bob", "eng: ann")), 0)
	expect(t, r, "bob sales shown", "ann eng shown")
}

// TestDeltaCoversEverything: what it shows is as good as a full read, and as fresh.
func TestDeltaCoversEverything(t *testing.T) {
	t.Parallel()
	r := after(read(0, "users: ann bob", "sales: ann bob", "eng:"), delta(read(50, "users: ann bob", "sales: ann", "eng: bob")))
	expect(t, r, "bob sales left", "bob eng shown")
	if why, fresh := r.Fresh([]uint32{0, 1}, at(60), 20*time.Minute); !fresh {
		t.Error(why)
	}
	if !r.ReadSince([]uint32{0, 1}, at(50)) || !r.CompleteAt.Equal(at(50)) || !r.FullAt.Equal(at(0)) {
		t.Errorf("complete at %v, full at %v", r.CompleteAt, r.FullAt)
	}
}

// TestTombstoneIsExplicit: what the source says was deleted goes at once, until evidence
// that is newer shows it.
func TestTombstoneIsExplicit(t *testing.T) {
	t.Parallel()
	base := read(0, "users: ann bob", "sales: ann bob", "eng: bob")
	gone := buried(delta(read(10, "users: ann", "sales: ann")), "bob", "+eng", "nobody", "+nothing")
	for _, c := range []struct {
		name  string
		reads []*directory.Snapshot
		want  []string
	}{
		{"person and group", []*directory.Snapshot{gone}, []string{"bob sales explicit", "bob eng explicit", "ann eng explicit", "ann sales shown"}},
		{"a later delta without tombstones", []*directory.Snapshot{gone, delta(read(12, "users: ann", "sales: ann"))}, []string{"bob sales explicit", "ann eng explicit"}},
		{"a later full read without them", []*directory.Snapshot{gone, read(12, "users: ann", "sales: ann")}, []string{"bob sales explicit", "ann eng explicit"}},
		{"a later look-up finds the person", []*directory.Snapshot{gone, lookUp(12, "bob", "sales")}, []string{"bob sales shown"}},
		{"an earlier look-up comes late", []*directory.Snapshot{gone, lookUp(8, "bob", "sales", "eng")}, []string{"bob sales explicit", "ann eng explicit"}},
		{"an earlier full read comes late", []*directory.Snapshot{gone, read(8, "users: ann bob", "sales: ann bob", "eng: bob")}, []string{"bob sales explicit", "bob eng explicit"}},
		{"the tombstone comes late", []*directory.Snapshot{lookUp(12, "bob", "sales", "eng"), gone}, []string{"bob sales shown", "bob eng shown"}},
		{"restored from the bin", []*directory.Snapshot{gone, delta(read(12, "users: ann bob", "sales: ann bob", "eng: ann"))}, []string{"bob sales shown", "ann eng shown", "bob eng left"}},
		{"shown and deleted in one read", []*directory.Snapshot{buried(delta(read(10, "users: ann bob", "sales: ann bob", "eng: bob")), "bob", "+eng")}, []string{"bob sales shown", "bob eng shown"}},
		{"a group that is only inside another now", []*directory.Snapshot{gone, delta(read(12, "users: ann bob", "sales: ann +eng", "(eng): bob"))}, []string{"bob sales shown", "bob eng unknown"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := after(append([]*directory.Snapshot{base}, c.reads...)...)
			expect(t, r, c.want...)
			for _, u := range r.Users() {
				if !u.DeletedAt.IsZero() && !u.Missing.Is() {
					t.Errorf("%s is deleted and not missing", u.ID)
				}
			}
		})
	}
	r := after(base, gone)
	v := stands(t, r, "bob", "sales")
	if v.Absence.Reason() != "bob@example.org was deleted in the directory" || !v.Absence.Since().Equal(at(10)) {
		t.Errorf("since %v: %s", v.Absence.Since(), v.Absence.Reason())
	}
	if users, groups := r.Size(); users != 1 || groups != 1 || !r.GroupGone(1, grace) {
		t.Errorf("%d users and %d groups", users, groups)
	}
	// A grace begins with the tombstone, should that be taken back by older evidence only.
	if u := r.Users()[1]; u.Missing.Reads != 0 || !u.Missing.First.Equal(at(10)) {
		t.Errorf("missing %+v", u.Missing)
	}
}

// TestCursorBelongsToWhatTheReplicaHolds goes through the reads that bring a cursor, keep
// the old one, or take it away.
func TestCursorBelongsToWhatTheReplicaHolds(t *testing.T) {
	t.Parallel()
	whole := func(minutes int, cursor string) *directory.Snapshot {
		return ending(read(minutes, "users: ann bob", "sales: ann", "eng: bob"), cursor)
	}
	other := ending(read(10, "users: ann bob", "sales?: ann", "eng: bob"), "new")
	other.Scope = "layout=ad"
	for _, c := range []struct {
		name string
		lag  time.Duration
		next *directory.Snapshot
		want string
	}{
		{"a full read brings its own", 0, whole(10, "new"), "new"},
		{"or none", 0, whole(10, ""), ""},
		{"a delta brings its own", 0, delta(whole(10, "new")), "new"},
		{"an older full read brings nothing", 0, whole(4, "new"), "old"},
		{"a cut read keeps the old one", 0, ending(read(10, "users: ann bob", "sales?: ann", "eng: bob"), "new"), "old"},
		{"a cut delta keeps the old one", 0, delta(ending(read(10, "users: ann bob", "sales?: ann", "eng: bob"), "new")), "old"},
		{"a cut read of what shows other entries takes it away", 0, other, ""},
		{"a look-up keeps it", 0, lookUp(10, "bob", "sales"), "old"},
		{"a look-up that agrees keeps it behind a lagging server", 5 * time.Minute, lookUp(10, "bob", "eng"), "old"},
		{"a look-up that differs takes it away there", 5 * time.Minute, lookUp(20, "bob", "eng", "sales"), ""},
		{"one without a group does too", 5 * time.Minute, lookUp(20, "bob"), ""},
		{"a cut read takes it away there", 5 * time.Minute, ending(read(10, "users: ann bob", "sales?: ann", "eng: bob"), "new"), ""},
		{"an older one does not", 5 * time.Minute, ending(read(4, "users: ann bob", "sales?: ann", "eng: bob"), "new"), "old"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, _ := lagging(c.lag, whole(5, "old")).Merge(c.next, c.lag)
			if string(r.Cursor) != c.want || string(r.Picture().Cursor) != c.want {
				t.Errorf("the cursor is %q, want %q", r.Cursor, c.want)
			}
		})
	}
}

// TestNewerLookUpThatDiffersLeavesNoCursor: behind a lagging server the look-up may be the
// one that is wrong, and no later change would say so.
func TestNewerLookUpThatDiffersLeavesNoCursor(t *testing.T) {
	t.Parallel()
	mail := lookUp(12, "bob", "eng")
	mail.Users[0].Email = "old@example.org"
	disabled := lookUp(12, "bob", "eng")
	disabled.Users[0].Disabled = true
	name := lookUp(12, "bob", "eng")
	name.Groups[0].Name = "old"
	for text, look := range map[string]*directory.Snapshot{"without a group": lookUp(12, "bob"), "another mail": mail, "disabled": disabled, "another name": name} {
		whole := ending(read(10, "users: ann bob", "sales: ann", "eng: bob"), "new")
		base := read(0, "users: ann bob", "sales: ann", "eng: bob")
		if r := lagging(5*time.Minute, base, look, whole); r.Cursor != nil {
			t.Errorf("%s: the cursor is %q", text, r.Cursor)
		}
		if r := lagging(0, base, look, whole); string(r.Cursor) != "new" {
			t.Errorf("%s, without lag: the cursor is %q", text, r.Cursor)
		}
	}
	whole := ending(read(10, "users: ann bob", "sales: ann", "eng: bob"), "new")
	if r := lagging(5*time.Minute, read(0, "users: ann bob", "sales: ann", "eng: bob"), lookUp(12, "bob", "eng"), whole); string(r.Cursor) != "new" {
		t.Errorf("they agree, and the cursor is %q", r.Cursor)
	}
}

// TestCutListOfUsersSaysNothingAboutMembers: whom such a read does not show is as before, in
// the picture too; else a delta without a word of them would take them out.
func TestCutListOfUsersSaysNothingAboutMembers(t *testing.T) {
	t.Parallel()
	for _, group := range []string{"sales: ann", "sales: ann +eng", "sales: +eng"} {
		r := after(read(0, "users: ann bob cid", "sales: ann bob +eng", "eng: cid"), read(10, "users?: ann cid", group, "eng: cid"))
		expect(t, r, "bob sales shown")
		p := r.Picture()
		p.AsOf, p.Delta = at(20), true
		p.Close(true)
		r, _ = r.Merge(p, 0)
		expect(t, r, "bob sales shown")
	}
}

// TestWhoReturnsCountsAsShown: somebody was missing when a group was read, and is there again
// when it is not.
func TestWhoReturnsCountsAsShown(t *testing.T) {
	t.Parallel()
	base := []*directory.Snapshot{read(0, "users: ann bob", "sales: ann bob"), read(5, "users: ann", "sales: ann")}
	seen := lookUp(10, "bob")
	seen.Users[0].GroupsKnown = false
	for name, next := range map[string]*directory.Snapshot{"in a cut read": read(10, "users: ann bob", "sales?: ann"), "without groups": seen, "in a look-up": lookUp(10, "bob", "sales")} {
		r := after(append(base, next)...)
		p := r.Picture()
		p.AsOf, p.Delta = at(20), true
		r, _ = r.Merge(p, 0)
		if got := word(stands(t, r, "bob", "sales")); got != "shown" {
			t.Errorf("seen again %s: bob is %s", name, got)
		}
	}
}

// TestPictureOfLookUps: whom a look-up found is in it, whom it did not find is not.
func TestPictureOfLookUps(t *testing.T) {
	t.Parallel()
	r := after(read(0, "users: ann bob cid", "sales: ann +eng", "eng: bob", "ops: cid"), lookUp(5, "cid", "sales"), lookUp(6, "bob", "sales", "eng"), lookUp(7, "ann"))
	p := r.Picture()
	p.Close(true)
	want := after(read(0, "users: ann bob cid", "sales: cid +eng", "eng: bob", "ops:")).Picture()
	if seen(p) != seen(want) {
		t.Errorf("the picture is\n%s\nwant\n%s", seen(p), seen(want))
	}
}

// TestUnreadGroupIsNotCoveredByThePicture: what was only seen in a look-up was never read.
func TestUnreadGroupIsNotCoveredByThePicture(t *testing.T) {
	t.Parallel()
	p := after(read(0, "users: ann", "sales: ann"), lookUp(5, "ann", "sales", "new")).Picture()
	if p.Coverage() != directory.Partial || len(p.Groups) != 2 || p.Groups[1].MembersKnown {
		t.Errorf("%s: %+v", p.Coverage(), p.Groups)
	}
}

// TestUnblockedMembersAreNoLongerKept: nothing of them is left behind.
func TestUnblockedMembersAreNoLongerKept(t *testing.T) {
	t.Parallel()
	r := after(read(0, "users: ann bob", "top: ann +low", "low: bob"), read(10, "users: ann bob", "top: ann ~cn=low"))
	top, _ := r.Group("top")
	if !slices.Equal(r.Groups()[top].Kept, []uint32{1}) {
		t.Fatalf("kept %v", r.Groups()[top].Kept)
	}
	r, _ = r.Unblock(top)
	if g := r.Groups()[top]; len(g.Kept) != 0 || !slices.Equal(g.Members, []uint32{0}) {
		t.Errorf("kept %v of %v", g.Kept, g.Members)
	}
}
