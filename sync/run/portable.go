package run

import (
	"cmp"
	"encoding/json"
)

// SharedWith is something that a group may use, as an export of groups lists it.
type SharedWith struct {
	Type       string `json:"type"`
	ID         string `json:"id"`
	Name       string `json:"name"`
	Permission string `json:"permission"`
}

// Compare orders what is shared by type and id.
func (s SharedWith) Compare(o SharedWith) int {
	return cmp.Or(cmp.Compare(s.Type, o.Type), cmp.Compare(s.ID, o.ID), cmp.Compare(s.Permission, o.Permission))
}

// ExportRequest asks for groups of a target as its own JSON.
type ExportRequest struct {
	// Target may be empty where there is only one.
	Target string
	// Groups are names or ids; none: all.
	Groups []string
	// Bare leaves out what is shared with them, which takes rights of its own to read.
	Bare bool
}

// ImportedGroup says what became of a group of a file that was carried into an Open WebUI:
// which group it is there, and what of it no call can write.
type ImportedGroup struct {
	// ID is its id in the file, NewID the one that it has now, empty while there is none.
	ID    string `json:"id"`
	NewID string `json:"new_id"`
	Name  string `json:"name"`
	// By says how it was found: by id, by name, created, or refused.
	By ImportedBy `json:"by"`
	// Owner, CreatedAt and Meta are those of the file.
	Owner     string          `json:"user_id,omitempty"`
	CreatedAt json.Number     `json:"created_at,omitempty"`
	Meta      json.RawMessage `json:"meta,omitempty"`
	// LeftOut are further keys of the file that are not written.
	LeftOut []string `json:"left_out,omitempty"`
	// Missing are members who have no account here, or several, Unshared what is not here.
	Missing  []UserRef    `json:"missing_users,omitempty"`
	Unshared []SharedWith `json:"missing_resources,omitempty"`
}

// ImportedBy says how a group of a file was found.
type ImportedBy string

// The ways in which a group is found.
const (
	ByID      ImportedBy = "id"
	ByName    ImportedBy = "name"
	ByMaking  ImportedBy = "created"
	ByNothing ImportedBy = "refused"
)

// ImportRequest asks to carry groups into a target.
type ImportRequest struct {
	// File is what an export wrote; Name is how people call it.
	File []byte `json:"file"`
	Name string `json:"name"`
	Mode Mode   `json:"mode"`
	// Target may be empty where there is only one.
	Target string `json:"target,omitempty"`
	// Exact takes out of the groups whom the file does not name.
	Exact  bool   `json:"exact,omitempty"`
	Reason string `json:"reason,omitempty"`
	By     string `json:"by,omitempty"`
}
