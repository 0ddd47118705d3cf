package okta

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
)

// user is a user as Okta shows them.
type user struct {
	ID      string          `json:"id"`
	Status  string          `json:"status"`
	Profile json.RawMessage `json:"profile"`
}

// group is a group as Okta shows it.
type group struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Profile struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"profile"`
	// Stamp is when somebody came or went, by Okta's clock.
	Stamp string `json:"lastMembershipUpdated"`
}

// owner is who owns a group.
type owner struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// assigned is a user or group that is assigned to an app.
type assigned struct {
	ID string `json:"id"`
}

// page is where a page of a list is read into. A null leaves it nil, and is no list: it would
// look like an empty one.
type page[T any] = *[]T

var errNoList = errors.New("the answer is no list")

// errMoved is inside of the error of a cursor that is not good any more.
var errMoved = errors.New("the list cannot be followed to its end")

// walk calls each for every page of a list, in order, until its proved end. It gives the
// server's clock at the first page.
func walk[T any](ctx context.Context, s *httpx.Session, q httpx.Request, each func([]T) error) (at time.Time, err error) {
	q.Method, q.Repeat = http.MethodGet, true
	var w httpx.Walk
	for {
		var p page[T]
		q.Into = &p
		a, err := s.Do(ctx, q)
		if err == nil && p == nil {
			err = fault.New(fault.Invalid, q.Op, "", errNoList, "")
		}
		if err != nil {
			if e, ok := errors.AsType[*httpx.StatusError](err); ok && q.URL != "" && (e.Status == http.StatusBadRequest || e.Status == http.StatusGone) {
				return at, fault.New(fault.Incomplete, q.Op, "", fmt.Errorf("%w: %w", errMoved, err), "")
			}
			return at, err
		}
		if at.IsZero() {
			at = a.Date
		}
		if err := each(*p); err != nil {
			return at, fault.New(fault.Invalid, q.Op, "", err, "")
		}
		if q.URL = next(a.Header.Values("Link")); q.URL == "" {
			return at, nil
		}
		if err := w.Next(q.URL); err != nil {
			return at, fault.New(fault.Incomplete, q.Op, "", err, "")
		}
	}
}

// limit gives the query of a list.
func (s *source) limit(filter string) url.Values {
	q := url.Values{"limit": {strconv.Itoa(s.config.PageSize)}}
	if filter != "" {
		q.Set("filter", filter)
	}
	return q
}

// person reads a user.
func (c *Config) person(u *user) (directory.User, error) {
	if u.ID == "" || u.Status == "" {
		return directory.User{}, errors.New("the answer shows a user without an id or a status")
	}
	var p struct {
		Login   string `json:"login"`
		Email   string `json:"email"`
		Display string `json:"displayName"`
		First   string `json:"firstName"`
		Last    string `json:"lastName"`
	}
	if err := json.Unmarshal(u.Profile, &p); err != nil {
		return directory.User{}, fmt.Errorf("the profile of user %s has an unknown form", u.ID)
	}
	person := directory.User{ID: u.ID, Email: p.Email, Username: p.Login, Name: cmp.Or(p.Display, strings.TrimSpace(p.First+" "+p.Last)),
		Disabled: slices.Contains(c.Disabled, u.Status), StatusKnown: true}
	if len(c.Attributes) == 0 {
		return person, nil
	}
	var all map[string]any
	if err := json.Unmarshal(u.Profile, &all); err != nil {
		return directory.User{}, fmt.Errorf("the profile of user %s has an unknown form", u.ID)
	}
	for name, property := range c.Attributes {
		if values := texts(all[property]); len(values) > 0 {
			if person.Attributes == nil {
				person.Attributes = map[string][]string{}
			}
			person.Attributes[name] = values
		}
	}
	return person, nil
}

// texts gives the values of a property as rules see them.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil
		}
		return []string{v}
	case bool:
		return []string{strconv.FormatBool(v)}
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, texts(one)...)
		}
		return all
	}
	return nil
}

// shown gives a group in our words.
func (g *group) shown() directory.Group {
	return directory.Group{ID: g.ID, Name: g.Profile.Name, Description: g.Profile.Description}
}
