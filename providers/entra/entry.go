package entra

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"groupsyncd/directory"
)

// object is a user, a group or anything else in an answer. A property that is not there says
// nothing: that it was never set, or of a change that it stayed as it was.
type object map[string]json.RawMessage

// page is one page of a list.
type page struct {
	// Value is nil in an answer that is no list.
	Value []object `json:"value"`
	Next  string   `json:"@odata.nextLink"`
	Delta string   `json:"@odata.deltaLink"`
}

// values gives a property as texts, and whether it is there. A null is there and empty.
func (o object) values(path string) (list []string, there bool) {
	name, inner, deeper := strings.Cut(path, "/")
	raw, there := o[name]
	if !there {
		return nil, false
	}
	if deeper {
		var parts object
		if json.Unmarshal(raw, &parts) != nil {
			return nil, true
		}
		list, _ = parts.values(inner)
		return list, true
	}
	var one any
	if json.Unmarshal(raw, &one) != nil {
		return nil, true
	}
	all, isList := one.([]any)
	if !isList {
		all = []any{one}
	}
	for _, v := range all {
		if text := written(v); text != "" {
			list = append(list, text)
		}
	}
	return list, true
}

// written gives a value as rules compare it; what has parts has none.
func written(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// text gives the first value of a property.
func (o object) text(path string) (value string, there bool) {
	list, there := o.values(path)
	if len(list) == 0 {
		return "", there
	}
	return list[0], there
}

// errNoID is inside of the error of an answer that cannot be told whom it is about.
var errNoID = errors.New("the server shows something without an id")

func (o object) id() (string, error) {
	id, _ := o.text("id")
	if id == "" {
		return "", errNoID
	}
	return id, nil
}

// kind gives what an object is, by its type in OData.
func (o object) kind() string {
	kind, _ := o.text("@odata.type")
	return strings.TrimPrefix(kind, "#microsoft.graph.")
}

// removed gives why an object is not there any more: changed, which can be undone, deleted,
// which cannot, or whatever else is written; empty for one that is there.
func (o object) removed() (reason string, is bool) {
	raw, is := o["@removed"]
	if !is || string(raw) == "null" {
		return "", false
	}
	var r object
	if json.Unmarshal(raw, &r) == nil {
		reason, _ = r.text("reason")
	}
	return reason, true
}

// created gives when an object was made; zero where that is not told.
func (o object) created() time.Time {
	text, _ := o.text("createdDateTime")
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// member is a line of members@delta.
type member struct {
	Type    string          `json:"@odata.type"`
	ID      string          `json:"id"`
	Removed json.RawMessage `json:"@removed"`
}

// gone reports whether the line says that a member left.
func (m *member) gone() bool { return len(m.Removed) > 0 && string(m.Removed) != "null" }

// counts reports whether a member can be somebody, and as what; devices, contacts and
// service principals are nobody.
func (m *member) counts() (directory.MemberKind, bool) {
	switch strings.TrimPrefix(m.Type, "#microsoft.graph.") {
	case "user":
		return directory.UserMember, true
	case "group":
		return directory.GroupMember, true
	case "", "directoryObject":
		return directory.AnyMember, true
	}
	return 0, false
}

// members gives the lines of members@delta, and whether there are any.
func (o object) members() (list []member, there bool, err error) {
	raw, there := o["members@delta"]
	if !there {
		return nil, false, nil
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, true, errors.New("members@delta has an unknown form")
	}
	for i := range list {
		if list[i].ID == "" {
			return nil, true, fmt.Errorf("members@delta: %w", errNoID)
		}
	}
	return list, true, nil
}
