package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"groupsyncd/internal/glob"
	"groupsyncd/sync/run"
)

// The server forgets what was shared with a group together with the group, so that is noted
// with the links of the group as soon as it is seen to be gone, as it was last read.

// keepShared notes it for all groups that are no longer there.
func (m *Memory) keepShared(present map[string]bool, dirty *Dirty) {
	for _, id := range slices.Sorted(maps.Keys(m.Mirror.groups)) {
		if !present[id] {
			m.keepSharedOf(id, dirty)
		}
	}
}

func (m *Memory) keepSharedOf(id string, dirty *Dirty) {
	links := m.linksOf(id)
	if len(links) == 0 || m.Mirror.Group(id) == nil {
		return
	}
	var shared []SharedGrant
	for _, r := range m.Mirror.Resources() {
		for _, g := range r.Grants {
			if g.Kind == KindGroup && g.ID == id {
				shared = append(shared, SharedGrant{ResourceKey: r.ResourceKey, Name: r.Name, Permission: g.Permission})
			}
		}
	}
	if len(shared) == 0 {
		return
	}
	slices.SortFunc(shared, func(a, b SharedGrant) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Permission, b.Permission))
	})
	for _, key := range links {
		link := m.Links[key]
		link.Shared = shared
		m.Links[key] = link
		dirty.Links = append(dirty.Links, key)
	}
}

// namedGrants is how many of the grants that a group lost a problem names.
const namedGrants = 20

// lostGrants tells what a group had that somebody deleted and that is made again.
func (c *computer) lostGrants(w *Want) {
	var shared []SharedGrant
	for _, l := range w.Links {
		if shared = c.in.Memory.Links[l].Shared; len(shared) > 0 {
			break
		}
	}
	hint := "share them with the new group again; to keep a group away, take it out of the rules"
	if len(shared) == 0 {
		c.problem(run.KindLostGrants, fmt.Sprintf("group %q was deleted in Open WebUI and is made again; what models, knowledge and tools were shared with it is lost", w.Name), hint)
		return
	}
	again := slices.DeleteFunc(slices.Clone(shared), func(g SharedGrant) bool { return !w.shares(g) })
	lost := slices.DeleteFunc(slices.Clone(shared), w.shares)
	message := fmt.Sprintf("group %q was deleted in Open WebUI and is made again", w.Name)
	if len(lost) > 0 {
		message += "; what was shared with it is lost: " + listed(lost)
	} else {
		hint = "to keep a group away, take it out of the rules"
	}
	if len(again) > 0 {
		message += "; the rules share again: " + listed(again)
	}
	c.problem(run.KindLostGrants, message, hint)
}

// shares reports whether a wanted group shall have a grant.
func (w *Want) shares(g SharedGrant) bool {
	a := w.Resources[g.Type]
	patterns := a.Write
	if g.Permission == Read {
		patterns = slices.Concat(a.Read, a.Write)
	}
	return glob.CompileAny(patterns).Match(g.ID, g.Name)
}

// listed names grants: each resource once, with what was allowed.
func listed(shared []SharedGrant) string {
	var texts []string
	for i, g := range shared {
		if i > 0 && shared[i-1].ResourceKey == g.ResourceKey {
			texts[len(texts)-1] = strings.TrimSuffix(texts[len(texts)-1], ")") + ", " + g.Permission + ")"
			continue
		}
		r := Resource{ResourceKey: g.ResourceKey, Name: g.Name}
		texts = append(texts, r.text()+" ("+g.Permission+")")
	}
	if more := len(texts) - namedGrants; more > 0 {
		texts = append(texts[:namedGrants], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, ", ")
}
