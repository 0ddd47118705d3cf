package engine

import (
	"cmp"
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// ListGroups says what groups the directories have, as last read, and which rules take
// them. unmatched leaves only those that no rule takes.
func (e *Engine) ListGroups(source string, unmatched bool) ([]run.DirectoryGroup, error) {
	s := e.current()
	if source != "" && s.source(source) < 0 {
		return nil, noSource("list groups", source)
	}
	takers := map[directory.GroupKey][]run.Taker{}
	for i := range s.Targets {
		e.look(&s, &s.Targets[i]).takers(takers)
	}
	out := []run.DirectoryGroup{}
	for i := range s.Sources {
		src := &s.Sources[i]
		if source != "" && src.Name != source {
			continue
		}
		r := e.replica(src.ID)
		if all := takers[directory.GroupKey{Source: src.ID, ID: plan.Everyone}]; len(all) > 0 && !unmatched {
			users, _ := r.Size()
			if src.Single {
				users = e.currentPeople(src)
			}
			out = append(out, run.DirectoryGroup{Source: src.Name, ID: plan.Everyone, Name: "everyone", Members: users, Status: "listed", Rules: all})
		}
		for n := range r.Groups() {
			g := &r.Groups()[n]
			rules := takers[directory.GroupKey{Source: src.ID, ID: g.ID}]
			if !g.Listed || g.OwnersOf != "" && len(rules) == 0 || unmatched && len(rules) > 0 {
				continue
			}
			if rules == nil {
				rules = []run.Taker{}
			}
			out = append(out, run.DirectoryGroup{Source: src.Name, ID: g.ID, Name: g.Name, DN: g.DN, Path: g.Path, Description: g.Description,
				Members: len(g.Members), Status: status(g.Missing, "listed"), Rules: rules})
		}
	}
	slices.SortStableFunc(out, func(a, b run.DirectoryGroup) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

func status(m replica.Missing, otherwise string) string {
	if m.Is() {
		return "missing since " + m.First.UTC().Format(time.RFC3339)
	}
	return otherwise
}

// takers adds the rules that take directory groups, with the groups that they lead to.
func (w *work) takers(all map[directory.GroupKey][]run.Taker) {
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	in := w.input(nil)
	mem := w.state.mem
	for i := range in.Desired.Wants {
		want := &in.Desired.Wants[i]
		ref := run.GroupRef{Name: want.Name}
		if want.Role != "" {
			ref.Name = "role " + want.Role
		}
		for _, l := range want.Links {
			if g := mem.Mirror.Group(mem.Links[l].GroupID); g != nil {
				ref = run.GroupRef{ID: g.ID, Name: g.Name}
				break
			}
		}
		for _, f := range want.Feeds {
			all[f.Key.Group] = append(all[f.Key.Group], run.Taker{Rule: f.Key.Rule, Target: w.t.Name, Group: ref})
		}
	}
}

// ListUsers says whom the directories have, as last read, and which accounts are theirs.
// unmatched leaves only those who should have an account and have none in some target.
func (e *Engine) ListUsers(source string, unmatched bool) ([]run.DirectoryUser, error) {
	s := e.current()
	if source != "" && s.source(source) < 0 {
		return nil, noSource("list users", source)
	}
	accounts := map[directory.UserKey][]run.Link{}
	for i := range s.Targets {
		for _, l := range e.look(&s, &s.Targets[i]).links() {
			key := directory.UserKey{Source: l.Source, ID: l.User}
			accounts[key] = append(accounts[key], l)
		}
	}
	out := []run.DirectoryUser{}
	for i := range s.Sources {
		src := &s.Sources[i]
		if source != "" && src.Name != source {
			continue
		}
		r := e.replica(src.ID)
		groups := memberships(r)
		for n := range r.Users() {
			u := &r.Users()[n]
			links := accounts[directory.UserKey{Source: src.Name, ID: u.ID}]
			if unmatched && !slices.ContainsFunc(links, func(l run.Link) bool { return l.State != plan.StateLinked && l.State != plan.StateNone }) {
				continue
			}
			state := "enabled"
			if u.Disabled {
				state = "disabled"
			}
			out = append(out, run.DirectoryUser{Source: src.Name, ID: u.ID, Username: u.Username, Email: u.Email, Name: u.Name, DN: u.DN,
				Status: status(u.Missing, state), Groups: groups[n], Accounts: links})
		}
	}
	slices.SortStableFunc(out, func(a, b run.DirectoryUser) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(cmp.Or(a.Email, a.Username, a.ID), cmp.Or(b.Email, b.Username, b.ID)))
	})
	return out, nil
}

// memberships counts the groups of everybody in a source.
func memberships(r *replica.Replica) []int {
	counts := make([]int, len(r.Users()))
	for n := range r.Groups() {
		g := &r.Groups()[n]
		if g.Listed && g.OwnersOf == "" && !g.Missing.Is() {
			for _, u := range g.Members {
				counts[u]++
			}
		}
	}
	return counts
}
