package plan

import (
	"maps"
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// ReleaseReference ends what we gave only through references of a source that are dropped
// from its replica: dropped are the memberships that the replica of next shows no longer,
// and in is the same input before that. What is there stays. Who was about to lose their
// membership anyway is not spared by it.
func ReleaseReference(in, next *Input, source string, dropped []replica.Dropped, until time.Time) *Decided {
	r := &releasing{Letting: Letting{Source: source, Until: until}, exact: exactGroups(in), keys: map[string]bool{}}
	d := decide(in, func(d *Decided) {
		r.Decided = d
		d.in.Sources, d.in.Desired, d.in.Accepted = next.Sources, next.Desired, next.Accepted
		r.references(dropped)
	}, nil)
	r.holds()
	return d
}

// references ends the grants through the groups that somebody is no longer shown in.
func (r *releasing) references(dropped []replica.Dropped) {
	m := r.Memory
	at := slices.IndexFunc(r.in.Sources, func(s Source) bool { return s.ID == r.Source })
	shown := r.in.Sources[at].Replica
	out := map[directory.GroupKey]map[uint32]bool{}
	for _, d := range dropped {
		person, linked := m.People.Get(directory.UserKey{Source: r.Source, ID: shown.Users()[d.User].ID})
		account, known := m.Mirror.Number(person.Account)
		if !linked || !known {
			continue
		}
		key := directory.GroupKey{Source: r.Source, ID: shown.Groups()[d.Group].ID}
		if out[key] == nil {
			out[key] = map[uint32]bool{}
		}
		out[key][account] = true
	}
	for _, id := range slices.Sorted(maps.Keys(m.Owned)) {
		for _, a := range m.Owned[id].accounts() {
			grants := m.Owned[id].Grants(a)
			left := slices.DeleteFunc(slices.Clone(grants), func(k FeedKey) bool { return out[k.Group][a] })
			if len(left) == len(grants) || r.before[changeKey(run.RemoveMember, id, m.Mirror.Account(a).ID)] {
				continue
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
