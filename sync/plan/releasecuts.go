package plan

import (
	"maps"
	"slices"
	"strings"

	"groupsyncd/sync/run"
)

// Cutting reports whether a key is that of a grant, or of a permission, to be taken away.
func Cutting(key string) bool {
	parts := strings.SplitN(key, separator, 3)
	if len(parts) < 3 {
		return false
	}
	op, what := run.Op(parts[0]), parts[2]
	return op == run.SetGrants && strings.HasPrefix(what, removing) || op == run.SetPermissions && (strings.HasSuffix(what, "=false") || strings.HasSuffix(what, "=<nil>"))
}

// cuts ends what we shared, and the permissions that a hold lists.
func (r *releasing) cuts() {
	m := r.Memory
	listed := map[string]bool{}
	for _, k := range r.Letting.Keys {
		listed[k] = Cutting(k)
	}
	for _, key := range slices.SortedFunc(maps.Keys(m.Grants), func(a, b ResourceKey) int { return strings.Compare(scopeOf(a), scopeOf(b)) }) {
		var gone []Grant
		for _, o := range m.Grants[key] {
			id := grantKey(key, removing, o.Grant)
			if (r.Rule == "" || r.Rule == o.Rule) && (r.Group == "" || o.Kind == KindGroup && r.Group == o.ID) && (r.Letting.Keys == nil || listed[id]) {
				gone = append(gone, o.Grant)
				r.dropped[id] = true
			}
		}
		if len(gone) > 0 {
			m.Disown(key, gone, &r.Dirty)
		}
	}
	for k := range listed {
		if parts := strings.SplitN(k, separator, 3); listed[k] && run.Op(parts[0]) == run.SetPermissions && r.Group == "" && r.Rule == "" {
			name, _, _ := strings.Cut(parts[2], "=")
			m.ForgetValue(parts[1], name, &r.Dirty)
			r.dropped[k] = true
		}
	}
}

// ForgetValue ends that a value of a group, or without a group one of the default permissions,
// is ours.
func (m *Memory) ForgetValue(group, name string, dirty *Dirty) {
	if group == "" {
		m.Defaults = Values{Applied: maps.Clone(m.Defaults.Applied), Before: maps.Clone(m.Defaults.Before)}
		delete(m.Defaults.Applied, name)
		delete(m.Defaults.Before, name)
		dirty.Head = true
		return
	}
	for _, key := range m.linksOf(group) {
		link := m.Links[key]
		if _, has := link.Applied[name]; !has {
			continue
		}
		link.Applied, link.Before = maps.Clone(link.Applied), maps.Clone(link.Before)
		delete(link.Applied, name)
		delete(link.Before, name)
		m.Links[key] = link
		dirty.Links = append(dirty.Links, key)
	}
}

// spareCut keeps what would go only because of a decision: it is no longer ours.
func (d *Decided) spareCut(c *Change) {
	if c.Op == run.SetGrants {
		d.Memory.Disown(c.Resource, c.Grants.Remove, &d.Dirty)
		return
	}
	for _, f := range c.Fields {
		d.Memory.ForgetValue(c.GroupID(), f.Name, &d.Dirty)
	}
}
