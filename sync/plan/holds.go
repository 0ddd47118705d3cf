package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"

	"groupsyncd/sync/run"
)

// conclude makes the holds of this run from what was found and from the holds before:
// one hold per check and scope, with one hash over its changes.
func (g *guard) conclude() *Guarded {
	before := map[holdKey]run.Hold{}
	for _, h := range g.in.Memory.Holds {
		before[holdKey{h.Check, h.Scope}] = h
	}
	g.keepUnplanned(before)
	out := &Guarded{Scopes: g.scopes}
	planned := map[string]run.Change{}
	for i := range g.p.Changes {
		planned[g.p.Changes[i].Key] = g.p.Changes[i].Change
	}
	keys := slices.SortedFunc(maps.Keys(g.found), func(a, b holdKey) int {
		return cmp.Or(cmp.Compare(rankOf(a.check), rankOf(b.check)), cmp.Compare(a.scope, b.scope))
	})
	hashes := map[holdKey]string{}
	for _, k := range keys {
		f := g.found[k]
		h := g.merge(k, f, before[k], planned)
		hashes[k] = h.Hash
		out.Holds = append(out.Holds, h)
	}
	for i := range g.p.Changes {
		c := &g.p.Changes[i]
		if c.Hold == nil || c.Outcome != run.Held {
			continue
		}
		for _, k := range keys {
			if k.check == c.Hold.Check && slices.Contains(g.found[k].keys, c.Key) {
				c.Hold.Hash = hashes[k]
				c.Hold.Detail = g.found[k].detail
				break
			}
		}
	}
	return out
}

// keepUnplanned keeps listed changes that this run did not plan but could not settle
// either: unknown keeps a hold, and a run of one person says nothing about others.
func (g *guard) keepUnplanned(before map[holdKey]run.Hold) {
	planned := map[string]bool{}
	for i := range g.p.Changes {
		planned[g.p.Changes[i].Key] = true
	}
	for key, h := range before {
		for _, k := range h.Keys {
			if planned[k] || !g.p.Unknown[k] && !g.outside(k) {
				continue
			}
			if g.found[key] == nil {
				g.found[key] = &found{detail: h.Detail}
			}
			g.found[key].keys = append(g.found[key].keys, k)
		}
	}
}

// outside reports whether a change is none of this run's business.
func (g *guard) outside(key string) bool {
	only := g.in.Only
	if only == nil {
		return false
	}
	if only.None {
		return true
	}
	return !strings.HasSuffix(key, "\x1f"+g.in.Memory.Mirror.Account(only.Account).ID)
}

func (g *guard) merge(k holdKey, f *found, last run.Hold, planned map[string]run.Change) run.Hold {
	slices.Sort(f.keys)
	f.keys = slices.Compact(f.keys)
	h := run.Hold{Check: k.check, Target: g.in.Memory.Target, Scope: k.scope, Detail: f.detail, Keys: f.keys, Since: g.in.Now}
	h.Hash = holdHash(&h)
	if last.Hash != "" {
		h.Since = last.Since
		h.Earlier = slices.DeleteFunc(slices.Clone(last.Earlier), func(e run.EarlierList) bool { return !g.in.Now.Before(e.Until) })
		if last.Hash != h.Hash {
			h.Earlier = append(h.Earlier, run.EarlierList{Hash: last.Hash, Keys: last.Keys, Until: g.in.Now.Add(g.limits.ApprovalTTL)})
		}
	}
	listed := map[string]run.Change{}
	for i, key := range last.Keys {
		if i < len(last.Changes) {
			listed[key] = last.Changes[i]
		}
	}
	// Changes stand in the order of Keys.
	for _, key := range h.Keys {
		c, ok := planned[key]
		if !ok {
			c = listed[key]
		}
		c.Outcome, c.Hold = run.Held, nil
		h.Changes = append(h.Changes, c)
	}
	commands(&h)
	return h
}

// commands writes the commands that let through what a hold lists, or keep it.
func commands(h *run.Hold) {
	h.Approve = "groupsyncd approve " + h.Hash + " --reason TEXT"
	h.Release = ""
	if slices.ContainsFunc(h.Keys, Removal) {
		h.Release = "groupsyncd release --hold " + h.Hash + " --reason TEXT"
	}
}

// holdHash is over what the hold is about and what it lists, with no run and no time.
func holdHash(h *run.Hold) string {
	sum := sha256.New()
	for _, s := range append([]string{string(h.Check), h.Target, h.Scope}, h.Keys...) {
		sum.Write([]byte(s))
		sum.Write([]byte{0})
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}

// approved gives the keys that approvals let through now.
func (m *Memory) approved(now time.Time) map[string]bool {
	keys := map[string]bool{}
	for i := range m.Approvals {
		if now.Before(m.Approvals[i].Until) {
			for _, k := range m.Approvals[i].Keys {
				keys[k] = true
			}
		}
	}
	return keys
}

// FindHold finds a hold by its hash, or by an earlier one whose list is still good, and
// gives the keys that an approval of that hash lets through.
func FindHold(holds []run.Hold, hash string) (*run.Hold, []string) {
	for i := range holds {
		if holds[i].Hash == hash {
			return &holds[i], holds[i].Keys
		}
	}
	for i := range holds {
		for _, e := range holds[i].Earlier {
			if e.Hash == hash {
				return &holds[i], e.Keys
			}
		}
	}
	return nil, nil
}
