package plan

import (
	"cmp"
	"fmt"

	"groupsyncd/sync/run"
)

// share plans what the file shares with a group and is not shared there. Nothing that is
// shared is taken away.
func (v *importer) share(at int) {
	ref := v.plan.Refs[at]
	for _, s := range v.groups[at].Shared {
		r := v.resource(s)
		if r == nil {
			v.plan.Imported[at].Unshared = append(v.plan.Imported[at].Unshared, s)
			continue
		}
		g := Grant{Kind: KindGroup, ID: ref.ID, Permission: s.Permission}
		key := addKey(r.ResourceKey, []Grant{g}, v.who(at))
		if ref.ID != "" && r.Has(g) || v.sharing[key] {
			continue
		}
		v.sharing[key] = true
		c := Change{Change: run.Change{Op: run.SetGrants, Resource: r.ref(), Fields: []run.Field{grantField(g, ref.Name, false, true)}},
			Key: key, Resource: r.ResourceKey, Grants: GrantEdit{Add: []Grant{g}}}
		if ref.ID == "" {
			c.Link, c.For = v.link(at), ref
		}
		v.plan.Changes = append(v.plan.Changes, c)
	}
	if missing := v.plan.Imported[at].Unshared; len(missing) > 0 {
		v.problem(run.KindUnresolved, fmt.Sprintf("%d of what is shared with group %q is not there, among it %s %q", len(missing), v.groups[at].Name,
			missing[0].Type, cmp.Or(missing[0].Name, missing[0].ID)), "make it in Open WebUI, and import again")
	}
}

// who stands in keys for a group that does not exist yet.
func (v *importer) who(at int) string {
	if v.live[at] == nil {
		return v.link(at).String()
	}
	return ""
}

// resource finds what is shared: by its id, else by its name, when exactly one has it.
func (v *importer) resource(s run.SharedWith) *Resource {
	if r := v.m.Resource(ResourceKey{Type: s.Type, ID: s.ID}); r != nil {
		return r
	}
	if v.byName == nil {
		v.byName = map[[2]string][]*Resource{}
		for _, r := range v.m.Resources() {
			name := [2]string{r.Type, r.Name}
			v.byName[name] = append(v.byName[name], r)
		}
	}
	if found := v.byName[[2]string{s.Type, s.Name}]; len(found) == 1 && s.Name != "" {
		return found[0]
	}
	return nil
}
