package scimpush

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// Source is a source that its provider fills.
type Source struct {
	config  Config
	options providers.Options
	now     func() time.Time
	// prefix is where the paths of its requests begin.
	prefix  string
	reader  *reader
	handler http.Handler

	mu    sync.RWMutex
	table *table
	// begun says that this process began a generation in doubt.
	begun bool

	// signal has a word for whoever watches.
	signal  chan struct{}
	noticed sync.Mutex
	news    news
	heard   heard
	closed  bool
}

// news are the changes that nobody was told of yet.
type news struct {
	all    bool
	people map[string]bool
}

// heard is what is known of those who ask and listen; the lock of news guards it.
type heard struct {
	// since is when somebody began to listen for changes, last when the provider last asked
	// for anything, tried when it last tried to write.
	since, last, tried time.Time
	// stirred is when the latter of since and tried was, by the clock that nobody sets.
	stirred time.Time
	product string
}

var (
	_ providers.LookUp  = (*Source)(nil)
	_ providers.Watcher = (*Source)(nil)
	_ providers.Checker = (*Source)(nil)
)

// read gives the table as it is, for reading until unlock.
func (s *Source) read() (t *table, unlock func(), err error) {
	for {
		s.mu.RLock()
		if s.table != nil && s.table.revision == s.options.Pushed.Revision() {
			return s.table, s.mu.RUnlock, nil
		}
		s.mu.RUnlock()
		s.mu.Lock()
		_, err := s.current()
		s.mu.Unlock()
		if err != nil {
			return nil, nil, err
		}
	}
}

// usable says why a read cannot go on, if so.
func (s *Source) usable(ctx context.Context) error {
	s.noticed.Lock()
	closed := s.closed
	s.noticed.Unlock()
	switch {
	case ctx.Err() != nil:
		return fault.New(fault.Canceled, "read what was provisioned", "", ctx.Err(), "")
	case closed:
		return fault.New(fault.Canceled, "read what was provisioned", "", os.ErrClosed, "")
	}
	return nil
}

// Pull shows what is held, as far as it counts.
func (s *Source) Pull(ctx context.Context, progress providers.Progress) (*directory.Snapshot, error) {
	nothing := &directory.Snapshot{AsOf: s.now()}
	if err := s.usable(ctx); err != nil {
		nothing.Reason = err.Error()
		return nothing, err
	}
	s.mu.Lock()
	t, err := s.current()
	if err == nil {
		err = s.settle(t)
	}
	s.mu.Unlock()
	if err != nil {
		nothing.Reason = "what was provisioned cannot be read"
		return nothing, err
	}
	t, unlock, err := s.read()
	if err != nil {
		nothing.Reason = "what was provisioned cannot be read"
		return nothing, err
	}
	defer unlock()
	complete := !t.head.Settled.IsZero()
	if !complete && t.head.doubted() {
		err := s.waits(t)
		nothing.Reason = err.Error()
		return nothing, err
	}
	out := t.snapshot(nothing.AsOf, progress)
	if err := s.usable(ctx); err != nil {
		nothing.Reason = err.Error()
		return nothing, err
	}
	if complete {
		out.UsersListed, out.GroupsListed = true, true
		for i := range out.Groups {
			out.Groups[i].MembersKnown = true
		}
		out.Close(true)
		if out.Reason != "" {
			return out, fault.Errorf(fault.Incomplete, "read what was provisioned", "", "%s", out.Reason)
		}
		return out, nil
	}
	for i := range out.Users {
		out.Users[i].GroupsKnown = true
	}
	out.Close(true)
	err = s.waits(t)
	out.Reason = err.Error()
	return out, err
}

// snapshot gives what is held of this generation.
func (t *table) snapshot(at time.Time, progress providers.Progress) *directory.Snapshot {
	out := &directory.Snapshot{AsOf: at, Users: make([]directory.User, 0, len(t.users)), Groups: make([]directory.Group, 0, len(t.groups))}
	const nobody = ^uint32(0)
	// place says where in the snapshot a reference leads: a user, or from groupBit a group.
	const groupBit = 1 << 31
	place := make([]uint32, len(t.refs.ids))
	for i := range place {
		place[i] = nobody
	}
	stands := func(id string, at uint32) {
		if n, named := t.refs.number[id]; named {
			place[n] = at
		}
	}
	for _, u := range t.users {
		if u.generation == t.head.Generation {
			stands(u.ID, uint32(len(out.Users)))
			out.Users = append(out.Users, u.User)
		}
	}
	progress.Report("users", len(out.Users))
	for _, g := range t.groups {
		if g.generation == t.head.Generation {
			stands(g.id, groupBit|uint32(len(out.Groups)))
			out.Groups = append(out.Groups, directory.Group{ID: g.id, Name: g.name})
		}
	}
	at2 := 0
	for _, g := range t.groups {
		if g.generation != t.head.Generation {
			continue
		}
		shown := &out.Groups[at2]
		at2++
		g.each(func(m uint32) bool {
			switch p := place[m]; {
			case p == nobody:
				shown.Unresolved = append(shown.Unresolved, t.refs.ids[m])
			case p&groupBit != 0:
				shown.Children = append(shown.Children, p&^groupBit)
			default:
				shown.Direct = append(shown.Direct, p)
			}
			return true
		})
	}
	progress.Report("groups", len(out.Groups))
	for id := range t.goneUser {
		out.DeletedUsers = append(out.DeletedUsers, id)
	}
	for id := range t.goneGrp {
		out.DeletedGroups = append(out.DeletedGroups, id)
	}
	slices.Sort(out.DeletedUsers)
	slices.Sort(out.DeletedGroups)
	return out
}

// LookUp shows one person.
func (s *Source) LookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	out := &directory.Snapshot{AsOf: s.now()}
	if err := s.usable(ctx); err != nil {
		out.Reason = err.Error()
		return out, err
	}
	t, unlock, err := s.read()
	if err != nil {
		out.Reason = "what was provisioned cannot be read"
		return out, err
	}
	defer unlock()
	if t.head.Settled.IsZero() && t.head.doubted() {
		out.Reason, _ = s.waiting(t)
		return out, nil
	}
	u, why := t.person(who)
	if u == nil {
		out.Reason = why
		if _, gone := t.goneUser[who.ID]; gone {
			out.DeletedUsers = []string{who.ID}
		}
		return out, nil
	}
	shown := u.User
	shown.GroupsKnown = true
	out.Users = []directory.User{shown}
	for _, g := range t.groupsOf(u.ID) {
		out.Groups = append(out.Groups, directory.Group{ID: g.id, Name: g.name, Direct: []uint32{0}})
	}
	out.Close(false)
	return out, nil
}

// person finds the only person of a name.
func (t *table) person(who directory.Person) (*user, string) {
	counts := func(u *user) bool { return u != nil && u.generation == t.head.Generation }
	fits := func(u *user) bool { return u.Username == who.Username }
	switch {
	case who.ID != "":
		if u := t.byID[who.ID]; counts(u) {
			return u, ""
		}
		return nil, "nobody has that id"
	case who.Email != "":
		mail := directory.FoldEmail(who.Email)
		fits = func(u *user) bool { return u.Email != "" && directory.FoldEmail(u.Email) == mail }
	case who.Username == "":
		return nil, "nothing is known by which to find them"
	}
	var found *user
	for _, u := range t.users {
		if !counts(u) || !fits(u) {
			continue
		}
		if found != nil {
			return nil, "several people have that name or mail address"
		}
		found = u
	}
	if found == nil {
		return nil, "nobody has that name or mail address"
	}
	return found, ""
}

// groupsOf gives the groups of this generation that have somebody as a member, directly or
// through others.
func (t *table) groupsOf(id string) []*group {
	in := map[*group]bool{}
	n, named := t.refs.number[id]
	if !named {
		return nil
	}
	// Each of a million members is looked at, which a map would make ten times slower.
	wanted := make([]bool, len(t.refs.ids))
	wanted[n] = true
	for more := true; more; {
		more = false
		next := make([]bool, len(t.refs.ids))
		for _, g := range t.groups {
			if in[g] || g.generation != t.head.Generation {
				continue
			}
			found := false
			g.each(func(m uint32) bool {
				found = wanted[m]
				return !found
			})
			if !found {
				continue
			}
			in[g] = true
			if n, named := t.refs.number[g.id]; named {
				next[n], more = true, true
			}
		}
		wanted = next
	}
	var out []*group
	for _, g := range t.groups {
		if in[g] {
			out = append(out, g)
		}
	}
	return out
}

const (
	// together is how long changes are gathered before somebody is told of them, and
	// fewPeople how many people are told of one by one.
	together = 100 * time.Millisecond
	// readTime is how long a read may take before it is asked for again.
	readTime  = time.Minute
	fewPeople = 10
)

// Watch tells of changes as they come, and when a generation becomes complete.
func (s *Source) Watch(ctx context.Context, changed providers.Changed) error {
	s.noticed.Lock()
	s.heard.since, s.heard.stirred = s.now(), time.Now()
	s.noticed.Unlock()
	defer func() {
		s.noticed.Lock()
		s.heard.since = time.Time{}
		s.noticed.Unlock()
	}()
	least := time.Duration(0)
	for {
		timer := time.NewTimer(max(s.next(), least))
		least = 0
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("watch what is provisioned: %w", ctx.Err())
		case <-timer.C:
			if s.due() {
				changed()
				least = readTime
			}
			continue
		case <-s.signal:
			timer.Stop()
		}
		select {
		case <-ctx.Done():
		case <-time.After(together):
		}
		s.noticed.Lock()
		n := s.news
		s.news = news{}
		s.noticed.Unlock()
		switch {
		case n.all || len(n.people) > fewPeople:
			changed()
		case len(n.people) > 0:
			var people []directory.Person
			for id := range n.people {
				people = append(people, directory.Person{ID: id})
			}
			slices.SortFunc(people, func(a, b directory.Person) int { return strings.Compare(a.ID, b.ID) })
			changed(people...)
		}
	}
}

// next gives how long to wait before looking whether a generation is complete.
func (s *Source) next() time.Duration {
	const rarely = time.Hour
	st, err := s.Standing()
	if err != nil || st.Settles.IsZero() {
		return rarely
	}
	return min(max(st.Settles.Sub(s.now()), 10*time.Millisecond), rarely)
}

// due reports whether a read would find the generation complete.
func (s *Source) due() bool {
	st, err := s.Standing()
	return err == nil && !st.Settles.IsZero() && !s.now().Before(st.Settles)
}

// tell notes a change for whoever watches. While nothing counts, nobody has to hear of it.
func (s *Source) tell(c *change, h *head) {
	quiet := h.Settled.IsZero() && h.doubted()
	s.noticed.Lock()
	s.news.all = s.news.all || c.all && !quiet
	for _, id := range c.people {
		if quiet {
			break
		}
		if s.news.people == nil {
			s.news.people = map[string]bool{}
		}
		s.news.people[id] = true
	}
	s.noticed.Unlock()
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// listening gives since when changes are listened for; zero: nobody does.
func (s *Source) listening() time.Time {
	s.noticed.Lock()
	defer s.noticed.Unlock()
	return s.heard.since
}

// lastRequest gives when the provider last asked for anything.
func (s *Source) lastRequest(h head) time.Time {
	s.noticed.Lock()
	defer s.noticed.Unlock()
	if s.heard.last.After(h.Wrote) {
		return s.heard.last
	}
	return h.Wrote
}

// Close ends the source.
func (s *Source) Close() error {
	s.noticed.Lock()
	defer s.noticed.Unlock()
	s.closed = true
	return nil
}
