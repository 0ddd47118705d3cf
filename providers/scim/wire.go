package scim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// list is a ListResponse (RFC 7644, 3.4.2), or the bare array that some servers give instead.
type list struct {
	// total is what the server says that there are; nil where it says nothing, or nonsense.
	total *int
	// next is the cursor of the next page (RFC 9865).
	next  string
	items []json.RawMessage
	bare  bool
}

var errNoList = errors.New("the answer is no list: neither Resources nor totalResults: 0 is in it")

// UnmarshalJSON reads either form. What is no list at all is an error, because an empty object
// must not look like an empty directory.
func (l *list) UnmarshalJSON(b []byte) error {
	*l = list{}
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] == '[' {
		l.bare = true
		return json.Unmarshal(b, &l.items)
	}
	var w struct {
		Total     json.RawMessage    `json:"totalResults"`
		Next      text               `json:"nextCursor"`
		Resources *[]json.RawMessage `json:"Resources"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	if n, err := strconv.Atoi(strings.Trim(string(w.Total), `"`)); err == nil && n >= 0 {
		l.total = &n
	}
	l.next = string(w.Next)
	if w.Resources == nil && (l.total == nil || *l.total != 0) {
		return errNoList
	}
	if w.Resources != nil {
		l.items = *w.Resources
	}
	return nil
}

// text is a value that should be a text; numbers and truth values are taken for theirs.
type text string

// UnmarshalJSON reads a simple value; null is none.
func (t *text) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return err
	}
	switch v.(type) {
	case map[string]any, []any:
		return fmt.Errorf("a text was expected, not %.20q", b)
	}
	*t = text(plain(v))
	return nil
}

// group is a Group (RFC 7643, 4.2).
type group struct {
	ID          text `json:"id"`
	DisplayName text `json:"displayName"`
	ExternalID  text `json:"externalId"`
	// Members is nil where the server shows none, which is not the same as an empty list.
	Members *[]reference `json:"members"`
	// broken says that nothing but the id could be read.
	broken bool
}

// all gives the members that are shown.
func (g *group) all() []reference {
	if g.Members == nil {
		return nil
	}
	return *g.Members
}

func (g *group) shows() bool { return len(g.all()) > 0 }

func (g *group) count() int { return len(g.all()) }

// name is what the group is called; a group without a name is called by what it has.
func (g *group) name() string {
	for _, t := range []text{g.DisplayName, g.ExternalID} {
		if t != "" {
			return string(t)
		}
	}
	return string(g.ID)
}

// reference is a member of a group.
type reference struct {
	Value text `json:"value"`
	Ref   text `json:"$ref"`
	Type  text `json:"type"`
}

// UnmarshalJSON reads a member, or the bare id that some servers give instead.
func (r *reference) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] != '{' {
		*r = reference{}
		return r.Value.UnmarshalJSON(b)
	}
	type fields reference
	return json.Unmarshal(b, (*fields)(r))
}

// id gives the id of what is named; where value is missing, $ref ends with it.
func (r reference) id() string {
	if r.Value != "" {
		return string(r.Value)
	}
	return string(r.Ref[strings.LastIndexByte(string(r.Ref), '/')+1:])
}

// kind says what is named: "User", "Group", or nothing where the server does not say. Some
// servers leave the type out and say it by $ref.
func (r reference) kind() string {
	switch {
	case strings.EqualFold(string(r.Type), "User"):
		return "User"
	case strings.EqualFold(string(r.Type), "Group"):
		return "Group"
	case r.Type != "":
		return string(r.Type)
	}
	parts := strings.Split(string(r.Ref), "/")
	if len(parts) < 2 {
		return ""
	}
	switch strings.ToLower(parts[len(parts)-2]) {
	case "users":
		return "User"
	case "groups":
		return "Group"
	}
	return ""
}

// identify gives the id of a resource.
func identify(raw json.RawMessage) (string, error) {
	var r struct {
		ID text `json:"id"`
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return "", errors.New("the list has an entry of an unknown form")
	}
	if r.ID == "" {
		return "", errors.New("the list has an entry without an id")
	}
	return string(r.ID), nil
}

// object reads a resource as it is.
func object(raw json.RawMessage) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var r map[string]any
	if err := d.Decode(&r); err != nil {
		return nil, errors.New("an entry has an unknown form")
	}
	return r, nil
}

// quote writes a value for a filter, which is JSON (RFC 7644, 3.4.2.2).
func quote(value string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(value) // A text can always be written.
	return strings.TrimSpace(b.String())
}
