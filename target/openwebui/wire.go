package openwebui

import (
	"bytes"
	"encoding/json"
	"time"

	"groupsyncd/sync/plan"
)

// markKey is where our note stands in a group's data.
const markKey = "groupsyncd"

// groupWire is a group as the server writes it.
type groupWire struct {
	ID          string          `json:"id"`
	Owner       string          `json:"user_id"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Permissions json.RawMessage `json:"permissions"`
	Data        json.RawMessage `json:"data"`
	// Parent is left out by versions without parents, and null at the top level.
	Parent      json.RawMessage `json:"parent_group_id"`
	MemberCount *int            `json:"member_count"`
	UpdatedAt   int64           `json:"updated_at"`
	// UserIDs are the members in an export. A list that has them is of a version
	// before 0.6.37.
	UserIDs []string `json:"user_ids"`
}

// group gives the group in our words, its members still unread.
func (w *groupWire) group() plan.Group {
	g := plan.Group{
		ID: w.ID, Name: w.Name, Description: w.Description, Permissions: notNull(w.Permissions), Data: notNull(w.Data),
		Parent: w.parent(), UpdatedAt: w.UpdatedAt,
	}
	if w.MemberCount != nil {
		g.MemberCount = *w.MemberCount
	}
	g.Share, g.Mark = readData(g.Data)
	return g
}

// parent gives the id of the group's parent, empty for none.
func (w *groupWire) parent() string {
	var id string
	if json.Unmarshal(w.Parent, &id) != nil {
		return ""
	}
	return id
}

// read sets the members of a group as of a time by the server's clock.
func (w *groupWire) read(at time.Time) plan.Group {
	g := w.group()
	g.Members, g.MembersRead, g.ReadAt = w.UserIDs, true, at
	if g.Members == nil {
		g.Members = []string{}
	}
	return g
}

func notNull(b json.RawMessage) json.RawMessage {
	if len(b) == 0 || bytes.Equal(b, []byte("null")) {
		return nil
	}
	return b
}

// readData takes the share mode and our mark out of a group's data. Missing: anyone
// may share with the group. A mark that is not ours in form is no mark.
func readData(data json.RawMessage) (share string, mark *plan.Mark) {
	var d struct {
		Config json.RawMessage `json:"config"`
		Mark   json.RawMessage `json:"groupsyncd"`
	}
	if data == nil || json.Unmarshal(data, &d) != nil {
		return "anyone", nil
	}
	var m plan.Mark
	if notNull(d.Mark) != nil && json.Unmarshal(d.Mark, &m) == nil && m.Instance != "" {
		mark = &m
	}
	var c struct {
		Share json.RawMessage `json:"share"`
	}
	if json.Unmarshal(d.Config, &c) != nil {
		return "anyone", mark
	}
	return shareWord(c.Share), mark
}

func shareWord(b json.RawMessage) string {
	switch string(b) {
	case `"members"`:
		return "members"
	case "false":
		return "nobody"
	}
	return "anyone"
}

// shareValue gives the server's value for our word.
func shareValue(word string) (json.RawMessage, bool) {
	switch word {
	case "anyone":
		return json.RawMessage("true"), true
	case "members":
		return json.RawMessage(`"members"`), true
	case "nobody":
		return json.RawMessage("false"), true
	}
	return nil, false
}

// userWire is an account as the lists and the single read write it.
type userWire struct {
	ID        string                     `json:"id"`
	Email     string                     `json:"email"`
	Name      string                     `json:"name"`
	Role      string                     `json:"role"`
	CreatedAt int64                      `json:"created_at"`
	ActiveAt  int64                      `json:"last_active_at"`
	Picture   string                     `json:"profile_image_url"`
	OAuth     map[string]json.RawMessage `json:"oauth"`
	Groups    []struct {
		ID string `json:"id"`
	} `json:"groups"`
}

// account gives the account in our words. Subjects is nil unless the answer was one
// that carries them, and then never nil.
func (w *userWire) account(withSubjects bool) plan.Account {
	a := plan.Account{ID: w.ID, Email: w.Email, Name: w.Name, Role: w.Role, CreatedAt: w.CreatedAt}
	if !withSubjects {
		return a
	}
	a.Subjects = map[string]string{}
	for provider, v := range w.OAuth {
		var identity struct {
			Sub string `json:"sub"`
		}
		if json.Unmarshal(v, &identity) == nil && identity.Sub != "" {
			a.Subjects[provider] = identity.Sub
		}
	}
	return a
}

// usersWire is a list of accounts.
type usersWire struct {
	Users []userWire `json:"users"`
	Total *int       `json:"total"`
}
