package openwebuitest

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// groupJSON is a group as the server writes it. Fields of type any are left out
// when nil and may hold an explicit null.
type groupJSON struct {
	Parent      any             `json:"parent_group_id,omitempty"`
	ID          string          `json:"id"`
	Owner       string          `json:"user_id"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Data        json.RawMessage `json:"data"`
	Meta        json.RawMessage `json:"meta"`
	Permissions json.RawMessage `json:"permissions"`
	CreatedAt   int64           `json:"created_at"`
	UpdatedAt   int64           `json:"updated_at"`
	MemberCount any             `json:"member_count,omitempty"`
	UserIDs     any             `json:"user_ids,omitempty"`
}

func (s *Server) groupJSON(g *group, withIDs bool) groupJSON {
	out := groupJSON{
		ID: g.id, Owner: g.owner, Name: g.name, Description: g.description, Data: g.data, Meta: g.meta,
		Permissions: g.permissions, CreatedAt: g.created, UpdatedAt: g.updated,
	}
	if s.shape.hierarchy {
		out.Parent = json.RawMessage("null")
		if g.parent != "" {
			out.Parent = g.parent
		}
	}
	if !s.shape.userIDs {
		out.MemberCount = len(g.members)
	}
	if withIDs || s.shape.userIDs {
		out.UserIDs = append([]string{}, g.members...)
	}
	return out
}

func (s *Server) listGroups(c *call) *answer {
	out := []groupJSON{}
	for _, g := range s.db.list() {
		if c.by.role == "admin" || g.isMember[c.by.id] {
			out = append(out, s.groupJSON(g, false))
		}
	}
	return send(out)
}

// groupForm is the body of create and update; a pointer tells absent from empty.
type groupForm struct {
	Name        *string         `json:"name"`
	Description *string         `json:"description"`
	Permissions json.RawMessage `json:"permissions"`
	Data        json.RawMessage `json:"data"`
	Parent      json.RawMessage `json:"parent_group_id"`
	UserIDs     []string        `json:"user_ids"`
}

// readGroupForm checks a body as the server's models do; null counts as absent.
func readGroupForm(body []byte) (*groupForm, *answer) {
	var f groupForm
	if err := json.Unmarshal(body, &f); err != nil {
		return nil, invalid("json_invalid", "0", "JSON decode error")
	}
	switch {
	case f.Name == nil:
		return nil, invalid("missing", "name", "Field required")
	case f.Description == nil:
		return nil, invalid("missing", "description", "Field required")
	}
	for name, v := range map[string]*json.RawMessage{"permissions": &f.Permissions, "data": &f.Data} {
		if bytes.Equal(*v, []byte("null")) {
			*v = nil
		}
		if *v != nil && (*v)[0] != '{' {
			return nil, invalid("dict_type", name, "Input should be a valid dictionary")
		}
	}
	return &f, nil
}

func (s *Server) createGroup(c *call) *answer {
	f, bad := readGroupForm(c.body)
	if bad != nil {
		return bad
	}
	parent, bad := s.parentOf(f, "")
	if bad != nil {
		return bad
	}
	g := &group{owner: c.by.id, name: *f.Name, description: *f.Description, permissions: f.Permissions, data: f.Data, parent: parent}
	if s.shape.ignoresData {
		g.data = nil
	}
	if s.shape.sharesByDefault {
		g.data = mergeData(json.RawMessage(`{"config":{"share":"members"}}`), f.Data)
	}
	return send(s.groupJSON(s.db.addGroup(g, s.seconds()), false))
}

// parentOf reads the wanted parent of a form; child is the group that gets it.
func (s *Server) parentOf(f *groupForm, child string) (string, *answer) {
	if !s.shape.hierarchy || f.Parent == nil || bytes.Equal(f.Parent, []byte("null")) {
		return "", nil
	}
	var id string
	if err := json.Unmarshal(f.Parent, &id); err != nil {
		return "", invalid("string_type", "parent_group_id", "Input should be a valid string")
	}
	if id == "" {
		return "", refuse(http.StatusBadRequest, "Parent group must be a group ID or null.")
	}
	if s.db.groups[id] == nil {
		return "", refuse(http.StatusNotFound, "Parent group not found.")
	}
	for at := id; at != ""; at = s.db.groups[at].parent {
		if at == child {
			return "", refuse(http.StatusBadRequest, "A group cannot be its own parent or a descendant of itself.")
		}
	}
	return id, nil
}

// handleGroup routes /api/v1/groups/id/{id}[/...].
func (s *Server) handleGroup(c *call) *answer {
	id, action, _ := strings.Cut(strings.TrimPrefix(c.r.URL.Path, "/api/v1/groups/id/"), "/")
	g := s.db.groups[id]
	read := func(f func(*call) *answer) *answer {
		return s.get(c, s.administrator(func(c *call) *answer {
			if g == nil {
				return refuse(s.shape.goneRead, notFound)
			}
			return f(c)
		}))
	}
	write := func(f func(*call, *group) *answer) *answer {
		return s.post(c, s.administrator(func(c *call) *answer { return f(c, g) }))
	}
	switch action {
	case "":
		return read(func(*call) *answer { return send(s.groupJSON(g, false)) })
	case "info":
		if s.shape.info {
			return read(func(*call) *answer { return send(s.groupInfo(g)) })
		}
	case "export":
		if !s.shape.noExport {
			return read(func(*call) *answer { return s.export(g) })
		}
	case "users":
		return write(s.usersOfGroup)
	case "update":
		return write(s.updateGroup)
	case "users/add":
		return write(s.addMembers)
	case "users/remove":
		return write(s.removeMembers)
	case "delete":
		if c.r.Method == http.MethodDelete {
			return s.administrator(func(*call) *answer { return s.dropGroup(g) })(c)
		}
	}
	return fallback(c)
}

func (s *Server) groupInfo(g *group) map[string]any {
	out := map[string]any{
		"id": g.id, "user_id": g.owner, "name": g.name, "description": g.description,
		"created_at": g.created, "updated_at": g.updated, "member_count": len(g.members),
	}
	if s.shape.hierarchy {
		out["parent_group_id"] = s.groupJSON(g, false).Parent
	}
	return out
}

func (s *Server) export(g *group) *answer {
	if s.shape.emptyExportFails && len(g.members) == 0 {
		return &answer{
			status: http.StatusInternalServerError, body: []byte("Internal Server Error"),
			header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}},
		}
	}
	return send(s.groupJSON(g, true))
}

func (s *Server) usersOfGroup(_ *call, g *group) *answer {
	out := []map[string]any{}
	if g != nil {
		for _, id := range g.members {
			a := s.db.accounts[id]
			out = append(out, map[string]any{"id": a.id, "name": a.name, "email": a.email, "role": a.role})
		}
	}
	return send(out)
}

func (s *Server) updateGroup(c *call, g *group) *answer {
	f, bad := readGroupForm(c.body)
	if bad != nil {
		return bad
	}
	if g == nil {
		return s.gone()
	}
	parent, bad := s.parentOf(f, g.id)
	if bad != nil {
		return bad
	}
	if s.shape.hierarchy && !modelsAreTexts(f.Data) {
		return invalid("value_error", "data", "Value error, Default models must be a list of non-empty model IDs.")
	}
	g.name, g.description = *f.Name, *f.Description
	if f.Permissions != nil {
		g.permissions = f.Permissions
	}
	switch {
	case f.Data == nil || s.shape.ignoresData:
	case s.shape.mergesData:
		g.data = mergeData(g.data, f.Data)
	default:
		g.data = f.Data
	}
	if f.Parent != nil && s.shape.hierarchy {
		g.parent = parent
	}
	if s.shape.userIDs && f.UserIDs != nil {
		s.db.remove(g, append([]string(nil), g.members...))
		s.db.add(g, f.UserIDs)
	}
	g.updated = s.seconds()
	return send(s.groupJSON(g, false))
}

// gone answers a write to a group that does not exist.
func (s *Server) gone() *answer {
	if s.shape.goneWrite == http.StatusNotFound {
		return refuse(http.StatusNotFound, groupNotFound)
	}
	return refuse(s.shape.goneWrite, "[ERROR: Error updating group]")
}

// readIDs reads the body of add and remove.
func readIDs(body []byte) ([]string, *answer) {
	var form struct {
		IDs *[]string `json:"user_ids"`
	}
	if err := json.Unmarshal(body, &form); err != nil {
		return nil, invalid("list_type", "user_ids", "Input should be a valid list")
	}
	if form.IDs == nil {
		return nil, nil
	}
	return *form.IDs, nil
}

func (s *Server) addMembers(c *call, g *group) *answer {
	ids, bad := readIDs(c.body)
	if bad != nil {
		return bad
	}
	if g == nil {
		return s.gone()
	}
	if c.lose != nil {
		var kept []string
		for _, id := range ids {
			if !c.lose(id) {
				kept = append(kept, id)
			}
		}
		ids = kept
	}
	s.db.add(g, ids)
	g.updated = s.seconds()
	s.publish("group.member_added", "api", c.by, "group", g.id, map[string]any{"user_ids": ids})
	return send(s.groupJSON(g, false))
}

func (s *Server) removeMembers(c *call, g *group) *answer {
	ids, bad := readIDs(c.body)
	if bad != nil {
		return bad
	}
	if g == nil {
		return s.gone()
	}
	s.db.remove(g, ids)
	if len(ids) > 0 || s.shape.emptyRemoveBumps {
		g.updated = s.seconds()
	}
	s.publish("group.member_removed", "api", c.by, "group", g.id, map[string]any{"user_ids": ids})
	return send(s.groupJSON(g, false))
}

func (s *Server) dropGroup(g *group) *answer {
	if g == nil && s.shape.goneDelete {
		return refuse(http.StatusNotFound, groupNotFound)
	}
	if g != nil {
		s.db.deleteGroup(g.id, s.seconds())
		if s.shape.hierarchy {
			s.db.dropGrants(g.id)
		}
	}
	return send(true)
}

// modelsAreTexts reports whether the default models in a group's data are a list of ids, or
// none.
func modelsAreTexts(data json.RawMessage) bool {
	var ids []string
	models := object(object(data)["config"])["default_models"]
	return models == nil || json.Unmarshal(models, &ids) == nil && !slices.Contains(ids, "")
}

// mergeData lays data over old, and its config over the old config: the two levels
// at which the server merges.
func mergeData(old, data json.RawMessage) json.RawMessage {
	merged, over := object(old), object(data)
	config := object(merged["config"])
	maps.Copy(config, object(over["config"]))
	maps.Copy(merged, over)
	merged["config"] = send(config).body
	return send(merged).body
}

// object reads a JSON object; anything else is an empty one.
func object(b json.RawMessage) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	if json.Unmarshal(b, &m) != nil || m == nil {
		return map[string]json.RawMessage{}
	}
	return m
}
