package replica

import (
	"slices"

	"groupsyncd/directory"
)

// Picture gives what the last read of everything showed, in the words of a source: the base
// to which a source applies what changed since Cursor. Whom Merge kept although the read did
// not show them are not in it; somebody whom a look-up found is, until the next full read.
// It shares lists with the replica, so nothing in it may be changed.
func (r *Replica) Picture() *directory.Snapshot {
	p := picture{r: r, s: &directory.Snapshot{AsOf: r.CompleteAt, Cursor: r.Cursor, Scope: r.Scope,
		UsersListed: !r.UsersAt.IsZero(), GroupsListed: !r.GroupsAt.IsZero()}}
	p.users()
	p.choose()
	for n, at := range p.groupAt {
		if at >= 0 {
			p.group(uint32(n), &p.s.Groups[at])
		}
	}
	return p.s
}

// picture carries the making of one. userAt and groupAt give the positions of rows, -1 where
// a row is not shown; userAt is nil while every row has its own number as its position.
type picture struct {
	r       *Replica
	s       *directory.Snapshot
	userAt  []int32
	groupAt []int32
	// found are people who were looked up since that read.
	found []uint32
}

func (p *picture) users() {
	rows := p.r.users
	p.s.Users = make([]directory.User, 0, len(rows))
	for n := range rows {
		u := &rows[n]
		if u.Missing.Is() {
			if p.userAt == nil {
				p.number(n)
			}
			p.userAt[n] = -1
			continue
		}
		if p.userAt != nil {
			p.userAt[n] = int32(len(p.s.Users))
		}
		if u.GroupsAt.After(p.r.CompleteAt) {
			p.found = append(p.found, uint32(n))
		}
		p.s.Users = append(p.s.Users, u.User)
		at := &p.s.Users[len(p.s.Users)-1]
		at.GroupsKnown = false
		at.StatusKnown = !u.StatusAt.IsZero() && !u.StatusAt.Before(older(u.SeenAt, p.r.UsersAt))
		at.Disabled = u.Disabled && at.StatusKnown
	}
}

// number begins to give positions of their own, when the rows before n have their numbers.
func (p *picture) number(n int) {
	p.userAt = make([]int32, len(p.r.users))
	for i := range n {
		p.userAt[i] = int32(i)
	}
}

// choose gives positions to the groups that were shown: those in the list, and whatever
// they lead to. The members of one that only a look-up showed since were not read.
func (p *picture) choose() {
	rows := p.r.groups
	shown := make([]bool, len(rows))
	stack := make([]uint32, 0, len(rows))
	for n := range rows {
		if rows[n].Listed && !rows[n].Missing.Is() {
			shown[n] = true
			stack = append(stack, uint32(n))
		}
	}
	for len(stack) > 0 {
		g := &rows[stack[len(stack)-1]]
		stack = stack[:len(stack)-1]
		for _, c := range g.Children {
			if !shown[c] && !g.blocks(c) && rows[c].inside() {
				shown[c] = true
				stack = append(stack, c)
			}
		}
	}
	p.groupAt = make([]int32, len(rows))
	for n := range rows {
		p.groupAt[n] = -1
		if shown[n] {
			g := &rows[n]
			p.groupAt[n] = int32(len(p.s.Groups))
			p.s.Groups = append(p.s.Groups, directory.Group{ID: g.ID, Name: g.Name, DN: g.DN, Path: g.Path, Description: g.Description,
				MembersKnown: !g.MembersAt.IsZero() && !g.MembersAt.Before(p.r.CompleteAt), Unlisted: !g.Listed || g.Missing.Is(), OwnersOf: g.OwnersOf})
		}
	}
}

// inside reports whether a group that the list did not show was seen inside another one.
func (g *Group) inside() bool {
	return g.DeletedAt.IsZero() && (!g.Missing.Is() || !g.SeenAt.Before(g.Missing.Last))
}

// blocks reports whether a nested group is one that does not resolve any more.
func (g *Group) blocks(child uint32) bool {
	return slices.ContainsFunc(g.Blocked, func(b Block) bool { return b.Child == child })
}

// group fills in who was in a group. A reference to somebody or something that is not shown
// any more is one that leads nowhere.
func (p *picture) group(n uint32, out *directory.Group) {
	g := &p.r.groups[n]
	lost := g.Unresolved
	lose := func(dn, id string) {
		if dn == "" {
			dn = id
		}
		if at, found := slices.BinarySearch(lost, dn); !found {
			lost = slices.Insert(slices.Clone(lost), at, dn)
		}
	}
	named := p.named(n)
	out.Direct = p.positions(named)
	if len(out.Direct) < len(named) {
		for _, u := range named {
			if row := &p.r.users[u]; p.userAt[u] < 0 {
				lose(row.DN, row.ID)
			}
		}
	}
	out.Members = out.Direct
	if len(g.Children) > 0 {
		out.Members = p.positions(difference(g.Members, g.Kept))
	}
	for _, c := range g.Children {
		switch at := p.groupAt[c]; {
		case g.blocks(c): // Its references are among those that lead nowhere.
		case at < 0:
			lose(p.r.groups[c].DN, p.r.groups[c].ID)
		default:
			out.Children = append(out.Children, uint32(at))
		}
	}
	out.Unresolved = slices.Clip(lost)
}

// named gives those whom a group names itself. Whoever was looked up, and is in a group with
// nested ones by no way that is known, counts as named by it.
func (p *picture) named(n uint32) []uint32 {
	g := &p.r.groups[n]
	named := g.named()
	if len(g.Children) == 0 {
		return named
	}
	for _, u := range p.found {
		_, in := slices.BinarySearch(g.Members, u)
		_, kept := slices.BinarySearch(g.Kept, u)
		if in && !kept && p.r.Path(u, n) == nil {
			named = union(named, []uint32{u})
		}
	}
	return named
}

// positions translates rows of users into positions; those who are not shown are left out.
func (p *picture) positions(rows []uint32) []uint32 {
	if p.userAt == nil {
		return slices.Clip(rows)
	}
	out := make([]uint32, 0, len(rows))
	for _, n := range rows {
		if at := p.userAt[n]; at >= 0 {
			out = append(out, uint32(at))
		}
	}
	return out
}
