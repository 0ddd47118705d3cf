package access

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"groupsyncd/sync/plan"
)

// right is one thing that somebody may do: a permission, by its place in View.keys, or
// behind those, to read or to write a resource.
type right int32

func (v *View) rightTo(resource int, permission string) right {
	r := right(len(v.keys) + 2*resource)
	if permission == plan.Write {
		r++
	}
	return r
}

// index says who gives which rights, so that everybody can be gone through.
type index struct {
	v *View
	// byGroup and byUser are what groups and single accounts are given, owned the resources
	// of an account.
	byGroup [][]right
	byUser  map[uint32][]right
	owned   map[uint32][]int
	// everybody is what the defaults and public grants give, common the same by right.
	everybody []right
	common    []bool

	// givers are, for the account that is looked at, the groups that give a right, found the
	// rights of which there are any, and room all its groups, by name.
	givers [][]int32
	found  []right
	room   []int32
	// came is how the account came into each group of room.
	came []origin
	// places are the resources as type/id.
	places []string
	direct []string
}

func (v *View) index() *index {
	size := len(v.keys) + 2*len(v.resources)
	x := &index{v: v, byGroup: make([][]right, len(v.groups)), byUser: map[uint32][]right{}, owned: map[uint32][]int{},
		common: make([]bool, size), givers: make([][]int32, size), came: make([]origin, len(v.groups)), direct: []string{"direct"}}
	for _, l := range v.defaults {
		if l.on {
			x.common[l.key] = true
		}
	}
	for g := range v.groups {
		for _, l := range v.groups[g].gives {
			if l.on {
				x.byGroup[g] = append(x.byGroup[g], right(l.key))
			}
		}
	}
	for i := range v.resources {
		x.places = append(x.places, v.resources[i].Type+"/"+v.resources[i].ID)
		x.resource(i)
	}
	for r := range x.common {
		if x.common[r] {
			x.everybody = append(x.everybody, right(r))
		}
	}
	return x
}

func (x *index) resource(i int) {
	v, r := x.v, &x.v.resources[i]
	if n, known := v.byID[r.Owner]; known && r.Owner != "" {
		x.owned[n] = append(x.owned[n], i)
	}
	for _, g := range r.Grants {
		if g.Permission != plan.Read && g.Permission != plan.Write {
			continue
		}
		to := v.rightTo(i, g.Permission)
		switch g.Kind {
		case plan.KindGroup:
			if at, known := v.byGroup[g.ID]; known && !slices.Contains(x.byGroup[at], to) {
				x.byGroup[at] = append(x.byGroup[at], to)
			}
		case plan.KindUser:
			if g.ID == plan.Everybody {
				x.common[to] = true
			} else if n, known := v.byID[g.ID]; known {
				x.byUser[n] = append(x.byUser[n], to)
			}
		}
	}
}

// look finds what the groups of an account give, sorted by right. It is good until the next
// look.
func (x *index) look(n uint32) []right {
	for _, r := range x.found {
		x.givers[r] = x.givers[r][:0]
	}
	x.found = x.found[:0]
	for _, g := range x.room {
		x.came[g] = origin{}
	}
	x.room = x.v.all(x.v.direct(n), x.room)
	for _, d := range x.v.direct(n) {
		by, since, _ := x.v.gave(n, d)
		for _, g := range x.v.groups[d].up {
			x.came[g].add(origin{by, since})
		}
	}
	for _, g := range x.room {
		for _, r := range x.byGroup[g] {
			if len(x.givers[r]) == 0 {
				x.found = append(x.found, r)
			}
			x.givers[r] = append(x.givers[r], g)
		}
	}
	slices.Sort(x.found)
	x.v.sortByName(x.room)
	return x.found
}

// how is View.how for the account that is looked at.
func (x *index) how(groups []int32) (by string, since time.Time) {
	var all origin
	for _, g := range groups {
		all.add(x.came[g])
	}
	return all.by, all.since
}

// labels names groups, by name. The result is not to be changed.
func (v *View) labels(groups []int32) []string {
	switch len(groups) {
	case 0:
		return nil
	case 1:
		return v.groups[groups[0]].from
	}
	out := make([]string, 0, len(groups))
	for _, g := range v.byName(groups) {
		out = append(out, v.groups[g].label)
	}
	return out
}

// origin says who gave something, and since when at the latest, as far as that is known.
type origin struct {
	by    string
	since time.Time
}

// add takes in another way by which somebody has the same.
func (o *origin) add(other origin) {
	if o.by == "" || other.by == ByUs {
		o.by = other.by
	}
	if !other.since.IsZero() && (o.since.IsZero() || other.since.Before(o.since)) {
		o.since = other.since
	}
}

// how says who gave an account the memberships by which groups reach it.
func (v *View) how(n uint32, groups []int32) (by string, since time.Time) {
	var all origin
	for _, d := range v.direct(n) {
		if slices.ContainsFunc(v.groups[d].up, func(g int32) bool { return slices.Contains(groups, g) }) {
			who, at, _ := v.gave(n, d)
			all.add(origin{who, at})
		}
	}
	return all.by, all.since
}

// granted says since when a grant is ours; zero: it is not, or not known.
func (v *View) granted(key plan.ResourceKey, g plan.Grant) (by string, since time.Time) {
	for _, o := range v.grants[key] {
		if o.Grant == g {
			return ByUs, o.Since
		}
	}
	return ByHand, time.Time{}
}

// roleFrom says who gave an account its role.
func (v *View) roleFrom(n uint32) RoleFrom {
	a := &v.accounts[n]
	o, ours := v.roles[a.ID]
	if !ours || o.Role != a.Role {
		return RoleFrom{By: ByHand}
	}
	why := map[string]string{"disabled": "the directory has them as disabled", "gone": "the directory has them no more", "created": "made with the account",
		"otherwise": "no directory group gives another"}[o.Why]
	if o.Rule != "" {
		why = "rule " + o.Rule
	}
	return RoleFrom{By: ByUs, Since: o.Since, Why: cmp.Or(why, o.Why)}
}

// living gives the numbers of all accounts, by mail address.
func (v *View) living() []uint32 {
	out := make([]uint32, 0, len(v.accounts))
	for n := range v.accounts {
		if !v.accounts[n].Deleted {
			out = append(out, uint32(n))
		}
	}
	slices.SortFunc(out, func(a, b uint32) int {
		x, y := &v.accounts[a], &v.accounts[b]
		return cmp.Or(strings.Compare(x.Email, y.Email), strings.Compare(x.ID, y.ID))
	})
	return out
}
