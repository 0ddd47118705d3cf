// Package access says who may do what in an Open WebUI, and by what: the permissions that
// the defaults and groups give, and the resources that owners, grants and roles open. It
// computes what Open WebUI itself would, from a mirror of it.
//
// The rules are those of Open WebUI 0.12.4. The most permissive wins and nothing denies;
// members of a group are members of all groups above it; who is neither user nor
// administrator may do nothing. The package asks nobody and decides nothing.
package access

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"groupsyncd/sync/plan"
)

// View is a picture of who may do what at one target. It shares nothing with the memory
// that it was taken of, so it may be looked at while that one changes.
type View struct {
	picture  Picture
	settings plan.Settings
	accounts []plan.Account
	byID     map[string]uint32
	groups   []group
	byGroup  map[string]int32
	// memberships are the direct groups of every account, those of account n from starts[n]
	// to starts[n+1].
	starts      []uint32
	memberships []int32

	// keys are all permissions that the defaults or a group name, sorted.
	keys     []string
	defaults tree

	resources []plan.Resource
	byKey     map[plan.ResourceKey]int
	roles     map[string]plan.OwnedRole
	grants    map[plan.ResourceKey][]plan.OwnedGrant
	given     given
}

// group is a group with what it gives.
type group struct {
	id, name, label string
	// rank is its place by label; from is the label as a list.
	rank int
	from []string
	// up are the group and all above it, itself first.
	up      []int32
	down    []int32
	members []uint32
	owned   []uint32
	gives   tree
}

// tree is what a tree of permissions names: places in View.keys, sorted, and whether each
// is allowed.
type tree []leaf

type leaf struct {
	key int32
	on  bool
}

func (t tree) allows(key int32) bool {
	at, named := slices.BinarySearchFunc(t, key, func(l leaf, key int32) int { return int(l.key - key) })
	return named && t[at].on
}

// Picture says of which target, and how good, an answer is.
type Picture struct {
	Target string `json:"target"`
	// AsOf is when the server was last looked at; Stale says why it was not just now.
	AsOf  time.Time `json:"as_of"`
	Stale string    `json:"stale,omitempty"`
	// Notes say what is not known, and what the rights alone do not show.
	Notes []string `json:"notes,omitempty"`
}

// Seen is what a look showed that no memory keeps.
type Seen struct {
	Settings plan.Settings
	// Own are the permissions of our own account; nil: not read.
	Own json.RawMessage
	// Stale says why the server could not be looked at; empty: it was.
	Stale string
}

// New takes a picture of what a memory holds.
func New(mem *plan.Memory, seen Seen) *View {
	m := mem.Mirror
	v := &View{picture: Picture{Target: mem.Target, AsOf: m.At, Stale: seen.Stale, Notes: unread(m)}, settings: seen.Settings,
		accounts: slices.Clone(m.Accounts()), byGroup: map[string]int32{}, byKey: map[plan.ResourceKey]int{},
		roles: maps.Clone(mem.Roles), grants: map[plan.ResourceKey][]plan.OwnedGrant{}}
	v.byID = make(map[string]uint32, len(v.accounts))
	for n := range v.accounts {
		v.byID[v.accounts[n].ID] = uint32(n)
	}
	names := map[string]int{}
	for i, g := range m.Groups() {
		v.byGroup[g.ID] = int32(i)
		v.groups = append(v.groups, group{id: g.ID, name: g.Name, members: slices.Clone(g.Numbers), owned: owned(mem.Owned[g.ID])})
		names[g.Name]++
	}
	for i := range v.groups {
		g := &v.groups[i]
		if g.label = FromGroup + g.name; names[g.name] > 1 {
			g.label += " (" + g.id + ")"
		}
		g.from = []string{g.label}
		v.climb(int32(i), m)
	}
	v.rank()
	v.join()
	v.trees(m, seen.Own)
	for i, r := range m.Resources() {
		v.resources = append(v.resources, *r)
		v.byKey[r.ResourceKey] = i
		if g := mem.Grants[r.ResourceKey]; len(g) > 0 {
			v.grants[r.ResourceKey] = slices.Clone(g)
		}
	}
	return v
}

// unread says what was never read, and is missing in every answer.
func unread(m *plan.Mirror) []string {
	var out []string
	if m.Defaults == nil {
		out = append(out, "the default permissions were never read: what they give is missing here")
	}
	for _, t := range plan.ResourceTypes() {
		switch at := m.ResourcesAt[t]; {
		case at.IsZero():
			out = append(out, "the "+t+" there were never read: they are missing here")
		case at.Before(m.At):
			out = append(out, "the "+t+" there are as of "+at.UTC().Format(time.RFC3339))
		}
	}
	return out
}

// about gives what every answer begins with.
func (v *View) about() Picture {
	p := v.picture
	p.Notes = slices.Clone(p.Notes)
	return p
}

// owned gives the accounts that are members because of us, sorted.
func owned(o *plan.OwnedGroup) []uint32 {
	if o == nil {
		return nil
	}
	var all []uint32
	for f := range o.Feeds {
		all = append(all, o.Feeds[f].Accounts...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// rank orders the groups for people.
func (v *View) rank() {
	order := make([]int32, len(v.groups))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		x, y := &v.groups[a], &v.groups[b]
		return cmp.Or(cmp.Compare(x.label, y.label), cmp.Compare(x.id, y.id))
	})
	for place, i := range order {
		v.groups[i].rank = place
	}
}

// climb notes what stands above a group. A parent that is not there ends the way, and so
// does one that was met: the server follows a circle once as well.
func (v *View) climb(at int32, m *plan.Mirror) {
	up := []int32{at}
	for next := at; ; {
		parent, found := v.byGroup[m.Group(v.groups[next].id).Parent]
		if !found || slices.Contains(up, parent) {
			break
		}
		up = append(up, parent)
		next = parent
	}
	v.groups[at].up = up
	for _, above := range up[1:] {
		v.groups[above].down = append(v.groups[above].down, at)
	}
}

// join turns the members of groups into the groups of members.
func (v *View) join() {
	v.starts = make([]uint32, len(v.accounts)+1)
	for i := range v.groups {
		for _, n := range v.groups[i].members {
			v.starts[n+1]++
		}
	}
	for n := range v.accounts {
		v.starts[n+1] += v.starts[n]
	}
	v.memberships = make([]int32, v.starts[len(v.accounts)])
	next := slices.Clone(v.starts)
	for i := range v.groups {
		for _, n := range v.groups[i].members {
			v.memberships[next[n]] = int32(i)
			next[n]++
		}
	}
}

// direct gives the groups that an account is in by itself.
func (v *View) direct(n uint32) []int32 { return v.memberships[v.starts[n]:v.starts[n+1]] }

// all gives groups with everything above them, sorted, each once. room may be reused.
func (v *View) all(groups, room []int32) []int32 {
	room = room[:0]
	for _, g := range groups {
		room = append(room, v.groups[g].up...)
	}
	slices.Sort(room)
	return slices.Compact(room)
}

// active reports whether the server answers an account at all.
func active(a *plan.Account) bool { return a.Role == plan.RoleUser || a.Role == plan.RoleAdmin }

// bypasses reports whether an account sees what nobody has shared with it.
func (v *View) bypasses(a *plan.Account) bool {
	return a.Role == plan.RoleAdmin && (v.settings.AdminBypass == nil || *v.settings.AdminBypass)
}
