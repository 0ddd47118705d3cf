package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"groupsyncd/sync/run"
)

// isolate reports what lets others into what belongs to teams, and plans to take away what
// can be taken away where a team says so.
func (c *computer) isolate() {
	isolated := false
	for w := range c.in.Desired.Wants {
		part := c.in.Desired.Wants[w].Team
		isolated = isolated || part != nil && part.Isolation != ""
	}
	if !isolated {
		return
	}
	at := func(w int) string { return c.group[w].id }
	teams := teamsOf(c.in.Memory.Mirror, c.in.Desired.Wants, at)
	common := map[string][]string{}
	for _, t := range teams {
		c.joining(t)
		t.leaks(c.in, teams, at)
		enforced, closing := t.Isolation == IsolationEnforce, c.certain(t)
		for i := range t.Leaks {
			switch l := &t.Leaks[i]; {
			case !enforced || !l.Closable:
			case c.mayBeGiven(l):
				l.Closable, l.Why = false, "a rule may still share it with this group"
			case closing:
				c.cut(*l.Resource, *l.Grant, t.Rules[0], "lets "+l.Who+" into what belongs to team "+t.Name, true)
			default:
				c.plan.Unknown[grantKey(*l.Resource, removing, *l.Grant)] = true
			}
		}
		closing = closing && enforced
		c.tellLeaks(t, closing, common)
	}
	for _, what := range slices.Sorted(maps.Keys(common)) {
		words := "teams "
		if len(common[what]) == 1 {
			words = "team "
		}
		c.problem(run.KindForeign, words+few(common[what])+": "+what,
			"take the permissions out of the default permissions (defaults of the target) and out of these groups and those above them")
	}
}

// mayBeGiven reports whether a grant is ours and stays, because it is not known whether its rule
// still gives it.
func (c *computer) mayBeGiven(l *Leak) bool {
	return c.plan.Unknown[grantKey(*l.Resource, removing, *l.Grant)] && c.in.Memory.OwnsGrant(*l.Resource, *l.Grant)
}

// joining counts people whom this plan puts into the team as in it.
func (c *computer) joining(t *Team) {
	people := slices.Clone(t.People)
	for i := range c.plan.Changes {
		if ch := &c.plan.Changes[i]; ch.Op == run.AddMember && slices.Contains(t.wants, ch.Want) {
			people = append(people, ch.Account)
		}
	}
	slices.Sort(people)
	t.People = slices.Compact(people)
}

// certain reports whether enough is known of a team to take something away from others: its
// groups are there, and every source that could show who is in them is fresh.
func (c *computer) certain(t *Team) bool {
	for _, at := range t.wants {
		if c.group[at].id == "" || c.group[at].blocked {
			return false
		}
		for _, s := range c.in.Desired.Wants[at].Could {
			if c.stale[s] != "" {
				return false
			}
		}
	}
	return true
}

// tellLeaks reports the leaks of a team, one problem for each kind. What permissions let in
// is mostly the same for many teams, and gathered.
func (c *computer) tellLeaks(t *Team, closing bool, common map[string][]string) {
	for _, kind := range LeakKinds() {
		var names []string
		for i := range t.Leaks {
			// What is closed stands among the changes.
			if l := &t.Leaks[i]; l.Kind == kind && (!closing || !l.Closable) && !slices.Contains(names, l.text()) {
				names = append(names, l.text())
			}
		}
		if len(names) == 0 {
			continue
		}
		what := kind.words() + ": " + few(names)
		if kind == LeakSharing || kind == LeakRights {
			common[what] = append(common[what], t.Name)
			continue
		}
		c.problem(run.KindForeign, "team "+t.Name+": "+what, kind.hint(t))
	}
}

// few lists some names and says how many there are.
func few(names []string) string {
	const shown = 3
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}

// text names a leak for people.
func (l *Leak) text() string {
	switch l.Kind {
	case LeakPublic:
		return l.Resource.Type + " " + l.Name
	case LeakGroup, LeakUser, LeakOwner, LeakTwice:
		return fmt.Sprintf("%s %s (%s)", l.Resource.Type, l.Name, l.Who)
	}
	return l.Who
}

// words says what a kind of leak is.
func (k LeakKind) words() string {
	switch k {
	case LeakPublic:
		return "open to everybody"
	case LeakGroup:
		return "shared with groups that are not of the team"
	case LeakUser:
		return "shared with people who are not in the team"
	case LeakOwner:
		return "owned by people who are not in the team"
	case LeakBelow:
		return "groups below the team with people who are not in it"
	case LeakSharing:
		return "their people may share with anybody by themselves"
	case LeakRights:
		return "everybody has what only their managers should have"
	case LeakTwice:
		return "another team has it as well"
	case LeakAdmins:
		return "administrators see everything"
	}
	return string(k)
}

func (k LeakKind) hint(t *Team) string {
	switch k {
	case LeakPublic, LeakGroup, LeakUser:
		if t.Isolation == IsolationEnforce {
			return "see what keeps it open: groupsyncd teams " + t.Name
		}
		return "isolation: enforce takes it away; all of it is listed by: groupsyncd teams " + t.Name
	}
	return "all of it is listed by: groupsyncd teams " + t.Name
}
