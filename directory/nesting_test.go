package directory_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"groupsyncd/directory"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestClose(t *testing.T) {
	t.Parallel()
	build := func() *directory.Snapshot {
		return &directory.Snapshot{Users: make([]directory.User, 4), Groups: []directory.Group{
			{Direct: []uint32{2, 0, 2}, Children: []uint32{1}, MembersKnown: true},
			{Direct: []uint32{1}, Children: []uint32{2, 2}, MembersKnown: true},
			{Direct: []uint32{3}, Children: []uint32{0}, MembersKnown: true},
			{Direct: []uint32{3}, MembersKnown: true, Unlisted: true},
		}}
	}
	s := build()
	s.Close(true)
	for i, want := range [][]uint32{{0, 1, 2, 3}, {0, 1, 2, 3}, {0, 1, 2, 3}, {3}} {
		if !slices.Equal(s.Groups[i].Members, want) {
			t.Errorf("group %d has %v, want %v", i, s.Groups[i].Members, want)
		}
	}
	if s.Memberships() != 12 || !slices.Equal(s.Groups[0].Direct, []uint32{0, 2}) {
		t.Errorf("%d memberships, direct %v", s.Memberships(), s.Groups[0].Direct)
	}
	s = build()
	s.Close(false)
	if !slices.Equal(s.Groups[0].Members, []uint32{0, 2}) || s.Cycles != nil {
		t.Errorf("without nesting %v, cycles %v", s.Groups[0].Members, s.Cycles)
	}
}

func TestCloseNamesTheGroupsOfEachCycle(t *testing.T) {
	t.Parallel()
	s := &directory.Snapshot{Groups: make([]directory.Group, 9)}
	for from, to := range map[uint32][]uint32{0: {4}, 1: {5, 8}, 2: {2}, 3: {6}, 4: {3, 0}, 5: {1, 2}, 6: {4, 7}} {
		s.Groups[from].Children = to
	}
	for range 2 {
		s.Close(true)
		if diff := cmp.Diff([][]uint32{{0, 3, 4, 6}, {1, 5}, {2}}, s.Cycles); diff != "" {
			t.Error(diff)
		}
	}
	s.Close(false)
	if s.Cycles != nil {
		t.Errorf("without nesting there is the cycle %v", s.Cycles)
	}
}

// TestCloseAgreesWithASimpleWalk compares with one that is right by looking.
func TestCloseAgreesWithASimpleWalk(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ users, groups, direct, children int }{{5, 6, 3, 2}, {3000, 8, 150, 3}} {
		t.Run(fmt.Sprintf("%d users", size.users), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				s := &directory.Snapshot{Users: make([]directory.User, size.users)}
				for range size.groups {
					s.Groups = append(s.Groups, directory.Group{
						Direct:       rapid.SliceOfN(rapid.Uint32Range(0, uint32(size.users-1)), 0, size.direct).Draw(t, "direct"),
						Children:     rapid.SliceOfN(rapid.Uint32Range(0, uint32(size.groups-1)), 0, size.children).Draw(t, "children"),
						MembersKnown: rapid.IntRange(0, 3).Draw(t, "cut") > 0,
					})
				}
				checkClose(t, s)
			})
		})
	}
}

func checkClose(t interface{ Fatalf(string, ...any) }, s *directory.Snapshot) {
	groups := len(s.Groups)
	wantMembers, wantKnown, wantCyclic := make([][]uint32, groups), make([]bool, groups), map[uint32]bool{}
	for g := range uint32(groups) {
		seen := map[uint32]bool{}
		wantKnown[g] = walk(s, g, seen)
		in := make([]bool, len(s.Users))
		for below := range seen {
			for _, u := range s.Groups[below].Direct {
				in[u] = true
			}
			if slices.Contains(s.Groups[below].Children, g) {
				wantCyclic[g] = true
			}
		}
		for u := range in {
			if in[u] {
				wantMembers[g] = append(wantMembers[g], uint32(u))
			}
		}
	}
	for range 2 {
		s.Close(true)
		cyclic := map[uint32]bool{}
		for _, g := range slices.Concat(s.Cycles...) {
			cyclic[g] = true
		}
		if diff := cmp.Diff(wantCyclic, cyclic); diff != "" {
			t.Fatalf("cycles: %s", diff)
		}
		for g := range s.Groups {
			if !slices.Equal(s.Groups[g].Members, wantMembers[g]) || s.Groups[g].MembersKnown != wantKnown[g] {
				t.Fatalf("group %d: %v %v, want %v %v", g, s.Groups[g].Members, s.Groups[g].MembersKnown, wantMembers[g], wantKnown[g])
			}
		}
	}
}

// walk visits everything below a group and reports whether all of it was read.
func walk(s *directory.Snapshot, g uint32, seen map[uint32]bool) bool {
	seen[g] = true
	known := s.Groups[g].MembersKnown
	for _, c := range s.Groups[g].Children {
		if !seen[c] {
			known = walk(s, c, seen) && known
		}
	}
	return known
}

// chain makes groups of which each contains the one before, and each names a user.
func chain(groups, users int) *directory.Snapshot {
	s := &directory.Snapshot{Users: make([]directory.User, users), Groups: make([]directory.Group, groups)}
	for i := range s.Groups {
		s.Groups[i] = directory.Group{Name: fmt.Sprint("level", i), Direct: []uint32{uint32(i % users)}, MembersKnown: true}
		if i > 0 {
			s.Groups[i].Children = []uint32{uint32(i - 1)}
		}
	}
	return s
}

func TestCloseIsRightToTheLastMember(t *testing.T) {
	t.Parallel()
	const users, levels = 50_000, 30
	s := chain(levels, users)
	for i := range s.Groups {
		s.Groups[i].Direct = nil
	}
	for u := range uint32(users) {
		s.Groups[u%levels].Direct = append(s.Groups[u%levels].Direct, users-1-u)
	}
	s.Groups[10].Children = append(s.Groups[10].Children, 20) // 10 to 20 contain each other.
	s.Close(true)
	for i := range s.Groups {
		level := uint32(i)
		if i >= 10 && i <= 20 {
			level = 20
		}
		g := &s.Groups[i]
		at := 0
		for u := range uint32(users) {
			if (users-1-u)%levels > level {
				continue
			}
			if at == len(g.Members) || g.Members[at] != u {
				t.Fatalf("%s lacks user %d", g.Name, u)
			}
			at++
		}
		if at != len(g.Members) || !g.MembersKnown {
			t.Fatalf("%s has %d members, want %d; known: %v", g.Name, len(g.Members), at, g.MembersKnown)
		}
	}
	if len(s.Cycles) != 1 || len(s.Cycles[0]) != 11 || s.Reason != "" {
		t.Errorf("cycles %v, %s", s.Cycles, s.Reason)
	}
}

func TestGroupsNestedTooDeeplyAreNotCovered(t *testing.T) {
	t.Parallel()
	s := chain(200_000, 7)
	for range 2 {
		s.Close(true)
	}
	for i := range s.Groups {
		if g := &s.Groups[i]; g.MembersKnown != (i <= 100) || i > 100 && len(g.Members) != 1 || i <= 100 && len(g.Members) != min(i+1, 7) {
			t.Fatalf("%s: known %v, members %v", g.Name, g.MembersKnown, g.Members)
		}
	}
	if want := `group "level101" contains groups more than 100 levels deep, as do 199898 more groups`; s.Reason != want {
		t.Errorf("the reason is %q", s.Reason)
	}
}

func TestMembersBeyondAllMeasureAreNotCovered(t *testing.T) {
	t.Parallel()
	const users = 50_000
	build := func(above int) *directory.Snapshot {
		s := &directory.Snapshot{Users: make([]directory.User, users), Reason: "slow", Groups: make([]directory.Group, 1, above+1)}
		for u := range uint32(users) {
			s.Groups[0].Direct = append(s.Groups[0].Direct, u)
		}
		s.Groups[0].MembersKnown = true
		for range above {
			s.Groups = append(s.Groups, directory.Group{DN: "cn=above", Children: []uint32{0}, MembersKnown: true})
		}
		return s
	}
	s := build(402)
	s.Close(true)
	for i := range s.Groups {
		if g := &s.Groups[i]; g.MembersKnown != (i <= 400) || g.MembersKnown != (len(g.Members) == users) {
			t.Fatalf("group %d: known %v, %d members", i, g.MembersKnown, len(g.Members))
		}
	}
	if want := `slow; group "cn=above" would bring the members taken over from nested groups above 20000000, as do 1 more groups`; s.Reason != want {
		t.Errorf("the reason is %q", s.Reason)
	}
	// All groups of a cycle count, though one of them contains the large group.
	s = build(401)
	for i := 1; i < len(s.Groups); i++ {
		s.Groups[i].Children = []uint32{uint32(i%401 + 1)}
	}
	s.Groups[1].Children = append(s.Groups[1].Children, 0)
	s.Close(true)
	if s.Groups[1].MembersKnown || !s.Groups[0].MembersKnown || !strings.Contains(s.Reason, "400 more groups") {
		t.Errorf("a cycle beyond all measure is covered: %s", s.Reason)
	}
}

func TestGroupsThatAddNothingShareTheirMembers(t *testing.T) {
	t.Parallel()
	s := &directory.Snapshot{Users: make([]directory.User, 3), Groups: []directory.Group{{Direct: []uint32{2, 1}}, {Children: []uint32{0}}, {Children: []uint32{1, 2}}, {Children: []uint32{4}}, {}}}
	s.Close(true)
	for i := range 3 {
		if m := s.Groups[i].Members; len(m) != 2 || &m[0] != &s.Groups[0].Direct[0] {
			t.Errorf("group %d has its own copy %v", i, m)
		}
	}
	if s.Groups[3].Members != nil {
		t.Errorf("nobody is %v", s.Groups[3].Members)
	}
}

func TestUnitedListsDoNotOverlap(t *testing.T) {
	t.Parallel()
	s := &directory.Snapshot{Users: make([]directory.User, 5), Groups: []directory.Group{{Direct: []uint32{0}}, {Direct: []uint32{1}, Children: []uint32{0}}, {Direct: []uint32{2}, Children: []uint32{1}}}}
	s.Close(true)
	_ = append(s.Groups[1].Members, 4)
	if !slices.Equal(s.Groups[2].Members, []uint32{0, 1, 2}) {
		t.Errorf("appending to one list changed another: %v", s.Groups[2].Members)
	}
}

// company has 5,000 groups with 1,000,000 direct memberships: departments of 200
// people, in divisions, in three levels of everybody, with some shortcuts.
func company(nested bool) *directory.Snapshot {
	const users, groups = 100_000, 5000
	chance := rand.New(rand.NewPCG(1, 2))
	s := &directory.Snapshot{Users: make([]directory.User, users), Groups: make([]directory.Group, groups)}
	for i := range s.Groups {
		g := &s.Groups[i]
		g.MembersKnown = true
		for range 200 {
			g.Direct = append(g.Direct, chance.Uint32N(users))
		}
		if nested && i%10 == 0 && i > 0 {
			for range 5 {
				g.Children = append(g.Children, uint32(i-1-chance.IntN(min(i, 20))))
			}
		}
	}
	return s
}

func TestCloseAllocatesNothingPerGroup(t *testing.T) {
	s := company(false)
	if n := testing.AllocsPerRun(3, func() { s.Close(true) }); n > 4 {
		t.Errorf("%v allocations without nesting", n)
	}
	s = company(true)
	s.Close(true)
	if n := testing.AllocsPerRun(3, func() { s.Close(true) }); n > 1000 {
		t.Errorf("%v allocations for 500 groups with children", n)
	}
}

func BenchmarkClose(b *testing.B) {
	for _, nested := range []bool{false, true} {
		b.Run(fmt.Sprintf("nested=%v", nested), func(b *testing.B) {
			s := company(nested)
			direct := make([][]uint32, len(s.Groups))
			for i := range s.Groups {
				direct[i] = slices.Clone(s.Groups[i].Direct)
			}
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				for i := range s.Groups {
					s.Groups[i].Direct = append(s.Groups[i].Direct[:0], direct[i]...)
				}
				b.StartTimer()
				s.Close(true)
			}
			b.ReportMetric(float64(s.Memberships()), "memberships")
		})
	}
}
