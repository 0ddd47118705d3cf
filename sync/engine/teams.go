package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/similar"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// Teams says who is in each team, what they may do, what belongs to it and what lets others
// in, from a fresh look. An empty target is all of them, an empty name all teams.
func (e *Engine) Teams(ctx context.Context, target, name string) (*run.Teams, error) {
	s := e.current()
	targets, err := s.targets("", target)
	if err != nil {
		return nil, err
	}
	out := &run.Teams{Teams: []run.Team{}}
	var names []string
	for _, t := range targets {
		w := e.look(&s, t)
		call, cancel := context.WithTimeout(ctx, e.personDeadline)
		teams, stale, err := w.teams(call)
		cancel()
		if err != nil {
			return nil, err
		}
		if stale != nil {
			out.Stale = append(out.Stale, *stale)
		}
		for _, team := range teams {
			names = append(names, team.Name)
			if name == "" || team.Name == name {
				out.Teams = append(out.Teams, team)
			}
		}
	}
	if name != "" && len(out.Teams) == 0 {
		hint := "the teams that there are: groupsyncd teams"
		if near := similar.Nearest(name, names); near != "" {
			hint = "did you mean " + near + "?"
		}
		return nil, fault.New(fault.NotFound, "", "", errors.New("no team is named "+name), hint)
	}
	return out, nil
}

// teams looks at the target and describes its teams.
func (w *work) teams(ctx context.Context) ([]run.Team, *run.StaleTarget, error) {
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	if !slices.ContainsFunc(w.setup.Rules, func(r *mapping.Rule) bool { return r.Team != nil }) {
		return nil, nil, nil
	}
	in := w.input(nil)
	_, failed, err := w.lookAround(ctx)
	m := w.state.mem.Mirror
	var stale *run.StaleTarget
	var settings plan.Settings
	switch {
	case err != nil:
		return nil, nil, err
	case failed != nil && m.At.IsZero():
		return nil, nil, failed
	case failed != nil:
		stale = &run.StaleTarget{Target: w.t.Name, AsOf: m.At, Reason: failed.Error()}
	default:
		if settings, err = w.api.Settings(ctx); err != nil {
			settings = plan.Settings{} // Then it is not known what administrators see.
		}
	}
	var out []run.Team
	for _, t := range plan.Teams(in, settings) {
		out = append(out, describeTeam(w.t.Name, m, t))
	}
	return out, stale, nil
}

func describeTeam(target string, m *plan.Mirror, t *plan.Team) run.Team {
	out := run.Team{Name: t.Name, Target: target, Isolation: t.Isolation, Rules: t.Rules, Members: refs(m, t.People, t.Leaders), Managers: refs(m, t.Leaders, nil),
		Rights: list(t.Rights), ManagerRights: list(t.LeaderRights), Resources: []run.TeamResource{}, Leaks: []run.TeamLeak{}}
	if t.Group != nil {
		out.Group = &run.GroupRef{ID: t.Group.ID, Name: t.Group.Name}
	}
	if t.Managers != nil {
		out.ManagersGroup = &run.GroupRef{ID: t.Managers.ID, Name: t.Managers.Name}
	}
	for _, r := range t.Resources {
		owner := ""
		if n, known := m.Number(r.Owner); known {
			owner = cmp.Or(m.Account(n).Email, r.Owner)
		}
		out.Resources = append(out.Resources, run.TeamResource{ResourceRef: run.ResourceRef{Type: r.Type, ID: r.ID, Name: cmp.Or(r.Name, r.ID)}, Owner: owner})
	}
	for i := range t.Leaks {
		l := &t.Leaks[i]
		leak := run.TeamLeak{Kind: string(l.Kind), Who: l.Who, Closable: l.Closable, Why: l.Why}
		if l.Resource != nil {
			leak.Resource = &run.ResourceRef{Type: l.Resource.Type, ID: l.Resource.ID, Name: l.Name}
			leak.What = fmt.Sprintf("%s %s", l.Resource.Type, l.Name)
		}
		if l.Grant != nil {
			leak.Permission = l.Grant.Permission
		}
		out.Leaks = append(out.Leaks, leak)
	}
	return out
}

// refs names accounts, by mail, without some of them.
func refs(m *plan.Mirror, accounts, without []uint32) []run.UserRef {
	out := []run.UserRef{}
	for _, n := range accounts {
		if _, leave := slices.BinarySearch(without, n); !leave {
			out = append(out, run.UserRef{ID: m.Account(n).ID, Email: m.Account(n).Email})
		}
	}
	slices.SortFunc(out, func(a, b run.UserRef) int { return cmp.Or(cmp.Compare(a.Email, b.Email), cmp.Compare(a.ID, b.ID)) })
	return out
}

// list gives a list that is written as one even when it is empty.
func list(texts []string) []string {
	if texts == nil {
		return []string{}
	}
	return texts
}
