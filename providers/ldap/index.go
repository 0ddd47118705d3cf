package ldap

import "hash/maphash"

// index finds things by a name that they hold themselves: it keeps their numbers and a
// part of a hash of each name, eight bytes in all, so that a hundred thousand people
// cost two megabytes and a look-up allocates nothing.
type index struct {
	// same reports whether the thing of that number has that name.
	same  func(at uint32, name []byte) bool
	seed  maphash.Seed
	slots []uint64 // half a hash, and a number plus one; 0 is free
	used  int
}

func newIndex(same func(at uint32, name []byte) bool) *index {
	return &index{same: same, seed: maphash.MakeSeed(), slots: make([]uint64, 64)}
}

// find gives the number of what has that name.
func (x *index) find(name []byte) (uint32, bool) {
	half := maphash.Bytes(x.seed, name) >> 32
	mask := uint64(len(x.slots) - 1)
	for i := half & mask; x.slots[i] != 0; i = (i + 1) & mask {
		if s := x.slots[i]; s>>32 == half && x.same(uint32(s)-1, name) {
			return uint32(s) - 1, true
		}
	}
	return 0, false
}

// add notes a name. One that is known keeps its number, which is given then.
func (x *index) add(name []byte, at uint32) (known uint32, taken bool) {
	if known, taken := x.find(name); taken {
		return known, true
	}
	if x.used*4 >= len(x.slots)*3 {
		old := x.slots
		x.slots = make([]uint64, 2*len(old))
		for _, s := range old {
			if s != 0 {
				x.put(s)
			}
		}
	}
	x.used++
	x.put(maphash.Bytes(x.seed, name)>>32<<32 | uint64(at+1))
	return at, false
}

func (x *index) put(s uint64) {
	mask := uint64(len(x.slots) - 1)
	i := s >> 32 & mask
	for x.slots[i] != 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = s
}
