package okta

import (
	"context"
	"fmt"
	"net/url"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
)

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
