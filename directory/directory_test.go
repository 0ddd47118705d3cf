package directory_test

import (
	"slices"
	"testing"

	"groupsyncd/directory"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestFoldEmailFoldsASCIIOnly(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Ann@Example.ORG": "ann@example.org",
		"":                "",
		"ÄNN@example.org": "ÄNN@example.org",
		"\u212aIM@x":      "\u212aIM@x", // the sign for kelvin is no k
		"ADMIN@x":         "admin@x",
		"adm\u0131n@x":    "adm\u0131n@x",
	} {
		if got := directory.FoldEmail(in); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
}

func TestValueByConfiguredName(t *testing.T) {
	t.Parallel()
	u := &directory.User{ID: "1", Email: "a@x", Username: "a", Name: "A", DN: "cn=a", Attributes: map[string][]string{"dept": {"x", "y"}}}
	for name, want := range map[string][]string{"id": {"1"}, "email": {"a@x"}, "username": {"a"}, "name": {"A"}, "dn": {"cn=a"}, "dept": {"x", "y"}, "other": nil} {
		if got := u.Value(name); !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if got := (&directory.User{}).Value("email"); got != nil {
		t.Errorf("an empty value is %v", got)
	}
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		s    directory.Snapshot
		want directory.Coverage
	}{
		{"nothing", directory.Snapshot{}, directory.None},
		{"both lists, no groups", directory.Snapshot{UsersListed: true, GroupsListed: true}, directory.Full},
		{"one list", directory.Snapshot{UsersListed: true}, directory.Partial},
		{"a group that was cut", directory.Snapshot{UsersListed: true, GroupsListed: true, Groups: []directory.Group{{}}}, directory.Partial},
		{"every group", directory.Snapshot{UsersListed: true, GroupsListed: true, Groups: []directory.Group{{MembersKnown: true}}}, directory.Full},
		{"a look-up", directory.Snapshot{Users: []directory.User{{GroupsKnown: true}}}, directory.Partial},
		{"a status", directory.Snapshot{Users: []directory.User{{StatusKnown: true}}}, directory.Partial},
		{"somebody seen, nothing proved", directory.Snapshot{Users: []directory.User{{}}}, directory.None},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.s.Coverage(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

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
	if s.Cycles != 3 || s.Memberships() != 12 || !slices.Equal(s.Groups[0].Direct, []uint32{0, 2}) {
		t.Errorf("%d cycles, %d memberships, direct %v", s.Cycles, s.Memberships(), s.Groups[0].Direct)
	}
	s = build()
	s.Close(false)
	if !slices.Equal(s.Groups[0].Members, []uint32{0, 2}) || s.Cycles != 0 {
		t.Errorf("without nesting %v, %d cycles", s.Groups[0].Members, s.Cycles)
	}
}

// TestCloseAgreesWithASimpleWalk compares with one that is right by looking.
func TestCloseAgreesWithASimpleWalk(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const users, groups = 5, 6
		s := &directory.Snapshot{Users: make([]directory.User, users)}
		for range groups {
			s.Groups = append(s.Groups, directory.Group{
				Direct:       rapid.SliceOfN(rapid.Uint32Range(0, users-1), 0, 3).Draw(t, "direct"),
				Children:     rapid.SliceOfN(rapid.Uint32Range(0, groups-1), 0, 2).Draw(t, "children"),
				MembersKnown: rapid.IntRange(0, 3).Draw(t, "cut") > 0,
			})
		}
		wantMembers, wantKnown := make([][]uint32, groups), make([]bool, groups)
		for g := range groups {
			seen := map[uint32]bool{}
			wantKnown[g] = walk(s, uint32(g), seen)
			in := map[uint32]bool{}
			for below := range seen {
				for _, u := range s.Groups[below].Direct {
					in[u] = true
				}
			}
			for u := range uint32(users) {
				if in[u] {
					wantMembers[g] = append(wantMembers[g], u)
				}
			}
		}
		s.Close(true)
		for g := range groups {
			if !slices.Equal(s.Groups[g].Members, wantMembers[g]) || s.Groups[g].MembersKnown != wantKnown[g] {
				t.Fatalf("group %d: %v %v, want %v %v", g, s.Groups[g].Members, s.Groups[g].MembersKnown, wantMembers[g], wantKnown[g])
			}
		}
		members := s.Groups[0].Members
		again := *s
		again.Close(true)
		if diff := cmp.Diff(members, again.Groups[0].Members); diff != "" {
			t.Fatal(diff)
		}
	})
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
