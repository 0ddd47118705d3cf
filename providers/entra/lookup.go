package entra

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"groupsyncd/directory"
)

// LookUp reads one person, every group they are in, and their app roles. Every group names the
// person as a direct member, because the way between is not read.
func (s *source) LookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	r := s.begin(nil, normal)
	snapshot := &directory.Snapshot{AsOf: r.asOf}
	err := r.lookUp(ctx, who, snapshot)
	if err != nil {
		err = s.explain(err, "")
		snapshot = &directory.Snapshot{AsOf: r.asOf, Reason: err.Error()}
	}
	snapshot.Requests, _ = r.session.Spent()
	return snapshot, err
}

func (r *reading) lookUp(ctx context.Context, who directory.Person, s *directory.Snapshot) error {
	found, err := r.person(ctx, who)
	if err != nil {
		return err
	}
	if len(found) != 1 {
		s.Reason = fmt.Sprintf("%d users match the look-up", len(found))
		return nil
	}
	id, err := found[0].id()
	if err != nil {
		return r.incomplete("look up user", "", "%w", err)
	}
	u, _ := r.config.user(found[0], id, directory.User{}, false)
	u.GroupsKnown = true
	if seesHidden, _ := r.grants.has(readHidden); !seesHidden && r.hidden.Load() != noneHidden {
		u.GroupsKnown = false
		s.Reason = "whether the person is in a group whose members are hidden cannot be told without the permission " + string(readHidden)
		if r.hidden.Load() == notLooked {
			s.Reason = "before the first read it is not known whether there are groups whose members are hidden"
		}
	}
	app, err := r.application(ctx)
	if err != nil {
		return err
	}
	if err := r.groupsOf(ctx, id, app, s); err != nil {
		return err
	}
	for i := range s.Groups {
		s.Groups[i].Direct = []uint32{0}
	}
	s.Users = []directory.User{u}
	s.Close(r.config.Nested)
	return nil
}

// person gives the users whom a person may be. Graph matches more loosely than we do, so that
// the answer is looked at again.
func (r *reading) person(ctx context.Context, who directory.Person) ([]object, error) {
	q := selecting(r.config.userProperties())
	a := asking{op: "look up user", need: readUsers, cost: 1, query: q}
	properties, value := []string{r.config.Users.Username}, who.Username
	switch {
	case who.ID != "":
		if !objectID.MatchString(who.ID) {
			return nil, nil
		}
		var o object
		a.path = "/users/" + who.ID
		err := r.get(ctx, a, &o)
		if missing(err) || err == nil && r.config.excludes(o) {
			return nil, nil
		}
		return []object{o}, err
	case who.Email != "":
		properties, value = r.config.Users.Email, who.Email
	}
	if value == "" {
		return nil, nil
	}
	a.path = "/users"
	q.Set("$top", "10")
	either := make([]string, len(properties))
	for i, p := range properties {
		either[i] = p + " eq " + quoted(value)
		a.eventual = a.eventual || p == onPremisesName
	}
	q.Set("$filter", strings.Join(either, " or "))
	if a.eventual {
		q.Set("$count", "true")
	}
	var found []object
	_, err := r.walk(ctx, a, false, func(o object) error {
		u, _ := r.config.user(o, "", directory.User{}, false)
		is := u.Username
		if who.Email != "" {
			is = u.Email
		}
		if directory.FoldEmail(is) == directory.FoldEmail(value) && !r.config.excludes(o) {
			found = append(found, o)
		}
		return nil
	})
	return found, err
}

// groupsOf puts the groups of a person into a snapshot.
func (r *reading) groupsOf(ctx context.Context, id string, app *application, s *directory.Snapshot) error {
	direct := map[string]bool{}
	note := func(g directory.Group) { direct[g.ID] = true }
	show := func(g directory.Group) {
		if app != nil {
			g.Unlisted = !app.assigned(g.ID)
		}
		if !g.Unlisted || r.config.Nested {
			s.Groups = append(s.Groups, g)
		}
	}
	if r.config.shows(Groups) && r.config.Nested {
		if err := r.memberOf(ctx, "/users/"+id+"/transitiveMemberOf", show); err != nil {
			return err
		}
	} else if r.config.shows(Groups) {
		if err := r.memberOf(ctx, "/users/"+id+"/memberOf", func(g directory.Group) { note(g); show(g) }); err != nil {
			return err
		}
	}
	if !r.config.shows(AppRoles) {
		return nil
	}
	if len(direct) == 0 {
		if err := r.memberOf(ctx, "/users/"+id+"/memberOf", note); err != nil {
			return err
		}
	}
	for i := range app.roles {
		if x := &app.roles[i]; x.reaches(id, direct) {
			s.Groups = append(s.Groups, directory.Group{ID: rolePrefix + x.id, Name: x.name, Description: x.description})
		}
	}
	return nil
}

// reaches reports whether somebody has a role: by themselves, or by a group that names them.
func (x *role) reaches(user string, direct map[string]bool) bool {
	return slices.Contains(x.users, user) || slices.ContainsFunc(x.groups, func(id string) bool { return direct[id] })
}

// memberOf reads the groups of a list of memberships, in which directory roles and
// administrative units stand too. The list of groups alone would come from an index that lags.
func (r *reading) memberOf(ctx context.Context, path string, each func(directory.Group)) error {
	q := selecting([]string{"id", "displayName", "description"})
	q.Set("$top", "999")
	seen := map[string]bool{}
	_, err := r.walk(ctx, asking{op: "read groups of user", need: readMembers, cost: 1, path: path, query: q}, false, func(o object) error {
		id, err := o.id()
		if err != nil {
			return r.incomplete("read groups of user", "", "%w", err)
		}
		if o.kind() != "group" || seen[id] {
			return nil
		}
		seen[id] = true
		g := directory.Group{ID: id}
		name, there := o.text("displayName")
		if !there || name == "" {
			return r.incomplete("read groups of user", "grant the application the permission "+string(readMembers), "group %s is shown without its name", id)
		}
		g.Name = name
		g.Description, _ = o.text("description")
		each(g)
		return nil
	})
	return err
}
