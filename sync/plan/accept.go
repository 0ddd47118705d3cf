package plan

import (
	"maps"
	"slices"
	"time"

	"groupsyncd/directory"
)

// Accept takes an observation of a target that looked changed, and that somebody said is
// the right one, into the memory. What is missing there ends without counting as a
// deletion by hand; whom we had taken out before and who is there again, as in a restored
// backup, is ours again, so that the next plan can take them out again. The observation
// must have the members of every group.
func (m *Memory) Accept(o *Observation) Dirty {
	again, deleted := append(m.returned(o), m.returnedRoles(o)...), m.deleted()
	back := m.pendingAgain(o)
	dirty := m.Observe(o)
	for _, n := range back {
		m.Mirror.accounts[n].ByHand = false
	}
	for _, key := range slices.SortedFunc(maps.Keys(m.Links), LinkKey.Compare) {
		link := m.Links[key]
		switch {
		case m.Mirror.Group(link.GroupID) == nil:
			m.EndGroup(link.GroupID, o.At, &dirty)
			delete(m.Links, key)
		case !link.RecreatedAt.IsZero():
			link.RecreatedAt = time.Time{}
			m.Links[key] = link
		default:
			continue
		}
		dirty.Links = append(dirty.Links, key)
	}
	people := slices.Collect(m.People.Keys())
	slices.SortFunc(people, compareUsers)
	for _, key := range people {
		if n, known := m.Mirror.Number(m.People.Link(key).Account); known && m.Mirror.Account(n).Deleted {
			m.Unlink(key, o.At, &dirty)
		}
	}
	m.relink(deleted, &dirty)
	for _, t := range again { // Only now, because accounts have their numbers now.
		n, known := m.Mirror.Number(t.Account)
		if !known || m.Mirror.Account(n).Deleted {
			continue
		}
		owned := m.Owned[t.Group]
		if owned == nil {
			owned = &OwnedGroup{GroupID: t.Group}
			m.Owned[t.Group] = owned
		}
		if grants := owned.Grants(n); !slices.Contains(grants, t.Feed) {
			owned.Set(n, append(grants, t.Feed))
			dirty.Owned = append(dirty.Owned, t.Group)
		}
	}
	return dirty
}

// returned gives the tombstones of members who are there and were not at our last
// verified reading of their group.
func (m *Memory) returned(o *Observation) []Tombstone {
	there := make(map[string]*Group, len(o.Groups))
	for i := range o.Groups {
		there[o.Groups[i].ID] = &o.Groups[i]
	}
	var again []Tombstone
	for _, t := range m.Tombstones {
		g := there[t.Group]
		if g == nil || !g.MembersRead || !slices.Contains(g.Members, t.Account) {
			continue
		}
		if last := m.Mirror.Group(t.Group); last != nil {
			n, known := m.Mirror.Number(t.Account)
			if _, was := slices.BinarySearch(last.Numbers, n); !last.MembersRead || known && was {
				continue
			}
		}
		again = append(again, t)
	}
	return again
}

// EndGroup ends what we owned in a group that is not there, with tombstones, and what we
// shared with it.
func (m *Memory) EndGroup(id string, at time.Time, dirty *Dirty) {
	m.endGrants(id, dirty)
	owned := m.Owned[id]
	if owned == nil {
		return
	}
	for _, f := range owned.Feeds {
		for _, a := range f.Accounts {
			m.Tombstones = append(m.Tombstones, Tombstone{At: at, Group: id, Account: m.Mirror.Account(a).ID, Feed: f.Key})
		}
	}
	dirty.Tombstones = true
	delete(m.Owned, id)
	dirty.Owned = append(dirty.Owned, id)
}

// deleted gives the accounts that are known as deleted.
func (m *Memory) deleted() map[string]bool {
	ids := map[string]bool{}
	for n := range m.Mirror.Accounts() {
		if a := m.Mirror.Account(uint32(n)); a.Deleted {
			ids[a.ID] = true
		}
	}
	return ids
}

// relink gives accounts that had been deleted and are there again back to whom they were
// linked to, unless somebody has another account, or the account somebody else, by now.
func (m *Memory) relink(deleted map[string]bool, dirty *Dirty) {
	holder := map[[2]string]bool{}
	for key, link := range m.People.All() {
		holder[[2]string{key.Source, link.Account}] = true
	}
	for _, t := range slices.Backward(m.Tombstones) {
		n, known := m.Mirror.Number(t.Account)
		if t.Link == nil || !deleted[t.Account] || !known || m.Mirror.Account(n).Deleted || holder[[2]string{t.Person.Source, t.Account}] {
			continue
		}
		if _, linked := m.People.Get(t.Person); linked {
			continue
		}
		m.People.Set(t.Person, *t.Link)
		holder[[2]string{t.Person.Source, t.Account}] = true
		dirty.People = append(dirty.People, t.Person)
	}
}

// Unlink ends the link of a person, with a tombstone.
func (m *Memory) Unlink(person directory.UserKey, at time.Time, dirty *Dirty) {
	link, linked := m.People.Get(person)
	if !linked {
		return
	}
	m.Tombstones = append(m.Tombstones, Tombstone{At: at, Account: link.Account, Person: person, Link: &link})
	m.People.Delete(person)
	dirty.People = append(dirty.People, person)
	dirty.Tombstones = true
}

// Returned reports whether somebody is in a group from which we took them, and where we
// have not seen them since.
func (m *Memory) Returned(v *AccountView) bool {
	n, known := m.Mirror.Number(v.Account.ID)
	for _, id := range v.Groups {
		g := m.Mirror.Group(id)
		if g == nil {
			continue
		}
		if _, is := slices.BinarySearch(g.Numbers, n); known && is {
			continue
		}
		if slices.ContainsFunc(m.Tombstones, func(t Tombstone) bool { return t.Group == id && t.Account == v.Account.ID }) {
			return true
		}
	}
	return false
}
