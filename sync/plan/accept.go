package plan

import (
	"cmp"
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
	again := m.returned(o)
	dirty := m.Observe(o)
	for key, link := range m.Links {
		switch {
		case m.Mirror.Group(link.GroupID) == nil:
			m.endGroup(link.GroupID, o.At, &dirty)
			delete(m.Links, key)
		case !link.RecreatedAt.IsZero():
			link.RecreatedAt = time.Time{}
			m.Links[key] = link
		default:
			continue
		}
		dirty.Links = append(dirty.Links, key)
	}
	slices.SortFunc(dirty.Links, LinkKey.Compare)
	for key, link := range m.People {
		if n, known := m.Mirror.Number(link.Account); known && m.Mirror.Account(n).Deleted {
			delete(m.People, key)
			dirty.People = append(dirty.People, key)
		}
	}
	slices.SortFunc(dirty.People, func(a, b directory.UserKey) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID))
	})
	for _, t := range again {
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

// endGroup ends what we owned in a group that is not there, with tombstones.
func (m *Memory) endGroup(id string, at time.Time, dirty *Dirty) {
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
