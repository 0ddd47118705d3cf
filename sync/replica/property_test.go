package replica_test

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"

	"pgregory.net/rapid"
)

var (
	people = []string{"ann", "bob", "cid", "dan", "eve"}
	teams  = []string{"eng", "ops", "sales", "top"}
)

// subset draws some of the names, in their order.
func subset(t *rapid.T, label string, names []string) []string {
	var some []string
	for _, n := range names {
		if rapid.Bool().Draw(t, label+" "+n) {
			some = append(some, n)
		}
	}
	return some
}

// anyRead draws a read of any kind: whole, cut, with nested groups, dangling references
// and disabled people, a delta with tombstones, or the look-up of one person.
func anyRead(t *rapid.T, minutes int) *directory.Snapshot {
	if rapid.IntRange(0, 3).Draw(t, "look-up") == 0 {
		return lookUp(minutes, rapid.SampledFrom(people).Draw(t, "who"), subset(t, "in", teams)...)
	}
	shown := subset(t, "shows", people)
	word := rapid.SampledFrom([]string{"users", "users", "users", "users?"}).Draw(t, "list")
	var marked []string
	for _, u := range shown {
		if rapid.IntRange(0, 5).Draw(t, "disabled") == 0 {
			u = "-" + u
		}
		marked = append(marked, u)
	}
	lines := []string{word + ": " + strings.Join(marked, " ")}
	if rapid.IntRange(0, 4).Draw(t, "groups cut") == 0 {
		lines = append(lines, "groups?")
	}
	listed := subset(t, "lists", teams)
	for _, g := range listed {
		name := g
		switch rapid.IntRange(0, 6).Draw(t, "kind of "+g) {
		case 0:
			name = g + "?"
		case 1:
			name = "(" + g + ")"
		}
		members := subset(t, "in "+g, shown)
		for _, child := range listed {
			if rapid.IntRange(0, 4).Draw(t, "nested") == 0 {
				members = append(members, "+"+child)
			}
		}
		for _, ref := range teams {
			if !slices.Contains(listed, ref) && rapid.Bool().Draw(t, "dangling") {
				members = append(members, "~cn="+ref)
			}
		}
		lines = append(lines, name+": "+strings.Join(members, " "))
	}
	s := read(minutes, lines...)
	s.Cursor = []byte(strconv.Itoa(minutes))
	if rapid.IntRange(0, 2).Draw(t, "delta") == 0 {
		s.Delta = true
		s.DeletedUsers, s.DeletedGroups = subset(t, "deleted", people), subset(t, "deleted", teams)
	}
	return s
}

// anyReads draws a history of reads at times that may repeat and come out of order.
func anyReads(t *rapid.T) []*directory.Snapshot {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *directory.Snapshot {
		return anyRead(t, rapid.IntRange(0, 60).Draw(t, "minute"))
	}), 0, 6).Draw(t, "reads")
}

func anyLag(t *rapid.T) time.Duration {
	return rapid.SampledFrom([]time.Duration{0, 0, 5 * time.Minute}).Draw(t, "lag")
}

// TestMergeIsPure: the replica that was merged into is as it was, and merging again
// gives the same.
func TestMergeIsPure(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lag := anyLag(t)
		r := lagging(lag, anyReads(t)...)
		next := anyRead(t, rapid.IntRange(0, 90).Draw(t, "minute"))
		before, shown := dump(r), fmt.Sprintf("%+v", *next)
		a, learnedA := r.Merge(next, lag)
		first := dump(a)
		b, learnedB := r.Merge(next, lag)
		a.Merge(anyRead(t, 100), lag)
		if dump(r) != before || fmt.Sprintf("%+v", *next) != shown {
			t.Fatalf("the merge changed what it was given:\n%s\nwas\n%s", dump(r), before)
		}
		if first != dump(b) || learnedA != learnedB || first != dump(a) {
			t.Fatalf("equal merges differ:\n%s\n%s", first, dump(b))
		}
	})
}

// TestMergeOfTheSameReadTwiceChangesNothing: a read that is told twice proves no more
// than once.
func TestMergeOfTheSameReadTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lag := anyLag(t)
		once := lagging(lag, anyReads(t)...)
		next := anyRead(t, rapid.IntRange(0, 90).Draw(t, "minute"))
		once, _ = once.Merge(next, lag)
		twice, _ := once.Merge(next, lag)
		if dump(once) != dump(twice) {
			t.Fatalf("a second time taught something:\n%s\nwas\n%s", dump(twice), dump(once))
		}
	})
}

// TestUncoveredMembershipIsNeverDropped: whoever is kept as a member is kept by every
// read that covers neither the group's members together with the person, nor the
// person's groups.
func TestUncoveredMembershipIsNeverDropped(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lag := anyLag(t)
		r := lagging(lag, anyReads(t)...)
		s := anyRead(t, rapid.IntRange(0, 90).Draw(t, "minute"))
		next, _ := r.Merge(s, lag)
		kept := edges(next)
		for g := range r.Groups() {
			for _, n := range r.Groups()[g].Members {
				user, group := r.Users()[n], r.Groups()[g]
				edge := user.ID + " " + group.ID
				if slices.Contains(kept, edge) {
					continue
				}
				if !covers(s, user.ID, group.ID) {
					t.Fatalf("%q was dropped by a read that does not cover it", edge)
				}
				// A look-up says nothing about a group that was missing when it was made.
				blind := group.Missing.Is() && group.Missing.First.Before(user.GroupsAt)
				if s.AsOf.Before(group.MembersAt) || s.AsOf.Before(user.GroupsAt) && !blind {
					t.Fatalf("%q was dropped by older evidence: %v; members %v, groups %v", edge, s.AsOf, group.MembersAt, user.GroupsAt)
				}
			}
		}
	})
}

func covers(s *directory.Snapshot, user, group string) bool {
	shown := false
	for i := range s.Users {
		if s.Users[i].ID == user {
			if s.Users[i].GroupsKnown {
				return true
			}
			shown = true
		}
	}
	return shown && slices.ContainsFunc(s.Groups, func(g directory.Group) bool { return g.ID == group && g.MembersKnown })
}

// TestAbsenceIsOnlyWhatAReadSays: nobody is absent of whom no read ever said so.
func TestAbsenceIsOnlyWhatAReadSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		reads := anyReads(t)
		r := lagging(anyLag(t), reads...)
		for u := range r.Users() {
			for g := range r.Groups() {
				v := r.Membership(uint32(u), uint32(g), grace)
				user, group := r.Users()[u].ID, r.Groups()[g].ID
				switch word(v) {
				case "explicit":
					if !slices.ContainsFunc(reads, func(s *directory.Snapshot) bool {
						return says(s, user, true) || slices.Contains(s.DeletedUsers, user) || slices.Contains(s.DeletedGroups, group)
					}) {
						t.Fatalf("%s is explicit, and no read shows them disabled or deleted", user)
					}
				case "left":
					if !slices.ContainsFunc(reads, func(s *directory.Snapshot) bool {
						return covers(s, user, group) || listsWithout(s, user, group)
					}) {
						t.Fatalf("%s left %s, and no read covers that", user, group)
					}
				case "gone":
					if v.Absence.Since().Add(grace.Over).After(lastMiss(reads, user, group)) {
						t.Fatalf("%s is gone from %s within the grace", user, group)
					}
				}
			}
		}
	})
}

func says(s *directory.Snapshot, user string, disabled bool) bool {
	return slices.ContainsFunc(s.Users, func(u directory.User) bool { return u.ID == user && u.Disabled == disabled })
}

// listsWithout: the members of the group were read and the person is not among them,
// though the person was not shown: they never were in it.
func listsWithout(s *directory.Snapshot, user, group string) bool {
	return slices.ContainsFunc(s.Groups, func(g directory.Group) bool {
		return g.ID == group && g.MembersKnown && !slices.ContainsFunc(g.Members, func(n uint32) bool { return s.Users[n].ID == user })
	})
}

// lastMiss is the newest complete list without the person or without the group.
func lastMiss(reads []*directory.Snapshot, user, group string) time.Time {
	var last time.Time
	for _, s := range reads {
		noUser := s.UsersListed && !slices.ContainsFunc(s.Users, func(u directory.User) bool { return u.ID == user })
		if s.Delta {
			continue
		}
		noGroup := s.GroupsListed && !slices.ContainsFunc(s.Groups, func(g directory.Group) bool { return g.ID == group && !g.Unlisted })
		if (noUser || noGroup) && s.AsOf.After(last) {
			last = s.AsOf
		}
	}
	return last
}

// TestNewestEvidenceWinsInAnyOrder compares with a model that is right by looking: of
// all reads that cover a membership, the one that began last says whether it is there.
// Everybody is listed in every full read; missing people and lag have rules of their own.
func TestNewestEvidenceWinsInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var reads []*directory.Snapshot
		model := map[string]bool{}
		for minute := range rapid.IntRange(1, 7).Draw(t, "reads") {
			if minute > 0 && rapid.Bool().Draw(t, "look-up") {
				who := rapid.SampledFrom(people).Draw(t, "who")
				in := subset(t, "in", teams)
				reads = append(reads, lookUp(minute, who, in...))
				for _, g := range teams {
					model[who+" "+g] = slices.Contains(in, g)
				}
				continue
			}
			lines := []string{"users: " + strings.Join(people, " ")}
			for _, g := range teams {
				members := subset(t, "in "+g, people)
				if rapid.IntRange(0, 3).Draw(t, "cut") == 0 {
					// A cut group shows nothing that would count.
					lines = append(lines, g+"?: "+strings.Join(members, " "))
					continue
				}
				lines = append(lines, g+": "+strings.Join(members, " "))
				for _, u := range people {
					model[u+" "+g] = slices.Contains(members, u)
				}
			}
			reads = append(reads, read(minute, lines...))
		}
		var want []string
		for edge, in := range model {
			if in {
				want = append(want, edge)
			}
		}
		slices.Sort(want)
		order := rapid.Permutation(reads).Draw(t, "order")
		if got := edges(after(order...)); !slices.Equal(got, want) {
			t.Fatalf("kept %v, want %v", got, want)
		}
	})
}

// TestOlderReadsNeverWin: a read that began before everything else changes at most what
// was never known.
func TestOlderReadsNeverWin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lag := anyLag(t)
		r := lagging(lag, read(10, "users: ann bob cid dan eve", "eng: ann", "ops: bob ann", "sales:", "top: +eng cid"))
		for i := range rapid.IntRange(0, 3).Draw(t, "more") {
			r, _ = r.Merge(anyRead(t, 11+i), lag)
		}
		next, _ := r.Merge(anyRead(t, rapid.IntRange(0, 9).Draw(t, "minute")), lag)
		if !slices.Equal(edges(next), edges(r)) {
			t.Fatalf("an older read made %v of %v", edges(next), edges(r))
		}
		if !reflect.DeepEqual(next.Head, r.Head) {
			t.Fatalf("an older read made %+v of %+v", next.Head, r.Head)
		}
	})
}
