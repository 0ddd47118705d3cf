package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"groupsyncd/internal/glob"
	"groupsyncd/permission"
)

// Team is a team as it stands in Open WebUI: two groups, the people in them, what belongs to
// it, and what lets anybody else in.
type Team struct {
	Name string
	// Isolation is report or enforce; empty: nobody asked what lets others in.
	Isolation string
	// Group is the group of everybody in the team, Managers that of those who run it; nil
	// where Open WebUI has none.
	Group, Managers *MirrorGroup
	// Rules are the rules that make it.
	Rules []string
	// People are the accounts of everybody in the team, Leaders of those who run it, as sorted
	// numbers.
	People, Leaders []uint32
	// Rights are the permissions that its people have through it, LeaderRights those that its
	// managers have beside them.
	Rights, LeaderRights []string
	Resources            []*Resource
	Leaks                []Leak

	wants  []int
	access []map[string]Access
	owned  bool
}

// Teams gives the teams that rules make, by name, as they stand now.
func Teams(in *Input, settings Settings) []*Team {
	at := func(w int) string {
		for _, l := range in.Desired.Wants[w].Links {
			if g := in.Memory.Mirror.Group(in.Memory.Links[l].GroupID); g != nil {
				return g.ID
			}
		}
		return ""
	}
	teams := teamsOf(in.Memory.Mirror, in.Desired.Wants, at)
	for _, t := range teams {
		t.leaks(in, teams, at)
		t.administrators(in.Memory.Mirror, settings)
	}
	return teams
}

// administrators notes those who see everything because they are administrators.
func (t *Team) administrators(m *Mirror, settings Settings) {
	if t.Isolation == "" || settings.AdminBypass != nil && !*settings.AdminBypass {
		return
	}
	others := 0
	for n := range m.Accounts() {
		if a := m.Account(uint32(n)); a.Role == RoleAdmin && !a.Deleted && a.ID != m.Self && !t.has(uint32(n)) {
			others++
		}
	}
	if others == 0 {
		return
	}
	why := "BYPASS_ADMIN_ACCESS_CONTROL is on in Open WebUI: they see what nobody shared with them"
	if settings.AdminBypass == nil {
		why = "whether they see what nobody shared with them, which BYPASS_ADMIN_ACCESS_CONTROL decides, is not known"
	}
	who := "1 administrator who is not in the team"
	if others > 1 {
		who = fmt.Sprintf("%d administrators who are not in the team", others)
	}
	t.Leaks = append(t.Leaks, Leak{Kind: LeakAdmins, Who: who, Why: why})
}

// teamsOf gathers teams without their leaks; at gives the group of a want.
func teamsOf(m *Mirror, wants []Want, at func(want int) string) []*Team {
	byName := map[string]*Team{}
	for w := range wants {
		part := wants[w].Team
		if part == nil {
			continue
		}
		t := byName[part.Team]
		if t == nil {
			t = &Team{Name: part.Team}
			byName[part.Team] = t
		}
		t.take(m, &wants[w], w, at(w))
	}
	teams := slices.SortedFunc(maps.Values(byName), func(a, b *Team) int { return cmp.Compare(a.Name, b.Name) })
	for _, t := range teams {
		t.gather(m)
	}
	return teams
}

// take adds one of the wanted groups of a team.
func (t *Team) take(m *Mirror, w *Want, at int, id string) {
	t.wants = append(t.wants, at)
	t.access = append(t.access, w.Resources)
	t.owned = t.owned || w.Team.OwnedByManagers
	t.Isolation = max(t.Isolation, w.Team.Isolation)
	if w.Team.Isolation == IsolationEnforce {
		t.Isolation = IsolationEnforce
	}
	for _, l := range w.Links {
		if !slices.Contains(t.Rules, l.Rule) {
			t.Rules = append(t.Rules, l.Rule)
		}
	}
	slices.Sort(t.Rules)
	if w.Team.Managers {
		t.Managers = m.Group(id)
		return
	}
	t.Group = m.Group(id)
}

// The words of isolation.
const (
	IsolationReport  = "report"
	IsolationEnforce = "enforce"
)

// gather finds the people, rights and resources of a team.
func (t *Team) gather(m *Mirror) {
	if t.Managers != nil {
		t.Leaders = t.Managers.Numbers
		t.LeaderRights = allowed(t.Managers)
	}
	t.People = t.Leaders
	if t.Group != nil {
		t.People = slices.Concat(t.Leaders, t.Group.Numbers)
		slices.Sort(t.People)
		t.People = slices.Compact(t.People)
		t.Rights = allowed(t.Group)
	}
	t.LeaderRights = slices.DeleteFunc(t.LeaderRights, func(key string) bool { return slices.Contains(t.Rights, key) })
	globs := map[string]glob.Any{}
	for _, access := range t.access {
		for kind, a := range access {
			globs[kind] = append(globs[kind], glob.CompileAny(slices.Concat(a.Read, a.Write))...)
		}
	}
	if len(globs) == 0 && !t.owned {
		return
	}
	for _, r := range m.Resources() {
		if slices.Contains(ResourceTypes(), r.Type) && (globs[r.Type].Match(r.ID, r.Name) || t.owned && t.leads(m, r.Owner)) {
			t.Resources = append(t.Resources, r)
		}
	}
}

// leads reports whether an account runs the team.
func (t *Team) leads(m *Mirror, account string) bool {
	n, known := m.Number(account)
	if !known || account == "" {
		return false
	}
	_, found := slices.BinarySearch(t.Leaders, n)
	return found
}

// has reports whether an account is in the team.
func (t *Team) has(n uint32) bool {
	_, found := slices.BinarySearch(t.People, n)
	return found
}

// owns reports whether a group is one of the team's own.
func (t *Team) owns(id string) bool {
	return t.Group != nil && t.Group.ID == id || t.Managers != nil && t.Managers.ID == id
}

// allowed gives the permissions that a group grants, sorted.
func allowed(g *MirrorGroup) []string {
	set, _, err := permission.Flatten(g.Permissions)
	if err != nil {
		return nil
	}
	var keys []string
	for _, key := range set.Keys() {
		if set[key] {
			keys = append(keys, key)
		}
	}
	return keys
}
