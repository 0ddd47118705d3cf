package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
)

// application is the enterprise application of assigned_to, with what is assigned to it.
type application struct {
	id, name string
	roles    []role
	// groups are the ids of assigned groups, sorted.
	groups []string
}

// role is an app role and to whom it is assigned: ids of users and of groups.
type role struct {
	id, name, description string
	users, groups         []string
}

// rolePrefix stands before the ids of groups that are app roles.
const rolePrefix = "approle:"

func isRole(group string) bool { return strings.HasPrefix(group, rolePrefix) }

// defaultRole is what whoever is assigned has, where no role was chosen.
const defaultRole = "00000000-0000-0000-0000-000000000000"

// objectID is how ids of directory objects look. Anything else in a path could mean another
// thing there.
var objectID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// application reads the application and all its assignments; nil where none is configured.
func (r *reading) application(ctx context.Context) (*application, error) {
	if r.config.AssignedTo == "" {
		return nil, nil //nolint:nilnil // No application is what the configuration says.
	}
	o, err := r.find(ctx, r.config.AssignedTo)
	if err != nil {
		return nil, err
	}
	app := &application{roles: []role{{id: defaultRole, name: "Default Access", description: "Assigned without a role"}}}
	if app.id, err = o.id(); err != nil {
		return nil, err
	}
	app.name, _ = o.text("displayName")
	var defined []object
	if raw := o["appRoles"]; raw != nil && json.Unmarshal(raw, &defined) != nil {
		return nil, r.incomplete("read app roles", "", "the roles of %q have an unknown form", app.name)
	}
	for _, d := range defined {
		next := role{}
		if next.id, err = d.id(); err != nil {
			return nil, r.incomplete("read app roles", "", "%w", err)
		}
		next.name, _ = d.text("displayName")
		next.description, _ = d.text("description")
		if allowed, _ := d.values("allowedMemberTypes"); slices.Contains(allowed, "User") {
			app.roles = append(app.roles, next)
		}
	}
	_, err = r.walk(ctx, asking{
		op: "read assignments", need: readApplications, cost: 1, path: "/servicePrincipals/" + app.id + "/appRoleAssignedTo", query: url.Values{"$top": {"999"}},
	}, false, app.assign)
	slices.Sort(app.groups)
	app.groups = slices.Compact(app.groups)
	return app, err
}

// assign takes in one assignment.
func (app *application) assign(o object) error {
	who, _ := o.text("principalId")
	kind, _ := o.text("principalType")
	as, _ := o.text("appRoleId")
	if who == "" || kind == "" {
		return fault.New(fault.Incomplete, "read assignments", app.name, errNoID, "")
	}
	i := slices.IndexFunc(app.roles, func(x role) bool { return x.id == as })
	switch kind {
	case "Group":
		app.groups = append(app.groups, who)
		if i >= 0 {
			app.roles[i].groups = append(app.roles[i].groups, who)
		}
	case "User":
		if i >= 0 {
			app.roles[i].users = append(app.roles[i].users, who)
		}
	}
	return nil
}

// assigned reports whether a group is assigned to the application.
func (app *application) assigned(group string) bool {
	_, found := slices.BinarySearch(app.groups, group)
	return found
}

// find finds an enterprise application by its id, by that of its registration, or by its
// name. None, or more than one, is an error: without it nothing is assigned to anybody.
func (r *reading) find(ctx context.Context, what string) (object, error) {
	const op = "find the application of assigned_to"
	properties := selecting([]string{"id", "appId", "displayName", "appRoles"})
	if objectID.MatchString(what) {
		for _, path := range []string{"/servicePrincipals/" + what, "/servicePrincipals(appId='" + what + "')"} {
			var o object
			err := r.get(ctx, asking{op: op, need: readApplications, cost: 1, path: path, query: properties}, &o)
			if !missing(err) {
				return o, err
			}
		}
		return nil, fault.New(fault.Invalid, op, "source "+r.name, fmt.Errorf("there is no enterprise application %s", what), "write the Object ID or the name shown under Enterprise applications")
	}
	properties.Set("$filter", "displayName eq "+quoted(what))
	var found []object
	_, err := r.walk(ctx, asking{op: op, need: readApplications, cost: 1, path: "/servicePrincipals", query: properties}, false, func(o object) error {
		found = append(found, o)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fault.New(fault.Invalid, op, "source "+r.name, fmt.Errorf("there are %d enterprise applications called %q", len(found), what),
			"write its Object ID, which is shown under Enterprise applications")
	}
	return found[0], nil
}

// missing reports whether Graph says that something does not exist.
func missing(err error) bool {
	return httpStatus(err) == http.StatusNotFound && slices.Contains([]string{"Request_ResourceNotFound", "ResourceNotFound", "Directory_ObjectNotFound"}, codeOf(err))
}

// show makes the group of an app role: whom it is assigned to, and the direct members of
// groups that it is assigned to. Entra gives roles no further, so that nesting does not count.
func (x *role) show(a *directory.Assembly, m *mirror, known func(string) bool) {
	id := rolePrefix + x.id
	a.Group(directory.Group{ID: id, Name: x.name, Description: x.description})
	all := true
	for _, user := range x.users {
		a.Member(id, directory.Ref{ID: user, Kind: directory.UserMember})
	}
	for _, from := range x.groups {
		g := m.groups[from]
		if g == nil {
			continue
		}
		all = all && known(from)
		for ref, kind := range g.refs {
			if _, isUser := m.users[ref]; isUser && kind != directory.GroupMember {
				a.Member(id, directory.Ref{ID: ref, Kind: directory.UserMember})
			}
		}
	}
	if all {
		a.Known(id)
	}
}

// httpStatus and codeOf give what an answer was refused with.
func httpStatus(err error) int {
	if e := refusal(err); e != nil {
		return e.Status
	}
	return 0
}

func codeOf(err error) string {
	if e := refusal(err); e != nil {
		return e.Code
	}
	return ""
}

func refusal(err error) *httpx.StatusError {
	e, _ := errors.AsType[*httpx.StatusError](err)
	return e
}
