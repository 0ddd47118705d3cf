package access

import (
	"encoding/json"
	"maps"
	"slices"

	"groupsyncd/permission"
	"groupsyncd/sync/plan"
)

// Who gives a right. A group is named behind FromGroup, with its id where several groups
// have its name.
const (
	FromDefault = permission.Default
	FromGroup   = "group:"
	FromOwner   = "owner"
	FromPublic  = "public"
	FromUser    = "user"
	FromAdmin   = "admin"
)

// trees reads the defaults and what each group gives. Where one tree has a category, the
// switch of the same name in another counts for nothing: the server keeps the category.
func (v *View) trees(m *plan.Mirror, own json.RawMessage) {
	all := make([]map[string]bool, len(v.groups))
	for i := range v.groups {
		all[i] = leaves(m.Group(v.groups[i].id).Permissions)
	}
	all = append(all, v.applied(m, all, own))
	categories := map[string]bool{}
	for _, set := range all {
		for key := range set {
			for i, r := range key {
				if r == '.' {
					categories[key[:i]] = true
				}
			}
		}
	}
	names := map[string]bool{}
	for _, set := range all {
		for key := range set {
			if categories[key] {
				delete(set, key)
				continue
			}
			names[key] = true
		}
	}
	v.keys = slices.Sorted(maps.Keys(names))
	places := make(map[string]int32, len(v.keys))
	for i, key := range v.keys {
		places[key] = int32(i)
	}
	for i := range v.groups {
		v.groups[i].gives = planted(all[i], places)
	}
	v.defaults = planted(all[len(v.groups)], places)
}

// applied gives the defaults that the server applies. What it shows of them is filled up by
// a form, which before 0.12.0 it does not apply, and leaves out what that does not know;
// but the permissions of our own account are computed from the real ones. Where our own
// groups allow a key too, they tell nothing, and what is shown counts.
func (v *View) applied(m *plan.Mirror, groups []map[string]bool, own json.RawMessage) map[string]bool {
	shown := leaves(m.Defaults)
	if m.Defaults == nil {
		return shown
	}
	self, known := v.byID[m.Self]
	if own == nil || !known {
		filled := shipped(m.Version)
		maps.Copy(filled, shown)
		if !since(m.Version, 0, 12, 0) {
			v.picture.Notes = append(v.picture.Notes,
				"before 0.12.0 the server shows default permissions that were never saved as if they were in force: what is from default alone may be missing there")
		}
		return filled
	}
	ours := map[string]bool{}
	for _, g := range v.all(v.direct(self), nil) {
		for key, on := range groups[g] {
			ours[key] = ours[key] || on
		}
	}
	out := map[string]bool{}
	for key, on := range leaves(own) {
		allowed, named := ours[key]
		was, has := shown[key]
		switch {
		case !named, on && !allowed:
			out[key] = on
		case has:
			out[key] = was && on
		}
	}
	return out
}

func planted(set map[string]bool, places map[string]int32) tree {
	t := make(tree, 0, len(set))
	for _, key := range slices.Sorted(maps.Keys(set)) {
		t = append(t, leaf{places[key], set[key]})
	}
	return t
}

// leaves reads the switches of a tree by their dotted names. Any value is one, and on or
// off as the server's own language takes it: a tree of a group is not checked there.
func leaves(raw json.RawMessage) map[string]bool {
	set := map[string]bool{}
	var top map[string]any
	if json.Unmarshal(raw, &top) == nil {
		grow(top, "", set)
	}
	return set
}

func grow(branch map[string]any, prefix string, set map[string]bool) {
	for key, value := range branch {
		switch value := value.(type) {
		case map[string]any:
			grow(value, prefix+key+".", set)
		case bool:
			set[prefix+key] = value
		case float64:
			set[prefix+key] = value != 0
		case string:
			set[prefix+key] = value != ""
		case []any:
			set[prefix+key] = len(value) > 0
		default:
			set[prefix+key] = false
		}
	}
}

// rights gives what the defaults and groups allow, for every key that one of them names.
// Whoever the server does not answer is allowed nothing.
func (v *View) rights(groups []int32, answered bool) map[string]permission.Right {
	out := map[string]permission.Right{}
	add := func(from string, t tree) {
		for _, l := range t {
			key := v.keys[l.key]
			right, known := out[key]
			if !known {
				right.From = []string{}
			}
			if l.on && answered {
				right.Allowed = true
				right.From = append(right.From, from)
			}
			out[key] = right
		}
	}
	add(FromDefault, v.defaults)
	for _, g := range v.byName(groups) {
		add(v.groups[g].label, v.groups[g].gives)
	}
	return out
}

// byName orders groups for people.
func (v *View) byName(groups []int32) []int32 {
	out := slices.Clone(groups)
	v.sortByName(out)
	return out
}

func (v *View) sortByName(groups []int32) {
	slices.SortFunc(groups, func(a, b int32) int { return v.groups[a].rank - v.groups[b].rank })
}
