package plan

import (
	"maps"
	"slices"

	"groupsyncd/directory"
	"groupsyncd/sync/run"
)

// Decided is what a person's decision made of a memory. The memory is a copy: it takes the
// place of the other one when it is stored.
type Decided struct {
	Memory *Memory
	Dirty  Dirty
	// Memberships and Groups count what is no longer ours; Again counts those memberships
	// of them that the rules still want, so that the next run makes them ours again.
	Memberships, Groups, Again int
	// Links counts links of groups that ended, Held the changes that left holds.
	Links, Held int

	in *Input
	// before are the changes that were planned without the decision, and whether each takes
	// something away.
	before map[string]bool
	// touched are the memberships that the decision is about, by the key of their removal.
	touched map[string]spot
}

// spot is one account in one group.
type spot struct {
	group   string
	account uint32
}

// decide lets a decision change a copy of the memory, and sees to it that the decision by
// itself takes nothing away from anybody: what the next plan would remove now and would
// not have removed without it is kept, and is no longer ours. spare says which of those
// removals are none of the decision's making; nil: none.
func decide(in *Input, change func(*Decided), spare func(*Change) bool) *Decided {
	before := map[string]bool{}
	for _, c := range Compute(in).Changes {
		before[c.Key] = c.Loss() || c.Cut()
	}
	next := *in
	d := &Decided{Memory: in.Memory.clone(), in: &next, before: before, touched: map[string]spot{}}
	next.Memory = d.Memory
	change(d)
	for {
		p, kept := Compute(&next), false
		for i := range p.Changes {
			c := &p.Changes[i]
			if c.Cut() && !before[c.Key] && !c.Foreign && (c.Op == run.SetGrants || len(c.Restored) > 0) {
				d.spareCut(c)
				kept = true
				continue
			}
			_, touched := d.touched[c.Key]
			if !c.Loss() || !touched && before[c.Key] || spare != nil && spare(c) {
				continue
			}
			switch {
			case c.Op == run.SetRole:
				kept = d.keepRole(c) || kept
			case c.Proof.Exact:
				kept = d.stay(c.GroupID(), c.Account) || kept
			default:
				kept = d.letGo(c.GroupID(), c.Account, nil) || kept
			}
		}
		if !kept {
			d.count(p)
			return d
		}
	}
}

// count sums up what is no longer ours in the plan after the decision.
func (d *Decided) count(p *Plan) {
	groups := map[string]bool{}
	for _, s := range d.touched {
		d.Memberships++
		groups[s.group] = true
	}
	d.Groups = len(groups)
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Op == run.AdoptMember {
			if _, touched := d.touched[changeKey(run.RemoveMember, c.GroupID(), c.User.ID)]; touched {
				d.Again++
			}
		}
	}
}

// Keys gives the memberships that the decision was about, by the keys of their removals,
// sorted; nil when they are more than a number.
func (d *Decided) Keys(most int) []string {
	if len(d.touched) > most {
		return nil
	}
	return slices.Sorted(maps.Keys(d.touched))
}

// letGo leaves a membership only the given grants; none: it is no longer ours, and no
// longer in doubt. It reports whether it was either.
func (d *Decided) letGo(group string, account uint32, left []FeedKey) (changed bool) {
	m := d.Memory
	d.touched[changeKey(run.RemoveMember, group, m.Mirror.Account(account).ID)] = spot{group, account}
	if o := m.Owned[group]; o != nil && o.Has(account) {
		changed = true
		o.Set(account, left)
		if len(o.Feeds) == 0 {
			delete(m.Owned, group)
		}
		d.Dirty.Owned = append(d.Dirty.Owned, group)
		if IsRole(group) && len(left) == 0 {
			d.leaveRole(account)
		}
	}
	if len(left) == 0 && m.inDoubt(group, account) {
		changed = true
		m.Settle(group, account, &d.Dirty)
	}
	return changed
}

// stay keeps somebody in a group that takes only whom the directory names, and reports
// whether that is new.
func (d *Decided) stay(group string, account uint32) (changed bool) {
	d.touched[changeKey(run.RemoveMember, group, d.Memory.Mirror.Account(account).ID)] = spot{group, account}
	return d.keep(group, account)
}

// keep notes with every link of a group that an account stays.
func (d *Decided) keep(group string, account uint32) (changed bool) {
	m := d.Memory
	id := m.Mirror.Account(account).ID
	for _, key := range m.linksOf(group) {
		link := m.Links[key]
		if at, has := slices.BinarySearch(link.Kept, id); !has {
			link.Kept = slices.Insert(slices.Clone(link.Kept), at, id)
			m.Links[key] = link
			d.Dirty.Links = append(d.Dirty.Links, key)
			changed = true
		}
	}
	return changed
}

// kept gives, by group, the accounts that stay although the group is exact.
func (m *Memory) kept() map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for _, l := range m.Links {
		for _, id := range l.Kept {
			if all[l.GroupID] == nil {
				all[l.GroupID] = map[string]bool{}
			}
			all[l.GroupID][id] = true
		}
	}
	return all
}

// Stays reports whether somebody decided that an account stays in an exact group.
func (m *Memory) Stays(group, account string) bool {
	return slices.ContainsFunc(m.linksOf(group), func(k LinkKey) bool {
		_, has := slices.BinarySearch(m.Links[k].Kept, account)
		return has
	})
}

// EndStay forgets that decision, because the membership is ours now.
func (m *Memory) EndStay(group, account string, dirty *Dirty) {
	for key, link := range m.Links {
		if at, has := slices.BinarySearch(link.Kept, account); has && link.GroupID == group {
			link.Kept = slices.Delete(slices.Clone(link.Kept), at, at+1)
			m.Links[key] = link
			dirty.Links = append(dirty.Links, key)
		}
	}
}

// linksOf gives the links that lead to a group, in order.
func (m *Memory) linksOf(group string) []LinkKey {
	var keys []LinkKey
	for key, link := range m.Links {
		if link.GroupID == group {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, LinkKey.Compare)
	return keys
}

// clone copies what decisions change. What the target held, and the past, is shared.
func (m *Memory) clone() *Memory {
	next := *m
	next.People, next.Links = m.People.Clone(), maps.Clone(m.Links)
	next.Scopes, next.Lost = maps.Clone(m.Scopes), maps.Clone(m.Lost)
	next.Owned = make(map[string]*OwnedGroup, len(m.Owned))
	for id, o := range m.Owned {
		own := &OwnedGroup{GroupID: o.GroupID, Feeds: slices.Clone(o.Feeds), Clocks: slices.Clone(o.Clocks)}
		for f := range own.Feeds {
			own.Feeds[f].Accounts = slices.Clone(own.Feeds[f].Accounts)
		}
		next.Owned[id] = own
	}
	next.Grants = maps.Clone(m.Grants)
	next.Holds, next.Approvals, next.Roles = slices.Clone(m.Holds), slices.Clone(m.Approvals), maps.Clone(m.Roles)
	return &next
}

// SetLink ties a directory user to an account, or, with an empty link, unties them. What
// the account was given because of somebody else stays there and is no longer ours.
func SetLink(in *Input, key directory.UserKey, link PersonLink) *Decided {
	concerned := map[string]bool{in.Memory.People.Link(key).Account: true, link.Account: true}
	return decide(in, func(d *Decided) {
		d.Memory.People.Delete(key)
		if link.Account != "" {
			d.Memory.People.Set(key, link)
		}
		d.Dirty.People = append(d.Dirty.People, key)
	}, func(c *Change) bool {
		// A conflict that is settled lets go on what a person decided about others before.
		return !concerned[c.User.ID] && (c.Proof.Exact || c.Proof.TakenOver)
	})
}
