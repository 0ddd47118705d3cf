package directory

import (
	"math/bits"
	"slices"
)

// sets sorts and unites lists of users. Lists go through one bit per user, and one bit
// for each 64 of those that says where to look, so that their cost does not depend on
// their order; very short ones are sorted.
type sets struct {
	words, used []uint64
	// room is where united lists are put, so that not each needs memory of its own.
	room []uint32
	// short is where short lists are gathered.
	short []uint32
}

func newSets(users int) *sets {
	words := (users + 63) / 64
	return &sets{words: make([]uint64, words), used: make([]uint64, (words+63)/64)}
}

// roomSize is how many members share one piece of memory.
const roomSize = 1 << 15

// long reports whether bits are cheaper than sorting. Of a directory with a million
// people all places where bits may be are looked through, which short lists do not earn.
func (s *sets) long(n int) bool { return n > 32 && n > len(s.used)/4 }

// sort sorts a list in place and drops what occurs twice.
func (s *sets) sort(list []uint32) []uint32 {
	if increases(list) {
		return list
	}
	if !s.long(len(list)) {
		slices.Sort(list)
		return slices.Compact(list)
	}
	s.mark(list)
	return s.sweep(list[:0])
}

// union gives the sorted union of sorted lists. One list alone is given back.
func (s *sets) union(lists [][]uint32) []uint32 {
	if len(lists) == 0 {
		return nil
	}
	if len(lists) == 1 {
		return lists[0]
	}
	n := 0
	for _, list := range lists {
		n += len(list)
	}
	if !s.long(n) {
		s.short = s.short[:0]
		for _, list := range lists {
			s.short = append(s.short, list...)
		}
		slices.Sort(s.short)
		s.short = slices.Compact(s.short)
		return append(s.take(len(s.short)), s.short...)
	}
	n = 0
	for _, list := range lists {
		n += s.mark(list)
	}
	return s.sweep(s.take(n))
}

// mark sets the bits of a list and counts those that are new.
func (s *sets) mark(list []uint32) int {
	n := 0
	for _, u := range list {
		word, bit := &s.words[u/64], uint64(1)<<(u%64)
		if *word&bit == 0 {
			n++
			*word |= bit
			s.used[u/4096] |= 1 << (u / 64 % 64)
		}
	}
	return n
}

// sweep appends the users whose bits are set and clears them.
func (s *sets) sweep(list []uint32) []uint32 {
	for i, used := range s.used {
		for ; used != 0; used &= used - 1 {
			at := i*64 + bits.TrailingZeros64(used)
			for word := s.words[at]; word != 0; word &= word - 1 {
				list = append(list, uint32(at*64+bits.TrailingZeros64(word)))
			}
			s.words[at] = 0
		}
		s.used[i] = 0
	}
	return list
}

// take gives an empty list with room for n users, and no more, so that nobody who
// appends to it writes into the next.
func (s *sets) take(n int) []uint32 {
	if len(s.room) < n {
		s.room = make([]uint32, max(n, roomSize))
	}
	list := s.room[0:0:n]
	s.room = s.room[n:]
	return list
}

// increases reports whether a list is sorted and has nothing twice.
func increases(list []uint32) bool {
	for i := 1; i < len(list); i++ {
		if list[i-1] >= list[i] {
			return false
		}
	}
	return true
}
