package replica_test

import (
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/replica"
)

func TestGoneNeedsReadsAndTime(t *testing.T) {
	t.Parallel()
	base := read(0, "users: ann bob", "sales: ann bob", "eng: bob")
	without := func(minutes int) *directory.Snapshot { return read(minutes, "users: ann", "sales: ann", "eng:") }
	noGroup := func(minutes int) *directory.Snapshot { return read(minutes, "users: ann bob", "sales: ann bob") }
	for _, c := range []struct {
		name  string
		reads []*directory.Snapshot
		want  string
	}{
		{"one read is a first sighting", []*directory.Snapshot{without(10)}, "bob sales unknown"},
		{"two reads too close together are not enough", []*directory.Snapshot{without(10), without(20)}, "bob sales unknown"},
		{"two reads over the time are", []*directory.Snapshot{without(10), without(25)}, "bob sales gone"},
		{"three reads, the last over the time", []*directory.Snapshot{without(10), without(20), without(26)}, "bob sales gone"},
		{"reads with one time count once", []*directory.Snapshot{without(10), without(10), without(10)}, "bob sales unknown"},
		{"a full read with the person starts it anew", []*directory.Snapshot{without(10), base, read(20, "users: ann bob", "sales: ann bob", "eng: bob"), without(30)}, "bob sales unknown"},
		{"a look-up of the person starts it anew", []*directory.Snapshot{without(10), lookUp(20, "bob", "sales"), without(40)}, "bob sales unknown"},
		{"a sighting that arrives late starts it anew too", []*directory.Snapshot{without(10), without(40), lookUp(20, "bob", "sales")}, "bob sales unknown"},
		{"a sighting from before the first miss changes nothing", []*directory.Snapshot{without(10), without(40), lookUp(9, "bob", "sales")}, "bob sales gone"},
		{"a missing person who was not in the group says nothing of it", []*directory.Snapshot{read(10, "users: bob", "sales: bob", "eng: bob")}, "ann eng none"},
		{"a missing group in its grace", []*directory.Snapshot{noGroup(10)}, "bob eng unknown"},
		{"a missing group, and a look-up without it", []*directory.Snapshot{noGroup(10), lookUp(20, "bob", "sales")}, "bob eng unknown"},
		{"a missing group beyond its grace", []*directory.Snapshot{noGroup(10), noGroup(30)}, "bob eng gone"},
		{"a group seen again within its grace", []*directory.Snapshot{noGroup(10), base, read(20, "users: ann bob", "sales: ann bob", "eng: bob"), noGroup(30)}, "bob eng unknown"},
		{"a group sighted by a look-up within its grace", []*directory.Snapshot{noGroup(10), lookUp(20, "bob", "sales", "eng"), noGroup(30)}, "bob eng unknown"},
		{"a group sighted late", []*directory.Snapshot{noGroup(10), noGroup(40), lookUp(20, "bob", "sales", "eng")}, "bob eng unknown"},
		{"a missing group whose member list showed somebody out before", []*directory.Snapshot{noGroup(10)}, "ann eng none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expect(t, after(append([]*directory.Snapshot{base}, c.reads...)...), c.want)
		})
	}
}

func TestGoneNeedsEveryRead(t *testing.T) {
	t.Parallel()
	r := read(0, "users: ann bob", "sales: ann bob")
	merged := after(r)
	patient := replica.Grace{Reads: 3}
	sales, _ := merged.Group("sales")
	bob, _ := merged.User("bob")
	for n, want := range []replica.Standing{replica.Unknown, replica.Unknown, replica.Absent} {
		merged, _ = merged.Merge(read(100*(n+1), "users: ann", "sales: ann"), 0)
		if got := merged.Membership(bob, sales, patient).Standing; got != want {
			t.Errorf("after %d reads: %v, want %v", n+1, got, want)
		}
	}
}

func TestGraceSaysWhenAReadCanSettleIt(t *testing.T) {
	t.Parallel()
	r := after(read(0, "users: ann bob", "sales: ann bob"), read(10, "users: ann", "sales: ann"))
	v := stands(t, r, "bob", "sales")
	if !v.ConfirmAt.Equal(at(25)) || !strings.Contains(v.Why, "bob@example.org") {
		t.Errorf("to be confirmed at %v, want %v; %q", v.ConfirmAt, at(25), v.Why)
	}
	r, _ = r.Merge(read(25, "users: ann", "sales: ann"), 0)
	v = stands(t, r, "bob", "sales")
	a := v.Absence
	if a.Kind() != replica.Gone || !a.Since().Equal(at(10)) || a.Source() != "corp" || !strings.Contains(a.Reason(), "2 complete reads") {
		t.Errorf("proved %v since %v by %s: %s", a.Kind(), a.Since(), a.Source(), a.Reason())
	}
}

// TestSomebodyWhoLeftAndThenVanishedIsGoneInTheEnd: a membership may still be owned
// when its reference went and the person or group vanished before it was taken away.
// That must not stay undecided for good.
func TestSomebodyWhoLeftAndThenVanishedIsGoneInTheEnd(t *testing.T) {
	t.Parallel()
	base := read(0, "users: ann bob", "sales: ann bob")
	left := read(10, "users: ann bob", "sales: ann")
	for _, c := range []struct {
		name   string
		vanish func(int) *directory.Snapshot
	}{
		{"the person", func(m int) *directory.Snapshot { return read(m, "users: ann", "sales: ann") }},
		{"the group", func(m int) *directory.Snapshot { return read(m, "users: ann bob") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := after(base, left, c.vanish(20))
			expect(t, r, "bob sales none")
			if v := stands(t, r, "bob", "sales"); !v.ConfirmAt.Equal(at(35)) {
				t.Errorf("to be confirmed at %v, want %v", v.ConfirmAt, at(35))
			}
			r, _ = r.Merge(c.vanish(40), 0)
			expect(t, r, "bob sales gone")
		})
	}
}

func TestLagKeepsAFreshReferenceUntilALaterRead(t *testing.T) {
	t.Parallel()
	const lag = 5 * time.Minute
	base := read(0, "users: ann bob", "sales: ann")
	with := read(10, "users: ann bob", "sales: ann bob")
	r := lagging(lag, base, with)
	r, learned := r.Merge(read(12, "users: ann bob", "sales: ann"), lag)
	expect(t, r, "bob sales shown")
	if !learned.ConfirmAt.Equal(at(15)) || learned.Kept != 1 {
		t.Errorf("learned %+v, want one kept until %v", learned, at(15))
	}
	r, learned = r.Merge(read(15, "users: ann bob", "sales: ann"), lag)
	expect(t, r, "bob sales left")
	if !learned.ConfirmAt.IsZero() || learned.Kept != 0 {
		t.Errorf("learned %+v after all is settled", learned)
	}
	t.Run("without lag it goes at once", func(t *testing.T) {
		t.Parallel()
		expect(t, after(base, with, read(12, "users: ann bob", "sales: ann")), "bob sales left")
	})
	t.Run("a reference of a look-up is fresh too", func(t *testing.T) {
		t.Parallel()
		r := lagging(lag, base, lookUp(10, "bob", "sales"), read(12, "users: ann bob", "sales: ann"))
		expect(t, r, "bob sales shown")
		expect(t, lagging(lag, base, lookUp(10, "bob", "sales"), lookUp(12, "bob")), "bob sales shown")
		expect(t, lagging(lag, base, lookUp(10, "bob", "sales"), lookUp(15, "bob")), "bob sales left")
	})
	t.Run("what the first complete read of the source showed is old", func(t *testing.T) {
		t.Parallel()
		expect(t, lagging(lag, base, read(2, "users: ann bob", "sales:")), "ann sales left")
	})
	t.Run("the members of a group that turns up later are fresh", func(t *testing.T) {
		t.Parallel()
		r := lagging(lag, base, read(10, "users: ann bob", "sales: ann", "new: bob"), read(12, "users: ann bob", "sales: ann", "new:"))
		expect(t, r, "bob new shown")
		r, _ = r.Merge(read(16, "users: ann bob", "sales: ann", "new:"), lag)
		expect(t, r, "bob new left")
	})
	t.Run("somebody who left and came back is fresh again", func(t *testing.T) {
		t.Parallel()
		out := func(m int) *directory.Snapshot { return read(m, "users: ann bob", "sales: ann") }
		in := func(m int) *directory.Snapshot { return read(m, "users: ann bob", "sales: ann bob") }
		expect(t, lagging(lag, base, in(10), out(20), in(30), out(32)), "bob sales shown")
		expect(t, lagging(lag, base, in(10), out(20), in(30), out(32), out(36)), "bob sales left")
	})
}

func TestFreshNeedsListsAndSelectedGroups(t *testing.T) {
	t.Parallel()
	r := after(read(0, "users: ann", "sales: ann", "eng: ann"), read(60, "users: ann", "sales?: ann", "eng: ann"))
	sales, _ := r.Group("sales")
	eng, _ := r.Group("eng")
	for _, c := range []struct {
		name   string
		groups []uint32
		now    time.Time
		maxAge time.Duration
		fresh  bool
	}{
		{"the lists alone", nil, at(61), time.Hour, true},
		{"a group read just now", []uint32{eng}, at(61), time.Hour, true},
		{"a group cut in the newest read", []uint32{eng, sales}, at(61), time.Hour, false},
		{"the same with more patience", []uint32{eng, sales}, at(61), 2 * time.Hour, true},
		{"exactly as old as allowed", []uint32{eng}, at(120), time.Hour, true},
		{"older", []uint32{eng}, at(121), time.Hour, false},
		{"older lists, whatever the groups", nil, at(121), time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			why, fresh := r.Fresh(c.groups, c.now, c.maxAge)
			if fresh != c.fresh || fresh != (why == "") {
				t.Errorf("fresh %v (%q), want %v", fresh, why, c.fresh)
			}
		})
	}
	if _, fresh := replica.New("corp").Fresh(nil, at(0), time.Hour); fresh {
		t.Error("a source that was never read counts as fresh")
	}
	if r.ReadSince([]uint32{sales}, at(30)) || !r.ReadSince([]uint32{eng}, at(60)) || r.ReadSince(nil, at(61)) {
		t.Error("a read counts for groups it cut, or not from its own beginning on")
	}
}

func TestEverybodyOfASourceFollowsTheList(t *testing.T) {
	t.Parallel()
	listing := func(r *replica.Replica, user string) string {
		n, _ := r.User(user)
		return word(r.Listing(n, grace))
	}
	r := after(read(0, "users: ann bob -cid"), read(10, "users: ann -cid"))
	if listing(r, "ann") != "shown" || listing(r, "bob") != "unknown" || listing(r, "cid") != "explicit" {
		t.Errorf("ann %s, bob %s, cid %s", listing(r, "ann"), listing(r, "bob"), listing(r, "cid"))
	}
	r, _ = r.Merge(read(40, "users: ann -cid"), 0)
	if listing(r, "bob") != "gone" {
		t.Errorf("bob %s after the grace", listing(r, "bob"))
	}
}

func TestAbsenceOfNothingProvesNothing(t *testing.T) {
	t.Parallel()
	var none replica.Absence
	if none.Kind() != 0 || none.Kind().String() != "none" || none.Reason() != "" || none.Source() != "" || !none.Since().IsZero() {
		t.Errorf("the zero absence says %v %q", none.Kind(), none.Reason())
	}
}

func TestGroupGone(t *testing.T) {
	t.Parallel()
	r := after(read(0, "users: ann", "sales: ann", "eng:"), read(10, "users: ann", "eng:"))
	sales, _ := r.Group("sales")
	if r.GroupGone(sales, grace) {
		t.Error("gone within the grace")
	}
	r, _ = r.Merge(read(30, "users: ann", "eng:"), 0)
	if eng, _ := r.Group("eng"); !r.GroupGone(sales, grace) || r.GroupGone(eng, grace) {
		t.Error("not gone after the grace, or gone while listed")
	}
}

func TestWhoIsMissingForLongKeepsOnlyAnID(t *testing.T) {
	t.Parallel()
	const day = 24 * 60
	full := read(0, "users: ann bob", "sales: ann bob")
	full.Users[1].Email, full.Users[1].Name, full.Users[1].Attributes = "bob@example.org", "Bob", map[string][]string{"department": {"Sales"}}
	r := after(full)
	bob, _ := r.User("bob")
	sales, _ := r.Group("sales")
	for _, c := range []struct {
		days int
		kept bool
	}{{1, true}, {90, true}, {91, false}, {400, false}} {
		r, _ = r.Merge(read(c.days*day, "users: ann", "sales: ann"), 0)
		if u := r.Users()[bob]; u.ID != "bob" || (u.Email == "bob@example.org") != c.kept || (u.Name != "") != c.kept || (len(u.Attributes) > 0) != c.kept {
			t.Errorf("after %d days: %+v", c.days, u.User)
		}
		if ann, _ := r.User("ann"); r.Users()[ann].Missing.Is() || r.Users()[ann].Email == "" && full.Users[0].Email != "" {
			t.Errorf("after %d days somebody who is there: %+v", c.days, r.Users()[ann])
		}
	}
	if got := r.Membership(bob, sales, replica.Grace{Reads: 2, Over: 15 * time.Minute}); got.Standing != replica.Absent {
		t.Errorf("what is known of the absence: %v", got.Standing)
	}
	back := read(401*day, "users: ann bob", "sales: ann bob")
	back.Users[1].Email = "bob@example.org"
	if r, _ = r.Merge(back, 0); r.Users()[bob].Email != "bob@example.org" || r.Users()[bob].Missing.Is() {
		t.Errorf("who comes back: %+v", r.Users()[bob])
	}
}
