package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
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
	keys := slices.SortedFunc(maps.Keys(g.found), compareHolds)
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
			if _, listed := slices.BinarySearch(g.found[k].keys, c.Key); k.check == c.Hold.Check && listed {
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
		c := &g.p.Changes[i]
		planned[c.Key] = !g.in.Apart() || c.Outcome == run.Planned || c.Outcome == run.Held
	}
	for key, h := range before {
		for i, k := range h.Keys {
			if planned[k] || !g.p.Unknown[k] && !g.outside(k) && !g.undoing(&h, i) && !g.importing(&h, i) {
				continue
			}
			if g.found[key] == nil {
				g.found[key] = &found{detail: h.Detail}
			}
			g.found[key].keys = append(g.found[key].keys, k)
		}
		if g.in.Apart() && len(h.Keys) == 0 && g.found[key] == nil {
			g.found[key] = &found{detail: h.Detail}
		}
	}
}

// undoing reports whether a listed change would undo a run: only reverting that run plans
// it, so it stays held while what it takes away is there and ours.
func (g *guard) undoing(h *run.Hold, i int) bool {
	if i >= len(h.Changes) || h.Changes[i].Reverts == "" {
		return false
	}
	if h.Changes[i].Op != run.RemoveMember {
		return g.stillCut(&h.Changes[i])
	}
	m, c := g.in.Memory, &h.Changes[i]
	group, owned := m.Mirror.Group(c.GroupID()), m.Owned[c.GroupID()]
	a, known := m.Mirror.Number(c.User.ID)
	if !known || group == nil || owned == nil {
		return false
	}
	_, member := slices.BinarySearch(group.Numbers, a)
	return owned.Has(a) && (member || !group.MembersRead)
}

// outside reports whether a change is none of this run's business.
func (g *guard) outside(key string) bool {
	only := g.in.Only
	if g.in.Apart() {
		return true
	}
	if only == nil {
		return false
	}
	if only.None {
		return true
	}
	return !strings.HasSuffix(key, separator+g.in.Memory.Mirror.Account(only.Account).ID)
}

func (g *guard) merge(k holdKey, f *found, last run.Hold, planned map[string]run.Change) run.Hold {
	slices.Sort(f.keys)
	f.keys = slices.Compact(f.keys)
	h := run.Hold{Check: k.check, Target: g.in.Memory.Target, Scope: k.scope, Detail: f.detail, Keys: f.keys, Accepts: cmp.Or(f.accepts, last.Accepts), Since: g.in.Now}
	follow(&h, &last, g.in.Now, g.limits.ApprovalTTL)
	listed := map[string]run.Change{}
	for i, key := range last.Keys {
		if i < len(last.Changes) {
			listed[key] = last.Changes[i]
		}
	}
	// Changes stand in the order of Keys.
	for _, key := range h.Keys {
		c, ok := f.listed[key]
		if !ok {
			c, ok = planned[key]
		}
		if !ok {
			c = listed[key]
		}
		c.Outcome, c.Hold = run.Held, nil
		h.Changes = append(h.Changes, c)
	}
	return h
}

// commands writes the commands that let through what a hold lists, or keep it.
func commands(h *run.Hold) {
	h.Approve = "groupsyncd approve " + h.Hash + " --reason TEXT"
	h.Release = ""
	if h.Check == run.LastAdmin {
		h.Approve = "" // Nobody can let that through.
		return
	}
	if slices.ContainsFunc(h.Keys, func(k string) bool { return Removal(k) || h.Check == run.MaxCuts && Cutting(k) }) {
		h.Release = "groupsyncd release --hold " + h.Hash + " --reason TEXT"
	}
}

// follow gives a hold its hash, its commands, and what it keeps of the form that it had.
func follow(h, last *run.Hold, now time.Time, ttl time.Duration) {
	h.Hash = holdHash(h)
	commands(h)
	h.List, h.Entered = 1, slices.Repeat([]int{1}, len(h.Keys))
	if last.Hash == "" {
		return
	}
	h.Since, h.List = last.Since, last.List
	h.Earlier = slices.DeleteFunc(slices.Clone(last.Earlier), func(e run.EarlierList) bool { return !now.Before(e.Until) })
	if last.Hash != h.Hash {
		h.Earlier = append(h.Earlier, run.EarlierList{Hash: last.Hash, List: last.List, Accepts: last.Accepts, Until: now.Add(ttl)})
		h.List++
	}
	for i, k := range h.Keys {
		h.Entered[i] = h.List
		if n, listed := slices.BinarySearch(last.Keys, k); listed && n < len(last.Entered) {
			h.Entered[i] = last.Entered[n]
		}
	}
}

// HoldReverted adds to the hold of a run that was undone what would undo that, and reports
// whether any of it was not listed there.
func (m *Memory) HoldReverted(runID string, more []Opposite, now time.Time, ttl time.Duration) bool {
	at := slices.IndexFunc(m.Holds, func(h run.Hold) bool { return h.Check == run.Reverted && h.Scope == runID })
	last := run.Hold{}
	if at >= 0 {
		last = m.Holds[at]
	}
	h := run.Hold{Check: run.Reverted, Target: m.Target, Scope: runID, Detail: revertedDetail(runID), Since: now,
		Keys: slices.Clone(last.Keys), Changes: slices.Clone(last.Changes)}
	for _, o := range more {
		i, listed := slices.BinarySearch(h.Keys, o.Key)
		if !listed {
			h.Keys, h.Changes = slices.Insert(h.Keys, i, o.Key), slices.Insert(h.Changes, min(i, len(h.Changes)), o.Change)
		}
	}
	if len(h.Keys) == len(last.Keys) {
		return false
	}
	follow(&h, &last, now, ttl)
	m.Holds = slices.Clone(m.Holds)
	if at >= 0 {
		m.Holds[at] = h
		return true
	}
	m.Holds = append(m.Holds, h)
	slices.SortFunc(m.Holds, func(a, b run.Hold) int { return compareHolds(holdKey{a.Check, a.Scope}, holdKey{b.Check, b.Scope}) })
	return true
}

func revertedDetail(runID string) string { return "run " + runID + " was reverted" }

// compareHolds orders holds by check and scope.
func compareHolds(a, b holdKey) int {
	return cmp.Or(cmp.Compare(rankOf(a.check), rankOf(b.check)), cmp.Compare(a.scope, b.scope))
}

// holdHash is over what the hold is about, what it lists and what approving it accepts, with
// no run and no time.
func holdHash(h *run.Hold) string {
	sum := sha256.New()
	about := []string{string(h.Check), h.Target, h.Scope}
	if a := h.Accepts; a != nil {
		about = append(about, a.Scope, strconv.Itoa(a.Users), strconv.Itoa(a.Groups))
	}
	for _, s := range slices.Concat(about, h.Keys) {
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
// gives what an approval of that hash lets through and accepts.
func FindHold(holds []run.Hold, hash string) (*run.Hold, run.Listed) {
	for i := range holds {
		if holds[i].Hash == hash {
			listed, _ := holds[i].Under(hash)
			return &holds[i], listed
		}
	}
	for i := range holds {
		if listed, found := holds[i].Under(hash); found {
			return &holds[i], listed
		}
	}
	return nil, run.Listed{}
}
