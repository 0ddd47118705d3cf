package providertest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// memory is the simplest source that keeps the contract.
type memory struct {
	world  atomic.Pointer[World]
	broken error
	closed atomic.Bool
}

func (m *memory) Close() error { m.closed.Store(true); return nil }

func (m *memory) Check(context.Context) []providers.Finding {
	return []providers.Finding{{Level: providers.OK, Check: "memory", Message: "the world is there"}}
}

func (m *memory) Pull(ctx context.Context, progress providers.Progress) (*directory.Snapshot, error) {
	s := &directory.Snapshot{AsOf: time.Now()}
	err := m.broken
	if m.closed.Load() {
		err = errors.New("the source is closed")
	}
	if err != nil {
		s.Reason = err.Error()
		return s, fault.New(fault.Unavailable, "read memory", "", err, "mend it")
	}
	w := m.world.Load()
	progress.Report("users", len(w.Users))
	if err := ctx.Err(); err != nil {
		s.Reason = "stopped"
		return s, fault.New(fault.Canceled, "read memory", "", err, "")
	}
	users, groups := make(map[string]uint32), make(map[string]uint32)
	for _, u := range w.Users {
		users[u.ID] = uint32(len(s.Users))
		s.Users = append(s.Users, directory.User{ID: u.ID, Email: u.Email, Username: u.Username, Name: u.Name,
			Disabled: u.Disabled, StatusKnown: true, Attributes: u.Attributes})
	}
	for i, g := range w.Groups {
		groups[g.ID] = uint32(i)
	}
	for _, g := range w.Groups {
		group := directory.Group{ID: g.ID, Name: g.Name, Description: g.Description, MembersKnown: true}
		for _, id := range g.Members {
			if i, ok := users[id]; ok {
				group.Direct = append(group.Direct, i)
			} else {
				group.Unresolved = append(group.Unresolved, id)
			}
		}
		for _, id := range g.Groups {
			group.Children = append(group.Children, groups[id])
		}
		s.Groups = append(s.Groups, group)
	}
	s.UsersListed, s.GroupsListed = true, true
	s.Close(true)
	return s, nil
}

func (m *memory) LookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	s, err := m.Pull(ctx, nil)
	if err != nil {
		return s, err
	}
	var found []uint32
	for i := range s.Users {
		u := &s.Users[i]
		switch {
		case who.ID != "":
			if u.ID == who.ID {
				found = append(found, uint32(i))
			}
		case who.Email != "":
			if directory.FoldEmail(u.Email) == directory.FoldEmail(who.Email) {
				found = append(found, uint32(i))
			}
		case u.Username == who.Username:
			found = append(found, uint32(i))
		}
	}
	one := &directory.Snapshot{AsOf: s.AsOf}
	if len(found) != 1 {
		one.Reason = "nobody, or several"
		return one, nil
	}
	u := s.Users[found[0]]
	u.GroupsKnown = true
	one.Users = []directory.User{u}
	for _, g := range s.Groups {
		if slices.Contains(g.Members, found[0]) {
			one.Groups = append(one.Groups, directory.Group{ID: g.ID, Name: g.Name, Description: g.Description, Direct: []uint32{0}})
		}
	}
	one.Close(true)
	return one, nil
}

func TestSuiteAcceptsASourceThatKeepsTheContract(t *testing.T) {
	t.Parallel()
	open := func(_ testing.TB, w World) providers.Source {
		m := &memory{}
		m.world.Store(&w)
		return m
	}
	Run(t, Harness{
		Open: open,
		Live: func(t testing.TB, w World) (providers.Source, func(World)) {
			m := open(t, w).(*memory)
			return m, func(w World) { m.world.Store(&w) }
		},
		Faults: []Fault{{
			Name:  "the server is down",
			Kinds: []fault.Kind{fault.Unavailable},
			Open:  func(testing.TB, World) providers.Source { return &memory{broken: errors.New("no answer")} },
		}},
		Secret: "correct horse",
	})
}

func TestViolationsNamesEachBreachOfTheContract(t *testing.T) {
	t.Parallel()
	good := func() *directory.Snapshot {
		s := &directory.Snapshot{
			AsOf:   time.Now(),
			Users:  []directory.User{{ID: "a"}, {ID: "b"}},
			Groups: []directory.Group{{ID: "g", Direct: []uint32{0}, Children: []uint32{1}, MembersKnown: true}, {ID: "h", Direct: []uint32{1}, MembersKnown: true}},
		}
		s.UsersListed, s.GroupsListed = true, true
		s.Close(true)
		return s
	}
	if bad := violations(good(), true); len(bad) > 0 {
		t.Fatalf("a good snapshot: %v", bad)
	}
	for _, c := range []struct {
		want  string
		spoil func(*directory.Snapshot)
	}{
		{"AsOf", func(s *directory.Snapshot) { s.AsOf = time.Time{} }},
		{"without a reason", func(s *directory.Snapshot) { s.UsersListed = false }},
		{"used twice", func(s *directory.Snapshot) { s.Users[1].ID = "a" }},
		{"empty", func(s *directory.Snapshot) { s.Groups[1].ID = "" }},
		{"not UTF-8", func(s *directory.Snapshot) { s.Users[0].Name = "\xff" }},
		{"sorted", func(s *directory.Snapshot) { s.Groups[0].Members = []uint32{1, 0} }},
		{"in range", func(s *directory.Snapshot) { s.Groups[0].Direct = []uint32{7} }},
		{"no member", func(s *directory.Snapshot) { s.Groups[0].Members = []uint32{1} }},
		{"not those below", func(s *directory.Snapshot) { s.Groups[0].Members = []uint32{0} }},
		{"below it is not", func(s *directory.Snapshot) { s.Groups[1].MembersKnown = false; s.Reason = "cut" }},
	} {
		s := good()
		c.spoil(s)
		if bad := strings.Join(violations(s, true), "; "); !strings.Contains(bad, c.want) {
			t.Errorf("violations = %q, want one with %q", bad, c.want)
		}
	}
}

func TestClaimsFindsWhatIsNotSo(t *testing.T) {
	t.Parallel()
	w := disabled()
	m := &memory{}
	m.world.Store(&w)
	var h Harness
	for _, c := range []struct {
		want  string
		spoil func(*directory.Snapshot)
	}{
		{"", func(*directory.Snapshot) {}},
		{"not so", func(s *directory.Snapshot) { s.Groups[0].Direct = s.Groups[0].Direct[1:]; s.Close(true) }},
		{"list of users", func(s *directory.Snapshot) { s.Users = s.Users[:3]; s.Groups = nil }},
		{"list of groups", func(s *directory.Snapshot) { s.Groups = nil }},
		{"wrong status", func(s *directory.Snapshot) { s.Users[1].Disabled = false }},
	} {
		s, err := m.Pull(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		c.spoil(s)
		bad := strings.Join(h.claims(s, w), "; ")
		if !strings.Contains(bad, c.want) || c.want == "" && bad != "" {
			t.Errorf("claims = %q, want %q", bad, c.want)
		}
	}
}
