package ldap

import "hash/maphash"

// batchSize is how many names are looked for at once.
const batchSize = 64

// batch is a number of names that are looked for at once. A look-up alone waits three
// times for memory: for its place in the table, for the thing that it points to, and for
// the name of that. Done for many names, step by step, these waits go side by side,
// which makes a million of them twice as fast.
type batch struct {
	buf  []byte
	ends [batchSize]int
	n    int

	at    [batchSize]uint32
	found [batchSize]bool

	half  [batchSize]uint64
	slots [batchSize]uint64
	names [batchSize]string
	// touched keeps what is read ahead from being optimised away.
	touched byte
}

func (b *batch) reset() { b.buf, b.n = b.buf[:0], 0 }

// end ends the name that was appended to buf last, and reports whether the batch is full.
func (b *batch) end() bool {
	b.ends[b.n] = len(b.buf)
	b.n++
	return b.n == batchSize
}

func (b *batch) name(i int) []byte {
	if i == 0 {
		return b.buf[:b.ends[0]]
	}
	return b.buf[b.ends[i-1]:b.ends[i]]
}

// findAll is find for every name of a batch. text gives the name of the thing of that
// number.
func (x *index) findAll(b *batch, text func(at uint32) string) {
	mask := uint64(len(x.slots) - 1)
	for i := range b.n {
		b.half[i] = maphash.Bytes(x.seed, b.name(i)) >> 32
	}
	for i := range b.n {
		b.slots[i] = x.slots[b.half[i]&mask]
	}
	for i := range b.n {
		b.names[i] = ""
		if s := b.slots[i]; s>>32 == b.half[i] && s != 0 {
			b.names[i] = text(uint32(s) - 1)
		}
	}
	for i := range b.n {
		if name := b.names[i]; name != "" {
			b.touched ^= name[0] ^ name[len(name)-1]
		}
	}
	for i := range b.n {
		if name := b.names[i]; name != "" && name == string(b.name(i)) {
			b.at[i], b.found[i] = uint32(b.slots[i])-1, true
			continue
		}
		// Not in the first place, where most are.
		b.at[i], b.found[i] = x.find(b.name(i))
	}
}
