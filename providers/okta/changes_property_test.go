package okta_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/providers/okta/oktatest"
	"groupsyncd/providers/providertest"
	"groupsyncd/sync/replica"
)

// clock is the organisation's, moved by hand.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) pass(d time.Duration) { c.at.Add(int64(d)) }

// staff is an organisation that is edited at random.
type staff struct {
	t      *rapid.T
	server *oktatest.Server
	people []string
	groups []string
	in     map[string]map[string]bool
	serial int
}

func (s *staff) pick(list []string, what string) string {
	if len(list) == 0 {
		return ""
	}
	return list[rapid.IntRange(0, len(list)-1).Draw(s.t, what)]
}

func (s *staff) hire() {
	s.serial++
	id := fmt.Sprintf("00u%03d", s.serial)
	s.people = append(s.people, id)
	s.server.AddUser(providertest.User{ID: id, Username: id + "@example.org", Email: id + "@example.org", Name: "Person " + id})
}

func (s *staff) found() {
	s.serial++
	id := fmt.Sprintf("00g%03d", s.serial)
	s.groups = append(s.groups, id)
	s.in[id] = map[string]bool{}
	s.server.AddGroup(providertest.Group{ID: id, Name: "group " + id})
}

// edit changes something.
func (s *staff) edit() {
	u, g := s.pick(s.people, "person"), s.pick(s.groups, "group")
	set := func() { s.server.SetMembers(g, slices.Collect(maps.Keys(s.in[g]))...) }
	switch rapid.IntRange(0, 13).Draw(s.t, "edit") {
	case 0, 1, 2:
		if g != "" && u != "" {
			s.in[g][u] = true
			set()
		}
	case 3, 4:
		if g != "" {
			delete(s.in[g], u)
			set()
		}
	case 5:
		s.hire()
	case 6: // Somebody comes with groups, and not by a change of their own.
		s.hire()
		if g != "" {
			s.in[g][s.people[len(s.people)-1]] = true
			set()
		}
	case 7:
		s.people = slices.DeleteFunc(s.people, func(p string) bool { return p == u })
		s.server.DeleteUser(u)
		for _, in := range s.in {
			delete(in, u)
		}
	case 8, 9:
		s.server.SetStatus(u, rapid.SampledFrom([]string{"ACTIVE", "SUSPENDED", "DEPROVISIONED", "LOCKED_OUT", "STAGED"}).Draw(s.t, "status"))
	case 10:
		s.serial++
		s.server.SetProfile(u, "email", fmt.Sprintf("mail%d@example.org", s.serial))
	case 11:
		s.found()
	case 12:
		s.groups = slices.DeleteFunc(s.groups, func(x string) bool { return x == g })
		delete(s.in, g)
		s.server.DeleteGroup(g)
	case 13:
		s.serial++
		s.server.RenameGroup(g, fmt.Sprintf("renamed %d", s.serial))
	}
}

// pictured is a picture in a form that can be compared.
func pictured(s *directory.Snapshot) map[string]string {
	all := map[string]string{}
	for i := range s.Users {
		u := &s.Users[i]
		all["user "+u.ID] = fmt.Sprintf("%s %s %s %t/%t %v", u.Email, u.Username, u.Name, u.Disabled, u.StatusKnown, u.Attributes)
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		var names []string
		for _, at := range g.Members {
			names = append(names, s.Users[at].ID)
		}
		slices.Sort(names)
		all["group "+g.ID] = fmt.Sprintf("%s known=%t %v %v", g.Name, g.MembersKnown, names, g.Unresolved)
	}
	return all
}

func differences(got, want map[string]string) string {
	var out []string
	keys := maps.Clone(want)
	maps.Copy(keys, got)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if got[key] != want[key] {
			out = append(out, fmt.Sprintf("%s\n  changes: %s\n  full:    %s", key, got[key], want[key]))
		}
	}
	return strings.Join(out, "\n")
}

// play plays a history, and compares the picture after each read of changes with that of a
// full read, as soon as Okta's lists have caught up.
func play(t *rapid.T, outer *testing.T, compared *atomic.Int64) {
	orgs := newClock()
	lags := []time.Duration{0, time.Second, 3 * time.Minute, 9 * time.Minute}
	indexLag, memberLag := rapid.SampledFrom(lags).Draw(t, "index lag"), rapid.SampledFrom(lags).Draw(t, "member lag")
	silent := rapid.Bool().Draw(t, "silent deletions")
	server := oktatest.New(outer, providertest.World{}, func(o *oktatest.Options) {
		o.Now, o.PageSize, o.IndexLag, o.MemberLag, o.Silent = orgs.now, 3, indexLag, memberLag, silent
	})
	s := &staff{t: t, server: server, in: map[string]map[string]bool{}}
	for range 5 {
		s.hire()
		s.found()
	}
	for range 8 {
		s.edit()
	}
	// Our clock is as far from Okta's as Okta lets it be.
	skew := time.Duration(rapid.IntRange(-200, 200).Draw(t, "skew")) * time.Second
	ours := func() time.Time { return orgs.now().Add(skew) }
	source := server.OpenWith(outer, providers.Options{Now: ours})
	defer func() { _ = source.Close() }()
	changes, ok := source.(providers.Changes)
	if !ok {
		t.Fatal("changes cannot be read")
	}
	base, err := source.Pull(outer.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	kept := replica.New("okta")
	keep := func(s *directory.Snapshot) {
		kept, _ = kept.Merge(s, 0)
		base = kept.Picture()
	}
	keep(base)
	edited := orgs.now()
	for range rapid.IntRange(1, 8).Draw(t, "rounds") {
		for range rapid.IntRange(0, 3).Draw(t, "edits") {
			s.edit()
			edited = orgs.now()
			orgs.pass(rapid.SampledFrom([]time.Duration{0, time.Millisecond, time.Minute}).Draw(t, "between"))
		}
		if rapid.Bool().Draw(t, "look-up") {
			seen, err := source.(providers.LookUp).LookUp(outer.Context(), directory.Person{ID: s.pick(s.people, "who")})
			if err != nil {
				t.Fatal(err)
			}
			keep(seen)
		}
		orgs.pass(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, 5 * time.Minute, 15 * time.Minute}).Draw(t, "until the read"))
		if base.Coverage() != directory.Full { // A group was looked up that was never read.
			full, err := source.Pull(outer.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			keep(full)
			continue
		}
		before := pictured(base)
		delta, err := changes.PullChanges(outer.Context(), base, nil)
		if err != nil {
			t.Fatal(err)
		}
		if left := differences(pictured(base), before); left != "" {
			t.Fatalf("the picture of before was changed:\n%s", left)
		}
		if !delta.Delta || delta.Coverage() != directory.Full || delta.Cursor == nil {
			t.Fatalf("delta %t, coverage %s", delta.Delta, delta.Coverage())
		}
		if orgs.now().Sub(edited) >= max(indexLag, memberLag) {
			full, err := source.Pull(outer.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := differences(pictured(delta), pictured(full)); diff != "" {
				t.Fatalf("the changes give another picture than a full read:\n%s", diff)
			}
			compared.Add(1)
		}
		keep(delta)
	}
}

func TestChangesGiveThePictureOfAFullRead(t *testing.T) {
	t.Parallel()
	var compared atomic.Int64
	rapid.Check(t, func(r *rapid.T) { play(r, t, &compared) })
	t.Logf("%d pictures were compared", compared.Load())
	if compared.Load() == 0 || compared.Load() < 100 && !testing.Short() {
		t.Errorf("only %d pictures were compared", compared.Load())
	}
}
