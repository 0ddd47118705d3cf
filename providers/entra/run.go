package entra

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
)

// run brings a mirror up to date and gives the picture. from is where it stands, nil for one
// that is empty. The snapshot is never nil, and with an error it shows what was proved.
func (r *reading) run(ctx context.Context, m *mirror, from *cursor) (*directory.Snapshot, error) {
	none := &directory.Snapshot{AsOf: r.asOf}
	next := &cursor{Config: r.config.digest()}
	app, err := r.application(ctx)
	if err != nil {
		return none, err
	}
	if next.Users, err = r.users(ctx, m, from); err != nil {
		return none, err
	}
	if next.Tenant = r.grants.tid(); from != nil && from.Tenant != next.Tenant {
		return none, needFull("the tenant is another one than before")
	}
	if next.Feeds, err = r.groups(ctx, m, from, app); err != nil {
		none.UsersListed = true
		for _, id := range present(m.userOrder, m.users) {
			none.Users = append(none.Users, m.users[id])
		}
		return none, err
	}
	next.Hidden = from != nil && from.Hidden
	for _, g := range m.groups {
		next.Hidden = next.Hidden || g.hidden
	}
	r.noteHidden(next.Hidden)
	seesHidden, _ := r.grants.has(readHidden)
	if from != nil && next.Hidden && !seesHidden {
		return none, needFull("there are groups whose members are hidden from us")
	}
	next.Since = r.since
	return r.finish(ctx, m, app, next, seesHidden)
}

// finish puts the picture together and seals where the next read of changes begins.
func (r *reading) finish(ctx context.Context, m *mirror, app *application, next *cursor, seesHidden bool) (*directory.Snapshot, error) {
	a := &directory.Assembly{Snapshot: directory.Snapshot{AsOf: r.asOf, UsersListed: true, GroupsListed: true}}
	for _, id := range present(m.userOrder, m.users) {
		a.User(m.users[id])
	}
	var hidden []string
	known := func(id string) bool { return seesHidden || !m.groups[id].hidden }
	for _, id := range r.shown(m, app) {
		g := m.groups[id]
		a.Group(directory.Group{ID: id, Name: g.Name, Description: g.Description, Unlisted: app != nil && !app.assigned(id)})
		for _, ref := range sortedRefs(g) {
			if app == nil || r.config.Nested || ref.Kind != directory.GroupMember {
				a.Member(id, ref)
			}
		}
		if known(id) {
			a.Known(id)
		} else {
			hidden = append(hidden, g.Name)
		}
	}
	if r.config.shows(AppRoles) {
		for i := range app.roles {
			app.roles[i].show(a, m, known)
		}
	}
	var err error
	if r.config.Owners {
		err = r.owners(ctx, a)
	}
	s := a.Close(r.config.Nested)
	s.DeletedUsers, s.DeletedGroups = sorted(m.deletedUsers), sorted(m.deletedGroups)
	if err != nil {
		return s, err
	}
	if len(hidden) > 0 {
		return s, r.incomplete("read members", fmt.Sprintf("grant the application the permission %s, or show other groups by assigned_to", readHidden),
			"the members of %d groups, such as %q, are hidden (HiddenMembership) and not covered", len(hidden), hidden[0])
	}
	if s.Coverage() != directory.Full {
		return s, r.incomplete("read members", "", "the members of some groups are not covered")
	}
	if r.config.Owners {
		return s, nil
	}
	next.Print = fingerprint(s)
	if s.Cursor, err = next.encode(); err != nil {
		return s, fault.New(fault.Invalid, "keep the cursor", "source "+r.name, err, "")
	}
	return s, nil
}

// shown gives the groups of the picture: all, or those that are assigned and, with nesting,
// what is inside of them. Nothing where app roles alone are shown.
func (r *reading) shown(m *mirror, app *application) []string {
	if !r.config.shows(Groups) {
		return nil
	}
	all := present(m.groupOrder, m.groups)
	if app == nil {
		return all
	}
	reached := map[string]bool{}
	open := slices.Clone(app.groups)
	for len(open) > 0 {
		id := open[len(open)-1]
		open = open[:len(open)-1]
		g := m.groups[id]
		if g == nil || reached[id] {
			continue
		}
		reached[id] = true
		if r.config.Nested {
			open = append(open, g.children()...)
		}
	}
	return slices.DeleteFunc(all, func(id string) bool { return !reached[id] })
}

func sortedRefs(g *group) []directory.Ref {
	refs := make([]directory.Ref, 0, len(g.refs))
	for id, kind := range g.refs {
		refs = append(refs, directory.Ref{ID: id, Kind: kind})
	}
	slices.SortFunc(refs, func(a, b directory.Ref) int { return strings.Compare(a.ID, b.ID) })
	return refs
}

func sorted(set map[string]bool) []string {
	var list []string
	for id := range set {
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}

// noteHidden keeps for look-ups whether there are groups whose members are hidden.
func (s *source) noteHidden(some bool) {
	if some {
		s.hidden.Store(someHidden)
	} else {
		s.hidden.Store(noneHidden)
	}
}

// owners reads who owns each listed group.
func (r *reading) owners(ctx context.Context, a *directory.Assembly) error {
	listed := slices.Clone(a.Snapshot.Groups)
	for i := range listed {
		g := &listed[i]
		if g.Unlisted || isRole(g.ID) {
			continue
		}
		of := g.Owners()
		a.Group(of)
		_, err := r.walk(ctx, asking{op: "read owners", need: readMembers, cost: 1, path: "/groups/" + url.PathEscape(g.ID) + "/owners", query: selecting([]string{"id"})}, false, func(o object) error {
			id, err := o.id()
			if err == nil && (o.kind() == "user" || o.kind() == "") {
				a.Member(of.ID, directory.Ref{ID: id})
			}
			return err
		})
		if err != nil && !missing(err) {
			return err
		}
		a.Known(of.ID)
		r.progress.Report("owners", i+1)
	}
	return nil
}
