package enginetest

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"groupsyncd/permission"
	"groupsyncd/sync/plan"
)

// webExport is a group as the server writes it.
type webExport struct {
	ID          string          `json:"id"`
	Owner       string          `json:"user_id"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Data        json.RawMessage `json:"data"`
	Meta        json.RawMessage `json:"meta"`
	Permissions json.RawMessage `json:"permissions"`
	CreatedAt   int64           `json:"created_at"`
	UpdatedAt   int64           `json:"updated_at"`
	Count       int             `json:"member_count"`
	Parent      *string         `json:"parent_group_id"`
	Members     []string        `json:"user_ids"`
}

// Export gives groups as a server does.
func (s *session) Export(_ context.Context, ids []string) ([]json.RawMessage, error) {
	var out []json.RawMessage
	for _, id := range ids {
		if err := s.read(); err != nil {
			return nil, err
		}
		g := s.groups[id]
		if g == nil {
			return nil, notFound(id)
		}
		raw, err := json.Marshal(g.export())
		if err != nil {
			return nil, err
		}
		out = append(out, raw)
	}
	return out, nil
}

func (g *webGroup) export() webExport {
	v := g.view()
	e := webExport{ID: g.ID, Owner: g.owner, Name: g.Name, Description: g.Description, Data: g.data(), Meta: g.meta, Permissions: v.Permissions,
		CreatedAt: g.created, UpdatedAt: g.UpdatedAt, Count: len(g.members), Members: slices.Sorted(maps.Keys(g.members))}
	if e.Members == nil {
		e.Members = []string{}
	}
	if g.Parent != "" {
		e.Parent = &g.Parent
	}
	return e
}

// data gives the data of a group in the server's form.
func (g *webGroup) data() json.RawMessage {
	data, config := map[string]any{}, map[string]any{}
	for key, v := range g.extra {
		data[key] = v
	}
	for key, v := range g.config {
		config[key] = v
	}
	switch g.Share {
	case "anyone":
		config["share"] = true
	case "members":
		config["share"] = "members"
	case "nobody":
		config["share"] = false
	}
	if g.models != nil {
		config["default_models"] = g.models
	}
	if len(config) > 0 {
		data["config"] = config
	}
	if g.Mark != nil {
		data["groupsyncd"] = g.Mark
	}
	if len(data) == 0 {
		return nil
	}
	raw, err := json.Marshal(data)
	if err != nil {
		panic(err) // What tests put there is well formed.
	}
	return raw
}

// imported takes what a file says of a group.
func (g *webGroup) imported(spec *plan.GroupSpec) {
	if set, _, err := permission.Flatten(spec.Tree); err == nil && spec.Tree != nil {
		g.perms = set
	}
	var data map[string]json.RawMessage
	if json.Unmarshal(spec.Data, &data) != nil {
		return
	}
	if g.extra == nil {
		g.extra, g.config = map[string]json.RawMessage{}, map[string]json.RawMessage{}
	}
	var config map[string]json.RawMessage
	_ = json.Unmarshal(data["config"], &config) // None is none.
	for key, v := range config {
		switch key {
		case "share":
			g.Share = map[string]string{"true": "anyone", `"members"`: "members", "false": "nobody"}[string(v)]
		case "default_models":
			g.models = []string{}
			_ = json.Unmarshal(v, &g.models) // As above.
		default:
			g.config[key] = v
		}
	}
	delete(data, "config")
	maps.Copy(g.extra, data)
}
