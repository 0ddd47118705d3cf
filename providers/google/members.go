package google

import (
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"groupsyncd/internal/httpx"
)

// reading is what became of the members of many groups.
type reading struct {
	of map[string]*named
	// failed are those that could not be read.
	failed map[string]error
}

var errMember = errors.New("a member has neither an id nor an address")

// names reads what a group names.
//
// A list of several pages may move while it is walked through, so that somebody is passed by:
// when anybody is missing who was there before, or nobody knows who was, it is walked through
// once more, and whoever is seen once is a member.
func (s *source) names(ctx context.Context, session *httpx.Session, id string) (*named, error) {
	n := &named{}
	if !sound(id) {
		return nil, s.odd("read members", "%q is no id of a group", id)
	}
	pages, err := s.walk(ctx, session, s.members(id), n.take)
	if err != nil {
		return nil, err
	}
	n.pages = pages
	var before *named
	if v := s.latest(); v != nil {
		before = v.of[id]
	}
	if pages == 1 || before != nil && before.pages > 1 && !n.lacks(before) {
		return n, nil
	}
	if _, err := s.walk(ctx, session, s.members(id), n.take); err != nil {
		return nil, err
	}
	return n, nil
}

// take takes in a page of members.
func (n *named) take(p *page) error {
	for _, m := range p.Members {
		switch {
		case m.ID == "" && m.Email == "":
			return errMember
		case m.Type == typeCustomer:
			n.everybody = append(n.everybody, m.ID)
		default:
			n.refs = append(n.refs, m)
		}
		if m.Role == roleOwner && m.Type == typeUser {
			n.owners = append(n.owners, m.ID)
		}
	}
	return nil
}

// lacks reports whether somebody is missing who was among the members before.
func (n *named) lacks(before *named) bool {
	ids := make(map[string]bool, len(n.refs))
	for _, m := range n.refs {
		ids[m.ID] = true
	}
	return slices.ContainsFunc(before.refs, func(m member) bool { return !ids[m.ID] })
}

// read reads the members of groups, and with nesting those of the groups in them, some at a
// time. A group that is not in the list and may not be seen belongs to another customer: it
// is left out, and what it would bring is an unresolved reference.
func (s *source) read(ctx context.Context, session *httpx.Session, listed map[string]bool, ids []string, progress func(int)) *reading {
	r := &reading{of: map[string]*named{}, failed: map[string]error{}}
	met := map[string]bool{}
	for _, id := range ids {
		met[id] = true
	}
	for len(ids) > 0 {
		s.round(ctx, session, listed, ids, r, progress)
		var below []string
		for _, id := range ids {
			if n := r.of[id]; n != nil && s.config.Nested {
				for _, m := range n.refs {
					if m.Type == typeGroup && !met[m.ID] && !listed[m.ID] {
						met[m.ID] = true
						below = append(below, m.ID)
					}
				}
			}
		}
		ids = below
	}
	return r
}

// round reads the members of some groups.
func (s *source) round(ctx context.Context, session *httpx.Session, listed map[string]bool, ids []string, r *reading, progress func(int)) {
	var mu sync.Mutex
	var fatal error
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.config.Parallel)
	for _, id := range ids {
		g.Go(func() error {
			n, err := s.names(ctx, session, id)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				r.of[id] = n
				if progress != nil {
					progress(len(r.of))
				}
			case !listed[id] && refused(err):
			default:
				if fatal == nil && ours(err) {
					fatal = err // The others would fail in the same way.
				}
				if fatal != nil {
					err = fatal
				}
				r.failed[id] = err
			}
			return fatal
		})
	}
	_ = g.Wait() // Which groups failed stands in r.
}
