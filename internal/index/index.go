// Package index finds rows of a table by their id. A map from ids to numbers keeps every id
// a second time and takes 36 bytes for each of them; where the table has the ids anyway, 8 to
// 16 bytes are enough.
package index

import (
	"hash/maphash"
	"slices"
)

// Index gives the number of a row by its id. The table itself is its caller's, who says with
// every call how to find the id of a row. The zero value is empty and ready for use.
type Index struct {
	// slots hold the upper half of the hash of an id and, in the lower half, the number of
	// its row plus one; zero is free. Their number is a power of two. An id stands at the
	// slot of its hash or, where that was taken, at the next free one.
	slots []uint64
	used  int
}

// seed is one for the whole process, so that equal tables have equal indexes. Nobody outside
// can know it and choose ids that all fall on one slot.
var seed = maphash.MakeSeed()

func hash(id string) uint64 { return maphash.String(seed, id) }

// IDs gives the id of a row.
type IDs func(row uint32) string

// smallest is how many slots the first entry makes.
const smallest = 8

// Find gives the row of an id.
func (x *Index) Find(id string, ids IDs) (uint32, bool) {
	at, found := x.find(id, ids)
	if !found {
		return 0, false
	}
	return row(x.slots[at]), true
}

func row(slot uint64) uint32 { return uint32(slot) - 1 }

// find gives the slot of an id, or the free one where it would be.
func (x *Index) find(id string, ids IDs) (int, bool) {
	if len(x.slots) == 0 {
		return 0, false
	}
	h, mask := hash(id), len(x.slots)-1
	for at := int(h) & mask; ; at = (at + 1) & mask {
		switch slot := x.slots[at]; {
		case slot == 0:
			return at, false
		case slot>>32 == h>>32 && ids(row(slot)) == id:
			return at, true
		}
	}
}

// Put says that a row has an id; another row that had it is no longer found. The row need
// not be in the table yet when it is put there right after.
func (x *Index) Put(id string, n uint32, ids IDs) {
	at, found := x.find(id, ids)
	if !found && (x.used+1)*8 > len(x.slots)*7 {
		x.grow(ids)
		at, _ = x.find(id, ids)
	}
	if !found {
		x.used++
	}
	x.slots[at] = hash(id)>>32<<32 | uint64(n+1)
}

func (x *Index) grow(ids IDs) {
	old := x.slots
	x.slots = make([]uint64, max(smallest, 2*len(old)))
	for _, slot := range old {
		if slot != 0 {
			at, _ := x.find(ids(row(slot)), ids)
			x.slots[at] = slot
		}
	}
}

// Delete forgets an id, whose row must still be in the table.
func (x *Index) Delete(id string, ids IDs) {
	hole, found := x.find(id, ids)
	if !found {
		return
	}
	x.used--
	// Whoever had to stand farther back because of the one that leaves moves up.
	mask := len(x.slots) - 1
	for at := (hole + 1) & mask; x.slots[at] != 0; at = (at + 1) & mask {
		home := int(hash(ids(row(x.slots[at])))) & mask
		if (at-home)&mask >= (at-hole)&mask {
			x.slots[hole] = x.slots[at]
			hole = at
		}
	}
	x.slots[hole] = 0
}

// Clone gives an index of its own.
func (x *Index) Clone() Index {
	return Index{slots: slices.Clone(x.slots), used: x.used}
}

// Of gives the index of a whole table. Of rows with one id the last is found.
func Of(rows int, ids IDs) Index {
	var x Index
	if rows > 0 {
		size := smallest
		for rows*8 > size*7 {
			size *= 2
		}
		x.slots = make([]uint64, size)
	}
	for n := range rows {
		x.Put(ids(uint32(n)), uint32(n), ids)
	}
	return x
}
