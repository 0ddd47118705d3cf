package scim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
)

// LookUp reads one person and all groups they are in. Filters find people here, and never prove
// that there is nobody: what they give is looked at, and where they give nothing, the last read
// or a walk over the list decides.
func (s *source) LookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	asOf := s.now()
	r := s.reader()
	snapshot, err := r.lookUp(ctx, who)
	if err == nil && ctx.Err() != nil {
		err = fault.New(fault.KindOf(ctx.Err()), "look up user", r.where(), ctx.Err(), "")
	}
	if err != nil {
		snapshot = nothing(asOf, err)
	}
	snapshot.AsOf = asOf
	snapshot.Requests, _ = r.session.Spent()
	return snapshot, err
}

func (r *reader) lookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, fault.New(fault.KindOf(err), "look up user", r.where(), err, "")
	}
	d, err := r.describe(ctx)
	if err != nil {
		return nil, err
	}
	found, why, err := r.find(ctx, d, who)
	if err != nil || len(found) != 1 {
		return &directory.Snapshot{Reason: why}, err
	}
	u, shown, err := r.user(found[0])
	if err != nil {
		return nil, fault.New(fault.Incomplete, "look up user", r.where(), err, "")
	}
	groups, err := r.groupsOf(ctx, d, u.ID, shown)
	if errors.Is(err, errUndecided) || errors.Is(err, errTooMany) || errors.Is(err, errShared) {
		return &directory.Snapshot{Reason: "the groups of one person cannot be told: " + because(err)}, nil
	}
	if err != nil {
		return nil, err
	}
	u.GroupsKnown = true
	snapshot := &directory.Snapshot{Users: []directory.User{u}, Reason: "one person was looked up"}
	for _, g := range groups {
		g.Direct = []uint32{0}
		snapshot.Groups = append(snapshot.Groups, g)
	}
	snapshot.Close(r.config.Nested)
	return snapshot, nil
}

// because gives the cause of an error without its place.
func because(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Err.Error()
	}
	return err.Error()
}

// find gives the users whom the person may be, and why it may be nobody.
func (r *reader) find(ctx context.Context, d description, who directory.Person) ([]json.RawMessage, string, error) {
	switch {
	case who.ID != "":
		raw, err := r.single(ctx, d, who.ID)
		if raw == nil || err != nil {
			return nil, "no user has that id", err
		}
		return []json.RawMessage{raw}, "", nil
	case who.Email != "":
		return r.search(ctx, d, who.Email, []string{r.email.filter(), r.username.filter()},
			func(u *directory.User) string { return u.Email }, func(m *memory) map[string]string { return m.mails })
	case who.Username != "":
		return r.search(ctx, d, who.Username, []string{r.username.filter()},
			func(u *directory.User) string { return u.Username }, func(m *memory) map[string]string { return m.usernames })
	}
	return nil, "the look-up names nobody", nil
}

// single gives a user by id, or nothing where the server says that there is none.
func (r *reader) single(ctx context.Context, d description, id string) (json.RawMessage, error) {
	var raw json.RawMessage
	_, err := r.get(ctx, "look up user", d.users, id, nil, nil, &raw)
	if missing(err) || status(err) == 400 || status(err) == 422 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if given, bad := identify(raw); bad != nil || given != id {
		return nil, fault.New(fault.Incomplete, "look up user", r.where(), errors.New("the server gives somebody else"), "")
	}
	return raw, nil
}

// search finds users by a value: through filters, then by what the last read knew, then by a
// walk over the list, which is made at most once in a while.
func (r *reader) search(ctx context.Context, d description, value string, filters []string, of func(*directory.User) string, known func(*memory) map[string]string) ([]json.RawMessage, string, error) {
	fits := func(raw json.RawMessage) bool {
		u, _, err := r.user(raw)
		return err == nil && of(&u) != "" && directory.FoldEmail(of(&u)) == directory.FoldEmail(value)
	}
	for _, filter := range filters {
		found, err := r.filter(ctx, d, filter, value, fits)
		if err != nil || len(found) > 0 {
			return found, fmt.Sprintf("%d users match the look-up", len(found)), err
		}
	}
	last := r.remembered()
	if last != nil {
		id, listed := known(last)[directory.FoldEmail(value)]
		switch {
		case listed && id == "":
			return nil, "several users match the look-up", nil
		case listed:
			raw, err := r.single(ctx, d, id)
			if err != nil || raw != nil && fits(raw) {
				return []json.RawMessage{raw}, "", err
			}
		}
	}
	if works, err := r.filterWorks(ctx, d, filters[0], of, last); err != nil || works {
		return nil, "no user matches the look-up", err
	}
	if !r.mayScan() {
		return nil, "no user was found by a filter, and the list was walked a moment ago", nil
	}
	return r.scan(ctx, d, fits)
}

// filter gives what one filter finds and what fits indeed.
func (r *reader) filter(ctx context.Context, d description, filter, value string, fits func(json.RawMessage) bool) ([]json.RawMessage, error) {
	w := walk{reader: r, op: "look up user", what: "users", endpoint: d.users, query: url.Values{"filter": {filter + " eq " + quote(value)}}}
	p := r.begin(r.knows().users, r.knows().groups, d)
	set := map[string]string{"startIndex": "1"}
	switch {
	case p.cursor:
		set = map[string]string{"cursor": ""}
	case p.bare:
		set = nil
	}
	l, _, err := w.page(ctx, set, p.count)
	if refused(err) || missing(err) || status(err) == 403 || fault.KindOf(err) == fault.Incomplete {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []json.RawMessage
	for _, raw := range l.items {
		if fits(raw) {
			found = append(found, raw)
		}
	}
	return found, nil
}

// filterWorks reports whether a filter finds somebody of whom the last read knew. It is tried
// once.
func (r *reader) filterWorks(ctx context.Context, d description, filter string, of func(*directory.User) string, last *memory) (bool, error) {
	if last == nil || last.user == "" {
		return false, nil
	}
	if works, tried := r.tried(filter); tried {
		return works, nil
	}
	raw, err := r.single(ctx, d, last.user)
	if err != nil || raw == nil {
		return false, err
	}
	u, _, err := r.user(raw)
	if err != nil || of(&u) == "" {
		return false, nil
	}
	found, err := r.filter(ctx, d, filter, of(&u), func(raw json.RawMessage) bool {
		id, err := identify(raw)
		return err == nil && id == u.ID
	})
	if err != nil {
		return false, err
	}
	r.try(filter, len(found) == 1)
	return len(found) == 1, nil
}

// tried gives whether a filter was seen to work, and whether it was tried.
func (s *source) tried(filter string) (works, tried bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	works, tried = s.filters[filter]
	return works, tried
}

func (s *source) try(filter string, works bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.filters == nil {
		s.filters = map[string]bool{}
	}
	s.filters[filter] = works
}

// mayScan reports whether the list may be walked for a look-up: a short one always, a longer
// one once in a while.
func (r *reader) mayScan() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.scanCost > cheapScan && r.now().Sub(r.scanned) < r.scanEvery {
		return false
	}
	r.scanned = r.now()
	return true
}

// cheapScan is how many requests a walk may take that is made for every look-up.
const cheapScan = 10

// scanPages bounds the walk for one look-up.
const scanPages = 100

func (r *reader) scan(ctx context.Context, d description, fits func(json.RawMessage) bool) ([]json.RawMessage, string, error) {
	w := walk{reader: r, op: "look up user", what: "users", endpoint: d.users, most: scanPages}
	before, _ := r.session.Spent()
	seen, _, err := w.all(ctx, r.begin(r.knows().users, r.knows().groups, d))
	after, _ := r.session.Spent()
	r.mu.Lock()
	r.scanCost = after - before
	r.mu.Unlock()
	if err != nil {
		if fault.KindOf(err) == fault.Incomplete {
			return nil, "the list of users could not be walked to its end", nil
		}
		return nil, "", err
	}
	var found []json.RawMessage
	for _, id := range seen.order {
		if fits(seen.items[id]) {
			found = append(found, seen.items[id])
		}
	}
	return found, fmt.Sprintf("%d users match the look-up", len(found)), nil
}
