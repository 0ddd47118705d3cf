package okta

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
)

// rounds is how often a list is read that does not hold still.
const rounds = 3

// reader is one read of the organisation.
type reader struct {
	*source
	session  session
	progress providers.Progress

	// at is Okta's clock before anything was shown; zero: it was not told.
	at time.Time
	// groups are those that are shown, stamps when somebody last came or went, each from
	// before its members were read.
	groups []group
	stamps map[string]string
	// app are the ids of what is assigned to the app; nil where all is shown.
	app *application

	// listed are the people of the lists, in order.
	listed []string
	// inactive are those of them who were deactivated.
	inactive map[string]bool

	mu sync.Mutex // For the maps below, while members are read.
	// known is everybody who was seen, in a list or in a group.
	known map[string]directory.User
	// within are the members of each group that was read.
	within map[string][]string
}

func (s *source) reader(progress providers.Progress) *reader {
	return &reader{source: s, session: s.session(), progress: progress, stamps: map[string]string{}, inactive: map[string]bool{},
		known: map[string]directory.User{}, within: map[string][]string{}}
}

// again reads a list anew while its cursor is lost on the way.
func again(read func() error) error {
	for n := 1; ; n++ {
		if err := read(); err == nil || n == rounds || !errors.Is(err, errMoved) {
			return err
		}
	}
}

// lists reads the groups and who is assigned, then the people. Groups come first: whatever
// changes later changes their stamps.
func (r *reader) lists(ctx context.Context) (ofGroups, ofUsers error) {
	if err := r.readApp(ctx); err != nil {
		return err, err
	}
	if err := r.listGroups(ctx); err != nil {
		return err, err
	}
	r.progress.Report("groups", len(r.groups))
	return nil, r.listUsers(ctx)
}

// listGroups reads all groups, and keeps those that are shown: what a filter leaves out would
// be missing for more than one reason.
func (r *reader) listGroups(ctx context.Context) error {
	var all []group
	err := again(func() error {
		all = all[:0]
		at, err := walk(ctx, r.session[groups], httpx.Request{Path: "/api/v1/groups", Query: r.limit(""), Op: "read groups"}, func(p []group) error {
			for i := range p {
				if p[i].ID == "" || p[i].Type == "" {
					return errors.New("the answer shows a group without an id or a type")
				}
			}
			all = append(all, p...)
			return nil
		})
		if r.at.IsZero() {
			r.at = at
		}
		return err
	})
	if err != nil {
		return r.failed(err)
	}
	r.groups = slices.DeleteFunc(all, func(g group) bool { return !r.shows(&g) })
	slices.SortFunc(r.groups, func(a, b group) int { return cmp.Compare(a.ID, b.ID) })
	r.groups = slices.CompactFunc(r.groups, func(a, b group) bool { return a.ID == b.ID })
	for i := range r.groups {
		if g := &r.groups[i]; r.within[g.ID] == nil {
			r.stamps[g.ID] = g.Stamp
		}
	}
	return nil
}

// shows reports whether a group is one of those that the configuration selects.
func (r *reader) shows(g *group) bool {
	return slices.Contains(r.config.Types, g.Type) && (r.app == nil || r.app.groups[g.ID])
}

// listUsers reads everybody. The plain list leaves out who was deactivated, so those are
// listed after it: who is deactivated meanwhile is in both, and nobody in none.
func (r *reader) listUsers(ctx context.Context) error {
	for _, filter := range []string{"", `status eq "` + deprovisioned + `"`} {
		err := again(func() error {
			_, err := walk(ctx, r.session[users], httpx.Request{Path: "/api/v1/users", Query: r.limit(filter), Op: "read users"}, r.takeUsers)
			return err
		})
		if err != nil {
			return r.failed(err)
		}
	}
	r.progress.Report("users", len(r.listed))
	return nil
}

func (r *reader) takeUsers(p []user) error {
	for i := range p {
		u := &p[i]
		person, err := r.config.person(u)
		if err != nil {
			return err
		}
		if _, seen := r.known[u.ID]; !seen {
			r.listed = append(r.listed, u.ID)
		}
		r.known[u.ID] = person
		r.inactive[u.ID] = u.Status == deprovisioned
	}
	return nil
}

// assemble puts together what was read. Whom a group shows is there, whatever the lists say.
func (r *reader) assemble(asOf time.Time) *directory.Assembly {
	a := &directory.Assembly{Snapshot: directory.Snapshot{AsOf: asOf}}
	for _, id := range r.listed {
		if r.app == nil || r.app.users[id] || r.inactive[id] {
			a.User(r.known[id])
		}
	}
	for i := range r.groups {
		g := &r.groups[i]
		a.Group(g.shown())
		ids, read := r.within[g.ID]
		if !read {
			continue
		}
		a.Known(g.ID)
		for _, id := range ids {
			if !a.HasUser(id) {
				a.User(r.known[id])
			}
			a.Member(g.ID, directory.Ref{ID: id, Kind: directory.UserMember})
		}
	}
	return a
}

// application is what is assigned to the app of the configuration.
type application struct {
	id            string
	users, groups map[string]bool
}

// readApp finds the app and what is assigned to it.
func (r *reader) readApp(ctx context.Context) error {
	if r.config.AssignedTo == "" {
		return nil
	}
	id, err := r.findApp(ctx, r.session[apps])
	if err != nil {
		return err
	}
	app := &application{id: id}
	for _, list := range []struct {
		what string
		into *map[string]bool
	}{{"users", &app.users}, {"groups", &app.groups}} {
		if *list.into, err = r.assignedTo(ctx, r.session[apps], id, list.what); err != nil {
			return err
		}
	}
	r.app = app
	return nil
}

// assignedTo gives the ids of the users or groups that are assigned to an app.
func (s *source) assignedTo(ctx context.Context, session *httpx.Session, app, what string) (map[string]bool, error) {
	var ids map[string]bool
	err := again(func() error {
		ids = map[string]bool{}
		_, err := walk(ctx, session, httpx.Request{Path: "/api/v1/apps/" + url.PathEscape(app) + "/" + what, Query: s.limit(""), Op: "read " + what + " of the app"}, func(p []assigned) error {
			for _, one := range p {
				if one.ID == "" {
					return fmt.Errorf("the answer shows one of the %s without an id", what)
				}
				ids[one.ID] = true
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, s.failed(err)
	}
	return ids, nil
}

// findApp gives the id of the app, which the configuration names by its id or label.
func (s *source) findApp(ctx context.Context, session *httpx.Session) (string, error) {
	const op = "find the app"
	name := s.config.AssignedTo
	if appID(name) {
		return name, nil
	}
	type app struct {
		ID    string `json:"id"`
		Label string `json:"label"`
	}
	var found []string
	query := s.limit("")
	query.Set("q", name)
	_, err := walk(ctx, session, httpx.Request{Path: "/api/v1/apps", Query: query, Op: op}, func(p []app) error {
		for _, one := range p {
			if one.Label == name && one.ID != "" {
				found = append(found, one.ID)
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return "", s.failed(err)
	case len(found) == 0:
		return "", fault.New(fault.NotFound, op, s.where(), fmt.Errorf("there is no app with the label %q", name), "write the label as the Admin Console shows it, or the app's id (0oa…); may our app see it?")
	case len(found) > 1:
		return "", fault.New(fault.Conflict, op, s.where(), fmt.Errorf("%d apps have the label %q", len(found), name), "write the app's id (0oa…), which is in its address in the Admin Console")
	}
	return found[0], nil
}

// appID reports whether a text has the form of an app's id.
func appID(text string) bool {
	return len(text) == 20 && text[:3] == "0oa" && plain(text)
}

// plain reports whether a text has the letters of an id only.
func plain(text string) bool {
	for i := range len(text) {
		switch b := text[i]; {
		case b >= '0' && b <= '9', b >= 'A' && b <= 'Z', b >= 'a' && b <= 'z', b == '-', b == '_':
		default:
			return false
		}
	}
	return text != ""
}
