package plan

import "slices"

// What belongs to a team because somebody who runs it owns it is shared with the team like
// what rules name.

// owned lists what a wanted group of a team shall have because a manager owns it: everybody
// in the team reads it, those who run it write it too.
func (s *sharing) owned(at int) {
	w := &s.c.in.Desired.Wants[at]
	if w.Team == nil || !w.Team.OwnedByManagers {
		return
	}
	if s.teams == nil {
		s.teams = map[string]*Team{}
		for _, t := range teamsOf(s.c.in.Memory.Mirror, s.c.in.Desired.Wants, func(w int) string { return s.c.group[w].id }) {
			s.teams[t.Name] = t
		}
	}
	t := s.teams[w.Team.Team]
	for _, kind := range ResourceTypes() {
		for _, r := range s.byType[kind] {
			if !t.leads(s.c.in.Memory.Mirror, r.Owner) {
				continue
			}
			for _, permission := range teamPermissions(w.Team) {
				if g := (wantedGrant{s.c.group[at].id, at, permission}); !slices.Contains(s.wanted[r.ResourceKey], g) {
					s.wanted[r.ResourceKey] = append(s.wanted[r.ResourceKey], g)
				}
			}
		}
	}
}

func teamPermissions(part *TeamPart) []string {
	if part.Managers {
		return []string{Read, Write}
	}
	return []string{Read}
}

// stays reports whether a rule is of a team to which a resource may have belonged through its
// owner: it stays shared when that manager runs the team no longer.
func (s *sharing) stays(rule string, key ResourceKey, permission string) bool {
	r := s.c.in.Memory.Mirror.Resource(key)
	if r == nil || r.Owner == "" {
		return false
	}
	if s.owning == nil {
		s.owning = map[string]*TeamPart{}
		for w := range s.c.in.Desired.Wants {
			if want := &s.c.in.Desired.Wants[w]; want.Team != nil && want.Team.OwnedByManagers {
				for _, l := range want.Links {
					s.owning[l.Rule] = want.Team
				}
			}
		}
	}
	part := s.owning[rule]
	return part != nil && (permission == Read || part.Managers)
}
