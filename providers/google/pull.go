package google

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/logging"
	"groupsyncd/providers"
)

// pull is one read of everything.
type pull struct {
	*source
	session  *httpx.Session
	progress providers.Progress

	people    directory.Assembly
	customers []string
	groups    map[string]*group
	order     []string
}

// Pull reads people, groups, and the members of each group.
func (s *source) Pull(ctx context.Context, progress providers.Progress) (*directory.Snapshot, error) {
	asOf := s.now()
	p := &pull{source: s, session: s.client.Session(), progress: progress}
	p.people.Snapshot.AsOf = asOf
	if err := s.take(ctx); err != nil {
		return failed(asOf, err), err
	}
	defer s.give()
	deleted, err := p.readDeleted(ctx)
	if err == nil {
		err = p.readUsers(ctx)
	}
	if err != nil {
		return p.none(asOf, err), err
	}
	p.people.Snapshot.UsersListed = true
	p.people.Snapshot.DeletedUsers = slices.DeleteFunc(deleted, p.people.HasUser)
	listed, err := p.list(ctx)
	if err != nil {
		p.people.Snapshot.Reason = first(err)
		return p.closed(), err
	}
	r := s.read(ctx, p.session, listed, p.order, func(n int) { progress.Report("groups", n) })
	err = p.settle(ctx, listed, r)
	s.keep(listed, r, true)
	p.people.Snapshot.GroupsListed = true
	p.assemble(r)
	if err == nil && ctx.Err() != nil {
		err = s.ended(ctx)
	}
	if err == nil && len(r.failed) > 0 {
		err = p.unread(ctx, r)
	}
	if err != nil {
		p.people.Snapshot.Reason = first(err)
	}
	return p.closed(), err
}

// none is a snapshot of a read that proved nothing.
func (p *pull) none(asOf time.Time, err error) *directory.Snapshot {
	none := failed(asOf, err)
	none.Requests, _ = p.session.Spent()
	return none
}

// closed gives the snapshot.
func (p *pull) closed() *directory.Snapshot {
	p.people.Snapshot.Requests, _ = p.session.Spent()
	return p.people.Close(p.config.Nested)
}

// readDeleted gives the ids of people who were deleted lately. Only how soon they count as gone
// depends on them, so that whoever may not see them goes without. They are read before the
// others, because somebody may be restored in between.
func (p *pull) readDeleted(ctx context.Context) ([]string, error) {
	var ids []string
	_, err := p.walk(ctx, p.session, p.users(true), func(page *page) error {
		for i := range page.Users {
			ids = append(ids, page.Users[i].ID)
		}
		return nil
	})
	if err != nil && !ours(err) && !fault.KindOf(err).Retryable() {
		p.logger.Warn("deleted people could not be read", logging.KeySource, p.name, logging.KeyErr, err.Error())
		return nil, nil
	}
	return ids, err
}

func (p *pull) readUsers(ctx context.Context) error {
	n := 0
	_, err := p.walk(ctx, p.session, p.users(false), func(page *page) error {
		for i := range page.Users {
			u := &page.Users[i]
			person, err := p.person(u)
			if err != nil {
				return err
			}
			p.people.User(person)
			if u.CustomerID != "" && !slices.Contains(p.customers, u.CustomerID) {
				p.customers = append(p.customers, u.CustomerID)
			}
		}
		n += len(page.Users)
		p.progress.Report("users", n)
		return nil
	})
	if err == nil && len(p.customers) > 0 {
		slices.Sort(p.customers)
		p.people.Snapshot.Scope = "customer " + strings.Join(p.customers, " ")
	}
	return err
}

// list reads the list of groups.
func (p *pull) list(ctx context.Context) (map[string]bool, error) {
	p.groups, p.order = map[string]*group{}, nil
	listed := map[string]bool{}
	_, err := p.walk(ctx, p.session, p.source.groups(), func(page *page) error {
		for i := range page.Groups {
			g := &page.Groups[i]
			if !sound(g.ID) {
				return fmt.Errorf("a group has the id %q", g.ID)
			}
			if !listed[g.ID] {
				p.order = append(p.order, g.ID)
			}
			p.groups[g.ID], listed[g.ID] = g, true
		}
		return nil
	})
	return listed, err
}

// settle finds out what became of listed groups that do not exist any more: those that the
// list does not show now were deleted while we read, the others are asked for again.
func (p *pull) settle(ctx context.Context, listed map[string]bool, r *reading) error {
	var missing []string
	for id, err := range r.failed {
		if listed[id] && fault.KindOf(err) == fault.NotFound {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	before, order := p.groups, p.order
	now, err := p.list(ctx)
	p.groups, p.order = before, order
	if err != nil {
		return err
	}
	var again []string
	for _, id := range missing {
		if now[id] {
			again = append(again, id)
			continue
		}
		delete(r.failed, id)
		delete(listed, id)
		delete(p.groups, id)
		p.order = slices.DeleteFunc(p.order, func(x string) bool { return x == id })
	}
	more := p.read(ctx, p.session, listed, again, nil)
	maps.Copy(r.of, more.of)
	for _, id := range again {
		delete(r.failed, id)
	}
	maps.Copy(r.failed, more.failed)
	return nil
}

// assemble puts what was read together.
func (p *pull) assemble(r *reading) {
	a := &p.people
	for _, id := range p.order {
		a.Group(p.groups[id].shownAs())
	}
	names := map[string]string{}
	for _, n := range r.of {
		for _, m := range n.refs {
			names[m.ID] = m.Email
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.of)) {
		if !a.HasGroup(id) { // It was read because another group contains it.
			a.Group(directory.Group{ID: id, Name: cmp.Or(names[id], id), Path: names[id], Unlisted: true})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.failed)) {
		if !a.HasGroup(id) {
			a.Group(directory.Group{ID: id, Name: cmp.Or(names[id], id), Path: names[id], Unlisted: true})
		}
	}
	for id, n := range r.of {
		p.members(id, n)
	}
}

// members adds the members of a group, and its owners.
func (p *pull) members(id string, n *named) {
	a := &p.people
	for _, m := range n.refs {
		switch {
		case m.Type != typeGroup:
			a.Member(id, directory.Ref{ID: cmp.Or(m.ID, m.Email), Kind: directory.UserMember})
		case p.config.Nested:
			a.Member(id, directory.Ref{ID: m.ID, Kind: directory.GroupMember})
		}
	}
	for _, customer := range n.everybody {
		if !slices.Contains(p.customers, customer) {
			a.Member(id, directory.Ref{ID: customer, Kind: directory.UserMember})
			continue
		}
		for i := range a.Snapshot.Users {
			a.Member(id, directory.Ref{ID: a.Snapshot.Users[i].ID, Kind: directory.UserMember})
		}
	}
	a.Known(id)
	if g := p.groups[id]; g != nil && p.config.Owners && len(n.owners) > 0 {
		shown := g.shownAs()
		own := shown.Owners()
		a.Group(own)
		for _, owner := range n.owners {
			a.Member(own.ID, directory.Ref{ID: owner, Kind: directory.UserMember})
		}
		a.Known(own.ID)
	}
}

// unread makes the error of groups whose members could not be read.
func (p *pull) unread(ctx context.Context, r *reading) error {
	ids := slices.Sorted(maps.Keys(r.failed))
	worst := r.failed[ids[0]]
	for _, id := range ids {
		if err := r.failed[id]; ours(err) {
			worst = err
			break
		}
	}
	if ctx.Err() != nil {
		return p.ended(ctx)
	}
	if len(ids) == 1 {
		return fault.New(fault.KindOf(worst), "read members", p.label(ids[0]), cause(worst), fault.HintOf(worst))
	}
	return fault.New(fault.KindOf(worst), "read members", "source "+p.name, fmt.Errorf("those of %d of %d groups are not known: %w", len(ids), len(r.of)+len(r.failed), worst), fault.HintOf(worst))
}

// label names a group for people.
func (p *pull) label(id string) string {
	if g := p.groups[id]; g != nil {
		return "group " + cmp.Or(g.Email, id)
	}
	return "group " + id
}

// cause gives what lies under a fault whose operation and place are told otherwise.
func cause(err error) error {
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Err != nil {
		return e.Err
	}
	return err
}

// first gives the first line of an error.
func first(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// ended makes the error of a call whose context has ended.
func (s *source) ended(ctx context.Context) error {
	kind := fault.Canceled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		kind = fault.Unavailable
	}
	return fault.New(kind, "read groups", "source "+s.name, ctx.Err(), "")
}
