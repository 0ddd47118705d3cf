package directory_test

import (
	"slices"
	"testing"

	"groupsyncd/directory"
)

func TestAssemblyResolvesMembersWheneverTheyAreShown(t *testing.T) {
	t.Parallel()
	var a directory.Assembly
	a.Group(directory.Group{ID: "g1", Name: "one"})
	a.Member("g1", directory.Ref{ID: "u2"})
	a.Member("g1", directory.Ref{ID: "g2", Kind: directory.GroupMember})
	a.Member("g1", directory.Ref{ID: "nobody", Text: "nobody@example.org"})
	a.Member("g1", directory.Ref{ID: "g2", Kind: directory.UserMember})
	a.Member("g9", directory.Ref{ID: "u1"})
	a.Known("g1")
	a.Known("g9")
	a.Group(directory.Group{ID: "g2", Name: "two", MembersKnown: true})
	a.User(directory.User{ID: "u1", Name: "first"})
	a.User(directory.User{ID: "u2"})
	a.User(directory.User{ID: "u1", Name: "on a later page"})
	a.Member("g2", directory.Ref{ID: "u1", Kind: directory.UserMember})
	a.Group(directory.Group{ID: "g1", Name: "renamed"})
	if !a.HasUser("u1") || a.HasUser("g1") || !a.HasGroup("g2") || a.HasGroup("u1") {
		t.Error("who was shown is not remembered")
	}
	s := a.Close(true)
	g := s.Groups[0]
	if len(s.Users) != 2 || s.Users[0].Name != "on a later page" || len(s.Groups) != 2 || g.Name != "renamed" || !g.MembersKnown {
		t.Fatalf("users %v, groups %v", s.Users, s.Groups)
	}
	if !slices.Equal(g.Direct, []uint32{1}) || !slices.Equal(g.Members, []uint32{0, 1}) || !slices.Equal(g.Unresolved, []string{"g2", "nobody@example.org"}) {
		t.Errorf("group one is %+v", g)
	}
}

func TestAGroupAboveOneThatIsNotKnownIsNotCovered(t *testing.T) {
	t.Parallel()
	var a directory.Assembly
	a.Group(directory.Group{ID: "above"})
	a.Group(directory.Group{ID: "below"})
	a.Member("above", directory.Ref{ID: "below"})
	a.Known("above")
	s := a.Close(true)
	if s.Groups[0].MembersKnown || s.Groups[1].MembersKnown {
		t.Errorf("covered: %+v", s.Groups)
	}
}
