package providertest

import (
	"context"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

func (h Harness) testAsOf(t *testing.T) {
	s := h.Open(t, h.fit(company()))
	before := time.Now()
	var first time.Time
	snapshot, err := s.Pull(t.Context(), func(string, int) {
		if first.IsZero() {
			first = time.Now()
		}
	})
	h.inspect(t, snapshot, err)
	if first.IsZero() {
		t.Fatal("a pull reports no progress")
	}
	if snapshot.AsOf.Before(before) || snapshot.AsOf.After(first) {
		t.Errorf("AsOf is %s, want it between %s and %s", snapshot.AsOf, before, first)
	}
}

func (h Harness) testCanceledBefore(t *testing.T) {
	s := h.Open(t, h.fit(company()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	snapshot, err := s.Pull(ctx, nil)
	h.inspect(t, snapshot, err)
	if fault.KindOf(err) != fault.Canceled || snapshot.Coverage() != directory.None {
		t.Errorf("coverage %s and error %v (%s), want none and canceled", snapshot.Coverage(), err, fault.KindOf(err))
	}
	h.checkPull(t, s, h.fit(company()))
}

// testCanceledWithin cancels at the first sign of progress, after which a source
// may finish a step but must look at its context before it calls anything complete.
func (h Harness) testCanceledWithin(t *testing.T) {
	w := h.fit(big())
	s := h.Open(t, w)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reported := false
	snapshot, err := s.Pull(ctx, func(string, int) {
		reported = true
		cancel()
	})
	if !reported {
		t.Fatal("a pull reports no progress")
	}
	h.inspect(t, snapshot, err)
	if fault.KindOf(err) != fault.Canceled || snapshot.Coverage() == directory.Full {
		t.Errorf("coverage %s and error %v (%s), want canceled and less than full", snapshot.Coverage(), err, fault.KindOf(err))
	}
	for _, c := range h.claims(snapshot, w) {
		t.Error(c)
	}
	h.checkPull(t, s, w)
}

func (h Harness) testConcurrent(t *testing.T) {
	w := h.fit(company())
	s := h.Open(t, w)
	var g errgroup.Group
	for range 3 {
		g.Go(func() error {
			_, err := s.Pull(t.Context(), nil)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Errorf("Pull beside others: %v", err)
	}
}

func (h Harness) testClosed(t *testing.T) {
	s := h.Open(t, h.fit(company()))
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	snapshot, err := h.pull(t, s)
	if err == nil || snapshot.Coverage() != directory.None {
		t.Errorf("Pull after Close: coverage %s, error %v", snapshot.Coverage(), err)
	}
	if l, ok := s.(providers.LookUp); ok {
		snapshot, err := l.LookUp(t.Context(), directory.Person{Username: "user0001"})
		if err == nil || snapshot == nil || snapshot.Coverage() != directory.None {
			t.Errorf("LookUp after Close: error %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

// live opens a world that can be changed. The function it gives replaces the world
// and gives the source that shows it.
func (h Harness) live(t *testing.T, w World) (providers.Source, func(World) providers.Source) {
	if h.Live != nil {
		s, change := h.Live(t, w)
		return s, func(w World) providers.Source { change(w); return s }
	}
	return h.Open(t, w), func(w World) providers.Source { return h.Open(t, w) }
}

func (h Harness) testRename(t *testing.T) {
	before := h.fit(company())
	after := h.fit(company())
	after.Users[0].Name, after.Users[0].Email = "Married Name", "married@example.org"
	after.Groups[0].Name = "personnel"
	after = h.fit(after)
	s, change := h.live(t, before)
	first := h.checkPull(t, s, before)
	second := h.checkPull(t, change(after), after)
	ids := func(s *directory.Snapshot) (users, groups []string) {
		for i := range s.Users {
			users = append(users, s.Users[i].ID)
		}
		for i := range s.Groups {
			groups = append(groups, s.Groups[i].ID)
		}
		slices.Sort(users)
		slices.Sort(groups)
		return users, groups
	}
	users1, groups1 := ids(first)
	users2, groups2 := ids(second)
	if !slices.Equal(users1, users2) || !slices.Equal(groups1, groups2) {
		t.Errorf("renaming changed ids: users %v to %v, groups %v to %v", users1, users2, groups1, groups2)
	}
}

func (h Harness) testChange(t *testing.T) {
	before := h.fit(company())
	after := h.fit(company())
	after.Groups[0].Members = []string{uid(3), uid(4), uid(5)}
	after.Groups = slices.Delete(after.Groups, 1, 2)
	after.Users = slices.DeleteFunc(after.Users, func(u User) bool { return u.ID == uid(1) || u.ID == uid(2) })
	s, change := h.live(t, before)
	h.checkPull(t, s, before)
	h.checkPull(t, change(after), after)
}

func (h Harness) testFindings(t *testing.T) {
	c, ok := h.Open(t, h.fit(company())).(providers.Checker)
	if !ok {
		t.Fatal("the source does not implement providers.Checker")
	}
	findings := c.Check(t.Context())
	if len(findings) == 0 {
		t.Error("no finding at all")
	}
	for _, f := range findings {
		if f.Level == providers.Failed || f.Check == "" || f.Message == "" {
			t.Errorf("finding on a good world: %+v", f)
		}
		h.noSecret(t, f.Message+f.Remedy)
	}
}

// testFault checks that a broken world gives an error of the right kind, that what
// is claimed nevertheless is so, and that nothing looks like an empty directory.
func (h Harness) testFault(t *testing.T, f Fault) {
	w := h.fit(medium())
	s := f.Open(t, w)
	if f.Passes {
		h.checkPull(t, s, w)
		return
	}
	snapshot, err := h.pull(t, s)
	if err == nil {
		t.Fatal("Pull gives no error")
	}
	if !slices.Contains(f.Kinds, fault.KindOf(err)) {
		t.Errorf("error %q is %s, want one of %v", err, fault.KindOf(err), f.Kinds)
	}
	if !f.Partial && snapshot.Coverage() != directory.None {
		t.Errorf("coverage %s, want none", snapshot.Coverage())
	}
	for _, c := range h.claims(snapshot, w) {
		t.Error(c)
	}
	if f.OneGroup {
		checkOneGroup(t, snapshot)
	}
	if l, ok := s.(providers.LookUp); ok && !f.PullOnly {
		snapshot, err := l.LookUp(t.Context(), h.named(w.Users[0]))
		h.inspectError(t, err)
		if snapshot == nil || err == nil || snapshot.Coverage() != directory.None {
			t.Errorf("LookUp in a broken world: snapshot %+v, error %v", snapshot, err)
		}
	}
	if c, ok := s.(providers.Checker); ok {
		for _, finding := range c.Check(t.Context()) {
			h.noSecret(t, finding.Message+finding.Remedy)
		}
	}
}

// checkOneGroup checks that a fault of one group has cost that group only.
func checkOneGroup(t *testing.T, s *directory.Snapshot) {
	t.Helper()
	unknown := 0
	for i := range s.Groups {
		if !s.Groups[i].MembersKnown {
			unknown++
		}
	}
	if !s.UsersListed || !s.GroupsListed || unknown != 1 {
		t.Errorf("users listed %v, groups listed %v, the members of %d groups unknown: want only those of one", s.UsersListed, s.GroupsListed, unknown)
	}
}
