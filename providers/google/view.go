package google

import (
	"context"
	"maps"
	"slices"

	"groupsyncd/internal/httpx"
)

// view is what the latest reads showed of all groups. A look-up needs it for what Google does
// not tell of one person: which groups are our customer's, and which contain everybody.
type view struct {
	// listed are the groups that the list showed, by id.
	listed map[string]bool
	// of is what each group was seen to name, by id: the listed ones, and those in them.
	of map[string]*named
	// unread are the groups of which nothing is known, because no read of them went well yet.
	unread map[string]bool
}

// named is what a group names.
type named struct {
	refs   []member
	owners []string
	// everybody are the ids of the customers all of whose people are members.
	everybody []string
	// pages is how many pages it took.
	pages int
}

// latest gives what is known of groups, which nobody changes any more; nil: nothing.
func (s *source) latest() *view {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// keep makes a read the latest one. Of groups that it could not read, what was known stays;
// whole says that it was meant to read all of them.
func (s *source) keep(listed map[string]bool, r *reading, whole bool) {
	v := &view{listed: listed, of: make(map[string]*named, len(r.of)), unread: map[string]bool{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen != nil && !whole {
		maps.Copy(v.of, s.seen.of)
	}
	for id, n := range r.of {
		v.of[id] = n.remembered()
	}
	for id := range r.failed {
		if s.seen != nil && s.seen.of[id] != nil {
			v.of[id] = s.seen.of[id]
		} else {
			v.unread[id] = true
		}
	}
	s.seen = v
}

// remembered is what is worth remembering: people only of groups of several pages.
func (n *named) remembered() *named {
	if n.pages > 1 {
		return n
	}
	kept := &named{everybody: n.everybody, pages: n.pages}
	for _, m := range n.refs {
		if m.Type == typeGroup {
			kept.refs = append(kept.refs, m)
		}
	}
	return kept
}

// everybodys gives the groups that contained everybody of a customer, sorted.
func (v *view) everybodys(customer string) []string {
	var ids []string
	for id, n := range v.of {
		if slices.Contains(n.everybody, customer) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// around gives the groups that contained a group, sorted.
func (v *view) around(group string) []string {
	var ids []string
	for id, n := range v.of {
		if slices.ContainsFunc(n.refs, func(m member) bool { return m.ID == group && m.Type == typeGroup }) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// survey gives a view of all groups, as far as they can be read: what no earlier read has
// shown is read now, which takes a request and more for each such group.
func (s *source) survey(ctx context.Context, session *httpx.Session) (*view, error) {
	if v := s.latest(); v != nil && len(v.unread) == 0 {
		return v, nil
	}
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.give()
	v := s.latest() // A read that was under way may have shown it.
	switch {
	case v == nil:
		listed := map[string]bool{}
		_, err := s.walk(ctx, session, s.groups(), func(p *page) error {
			for i := range p.Groups {
				listed[p.Groups[i].ID] = true
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		s.keep(listed, s.read(ctx, session, listed, slices.Sorted(maps.Keys(listed)), nil), true)
	case len(v.unread) > 0:
		s.keep(v.listed, s.read(ctx, session, v.listed, slices.Sorted(maps.Keys(v.unread)), nil), false)
	}
	if ctx.Err() != nil {
		return nil, s.ended(ctx)
	}
	return s.latest(), nil
}
