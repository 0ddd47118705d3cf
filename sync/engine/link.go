package engine

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// linkOrder is the order in which links are listed: what needs a person comes first.
var linkOrder = map[string]int{plan.StateConflict: 1, plan.StateUnmatched: 2, plan.StatePending: 3, plan.StateLinked: 4}

// Links says who is which account. With conflicts it gives only whom nothing can link
// without a person.
func (e *Engine) Links(source string, conflicts bool) ([]run.Link, error) {
	s := e.current()
	if source != "" && s.source(source) < 0 {
		return nil, noSource("list links", source)
	}
	out := []run.Link{}
	for i := range s.Targets {
		for _, l := range e.look(&s, &s.Targets[i]).links() {
			if source != "" && l.Source != source || l.State == plan.StateNone ||
				conflicts && l.State != plan.StateConflict && l.State != plan.StateUnmatched {
				continue
			}
			out = append(out, l)
		}
	}
	slices.SortStableFunc(out, func(a, b run.Link) int {
		return cmp.Or(cmp.Compare(linkOrder[a.State], linkOrder[b.State]), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

func noSource(op, name string) error {
	return fault.New(fault.Invalid, op, "", errors.New("no source is named "+name), "see the sources with: groupsyncd status")
}

// links says of everybody in every source how they stand to the accounts of the target.
func (w *work) links() []run.Link {
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	in := w.people()
	matched := plan.Match(in)
	out := make([]run.Link, len(matched))
	for i := range matched {
		out[i] = w.link(in, &matched[i])
	}
	return out
}

func (w *work) link(in *plan.Input, m *plan.Matched) run.Link {
	src := &in.Sources[m.Source]
	u := &src.Replica.Users()[m.User]
	l := run.Link{Target: w.t.Name, Source: src.Name, User: u.ID, Name: nameOf(u), State: m.State, Why: m.Why, By: m.Link.By, Since: m.Link.Since}
	if m.Account != nil {
		l.Account = &run.UserRef{ID: m.Account.ID, Email: m.Account.Email}
	}
	return l
}

// SetLink ties a directory user to an account by hand, or, without an account, unties
// them. It takes nothing away from anybody.
func (e *Engine) SetLink(ctx context.Context, req run.SetLink, by string) (*run.Link, error) {
	op := "set link"
	if req.Account == "" {
		op = "remove link"
	}
	if req.Reason == "" {
		return nil, noReason(op)
	}
	s := e.current()
	at := s.source(req.Source)
	if at < 0 {
		return nil, noSource(op, req.Source)
	}
	targets, err := s.targets(op, req.Target)
	if err != nil {
		return nil, err
	}
	if len(targets) > 1 {
		return nil, fault.New(fault.Invalid, op, "", errors.New("there are several targets, and a person has an account in each"), "say which one with --target")
	}
	return e.look(&s, targets[0]).setLink(ctx, op, at, req, by)
}

func (w *work) setLink(ctx context.Context, op string, at int, req run.SetLink, by string) (*run.Link, error) {
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	in := w.input(nil)
	src := &w.setup.Sources[at]
	n, err := personNamed(op, src, in.Sources[at].Replica, req.User)
	if err != nil {
		return nil, err
	}
	u := &in.Sources[at].Replica.Users()[n]
	key := directory.UserKey{Source: src.ID, ID: u.ID}
	before, linked := w.state.mem.People.Get(key)
	event := run.Event{Kind: run.EventUnlinked, By: by, Reason: req.Reason, User: before.Account, Detail: "source " + src.Name + ", person " + u.ID}
	next := plan.PersonLink{}
	switch {
	case req.Account != "":
		if next, err = w.newLink(op, in, at, key, req.Account); err != nil {
			return nil, err
		}
		next.Email = u.Email
		event.Kind, event.User = run.EventLinked, next.Account
		if linked && before.Account == next.Account && before.By == next.By {
			return w.linkOf(in, at, n, 0), nil
		}
	case !linked:
		return nil, fault.New(fault.NotFound, op, "", errors.New(nameOf(u)+" of source "+src.Name+" is linked to no account of target "+w.t.Name), "see who is with: groupsyncd link list")
	}
	d := plan.SetLink(in, key, next)
	event.Count, event.Keys = d.Memberships, d.Keys(plan.MaxBatch)
	if err := w.keep(d, event); err != nil {
		return nil, err
	}
	logging.Changed(ctx, w.log, "link "+strings.Fields(op)[0], slog.String(logging.KeySource, src.Name), slog.String("person", u.ID),
		slog.String(logging.KeyUser, event.User), slog.String("by", by), slog.String(logging.KeyReason, req.Reason))
	return w.linkOf(w.people(), at, n, d.Memberships), nil
}

// newLink makes a link by hand, when the account may be had.
func (w *work) newLink(op string, in *plan.Input, at int, key directory.UserKey, account string) (plan.PersonLink, error) {
	mem := w.state.mem
	n, err := accountNamed(op, mem.Mirror, account)
	if err != nil {
		return plan.PersonLink{}, err
	}
	a := mem.Mirror.Account(n)
	src := &in.Sources[at]
	for other, link := range mem.People.All() {
		if other.Source != key.Source || other == key || link.Account != a.ID {
			continue
		}
		who := other.ID
		if row, known := src.Replica.User(other.ID); known {
			who = nameOf(&src.Replica.Users()[row])
		}
		return plan.PersonLink{}, fault.New(fault.Conflict, op, "", errors.New(who+" of source "+src.Name+" has the account "+a.Email),
			"remove that link first: groupsyncd link remove "+src.Name+" "+other.ID+" --reason TEXT")
	}
	return plan.PersonLink{Account: a.ID, By: "manual", Since: w.e.now()}, nil
}

// linkOf says how one person stands to the accounts now.
func (w *work) linkOf(in *plan.Input, at int, user uint32, kept int) *run.Link {
	in.Memory = w.state.mem
	for _, m := range plan.Match(in) {
		if m.Source == at && m.User == user {
			l := w.link(in, &m)
			l.Kept = kept
			return &l
		}
	}
	return nil
}
