package engine

import (
	"errors"
	"slices"
	"strings"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// look gives the part of the engine that knows one target, for questions and decisions
// that need no look at the server. Its lock is not held.
func (e *Engine) look(s *Setup, t *TargetSetup) *work {
	return e.work(s, t, run.Request{}, &run.Report{}, e.log, nil)
}

// targets gives the targets that a request is about: the named one, or all.
func (s *Setup) targets(op, name string) ([]*TargetSetup, error) {
	var all []*TargetSetup
	for i := range s.Targets {
		if name == "" || s.Targets[i].Name == name {
			all = append(all, &s.Targets[i])
		}
	}
	if len(all) == 0 {
		return nil, fault.New(fault.Invalid, op, "", errors.New("no target is named "+name), "see the targets with: groupsyncd status")
	}
	return all, nil
}

// oneTarget gives the named target, or the only one there is.
func (s *Setup) oneTarget(op, name string) (*TargetSetup, error) {
	all, err := s.targets(op, name)
	if err != nil {
		return nil, err
	}
	if len(all) > 1 {
		var names []string
		for _, t := range all {
			names = append(names, t.Name)
		}
		return nil, fault.New(fault.Invalid, op, "", errors.New("there are several targets"), "name one with --target: "+strings.Join(names, ", "))
	}
	return all[0], nil
}

// source finds a configured source by its name; -1: there is none.
func (s *Setup) source(name string) int {
	return slices.IndexFunc(s.Sources, func(x Source) bool { return x.Name == name })
}

// keep stores what a decision made of the memory, with what the audit says about it, and
// puts it in force. The lock of the target is held.
func (w *work) keep(d *plan.Decided, event run.Event) error {
	event.At, event.Target = w.e.now(), w.t.Name
	d.Dirty.Events = append(d.Dirty.Events, event)
	d.Dirty.Events = append(d.Dirty.Events, w.heldEvents(w.state.mem.Holds, d.Memory.Holds)...)
	if err := w.e.ledger.SaveMemory(d.Memory, d.Dirty); err != nil {
		return err
	}
	w.state.mem = d.Memory
	return nil
}

// groupsNamed gives the ids of the groups with a name or id, as last seen, or as far as
// something there is ours.
func groupsNamed(mem *plan.Memory, name string) []string {
	if mem.Mirror.Group(name) != nil || mem.Owned[name] != nil {
		return []string{name}
	}
	var ids []string
	for _, g := range mem.Mirror.Groups() {
		if g.Name == name {
			ids = append(ids, g.ID)
		}
	}
	return ids
}

// accountNamed finds one living account by its id or mail. The error says which other
// cases there are.
func accountNamed(op string, m *plan.Mirror, who string) (uint32, error) {
	var found []uint32
	deleted := false
	for n := range m.Accounts() {
		a := m.Account(uint32(n))
		if a.ID != who && directory.FoldEmail(a.Email) != directory.FoldEmail(who) {
			continue
		}
		if a.Deleted {
			deleted = true
			continue
		}
		found = append(found, uint32(n))
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		ids := make([]string, len(found))
		for i, n := range found {
			ids[i] = m.Account(n).ID
		}
		return 0, fault.New(fault.Invalid, op, "", errors.New("several accounts have the mail address "+who+": "+strings.Join(ids, ", ")), "give the id of one of them")
	case deleted:
		return 0, fault.New(fault.NotFound, op, "", errors.New("the account "+who+" was deleted in Open WebUI"), "")
	}
	return 0, fault.New(fault.NotFound, op, "", errors.New("Open WebUI has no account "+who+", as last seen"),
		"give the mail address or the id of an account; accounts made since are seen by: groupsyncd sync")
}

// personNamed finds one person of a source by id, mail or user name.
func personNamed(op string, src *Source, r *replica.Replica, who string) (uint32, error) {
	if n, ok := findPerson(r, who); ok {
		return n, nil
	}
	mail := directory.FoldEmail(who)
	var ids []string
	for n := range r.Users() {
		if u := &r.Users()[n]; u.Email != "" && directory.FoldEmail(u.Email) == mail || u.Username == who {
			ids = append(ids, u.ID)
		}
	}
	if len(ids) > 0 {
		return 0, fault.New(fault.Invalid, op, "", errors.New("several people of source "+src.Name+" are called "+who+": "+strings.Join(ids, ", ")), "give the id of one of them")
	}
	return 0, fault.New(fault.NotFound, op, "", errors.New("source "+src.Name+" knows nobody called "+who),
		"give a mail address, user name or id as the directory has it; see them with: groupsyncd list users --source "+src.Name)
}

// nameOf names a person for people.
func nameOf(u *replica.User) string {
	for _, s := range []string{u.Email, u.Username, u.Name, u.DN} {
		if s != "" {
			return s
		}
	}
	return u.ID
}
