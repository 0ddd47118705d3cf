package entratest

import (
	"maps"
	"slices"
	"time"

	"groupsyncd/providers/providertest"
)

// directory is what the tenant holds, with a log of what changed.
type directory struct {
	now func() time.Time
	// founded is when the first world was made, before anybody looked.
	founded time.Time
	seq     int
	log     []event
	// links are the delta links that were given.
	links map[string]state

	users             map[string]*user
	groups            map[string]*group
	userIDs, groupIDs []string
}

// event is a change of a user, of a group, or of a member of a group.
type event struct {
	seq         int
	group       bool
	id, member  string
	memberEvent bool
}

// existence is whether something is there.
type existence int

const (
	alive existence = iota
	// inBin is deleted, and can be restored.
	inBin
	purged
)

type user struct {
	providertest.User
	kind    string // userType
	sam     string
	created time.Time
	state   existence
	ever    ever
}

type group struct {
	id, name, description string
	visibility            string
	created               time.Time
	state                 existence
	// members are ids of members with their types in OData.
	members map[string]string
	owners  []string
	ever    ever
}

func newDirectory(now func() time.Time) *directory {
	return &directory{now: now, links: map[string]state{}, users: map[string]*user{}, groups: map[string]*group{}}
}

func (d *directory) note(e event) {
	d.seq++
	e.seq = d.seq
	d.log = append(d.log, e)
}

// born gives when something that appears now was made.
func (d *directory) born() time.Time {
	if !d.founded.IsZero() {
		return d.founded.UTC().Truncate(time.Second)
	}
	return d.now().UTC().Truncate(time.Second)
}

func (d *directory) putUser(w providertest.User, kind string) {
	u := d.users[w.ID]
	if u == nil {
		u = &user{created: d.born(), ever: ever{}}
		d.users[w.ID] = u
		d.userIDs = append(d.userIDs, w.ID)
	} else if u.state == purged || u.state == alive && u.kind == kind && sameUser(u.User, w) {
		return // An id is never given again.
	}
	u.User, u.kind, u.state = w, kind, alive
	d.note(event{id: w.ID})
}

func sameUser(a, b providertest.User) bool {
	return a.Email == b.Email && a.Username == b.Username && a.Name == b.Name && a.Disabled == b.Disabled && maps.EqualFunc(a.Attributes, b.Attributes, slices.Equal)
}

// deleteUser puts a user into the bin, or out of the world. Memberships stay while somebody
// can be restored, and nothing is told of them.
func (d *directory) deleteUser(id string, forGood bool) {
	u := d.users[id]
	if u == nil || u.state == purged || u.state == inBin && !forGood {
		return
	}
	u.state = inBin
	d.note(event{id: id})
	if forGood {
		u.state = purged
		d.unlink(id)
	}
}

// unlink takes something out of all groups.
func (d *directory) unlink(id string) {
	for _, at := range d.groupIDs {
		d.removeMember(at, id)
	}
}

func (d *directory) putGroup(id, name, description, visibility string) *group {
	g := d.groups[id]
	if g == nil {
		g = &group{id: id, created: d.born(), members: map[string]string{}, ever: ever{}}
		d.groupIDs = append(d.groupIDs, id)
		d.groups[id] = g
	} else if g.state == purged || g.state == alive && g.name == name && g.description == description && g.visibility == visibility {
		return g
	}
	g.name, g.description, g.visibility, g.state = name, description, visibility, alive
	d.note(event{group: true, id: id})
	return g
}

func (d *directory) deleteGroup(id string, forGood bool) {
	g := d.groups[id]
	if g == nil || g.state == purged || g.state == inBin && !forGood {
		return
	}
	g.state = inBin
	d.note(event{group: true, id: id})
	if forGood {
		g.state = purged
		d.unlink(id)
		clear(g.members)
	}
}

func (d *directory) addMember(to, id, kind string) {
	g := d.groups[to]
	if g == nil || g.state != alive || g.members[id] == kind {
		return
	}
	g.members[id] = kind
	d.note(event{group: true, id: to, member: id, memberEvent: true})
}

func (d *directory) removeMember(from, id string) {
	g := d.groups[from]
	if g == nil {
		return
	}
	if _, is := g.members[id]; is {
		delete(g.members, id)
		d.note(event{group: true, id: from, member: id, memberEvent: true})
	}
}

// set changes the directory into a world.
func (d *directory) set(w providertest.World) {
	users, groups := map[string]bool{}, map[string]bool{}
	for _, u := range w.Users {
		users[u.ID] = true
		kind := "Member"
		if old := d.users[u.ID]; old != nil {
			kind = old.kind
		}
		d.putUser(u, kind)
	}
	for _, g := range w.Groups {
		groups[g.ID] = true
		seen := ""
		if old := d.groups[g.ID]; old != nil {
			seen = old.visibility
		}
		d.putGroup(g.ID, g.Name, g.Description, seen).owners = slices.Clone(g.Owners)
	}
	for _, g := range w.Groups {
		want := map[string]string{}
		for _, id := range g.Members {
			want[id] = "user"
		}
		for _, id := range g.Groups {
			want[id] = "group"
		}
		for _, id := range slices.Sorted(maps.Keys(d.groups[g.ID].members)) {
			if want[id] == "" && d.groups[g.ID].members[id] != "device" {
				d.removeMember(g.ID, id)
			}
		}
		for _, id := range slices.Sorted(maps.Keys(want)) {
			d.addMember(g.ID, id, want[id])
		}
	}
	for _, id := range d.userIDs {
		if !users[id] {
			d.deleteUser(id, false)
		}
	}
	for _, id := range d.groupIDs {
		if !groups[id] {
			d.deleteGroup(id, false)
		}
	}
	d.founded = time.Time{}
}

// shows reports whether a member is shown as one. Whoever is in the bin is not.
func (d *directory) shows(id string) bool {
	if u := d.users[id]; u != nil {
		return u.state == alive
	}
	if g := d.groups[id]; g != nil {
		return g.state == alive
	}
	return true // Nobody of the world: a reference that leads nowhere.
}
