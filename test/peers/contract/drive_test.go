package contract

import (
	"slices"
	"strings"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
)

// description is what a vendor publishes, in whatever format.
type description interface {
	// Check gives what of an exchange does not fit.
	Check(x *Exchange) []string
}

// world has everything that sources tell apart: people who are disabled, departments, groups
// of several pages, in each other, of nobody, and owned.
func world() providertest.World {
	w := providertest.World{}
	var all []string
	for name := range strings.FieldsSeq("ann bob cy dora eli fay gus hana ivo jo kim lea") {
		id := "0a000000-0000-4000-8000-" + strings.Repeat("0", 12-len(name)) + strings.Map(hexOf, name)
		all = append(all, id)
		w.Users = append(w.Users, providertest.User{ID: id, Username: name + ".one", Email: name + "@example.org", Name: strings.ToUpper(name[:1]) + name[1:] + " Example",
			Disabled: name == "gus", Attributes: map[string][]string{"department": {"Finance"}}})
	}
	group := func(n string) string { return "0b000000-0000-4000-8000-00000000000" + n }
	w.Groups = []providertest.Group{
		{ID: group("1"), Name: "all", Description: "Everybody", Members: all, Owners: all[:1]},
		{ID: group("2"), Name: "inner", Members: all[:2]},
		{ID: group("3"), Name: "outer", Members: all[2:3], Groups: []string{group("2")}},
		{ID: group("4"), Name: "nobody"},
	}
	return w
}

func hexOf(r rune) rune { return rune("0123456789abcdef"[int(r)%16]) }

// later is the world when some of it has changed.
func later() providertest.World {
	w := world()
	w.Users = slices.Delete(w.Users, 11, 12)
	w.Users[1].Disabled = true
	w.Users[2].Name = "Cyrus Example"
	w.Groups[0].Members = w.Groups[0].Members[:9]
	w.Groups[1].Name = "inside"
	w.Groups = slices.Delete(w.Groups, 3, 4)
	return w
}

// drive lets a source do everything that it can.
func drive(t *testing.T, s providers.Source, change func(providertest.World)) {
	t.Helper()
	ctx := t.Context()
	first, err := s.Pull(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if l, ok := s.(providers.LookUp); ok {
		u := first.Users[0]
		for _, who := range []directory.Person{{ID: u.ID}, {Email: u.Email}, {Username: u.Username}, {Email: "nobody@example.org"}} {
			if _, err := l.LookUp(ctx, who); err != nil {
				t.Errorf("look up %+v: %v", who, err)
			}
		}
	}
	if c, ok := s.(providers.Checker); ok {
		for _, f := range c.Check(ctx) {
			if f.Level == providers.Failed {
				t.Errorf("%+v", f)
			}
		}
	}
	change(later())
	if c, ok := s.(providers.Changes); ok && len(first.Cursor) > 0 {
		if _, err := c.PullChanges(ctx, first, nil); err != nil {
			t.Errorf("read changes: %v", err)
		}
	}
	if _, err := s.Pull(ctx, nil); err != nil {
		t.Error(err)
	}
}

// open opens a source of a fake through a recorder.
func open(t *testing.T, r *Recorder, c providers.Config) providers.Source {
	t.Helper()
	s, err := c.Open(providers.Options{Name: "contract", Dial: r.Dial(), Limiters: &httpx.Limiters{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// compare gives everything that does not fit, once each. Requests that skip names, such as
// those for access tokens, are described elsewhere.
func compare(t *testing.T, d description, r *Recorder, skip func(path string) bool) []string {
	t.Helper()
	var bad []string
	checked, paths := 0, map[string]bool{}
	for _, x := range r.Exchanges() {
		if skip(x.URL.Path) {
			continue
		}
		checked++
		for _, why := range d.Check(&x) {
			bad = append(bad, x.Method+" "+x.URL.Path+": "+why)
		}
		paths[x.Method+" "+x.URL.Path] = true
	}
	slices.Sort(bad)
	bad = slices.Compact(bad)
	t.Logf("%d exchanges at %d paths, %d of them do not fit", checked, len(paths), len(bad))
	if checked < 10 {
		t.Errorf("only %d exchanges were seen", checked)
	}
	return bad
}

// fits demands that everything fits, and that a broken answer does not: a check that sees
// nothing would pass as well.
func fits(t *testing.T, d description, r *Recorder, s providers.Source, skip func(string) bool, spoil func(x *Exchange)) {
	t.Helper()
	for _, why := range compare(t, d, r, skip) {
		t.Error(why)
	}
	r.mu.Lock()
	r.exchanges = nil
	r.mu.Unlock()
	r.Bend(func(x *Exchange) {
		if !skip(x.URL.Path) {
			spoil(x)
		}
	})
	_, _ = s.Pull(t.Context(), nil) // What the source makes of it is not the question here.
	seen := 0
	for _, x := range r.Exchanges() {
		if !skip(x.URL.Path) {
			seen += len(d.Check(&x))
		}
	}
	if seen == 0 {
		t.Error("an answer that was broken on purpose is not noticed")
	}
}
