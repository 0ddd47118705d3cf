package scimpush

import (
	"strings"
)

// reader says who a user is, by the attributes that the configuration names.
type reader struct {
	kind                  *resourceType
	email, username, name *target
	attributes            map[string]*target
}

// newReader makes a reader of paths that were checked.
func newReader(c *Users) *reader {
	r := &reader{kind: users(), attributes: map[string]*target{}}
	path := func(text string) *target {
		t, err := parsePath(text)
		if err != nil {
			return nil
		}
		return t
	}
	if c.Email != primaryMail {
		r.email = path(c.Email)
	}
	if c.Name != autoName {
		r.name = path(c.Name)
	}
	r.username = path(c.Username)
	for name, p := range c.Attributes {
		r.attributes[name] = path(p)
	}
	return r
}

// user gives what is kept of a user in memory.
func (r *reader) user(id string, from *stored) *user {
	u := &user{generation: from.Generation, external: textOf(from.Doc, "externalId"), login: textOf(from.Doc, "userName")}
	v := &view{kind: r.kind, doc: from.Doc}
	u.ID, u.StatusKnown = id, true
	u.Email, u.Username, u.Name = r.mail(v), first(r.all(v, r.username)), r.display(v)
	if active, is := from.Doc["active"].(bool); is {
		u.Disabled = !active
	}
	u.Attributes = map[string][]string{}
	if u.external != "" {
		u.Attributes["externalId"] = []string{u.external}
	}
	for name, t := range r.attributes {
		if list := r.all(v, t); len(list) > 0 {
			u.Attributes[name] = list
		}
	}
	if len(u.Attributes) == 0 {
		u.Attributes = nil
	}
	return u
}

// all gives the texts of a path.
func (r *reader) all(v *view, t *target) []string {
	if t == nil {
		return nil
	}
	if t.some != nil {
		list, _ := v.whole(t.attrPath).([]any)
		var left []any
		for _, x := range list {
			if v.within(t.attrPath, x, t.some) {
				left = append(left, x)
			}
		}
		v = &view{kind: r.kind, doc: document{t.name: left}}
		t = &target{attrPath: attrPath{name: t.name, sub: t.sub}}
	}
	var out []string
	for _, x := range v.list(t.attrPath) {
		if s := plain(x); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// mail gives the mail address: the primary one, else the first for work, else the first.
func (r *reader) mail(v *view) string {
	if r.email != nil {
		return first(r.all(v, r.email))
	}
	list, _ := v.doc["emails"].([]any)
	best, rank := "", 0
	for _, x := range list {
		d, _ := x.(document)
		at := 1
		switch {
		case d["primary"] == true:
			at = 3
		case strings.EqualFold(textOf(d, "type"), "work"):
			at = 2
		}
		if address := textOf(d, "value"); address != "" && at > rank {
			best, rank = address, at
		}
	}
	return best
}

func (r *reader) display(v *view) string {
	if r.name != nil {
		return first(r.all(v, r.name))
	}
	if s := textOf(v.doc, "displayName"); s != "" {
		return s
	}
	n, _ := v.doc["name"].(document)
	if s := textOf(n, "formatted"); s != "" {
		return s
	}
	return strings.TrimSpace(textOf(n, "givenName") + " " + textOf(n, "familyName"))
}
