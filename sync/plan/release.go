package plan

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"groupsyncd/sync/run"
)

// Letting says what is no longer ours; what is set narrows. Something is set.
type Letting struct {
	// Source is the id of a source, Rule the key of a rule, Group the id of a group.
	Source, Rule, Group string
	// Keys are the changes that a hold lists; nil: not narrowed to a hold.
	Keys []string
	// Until is how long the lists behind earlier hashes of the holds stay good.
	Until time.Time
}

// Release ends what is ours; what is there stays. A membership that has other grants stays
// ours through those while the rules want it.
func Release(in *Input, what Letting) *Decided {
	r := &releasing{Letting: what, exact: exactGroups(in), keys: map[string]bool{}, dropped: map[string]bool{}}
	for _, k := range what.Keys {
		r.keys[k] = Removal(k)
	}
	d := decide(in, func(d *Decided) {
		r.Decided = d
		r.grants()
		if what.Source == "" {
			r.cuts()
		}
		if what.Source == "" && what.Rule == "" {
			r.doubts()
			r.strangers()
		}
		r.links()
	}, nil)
	r.scopes()
	r.holds()
	return d
}

// releasing carries one release.
type releasing struct {
	*Decided
	Letting
	keys  map[string]bool
	exact map[string]bool
	// sources are those whose grants ended.
	sources map[string]bool
	// dropped are permissions and grants that are no longer ours, by the keys of their cuts.
	dropped map[string]bool
}

// exactGroups are the groups that take only whom the directory names.
func exactGroups(in *Input) map[string]bool {
	exact := map[string]bool{}
	for i := range in.Desired.Wants {
		w := &in.Desired.Wants[i]
		for _, l := range w.Links {
			if link, ok := in.Memory.Links[l]; ok && w.Members == ExactMembers {
				exact[link.GroupID] = true
			}
		}
	}
	return exact
}

// concerns reports whether the release is about an account in a group at all.
func (r *releasing) concerns(group string, account uint32) bool {
	if r.Group != "" && r.Group != group {
		return false
	}
	return r.Letting.Keys == nil || r.keys[changeKey(run.RemoveMember, group, r.Memory.Mirror.Account(account).ID)]
}

// grants ends what we gave through the source and the rule.
func (r *releasing) grants() {
	m := r.Memory
	r.sources = map[string]bool{r.Source: true}
	for _, id := range slices.Sorted(maps.Keys(m.Owned)) {
		for _, a := range m.Owned[id].accounts() {
			if !r.concerns(id, a) {
				continue
			}
			grants := m.Owned[id].Grants(a)
			left := slices.DeleteFunc(slices.Clone(grants), func(k FeedKey) bool {
				return (r.Source == "" || k.Group.Source == r.Source) && (r.Rule == "" || k.Rule == r.Rule)
			})
			if len(left) == len(grants) {
				continue
			}
			if r.Letting.Keys != nil {
				left = nil // a hold lists whole memberships
			}
			for _, k := range grants {
				r.sources[k.Group.Source] = true
			}
			r.letGo(id, a, left)
			if r.exact[id] && len(left) == 0 {
				r.stay(id, a)
			}
			if m.Owned[id] == nil {
				break
			}
		}
	}
}

// accounts gives everybody who owns a membership, sorted.
func (o *OwnedGroup) accounts() []uint32 {
	var all []uint32
	for f := range o.Feeds {
		all = append(all, o.Feeds[f].Accounts...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// doubts ends the doubt about members whose grants were lost with an earlier state.
func (r *releasing) doubts() {
	for _, id := range slices.Sorted(maps.Keys(r.Memory.Lost)) {
		for _, a := range slices.Clone(r.Memory.Lost[id]) {
			if r.concerns(id, a) {
				r.letGo(id, a, nil)
				if r.exact[id] {
					r.stay(id, a)
				}
			}
		}
	}
}

// strangers keeps the members of exact groups whom nobody names and who are not ours.
func (r *releasing) strangers() {
	for _, id := range slices.Sorted(maps.Keys(r.exact)) {
		g := r.Memory.Mirror.Group(id)
		if g == nil {
			continue
		}
		for _, a := range g.Numbers {
			if o := r.Memory.Owned[id]; r.concerns(id, a) && (o == nil || !o.Has(a)) {
				r.stay(id, a)
			}
		}
	}
}

// links ends the links of rules that are no longer configured and that gave nothing any
// more. Who stays in an exact group is noted with another link of the group.
func (r *releasing) links() {
	m := r.Memory
	groups := map[string]bool{}
	for _, s := range r.touched {
		groups[s.group] = true
	}
	for _, key := range slices.SortedFunc(maps.Keys(m.Links), LinkKey.Compare) {
		link := m.Links[key]
		o := m.Owned[link.GroupID]
		switch {
		case r.in.Rules[key.Rule], r.Rule != "" && r.Rule != key.Rule, r.Group != "" && r.Group != link.GroupID,
			r.Source != "" && key.To == "" && r.Source != key.Group.Source, r.Rule == "" && !groups[link.GroupID],
			o != nil && slices.ContainsFunc(o.Feeds, func(f OwnedFeed) bool { return f.Key.Rule == key.Rule }):
			continue
		}
		delete(m.Links, key)
		r.Dirty.Links = append(r.Dirty.Links, key)
		r.Links++
		for _, id := range link.Kept {
			if a, known := m.Mirror.Number(id); known {
				r.keep(link.GroupID, a)
			}
		}
	}
}

// scopes forgets sources that are no longer configured and of which nothing is ours.
func (r *releasing) scopes() {
	for s := range r.in.Sources {
		delete(r.sources, r.in.Sources[s].ID)
	}
	for _, o := range r.Memory.Owned {
		for f := range o.Feeds {
			delete(r.sources, o.Feeds[f].Key.Group.Source)
		}
	}
	for id := range r.sources {
		if _, known := r.Memory.Scopes[id]; known {
			delete(r.Memory.Scopes, id)
			r.Dirty.Scopes = true
		}
	}
}

// holds takes what is no longer ours off the lists of all holds and approvals: the later
// decision counts.
func (r *releasing) holds() {
	m := r.Memory
	gone := map[string]bool{}
	for key, s := range r.touched {
		o := m.Owned[s.group]
		gone[key] = o == nil || !o.Has(s.account)
	}
	if r.Source == "" && r.Rule == "" && r.Group == "" {
		maps.Copy(gone, r.keys)
	}
	maps.Copy(gone, r.dropped)
	drop := func(k string) bool { return gone[k] }
	m.Holds = slices.DeleteFunc(m.Holds, func(h run.Hold) bool {
		return len(h.Keys) > 0 && !slices.ContainsFunc(h.Keys, func(k string) bool { return !gone[k] }) && r.ends(&h)
	})
	for i := range m.Holds {
		r.shorten(&m.Holds[i], gone)
	}
	for i := range m.Approvals {
		if a := &m.Approvals[i]; slices.ContainsFunc(a.Keys, drop) {
			a.Keys = slices.DeleteFunc(slices.Clone(a.Keys), drop)
			r.Dirty.Approvals = true
		}
	}
	slices.SortFunc(m.Holds, func(a, b run.Hold) int {
		return cmp.Or(cmp.Compare(rankOf(a.Check), rankOf(b.Check)), cmp.Compare(a.Scope, b.Scope))
	})
}

// ends counts what a hold listed that is over with its list. One whose cause can still be
// seen stays open.
func (r *releasing) ends(h *run.Hold) bool {
	if h.Check == run.MaxSourceShrink {
		return false
	}
	r.Held += len(h.Keys)
	r.Dirty.Holds = true
	return true
}

// shorten takes changes off the list of a hold, which gives it another hash; the one that
// people were told stays good for the rest.
func (r *releasing) shorten(h *run.Hold, gone map[string]bool) {
	if !slices.ContainsFunc(h.Keys, func(k string) bool { return gone[k] }) {
		return
	}
	was := *h
	h.Keys, h.Entered, h.Changes = nil, nil, nil
	for i, k := range was.Keys {
		if gone[k] {
			r.Held++
			continue
		}
		h.Keys = append(h.Keys, k)
		if i < len(was.Entered) {
			h.Entered = append(h.Entered, was.Entered[i])
		}
		if i < len(was.Changes) {
			h.Changes = append(h.Changes, was.Changes[i])
		}
	}
	h.Earlier = append(slices.Clone(h.Earlier), run.EarlierList{Hash: was.Hash, List: was.List, Accepts: was.Accepts, Until: r.Until})
	h.List++
	h.Hash = holdHash(h)
	commands(h)
	r.Dirty.Holds = true
}
