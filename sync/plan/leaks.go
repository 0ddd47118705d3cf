package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"groupsyncd/internal/glob"
	"groupsyncd/permission"
)

// Leak is one thing that lets somebody else into what belongs to a team.
type Leak struct {
	Kind LeakKind `json:"kind"`
	// Resource and Grant are what a grant opens; Who names for whom.
	Resource *ResourceKey `json:"resource,omitempty"`
	Name     string       `json:"name,omitempty"`
	Grant    *Grant       `json:"grant,omitempty"`
	Who      string       `json:"who,omitempty"`
	// Closable says that enforce takes it away; Why says why not, or more about it.
	Closable bool   `json:"closable"`
	Why      string `json:"why,omitempty"`
}

// LeakKind is what sort of thing lets others in.
type LeakKind string

// The kinds of leaks, in the order in which they are shown.
const (
	// LeakPublic is a grant for every signed-in user, or for everybody.
	LeakPublic LeakKind = "public"
	// LeakGroup is a grant for a group that is none of the team's.
	LeakGroup LeakKind = "group"
	// LeakUser is a grant for somebody who is not in the team.
	LeakUser LeakKind = "user"
	// LeakOwner is a resource that belongs to somebody who is not in the team.
	LeakOwner LeakKind = "owner"
	// LeakBelow is a group below those of the team, whose members have what the team has.
	LeakBelow LeakKind = "below"
	// LeakSharing is a permission that lets people of the team share with everybody.
	LeakSharing LeakKind = "sharing"
	// LeakRights is a permission of the managers that everybody has by default.
	LeakRights LeakKind = "rights"
	// LeakTwice is a resource that another team has as well: no leak, but worth knowing.
	LeakTwice LeakKind = "two teams"
	// LeakAdmins are the administrators, who see everything.
	LeakAdmins LeakKind = "administrators"
)

// LeakKinds lists the kinds in the order in which they are shown.
func LeakKinds() []LeakKind {
	return []LeakKind{LeakPublic, LeakGroup, LeakUser, LeakOwner, LeakBelow, LeakSharing, LeakRights, LeakTwice, LeakAdmins}
}

// leaks finds what lets others into what belongs to a team, among all teams. A team that
// nobody asked to be isolated has none.
func (t *Team) leaks(in *Input, teams []*Team, at func(want int) string) {
	if t.Isolation == "" {
		return
	}
	l := leakage{t: t, in: in, m: in.Memory.Mirror, teams: teams, at: at, effective: t.People}
	for _, g := range []*MirrorGroup{t.Group, t.Managers} {
		if g != nil {
			l.effective = slices.Concat(l.effective, l.m.Effective(g.ID))
		}
	}
	slices.Sort(l.effective)
	for _, r := range t.Resources {
		l.resource(r)
	}
	l.below()
	l.sharing()
	l.rights()
}

// leakage carries the search of one team.
type leakage struct {
	t     *Team
	in    *Input
	m     *Mirror
	teams []*Team
	at    func(want int) string
	// effective are the people of the team and of all groups below it, which the server
	// counts as in it.
	effective []uint32
}

func (l *leakage) add(k Leak) { l.t.Leaks = append(l.t.Leaks, k) }

// resource finds who else may use one resource of the team.
func (l *leakage) resource(r *Resource) {
	key := r.ResourceKey
	for _, g := range r.Grants {
		leak := Leak{Resource: &key, Name: cmp.Or(r.Name, r.ID), Grant: &g, Closable: true}
		switch {
		case g.Public():
			leak.Kind, leak.Who = LeakPublic, "every signed-in user"
			if g.Kind == KindAnyone {
				leak.Who = "anybody, without signing in"
			}
		case g.Kind == KindGroup:
			if !l.foreignGroup(&leak, r, g) {
				continue
			}
		case g.Kind == KindUser:
			n, known := l.m.Number(g.ID)
			if _, in := slices.BinarySearch(l.effective, n); !known || l.m.Account(n).Deleted || in || g.ID == r.Owner {
				continue // Whoever has no account gets in nowhere.
			}
			leak.Kind, leak.Who = LeakUser, cmp.Or(l.m.Account(n).Email, g.ID)
		default:
			continue
		}
		l.add(leak)
	}
	if n, known := l.m.Number(r.Owner); known && r.Owner != l.m.Self && !l.m.Account(n).Deleted {
		if _, in := slices.BinarySearch(l.effective, n); !in {
			l.add(Leak{Kind: LeakOwner, Resource: &key, Name: cmp.Or(r.Name, r.ID), Who: cmp.Or(l.m.Account(n).Email, r.Owner),
				Why: "an owner always gets in; let somebody of the team make it anew"})
		}
	}
	for _, o := range l.teams {
		if o != l.t && slices.Contains(o.Resources, r) {
			l.add(Leak{Kind: LeakTwice, Resource: &key, Name: cmp.Or(r.Name, r.ID), Who: o.Name, Why: "both teams have it"})
		}
	}
}

// foreignGroup says for which group a grant is, and reports whether it lets others in: not
// where the group is of a team that has the resource as well, or below one.
func (l *leakage) foreignGroup(leak *Leak, r *Resource, g Grant) bool {
	group := l.m.Group(g.ID)
	if group == nil {
		return false
	}
	for _, up := range l.m.Above(g.ID) {
		for _, o := range l.teams {
			if o.owns(up) && (o == l.t || slices.Contains(o.Resources, r)) {
				return false
			}
		}
	}
	leak.Kind, leak.Who = LeakGroup, group.Name
	if rule := l.names(group.ID, r); rule != "" {
		leak.Closable, leak.Why = false, "rule "+rule+" shares it with this group"
	}
	return true
}

// names gives the rule that shares a resource with a group; what the configuration says in
// so many words is not taken away again.
func (l *leakage) names(group string, r *Resource) string {
	for w := range l.in.Desired.Wants {
		want := &l.in.Desired.Wants[w]
		a, named := want.Resources[r.Type]
		if named && l.at(w) == group && glob.CompileAny(slices.Concat(a.Read, a.Write)).Match(r.ID, r.Name) {
			return want.Rule()
		}
	}
	return ""
}

// below finds groups below those of the team that bring in others.
func (l *leakage) below() {
	for _, g := range []*MirrorGroup{l.t.Group, l.t.Managers} {
		if g == nil {
			continue
		}
		for _, id := range l.m.Below(g.ID) {
			child := l.m.Group(id)
			if child == nil || l.t.owns(id) || slices.ContainsFunc(l.t.Leaks, func(k Leak) bool { return k.Kind == LeakBelow && k.Who == child.Name }) {
				continue
			}
			if others := slices.DeleteFunc(slices.Clone(child.Numbers), l.t.has); len(others) > 0 {
				l.add(Leak{Kind: LeakBelow, Who: child.Name, Why: fmt.Sprintf("%d of its members are not in the team; take the group out from below %s", len(others), g.Name)})
			}
		}
	}
}

// everywhere are the permissions that let people share with everybody or with anybody, by the
// type of resource; empty: of any type.
func everywhere() map[string]string {
	return map[string]string{"sharing.public_models": Models, "sharing.public_knowledge": Knowledge, "sharing.public_prompts": Prompts,
		"sharing.public_tools": Tools, "sharing.public_skills": Skills, "access_grants.allow_users": ""}
}

// sharing finds permissions through which people of the team can let others in themselves.
func (l *leakage) sharing() {
	if len(l.t.Resources) == 0 && !l.t.owned {
		return
	}
	types := map[string]bool{"": true}
	for _, r := range l.t.Resources {
		types[r.Type] = true
	}
	from := map[string][]string{}
	note := func(where string, tree []byte) {
		set, _, err := permission.Flatten(tree)
		if err != nil {
			return
		}
		for key, kind := range everywhere() {
			if set[key] && (l.t.owned || types[kind]) {
				from[key] = append(from[key], where)
			}
		}
	}
	note("the default permissions", l.m.Defaults)
	seen := map[string]bool{}
	for _, g := range []*MirrorGroup{l.t.Group, l.t.Managers} {
		if g == nil {
			continue
		}
		for _, id := range l.m.Above(g.ID) {
			if up := l.m.Group(id); up != nil && !seen[id] {
				seen[id] = true
				note("group "+up.Name, up.Permissions)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(from)) {
		l.add(Leak{Kind: LeakSharing, Who: key, Why: "granted by " + strings.Join(from[key], ", ")})
	}
}

// rights finds permissions that only the managers should have, and everybody has.
func (l *leakage) rights() {
	set, _, err := permission.Flatten(l.m.Defaults)
	if err != nil {
		return
	}
	for _, key := range l.t.LeaderRights {
		if set[key] {
			l.add(Leak{Kind: LeakRights, Who: key, Why: "the default permissions grant it to everybody"})
		}
	}
}
