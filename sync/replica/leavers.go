package replica

import (
	"slices"

	"groupsyncd/directory"
)

// Leaver is somebody whom a read does not show any more in groups that were read completely.
type Leaver struct {
	// ID is the person's id in the source, Groups are positions in the snapshot.
	ID     string
	Groups []int
}

// Leavers gives those who are in the snapshot and not in all the groups any more in which they
// are here, in the order of the snapshot. Groups of owners are left out, because no look-up
// says anything about them.
//
// Most sources read one group after the other. Somebody who moves between two of them meanwhile
// is in neither when the one they come to is read first and the one they leave last.
func (r *Replica) Leavers(s *directory.Snapshot) []Leaver {
	rows, at := make([]uint32, len(s.Users)), make([]int32, len(r.users))
	for n := range at {
		at[n] = -1
	}
	for i := range s.Users {
		n, known := r.User(s.Users[i].ID)
		if !known {
			n = ^uint32(0)
		} else {
			at[n] = int32(i)
		}
		rows[i] = n
	}
	left := map[int32][]int{}
	var shown []uint32
	for i := range s.Groups {
		g := &s.Groups[i]
		n, known := r.Group(g.ID)
		if !known || !g.MembersKnown || g.OwnersOf != "" {
			continue
		}
		shown = shown[:0]
		for _, p := range g.Members {
			shown = append(shown, rows[p])
		}
		slices.Sort(shown)
		for _, user := range difference(r.groups[n].Members, shown) {
			left[at[user]] = append(left[at[user]], i) // Those at -1 are missing, which is no leaving.
		}
	}
	var all []Leaver
	for i := range s.Users {
		if groups := left[int32(i)]; groups != nil {
			all = append(all, Leaver{ID: s.Users[i].ID, Groups: groups})
		}
	}
	return all
}
