package scim

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// mail says which mail address of a person counts.
type mail struct {
	choice string
	path   path
}

// of gives that address, or nothing.
func (m mail) of(r map[string]any) string {
	if m.path.name != "" {
		return m.path.first(r)
	}
	marked := func(name, value string) string {
		return path{name: "emails", sub: "value", test: name, value: value}.first(r)
	}
	first := func() string { return path{name: "emails", sub: "value"}.first(r) }
	switch m.choice {
	case Primary:
		return marked("primary", "true")
	case Work:
		return marked("type", "work")
	case First:
		return first()
	}
	for _, found := range []func() string{func() string { return marked("primary", "true") }, func() string { return marked("type", "work") }, first} {
		if address := found(); address != "" {
			return address
		}
	}
	return ""
}

// filter gives how a filter names the mail address.
func (m mail) filter() string {
	if m.path.name != "" {
		return m.path.filter()
	}
	return "emails.value"
}

// user takes a user apart. Without active nothing is known of the status: not everybody who
// leaves it out means that all are enabled.
func (s *source) user(raw json.RawMessage) (directory.User, map[string]any, error) {
	r, err := object(raw)
	if err != nil {
		return directory.User{}, nil, err
	}
	u := directory.User{ID: plain(member(r, "id")), Email: s.email.of(r), Username: s.username.first(r), Name: s.display(r)}
	switch strings.ToLower(plain(member(r, "active"))) {
	case "true":
		u.StatusKnown = true
	case "false":
		u.StatusKnown, u.Disabled = true, true
	}
	for _, name := range slices.Sorted(maps.Keys(s.attributes)) {
		if values := s.attributes[name].values(r); len(values) > 0 {
			if u.Attributes == nil {
				u.Attributes = map[string][]string{}
			}
			u.Attributes[name] = values
		}
	}
	return u, r, nil
}

// display gives what a person is called.
func (s *source) display(r map[string]any) string {
	if s.full != nil {
		return s.full.first(r)
	}
	for _, p := range []path{{name: "displayName"}, {name: "name", sub: "formatted"}} {
		if text := p.first(r); text != "" {
			return text
		}
	}
	return strings.TrimSpace(path{name: "name", sub: "givenName"}.first(r) + " " + path{name: "name", sub: "familyName"}.first(r))
}

// shownGroups gives the groups that a user names: direct ones and those above them.
func shownGroups(r map[string]any) []string {
	var ids []string
	for _, v := range many(member(r, "groups")) {
		g, _ := v.(map[string]any)
		id := plain(member(g, "value"))
		if id == "" {
			id = (reference{Ref: text(plain(member(g, "$ref")))}).id()
		}
		if id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// people are the users of one read.
type people struct {
	seen *walked
	// listed says that the list was read to its proved end.
	listed bool
	// extra are users whom the list lacks and the server shows when asked for them.
	extra map[string]json.RawMessage
}

func (p *people) has(id string) bool {
	_, listed := p.seen.items[id]
	_, more := p.extra[id]
	return listed || more
}

// raw gives a user as the server shows them.
func (p *people) raw(id string) json.RawMessage {
	if raw, listed := p.seen.items[id]; listed {
		return raw
	}
	return p.extra[id]
}

// listUsers walks the list of users.
func (r *reader) listUsers(ctx context.Context, d description, progress providers.Progress) (*people, error) {
	k := r.knows()
	w := walk{reader: r, op: "read users", what: "users", endpoint: d.users, progress: progress}
	seen, p, err := w.all(ctx, r.begin(k.users, k.groups, d))
	if missing(err) && d.users != "/Users" {
		w.endpoint = "/Users" // What the server says of itself is wrong.
		seen, p, err = w.all(ctx, r.begin(k.users, k.groups, d))
		if err == nil {
			r.learn(func(k *known) { k.description.users = w.endpoint })
		}
	}
	if err == nil {
		r.learn(func(k *known) { k.users = p })
	}
	return &people{seen: seen, listed: err == nil, extra: map[string]json.RawMessage{}}, err
}

// begin gives how to begin with a list: as it went well before, or with the other list, else by
// configuration and what the server says.
func (r *reader) begin(before, other pager, d description) pager {
	if p := cmp.Or(before, other); p != (pager{}) {
		return p
	}
	p := pager{count: r.config.PageSize, cursor: r.config.Paging == ByCursor || r.config.Paging == Auto && d.cursor}
	if d.maxPage > 0 && d.maxPage < p.count {
		p.count = d.maxPage
	}
	return p
}

// decode reads JSON that was taken out of an answer.
func decode(raw json.RawMessage, into any) error {
	if err := json.Unmarshal(raw, into); err != nil {
		return fault.Errorf(fault.Incomplete, "", "", "an entry has an unknown form")
	}
	return nil
}
