package okta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
)

// LookUp reads one person and every group they are in. Nobody, and more than one, cover
// nothing, with a reason.
func (s *source) LookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	asOf := s.now()
	if err := s.ended(ctx, "look up"); err != nil {
		return nothing(asOf, err.Error()), err
	}
	r := s.reader(nil)
	a, reason, err := r.lookUp(ctx, who)
	if err != nil {
		err = s.failed(err)
		reason = err.Error()
	}
	if a == nil {
		snapshot := nothing(asOf, reason)
		snapshot.Requests = r.session.spent()
		return snapshot, err
	}
	a.Snapshot.AsOf, a.Snapshot.Reason = asOf, "one person was looked up"
	snapshot := a.Close(true)
	snapshot.Requests = r.session.spent()
	return snapshot, nil
}

// lookUp gives what is known of a person, or in words why that is nothing.
func (r *reader) lookUp(ctx context.Context, who directory.Person) (a *directory.Assembly, reason string, err error) {
	session := r.session[people]
	id, reason, err := r.find(ctx, session, who)
	if id == "" || err != nil {
		return nil, reason, err
	}
	u, err := r.readUser(ctx, session, id)
	if u == nil || err != nil {
		return nil, "nobody has that id", err
	}
	if reason = mismatch(u.person, who); reason != "" {
		return nil, reason, nil
	}
	if r.config.AssignedTo != "" {
		var in bool
		if r.app, in, err = r.assignedPerson(ctx, session, u); err != nil || !in {
			return nil, "the person is not assigned to " + strconv.Quote(r.config.AssignedTo), err
		}
	}
	of, err := r.groupsOf(ctx, session, id)
	if gone(err) {
		return nil, "nobody has that id any more", nil
	}
	if err != nil {
		return nil, "", err
	}
	a = &directory.Assembly{}
	u.person.GroupsKnown = true
	a.User(u.person)
	for i := range of {
		if r.shows(&of[i]) {
			a.Group(of[i].shown())
			a.Member(of[i].ID, directory.Ref{ID: id, Kind: directory.UserMember})
		}
	}
	return a, "", nil
}

// found is somebody who was looked up.
type found struct {
	person   directory.User
	inactive bool
}

// readUser reads one user; nil: nobody has that id.
func (r *reader) readUser(ctx context.Context, session *httpx.Session, id string) (*found, error) {
	var u user
	_, err := session.Do(ctx, httpx.Request{Method: http.MethodGet, Path: "/api/v1/users/" + url.PathEscape(id), Op: "look up a user", Into: &u, Repeat: true})
	switch {
	case gone(err):
		return nil, nil //nolint:nilnil // Nobody is no error.
	case err != nil:
		return nil, err
	case u.ID == "":
		return nil, fault.New(fault.Invalid, "look up a user", r.where(), errors.New("the answer shows no user"), "")
	case u.ID != id: // Okta takes logins and words of its own in that place too.
		return nil, nil //nolint:nilnil // Nobody is no error.
	}
	person, err := r.config.person(&u)
	if err != nil {
		return nil, fault.New(fault.Invalid, "look up a user", r.where(), err, "")
	}
	return &found{person, u.Status == deprovisioned}, nil
}

// mismatch says why somebody is not the one who was asked for: what Okta finds by is an index.
func mismatch(u directory.User, who directory.Person) string {
	switch {
	case who.ID != "":
	case who.Email != "" && directory.FoldEmail(u.Email) != directory.FoldEmail(who.Email):
		return "nobody has that mail address any more"
	case who.Email == "" && directory.FoldEmail(u.Username) != directory.FoldEmail(who.Username):
		return "nobody has that login any more"
	}
	return ""
}

// find gives the id of a person, or in words why there is none.
func (r *reader) find(ctx context.Context, session *httpx.Session, who directory.Person) (id, reason string, err error) {
	switch {
	case who.ID != "":
		if !plain(who.ID) {
			return "", "Okta has no such ids", nil
		}
		return who.ID, "", nil
	case who.Email != "":
		return r.findBy(ctx, session, "profile.email", who.Email)
	case who.Username != "":
		return r.findBy(ctx, session, "profile.login", who.Username)
	}
	return "", "Okta knows people by id, login and mail address", nil
}

// findBy finds the one user with a value. filter shows what was just written and tells cases
// apart; search does not, so it is asked only when the other found nobody.
func (r *reader) findBy(ctx context.Context, session *httpx.Session, property, value string) (id, reason string, err error) {
	quoted, ok := quote(value)
	if !ok {
		return "", "nobody has such a name", nil
	}
	expression := property + " eq " + quoted
	if folded, _ := quote(directory.FoldEmail(value)); folded != quoted {
		expression += " or " + property + " eq " + folded
	}
	for _, parameter := range []string{"filter", "search"} {
		query := r.limit("")
		query.Set(parameter, expression)
		ids := map[string]bool{}
		_, err := walk(ctx, session, httpx.Request{Path: "/api/v1/users", Query: query, Op: "look up a user"}, func(p []user) error {
			for _, u := range p {
				id = u.ID
				ids[id] = true
			}
			return nil
		})
		switch {
		case err != nil:
			return "", "", err
		case len(ids) > 1:
			return "", fmt.Sprintf("%d people have that %s", len(ids), strings.TrimPrefix(property, "profile.")), nil
		case len(ids) == 1 && plain(id):
			return id, "", nil
		}
	}
	return "", "nobody has that " + strings.TrimPrefix(property, "profile."), nil
}

// quote writes a value into a filter.
func quote(value string) (string, bool) {
	if strings.ContainsFunc(value, unicode.IsControl) {
		return "", false
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`, true
}

// groupsOf gives all groups of a person, whatever their type.
func (r *reader) groupsOf(ctx context.Context, session *httpx.Session, id string) ([]group, error) {
	var all []group
	err := again(func() error {
		all = nil
		_, err := walk(ctx, session, httpx.Request{Path: "/api/v1/users/" + url.PathEscape(id) + "/groups", Query: r.limit(""), Op: "read groups of a user"}, func(p []group) error {
			if slices.ContainsFunc(p, func(g group) bool { return g.ID == "" || g.Type == "" }) {
				return errors.New("the answer shows a group without an id or a type")
			}
			all = append(all, p...)
			return nil
		})
		return err
	})
	return all, err
}

// assignedPerson reports whether a person is shown although only one app counts, and gives its
// groups. Who was deactivated is assigned to nothing any more, and is shown as disabled.
func (r *reader) assignedPerson(ctx context.Context, session *httpx.Session, u *found) (*application, bool, error) {
	app, err := r.findApp(ctx, r.session[apps])
	if err != nil {
		return nil, false, err
	}
	if !u.inactive {
		var one assigned
		_, err := session.Do(ctx, httpx.Request{Method: http.MethodGet, Path: "/api/v1/apps/" + url.PathEscape(app) + "/users/" + url.PathEscape(u.person.ID), Op: "look up an assignment", Into: &one, Repeat: true})
		switch {
		case gone(err):
			return nil, false, nil
		case err != nil:
			return nil, false, err
		}
	}
	of, err := r.assignedTo(ctx, r.session[apps], app, "groups")
	return &application{id: app, groups: of}, err == nil, err
}
