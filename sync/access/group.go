package access

import "groupsyncd/permission"

// Group says what a group gives to its members.
type Group struct {
	Picture
	Group GroupRef `json:"group"`
	// Above are the groups above it, the nearest first, whose rights its members have too;
	// Below those whose members are its own too.
	Above []GroupRef `json:"above"`
	Below []GroupRef `json:"below"`
	// Members counts its own, Inherited those whom only groups below it bring.
	Members   int `json:"members"`
	Inherited int `json:"inherited"`
	// Permissions are those of a member: the defaults, what is above it, and its own.
	Permissions map[string]permission.Right `json:"permissions"`
	Resources   []Resource                  `json:"resources"`
	WriteOnly   []Resource                  `json:"write_only,omitempty"`
}

// GroupRef names a group.
type GroupRef struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Group says what a group, named or by its id, gives.
func (v *View) Group(name string) (*Group, error) {
	at, err := v.group(name)
	if err != nil {
		return nil, err
	}
	g := &v.groups[at]
	up := v.all([]int32{at}, nil)
	out := &Group{Picture: v.about(), Group: GroupRef{g.id, g.name}, Above: v.refs(g.up[1:]), Below: v.refs(v.byName(g.down)), Members: len(g.members),
		Permissions: v.rights(up, true)}
	inside := map[uint32]bool{}
	for _, d := range g.down {
		for _, n := range v.groups[d].members {
			inside[n] = true
		}
	}
	for _, n := range g.members {
		delete(inside, n)
	}
	out.Inherited = len(inside)
	out.Resources, out.WriteOnly = v.reach(&reader{groups: up})
	return out, nil
}

func (v *View) refs(groups []int32) []GroupRef {
	out := []GroupRef{}
	for _, g := range groups {
		out = append(out, GroupRef{v.groups[g].id, v.groups[g].name})
	}
	return out
}
