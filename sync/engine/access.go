package engine

import (
	"context"
	"errors"
	"slices"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/similar"
	"groupsyncd/sync/access"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// AccessUser says what somebody, by mail, user name, id or name of the account, may do at a
// target, and what that would change to with other groups. An empty target is the only one.
func (e *Engine) AccessUser(ctx context.Context, q access.UserQuery) (*access.User, error) {
	w, v, err := e.view(ctx, q.Target)
	if err != nil {
		return nil, err
	}
	n, err := w.whoIs(v, q.User)
	if err != nil {
		return nil, err
	}
	e.gifts(w.t.Name, v)
	return v.UserWith(n, q.With, q.Without)
}

// AccessGroup says what a group gives.
func (e *Engine) AccessGroup(ctx context.Context, target, name string) (*access.Group, error) {
	_, v, err := e.view(ctx, target)
	if err != nil {
		return nil, err
	}
	return v.Group(name)
}

// AccessWho lists everybody who has a permission, a resource or a role.
func (e *Engine) AccessWho(ctx context.Context, target, what string) (*access.Holders, error) {
	w, v, err := e.view(ctx, target)
	if err != nil {
		return nil, err
	}
	e.gifts(w.t.Name, v)
	return v.Who(what)
}

// AccessReport gives the rows of a review.
func (e *Engine) AccessReport(ctx context.Context, target string) (*access.Report, error) {
	w, v, err := e.view(ctx, target)
	if err != nil {
		return nil, err
	}
	e.gifts(w.t.Name, v)
	return v.Report(), nil
}

// view looks at a target and takes a picture of who may do what. Where it cannot be looked
// at, the picture is of what is known, and says so.
func (e *Engine) view(ctx context.Context, name string) (*work, *access.View, error) {
	s := e.current()
	t, err := s.oneTarget("", name)
	if err != nil {
		return nil, nil, err
	}
	w := e.look(&s, t)
	ctx, cancel := context.WithTimeout(ctx, e.personDeadline)
	defer cancel()
	v, err := w.picture(ctx)
	return w, v, err
}

// picture looks at the target and takes the picture.
func (w *work) picture(ctx context.Context) (*access.View, error) {
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	mem := w.state.mem
	o, failed, err := w.lookAround(ctx)
	switch {
	case err != nil:
		return nil, err
	case failed != nil && mem.Mirror.At.IsZero():
		return nil, failed
	case failed != nil:
		return access.New(mem, access.Seen{Stale: failed.Error()}), nil
	}
	settings, err := w.api.Settings(ctx)
	if err != nil {
		settings = plan.Settings{} // The answer says what depends on them.
	}
	return access.New(mem, access.Seen{Settings: settings, Own: o.Own}), nil
}

// lookAround looks at everything that rights depend on and takes it into the memory. failed
// says why that was not possible; err is about our own state.
func (w *work) lookAround(ctx context.Context) (o *plan.Observation, failed, err error) {
	mem := w.state.mem
	o, err = w.api.Observe(ctx, mem.Mirror, plan.Look{Roles: true, Also: plan.ResourceTypes(), Defaults: true, Own: true})
	switch {
	case fault.KindOf(err) == fault.Damaged || fault.KindOf(err) == fault.Canceled:
		return nil, nil, err
	case err != nil:
		return nil, err, nil
	}
	if why := mem.TargetChanged(o); why != "" {
		return nil, fault.New(fault.Conflict, "look at who may do what", "target "+w.t.Name,
			errors.New("this does not look like the Open WebUI that groupsyncd knows: "+why), "see: groupsyncd holds"), nil
	}
	return o, nil, w.e.ledger.SaveMemory(mem, mem.Observe(o))
}

// whoIs finds the account of somebody by what a source, or Open WebUI, knows them by.
func (w *work) whoIs(v *access.View, who string) (uint32, error) {
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	m := w.state.mem.Mirror
	keys := w.named(who)
	account, found := plan.AccountFor(w.people(), keys)
	if !found {
		account, found = m.Number(w.accountShown(who))
	}
	if !found {
		account, found = theName(m, who)
	}
	if found {
		if n, known := v.Find(m.Account(account).ID); known {
			return n, nil
		}
	}
	if len(keys) > 0 {
		return 0, fault.New(fault.NotFound, "", "", errors.New(who+" is known to a source, and has no account at "+w.t.Name+" yet"), "what they would get is shown by: groupsyncd explain user "+who)
	}
	hint := "give a mail address, user name, id, or the name of the account"
	if near := similar.Nearest(who, accountNames(m)); near != "" {
		hint = "did you mean " + near + "?"
	}
	return 0, fault.New(fault.NotFound, "", "", errors.New("neither a source nor Open WebUI knows "+who), hint)
}

// theName finds the only living account that shows a name.
func theName(m *plan.Mirror, who string) (uint32, bool) {
	found, count := uint32(0), 0
	for n := range m.Accounts() {
		if a := m.Account(uint32(n)); !a.Deleted && a.Name == who && who != "" {
			found = uint32(n)
			count++
		}
	}
	return found, count == 1
}

func accountNames(m *plan.Mirror) []string {
	var names []string
	for n := range m.Accounts() {
		if a := m.Account(uint32(n)); !a.Deleted {
			names = append(names, directory.FoldEmail(a.Email))
		}
	}
	slices.Sort(names)
	return names
}

// gifts tells the picture which runs gave which memberships, as far as the history says.
func (e *Engine) gifts(target string, v *access.View) {
	past, err := e.runs.Runs(searched)
	if err != nil {
		return
	}
	for i := range past {
		head := &past[i]
		if !gave(head, target) {
			continue
		}
		r, err := e.runs.Run(head.Run)
		if err != nil {
			continue
		}
		v.Given(r.Run, r.Started, func(note func(account, group string)) {
			for t := range r.Targets {
				if r.Targets[t].Name != target {
					continue
				}
				for c := range r.Targets[t].Changes {
					ch := &r.Targets[t].Changes[c]
					if (ch.Op == run.AddMember || ch.Op == run.AdoptMember) && ch.Outcome == run.Applied && ch.User != nil {
						note(ch.User.ID, ch.GroupID())
					}
				}
			}
		})
	}
}

// gave reports whether a run gave memberships at a target.
func gave(r *run.Report, target string) bool {
	return slices.ContainsFunc(r.Targets, func(t run.TargetReport) bool {
		return t.Name == target && t.Summary.MembersAdded+t.Summary.MembersAdopted > 0
	})
}
