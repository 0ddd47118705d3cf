package access

import (
	"slices"
	"time"
)

// given is which runs gave memberships, as far as they are known.
type given struct {
	runs []gift
	by   map[uint64]int32
}

type gift struct {
	run string
	at  time.Time
}

func seat(account uint32, group int32) uint64 { return uint64(account)<<32 | uint64(uint32(group)) }

// Given notes that a run gave accounts their memberships; each is an account and a group, by
// their ids. What a newer run gave must be noted first: a membership may have been given
// again.
func (v *View) Given(run string, at time.Time, memberships func(note func(account, group string))) {
	if v.given.by == nil {
		v.given.by = map[uint64]int32{}
	}
	v.given.runs = append(v.given.runs, gift{run, at})
	memberships(func(account, group string) {
		n, known := v.byID[account]
		g, there := v.byGroup[group]
		if !known || !there {
			return
		}
		if _, noted := v.given.by[seat(n, g)]; !noted {
			v.given.by[seat(n, g)] = int32(len(v.given.runs) - 1)
		}
	})
}

// gave says who put an account into a group, and when.
func (v *View) gave(n uint32, g int32) (by string, since time.Time, run string) {
	if _, ours := slices.BinarySearch(v.groups[g].owned, n); !ours {
		return ByHand, time.Time{}, ""
	}
	if at, known := v.given.by[seat(n, g)]; known {
		return ByUs, v.given.runs[at].at, v.given.runs[at].run
	}
	return ByUs, time.Time{}, ""
}
