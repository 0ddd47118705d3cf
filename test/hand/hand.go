// Package hand is an administrator's hand in an Open WebUI, over its REST API: what
// there is, and what somebody changes behind groupsyncd's back. It works with the
// simulator and with a real server alike, and is for tests that run against both.
package hand

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
)

// Hand belongs to one administrator of one server. It fails the test when the server
// refuses something.
type Hand struct {
	testing.TB
	URL, Key string
}

// Account is what nobody but an administrator may change.
type Account struct{ ID, Email, Name, Role string }

// Group is a group with its members, sorted.
type Group struct {
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Permissions json.RawMessage `json:"permissions"`
	Data        json.RawMessage `json:"data"`
	UpdatedAt   int64           `json:"updated_at"`
	Members     []string        `json:"user_ids"`
}

// Mark is the note that groupsyncd leaves in a group.
type Mark struct{ Instance, Rule, Source, Group, To string }

// Mark gives the note in the group, the zero value when there is none.
func (g *Group) Mark() Mark {
	var data struct {
		Ours Mark `json:"groupsyncd"`
	}
	_ = json.Unmarshal(g.Data, &data) // Data that is no object holds no mark.
	return data.Ours
}

// Call sends a request and reads the answer, which must be a success.
func (h *Hand) Call(method, path string, body, into any) {
	h.Helper()
	payload, err := json.Marshal(body)
	if err != nil {
		h.Fatal(err)
	}
	req, err := http.NewRequestWithContext(h.Context(), method, h.URL+path, bytes.NewReader(payload))
	if err != nil {
		h.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.Key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.Fatal(err)
	}
	answer, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // It was read.
	if err != nil || resp.StatusCode != http.StatusOK {
		h.Fatalf("%s %s: %s, %v, %.300s", method, path, resp.Status, err, answer)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			h.Fatalf("%s %s: %v", method, path, err)
		}
	}
}

// Accounts gives every account, sorted by mail address.
func (h *Hand) Accounts() []Account {
	h.Helper()
	var all struct{ Users []Account }
	h.Call(http.MethodGet, "/api/v1/users/all", nil, &all)
	slices.SortFunc(all.Users, func(a, b Account) int { return cmp.Compare(a.Email, b.Email) })
	return all.Users
}

// Groups gives every group with its members, sorted by name and id.
func (h *Hand) Groups() []Group {
	h.Helper()
	var list []Group
	h.Call(http.MethodGet, "/api/v1/groups/", nil, &list)
	for i := range list {
		list[i] = h.Group(list[i].ID)
	}
	slices.SortFunc(list, func(a, b Group) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return list
}

// Group gives one group with its members.
func (h *Hand) Group(id string) Group {
	h.Helper()
	var g Group
	h.Call(http.MethodGet, groupPath(id, "/export"), nil, &g)
	slices.Sort(g.Members)
	return g
}

// CreateGroup makes a group with an administrator's own values in it.
func (h *Hand) CreateGroup(name string) string {
	h.Helper()
	var made struct{ ID string }
	h.Call(http.MethodPost, "/api/v1/groups/create", map[string]any{"name": name, "description": "by hand",
		"permissions": map[string]any{"workspace": map[string]any{"models": true}}, "data": map[string]any{"config": map[string]any{"share": "anyone"}, "own": 1}}, &made)
	if made.ID == "" {
		h.Fatalf("the server did not tell the new group %s", name)
	}
	return made.ID
}

// AddMembers makes accounts members of a group, by their ids.
func (h *Hand) AddMembers(id string, accounts ...string) {
	h.Helper()
	h.Call(http.MethodPost, groupPath(id, "/users/add"), map[string]any{"user_ids": accounts}, nil)
}

// DeleteGroup takes a group away.
func (h *Hand) DeleteGroup(id string) {
	h.Helper()
	h.Call(http.MethodDelete, groupPath(id, "/delete"), nil, nil)
}

func groupPath(id, action string) string { return fmt.Sprintf("/api/v1/groups/id/%s%s", id, action) }
