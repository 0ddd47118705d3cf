package openwebuitest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
)

// tree is a permission tree of any form, as people and versions leave them.
type tree = map[string]any

// treeOf reads a tree; anything else is an empty one.
func treeOf(b json.RawMessage) tree {
	var t tree
	if json.Unmarshal(b, &t) != nil || t == nil {
		return tree{}
	}
	return t
}

// combine lays the rights of a group over others: the most permissive wins.
func combine(into, group tree) tree {
	for key, v := range group {
		inner, isTree := v.(tree)
		have, known := into[key]
		haveTree, haveIsTree := have.(tree)
		switch {
		case isTree && (!known || haveIsTree):
			if haveTree == nil {
				haveTree = tree{}
			}
			into[key] = combine(haveTree, inner)
		case !known || !truth(have):
			into[key] = v
		}
	}
	return into
}

// fill adds what a tree does not name.
func fill(t, from tree) tree {
	for key, v := range from {
		inner, isTree := v.(tree)
		have, known := t[key]
		haveTree, haveIsTree := have.(tree)
		switch {
		case !known && isTree:
			t[key] = fill(tree{}, inner)
		case !known:
			t[key] = v
		case isTree && haveIsTree:
			t[key] = fill(haveTree, inner)
		}
	}
	return t
}

// truth is what Python takes for true.
func truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case float64:
		return v != 0
	case string:
		return v != ""
	case tree:
		return len(v) > 0
	case []any:
		return len(v) > 0
	}
	return true
}

// effective gives what somebody may do: the defaults united with the permissions of all
// their groups. From 0.12.0 on what the stored defaults leave out is as it was shipped.
func (s *Server) effective(a *account) tree {
	all := treeOf(s.settings.permissions)
	if s.shape.fillsDefaults {
		all = fill(all, treeOf(s.shape.shipped))
	}
	for _, id := range s.groupsOf(a) {
		all = combine(all, treeOf(s.db.groups[id].permissions))
	}
	return all
}

// may reports whether a permission is on for somebody.
func (s *Server) may(a *account, category, key string) bool {
	t, _ := s.effective(a)[category].(tree)
	return a.role == "admin" || truth(t[key])
}

// groupsOf gives the ids of somebody's groups and, where there are parents, of theirs.
func (s *Server) groupsOf(a *account) []string {
	ids := slices.Clone(a.groups)
	for i := 0; i < len(ids) && s.shape.hierarchy; i++ {
		if parent := s.db.groups[ids[i]].parent; parent != "" && !slices.Contains(ids, parent) {
			ids = append(ids, parent)
		}
	}
	return ids
}

// getDefaults answers the default permissions through the server's form: keys that it does
// not know are not shown, and those that are not stored have the form's default, from
// 0.12.0 on the one that was shipped.
func (s *Server) getDefaults(*call) *answer {
	stored := treeOf(s.settings.permissions)
	if s.shape.fillsDefaults {
		stored = fill(stored, treeOf(s.shape.shipped))
	}
	return send(s.formed(stored))
}

// formed gives a tree as the server's form makes it.
func (s *Server) formed(t tree) tree {
	out := tree{}
	for category, leaves := range treeOf(s.shape.shipped) {
		given, _ := t[category].(tree)
		formed := maps.Clone(leaves.(tree))
		for key := range formed {
			if s.shape.publicByForm && category == "sharing" && (key == "public_tools" || key == "public_notes") {
				formed[key] = true
			}
			if v, ok := given[key]; ok {
				formed[key] = v
			}
		}
		out[category] = formed
	}
	return out
}

// setDefaults replaces the default permissions: each category has to be there.
func (s *Server) setDefaults(c *call) *answer {
	var form tree
	if json.Unmarshal(c.body, &form) != nil {
		return invalid("json_invalid", "0", "JSON decode error")
	}
	for category, leaves := range treeOf(s.shape.shipped) {
		given, ok := form[category].(tree)
		if !ok {
			return invalid("missing", category, "Field required")
		}
		for key := range leaves.(tree) {
			if v, named := given[key]; named {
				if _, isBool := v.(bool); !isBool {
					return invalid("bool_type", key, "Input should be a valid boolean")
				}
			}
		}
	}
	s.settings.permissions = send(s.formed(form)).body
	s.publish("user.permissions_updated", "api", c.by, "config", "user.permissions", nil)
	return raw(s.settings.permissions)
}

// ownPermissions answers what the person who asks may do.
func (s *Server) ownPermissions(c *call) *answer { return send(s.effective(c.by)) }

// previewUser answers what somebody may use, and of how many.
func (s *Server) previewUser(_ *call, id string) *answer {
	a := s.db.accounts[id]
	if a == nil {
		return refuse(http.StatusNotFound, notFound)
	}
	groups := []map[string]string{}
	for _, g := range s.groupsOf(a) {
		groups = append(groups, map[string]string{"id": g, "name": s.db.groups[g].name})
	}
	out := map[string]any{"user": map[string]string{"id": a.id, "name": a.name}, "groups": groups}
	for _, kind := range []string{models, knowledge, tools} {
		items, total := []map[string]string{}, 0
		for _, r := range s.db.shared(kind) {
			if r.inactive && kind == models {
				continue
			}
			total++
			if r.owner == a.id || s.granted(a, r, "read") {
				items = append(items, map[string]string{"id": r.id, "name": r.name})
			}
		}
		out[kind] = map[string]any{"items": items, "total": total}
	}
	return send(out)
}
