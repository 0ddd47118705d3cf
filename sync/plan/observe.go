package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"groupsyncd/sync/run"
)

// The share, and the number, of known things that must be missing before the target is
// taken for another one.
const (
	changedShare = 30 // percent
	changedMin   = 5
)

// TargetChanged says why an observation does not look like the server that we know:
// too much of what we know is missing at once, or time there runs backwards. Nothing
// may be written, forgotten or made then. Empty: it is the same.
func (m *Memory) TargetChanged(o *Observation) string {
	there := make(map[string]*Group, len(o.Groups))
	for i := range o.Groups {
		there[o.Groups[i].ID] = &o.Groups[i]
	}
	missing, known := 0, 0
	for _, g := range m.Mirror.Groups() {
		known++
		now := there[g.ID]
		if now == nil {
			missing++
			continue
		}
		if now.UpdatedAt < g.UpdatedAt {
			return fmt.Sprintf("group %q was last changed earlier than it had been when it was read before: it looks like a restored backup", g.Name)
		}
	}
	if tooMany(missing, known) {
		return fmt.Sprintf("%d of %d known groups are missing", missing, known)
	}
	if !o.AllAccounts {
		return ""
	}
	living := make(map[string]bool, len(o.Accounts))
	for i := range o.Accounts {
		living[o.Accounts[i].ID] = true
	}
	linked, lost := map[string]bool{}, 0
	for _, l := range m.People.All() {
		if n, ok := m.Mirror.Number(l.Account); ok && !m.Mirror.Account(n).Deleted && !linked[l.Account] {
			linked[l.Account] = true
			if !living[l.Account] {
				lost++
			}
		}
	}
	if tooMany(lost, len(linked)) {
		return fmt.Sprintf("%d of %d linked accounts are missing", lost, len(linked))
	}
	for i := range o.Accounts {
		if n, ok := m.Mirror.Number(o.Accounts[i].ID); ok && m.Mirror.Account(n).Deleted {
			return fmt.Sprintf("the account %s, which had been deleted, is there again: it looks like a restored backup", o.Accounts[i].Email)
		}
	}
	return ""
}

func tooMany(missing, known int) bool {
	return missing*100 > known*changedShare && missing >= changedMin || missing == known && known >= 2
}

// Observe takes an observation into the memory and says what of the memory changed. An
// account that is no longer there takes what it owned with it, and leaves tombstones.
func (m *Memory) Observe(o *Observation) Dirty {
	dirty := Dirty{Head: true}
	r, last := m.Mirror, m.Mirror.At
	r.Version, r.Deployment, r.Parents, r.At = o.Version, o.Deployment, o.Parents, o.At
	if o.Self != "" {
		r.Self = o.Self
	}
	if o.ReadAll {
		r.ReadAllAt = o.At
	}
	if o.Defaults != nil {
		r.Defaults = o.Defaults
	}
	present := make(map[string]bool, len(o.Groups))
	for i := range o.Groups {
		present[o.Groups[i].ID] = true
	}
	m.keepShared(present, &dirty) // before it is read that nothing is shared with them now
	m.resources(o, &dirty)
	seen := make(map[uint32]bool, len(o.Accounts))
	for i := range o.Accounts {
		n, changed := r.account(&o.Accounts[i], o.At, last)
		seen[n] = true
		if changed {
			dirty.Accounts = append(dirty.Accounts, n)
			m.suspendedByHand(n, &dirty)
		}
	}
	if o.AllAccounts {
		for n := range r.accounts {
			if !seen[uint32(n)] && !r.accounts[n].Deleted {
				r.accounts[n].Deleted = true
				dirty.Accounts = append(dirty.Accounts, uint32(n))
				m.bury(uint32(n), o.At, &dirty)
			}
		}
	}
	for i := range o.Groups {
		if m.group(&o.Groups[i], &dirty) {
			dirty.MirrorGroups = append(dirty.MirrorGroups, o.Groups[i].ID)
		}
	}
	for id := range r.groups {
		if !present[id] {
			delete(r.groups, id)
			dirty.MirrorGroups = append(dirty.MirrorGroups, id)
		}
	}
	slices.Sort(dirty.MirrorGroups)
	return dirty
}

// resources takes what was read of each type; what is no longer listed is gone.
func (m *Memory) resources(o *Observation, dirty *Dirty) {
	r := m.Mirror
	there := make(map[ResourceKey]bool, len(o.Resources))
	for i := range o.Resources {
		there[o.Resources[i].ResourceKey] = true
		m.ObserveResource(&o.Resources[i], dirty)
	}
	for _, t := range o.ResourceTypes {
		r.ResourcesAt[t] = o.At
	}
	for key := range r.resources {
		if !there[key] && slices.Contains(o.ResourceTypes, key.Type) {
			delete(r.resources, key)
			dirty.Resources = append(dirty.Resources, key)
		}
	}
	slices.SortFunc(dirty.Resources, func(a, b ResourceKey) int { return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID)) })
}

// ObserveResource takes the reading of one resource into the memory.
func (m *Memory) ObserveResource(seen *Resource, dirty *Dirty) {
	have := m.Mirror.resources[seen.ResourceKey]
	if have != nil && sameResource(have, seen) {
		return
	}
	next := *seen
	m.Mirror.resources[seen.ResourceKey] = &next
	dirty.Resources = append(dirty.Resources, seen.ResourceKey)
}

// ForgetResource takes a resource that is proved to be gone out of the memory.
func (m *Memory) ForgetResource(key ResourceKey) Dirty {
	delete(m.Mirror.resources, key)
	dirty := Dirty{Resources: []ResourceKey{key}}
	m.setGrants(key, nil, &dirty)
	return dirty
}

func sameResource(a, b *Resource) bool {
	return a.Name == b.Name && a.Owner == b.Owner && a.Base == b.Base && a.Inactive == b.Inactive && a.Unlisted == b.Unlisted &&
		slices.Equal(a.Grants, b.Grants)
}

// newAccount is how long an account counts as new: one that is pending then was not
// suspended by anybody.
const newAccount = 24 * time.Hour

// account adds or renews a row, seen at a time, the look before having been at last; a look
// without subjects keeps those known before.
func (m *Mirror) account(a *Account, at, last time.Time) (n uint32, changed bool) {
	n, ok := m.Number(a.ID)
	if !ok {
		n = uint32(len(m.accounts))
		m.byID.Put(a.ID, n, m.accountID)
		m.accounts = append(m.accounts, *a)
		made := time.Unix(a.CreatedAt, 0)
		m.accounts[n].ByHand = a.Role == RolePending && !at.IsZero() && at.Sub(made) > newAccount && (last.IsZero() || a.CreatedAt > 0 && made.Before(last))
		return n, true
	}
	row := &m.accounts[n]
	next := *a
	switch {
	case next.Role != RolePending:
		next.ByHand = false
	case row.Role != "" && row.Role != RolePending:
		next.ByHand = true
	default:
		next.ByHand = row.ByHand
	}
	if next.Subjects == nil {
		next.Subjects = row.Subjects
	}
	if next.CreatedAt == 0 {
		next.CreatedAt = row.CreatedAt
	}
	changed = row.ByHand != next.ByHand || row.Email != next.Email || row.Name != next.Name || row.Role != next.Role || row.Deleted != next.Deleted ||
		row.CreatedAt != next.CreatedAt || len(row.Subjects) != len(next.Subjects)
	for k, v := range next.Subjects {
		changed = changed || row.Subjects[k] != v
	}
	*row = next
	return n, changed
}

// group adds or renews a group of the mirror.
func (m *Memory) group(g *Group, dirty *Dirty) bool {
	r := m.Mirror
	have := r.groups[g.ID]
	next := &MirrorGroup{Group: *g}
	next.Members = nil
	switch {
	case g.MembersRead:
		next.Numbers = make([]uint32, 0, len(g.Members))
		for _, id := range g.Members {
			n, ok := r.Number(id)
			if !ok {
				// An account made between two answers; the next look fills the row.
				n, _ = r.account(&Account{ID: id}, time.Time{}, time.Time{})
				dirty.Accounts = append(dirty.Accounts, n)
			}
			next.Numbers = append(next.Numbers, n)
		}
		slices.Sort(next.Numbers)
		next.Numbers = slices.Compact(next.Numbers)
	case have != nil:
		next.Numbers, next.MembersRead, next.ReadAt = have.Numbers, have.MembersRead, have.ReadAt
	}
	r.groups[g.ID] = next
	return have == nil || g.MembersRead || !sameGroup(&have.Group, g)
}

func sameGroup(a, b *Group) bool {
	return a.Name == b.Name && a.Description == b.Description && a.MemberCount == b.MemberCount && a.UpdatedAt == b.UpdatedAt &&
		a.Share == b.Share && a.Parent == b.Parent && string(a.Permissions) == string(b.Permissions) && string(a.Data) == string(b.Data)
}

// ObserveGroup takes the reading of one group into the memory.
func (m *Memory) ObserveGroup(g *Group) Dirty {
	var dirty Dirty
	m.group(g, &dirty)
	dirty.MirrorGroups = append(dirty.MirrorGroups, g.ID)
	return dirty
}

// ForgetGroup takes a group that is proved to be gone out of the mirror.
func (m *Memory) ForgetGroup(id string) Dirty {
	dirty := Dirty{MirrorGroups: []string{id}}
	m.keepSharedOf(id, &dirty)
	delete(m.Mirror.groups, id)
	return dirty
}

// ObserveAccount takes the look at one account, with the groups it is in, into the
// memory. The groups' own counts stay as they are, so that the next whole look reads
// those groups again that do not add up.
func (m *Memory) ObserveAccount(v *AccountView) Dirty {
	var dirty Dirty
	n, changed := m.Mirror.account(&v.Account, m.Mirror.At, m.Mirror.At)
	if changed {
		dirty.Accounts = append(dirty.Accounts, n)
		m.suspendedByHand(n, &dirty)
	}
	for id, g := range m.Mirror.groups {
		i, member := slices.BinarySearch(g.Numbers, n)
		switch is := slices.Contains(v.Groups, id); {
		case is && !member:
			g.Numbers = slices.Insert(slices.Clone(g.Numbers), i, n)
		case !is && member:
			g.Numbers = slices.Delete(slices.Clone(g.Numbers), i, i+1)
		default:
			continue
		}
		dirty.MirrorGroups = append(dirty.MirrorGroups, id)
	}
	slices.Sort(dirty.MirrorGroups)
	return dirty
}

// bury ends what a deleted account owned, and remembers when that was.
func (m *Memory) bury(account uint32, at time.Time, dirty *Dirty) {
	id := m.Mirror.accounts[account].ID
	m.Tombstones = append(m.Tombstones, Tombstone{At: at, Account: id})
	dirty.Tombstones = true
	if m.Roles[id] != (OwnedRole{}) {
		delete(m.Roles, id)
		dirty.Roles = append(dirty.Roles, id)
	}
	for _, id := range slices.Sorted(maps.Keys(m.Owned)) {
		o := m.Owned[id]
		feeds := o.Grants(account)
		if len(feeds) == 0 {
			continue
		}
		o.Set(account, nil)
		dirty.Owned = append(dirty.Owned, id)
		m.Tombstones = append(m.Tombstones, Tombstone{At: at, Group: id, Account: m.Mirror.accounts[account].ID, Feed: feeds[0]})
	}
	for id, g := range m.Mirror.groups {
		if i, member := slices.BinarySearch(g.Numbers, account); member {
			g.Numbers = slices.Delete(slices.Clone(g.Numbers), i, i+1)
			dirty.MirrorGroups = append(dirty.MirrorGroups, id)
		}
	}
	slices.Sort(dirty.Owned)
}

// Merge adds what another change made dirty.
func (d *Dirty) Merge(o Dirty) {
	d.Head = d.Head || o.Head
	d.Accounts = append(d.Accounts, o.Accounts...)
	d.MirrorGroups = append(d.MirrorGroups, o.MirrorGroups...)
	d.People = append(d.People, o.People...)
	d.Links = append(d.Links, o.Links...)
	d.Owned = append(d.Owned, o.Owned...)
	d.Lost = append(d.Lost, o.Lost...)
	d.Roles = append(d.Roles, o.Roles...)
	d.Grants = append(d.Grants, o.Grants...)
	d.Resources = append(d.Resources, o.Resources...)
	d.Events = append(d.Events, o.Events...)
	d.Losses = d.Losses || o.Losses
	d.Holds = d.Holds || o.Holds
	d.Approvals = d.Approvals || o.Approvals
	d.Accepted = d.Accepted || o.Accepted
	d.Scopes = d.Scopes || o.Scopes
	d.Tombstones = d.Tombstones || o.Tombstones
}

// ChangedHold is the hold of a target that does not look like the one we know.
func (m *Memory) ChangedHold(detail string, now time.Time) run.Hold {
	h := run.Hold{Check: run.TargetChanged, Target: m.Target, Detail: detail, Since: now,
		Approve: "groupsyncd target accept " + m.Target}
	for _, old := range m.Holds {
		if old.Check == run.TargetChanged {
			h.Since = old.Since
		}
	}
	h.Hash = holdHash(&h)
	return h
}
