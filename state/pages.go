package state

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"
)

// This file reads bbolt's file format (its version 2) by itself, page by page and
// without a memory map, before bbolt is let near a file: bbolt trusts what it maps, so
// that a damaged page makes it panic, fault, or walk in a circle for ever. It also
// finds what neither bbolt nor a checksum of a value can: entries lost from a page
// whose count has changed. Numbers are in the byte order of the machine.
//
//	page     id 8, flags 2, count 2, overflow 4, then elements or data
//	branch   element: pos 4, key size 4, page 8
//	leaf     element: flags 4, pos 4, key size 4, value size 4
//	bucket   value: root page 8, sequence 8, then the page itself when the root is 0
//	meta     magic 4, version 4, page size 4, flags 4, root 8 + 8, freelist 8, end 8, txid 8, sum 8
const (
	pageHeader  = 16
	elementSize = 16
	bucketSize  = 16
	metaSize    = 64

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagMeta     = 0x04
	flagFreelist = 0x10

	leafBucket = 0x01

	metaMagic   = 0xED0CDAED
	metaVersion = 2
	noFreelist  = ^uint64(0)

	// maxDepth bounds branch pages above a leaf and buckets in buckets.
	maxDepth = 64
)

// heads is what the valid head with the higher transaction number says.
type heads struct {
	pageSize int
	root     uint64
	freelist uint64
	end      uint64
	txid     uint64
}

// readHeads reads both head pages. Both must be valid: the writes of them are smaller
// than a sector and do not tear, and behind a damaged one the last change is lost.
func readHeads(f io.ReaderAt) (*heads, error) {
	first, err := readHead(f, 0)
	if err != nil {
		if both := otherHead(f); !both {
			return nil, fmt.Errorf("both head pages are damaged: %w", err)
		}
		return nil, fmt.Errorf("the first of the two head pages is damaged, so the last change may be missing: %w", err)
	}
	second, err := readHead(f, int64(first.pageSize))
	if err != nil {
		return nil, fmt.Errorf("the second of the two head pages is damaged, so the last change may be missing: %w", err)
	}
	if second.pageSize != first.pageSize {
		return nil, errors.New("the two head pages contradict each other")
	}
	if second.txid > first.txid {
		return second, nil
	}
	return first, nil
}

// otherHead reports whether a valid second head is at one of the usual places.
func otherHead(f io.ReaderAt) bool {
	for size := int64(1 << 10); size <= 1<<16; size <<= 1 {
		if h, err := readHead(f, size); err == nil && int64(h.pageSize) == size {
			return true
		}
	}
	return false
}

func readHead(f io.ReaderAt, offset int64) (*heads, error) {
	var b [pageHeader + metaSize]byte
	switch _, err := f.ReadAt(b[:], offset); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the file is cut off")
	case err != nil:
		return nil, fmt.Errorf("read head page: %w", err)
	}
	order := binary.NativeEndian
	m := b[pageHeader:]
	sum := fnv.New64a()
	_, _ = sum.Write(m[:metaSize-8]) // A hash never fails.
	switch {
	case order.Uint32(m) != metaMagic:
		return nil, errors.New("this is no file of bbolt")
	case order.Uint32(m[4:]) != metaVersion:
		return nil, fmt.Errorf("version %d of the file format is unknown", order.Uint32(m[4:]))
	case order.Uint64(m[metaSize-8:]) != sum.Sum64():
		return nil, errors.New("its checksum is wrong")
	case order.Uint16(b[8:])&flagMeta == 0:
		return nil, errors.New("it is not marked as a head page")
	}
	h := &heads{pageSize: int(order.Uint32(m[8:])), root: order.Uint64(m[16:]),
		freelist: order.Uint64(m[32:]), end: order.Uint64(m[40:]), txid: order.Uint64(m[48:])}
	if h.pageSize < 1<<10 || h.pageSize > 1<<16 || h.pageSize&(h.pageSize-1) != 0 {
		return nil, fmt.Errorf("a page size of %d bytes is impossible", h.pageSize)
	}
	return h, nil
}

// walker visits every page that can be reached from a root, each once.
type walker struct {
	ctx      context.Context
	f        io.ReaderAt
	pageSize int
	// end is the number of the first page that is not in use.
	end  uint64
	seen []uint64
	// spare are buffers of one page that nobody uses now.
	spare [][]byte
	// version is the schema version that the file names, zero when it names none.
	version int
	// foreign is the first bucket that our picture does not have, bad the first record
	// that cannot be used. They do not end the walk: a newer version may have both.
	foreign, bad error
}

// checkPages reads the whole file from its newest head: structure, checksums of the
// records, and that every page is in use or free and never both. It gives the schema
// version. An error says that the file is damaged or none of ours; records and buckets
// of a version that is not ours are not judged.
func checkPages(ctx context.Context, f *os.File, ours int) (int, error) {
	h, err := readHeads(f)
	if err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("read file size: %w", err)
	}
	if h.end < 4 || h.end > uint64(info.Size())/uint64(h.pageSize) {
		return 0, fmt.Errorf("it is cut off: it has %d bytes and should have at least %d pages of %d", info.Size(), h.end, h.pageSize)
	}
	w := newWalker(ctx, f, h.pageSize, h.end)
	if err := w.page(h.root, nil, 0); err != nil {
		return 0, err
	}
	if err := w.freelist(h.freelist); err != nil {
		return 0, err
	}
	switch {
	case w.version == 0 && w.bad != nil:
		return 0, fmt.Errorf("it is damaged, or not a state of this program: it holds no schema, and %w", w.bad)
	case w.version == 0:
		return 0, errors.New("it is not a state of this program: it holds no schema")
	case w.version > ours:
		return w.version, nil
	case w.version < ours:
		return w.version, w.bad
	}
	return w.version, errors.Join(w.bad, w.foreign)
}

func newWalker(ctx context.Context, f io.ReaderAt, pageSize int, end uint64) *walker {
	return &walker{ctx: ctx, f: f, pageSize: pageSize, end: end, seen: make([]uint64, end/64+1)}
}

// record checks one record.
func (w *walker) record(s spot, key, value []byte) {
	payload, err := s.unseal(key, value)
	if err == nil && s.path == bucketMeta && string(key) == keySchema {
		var v schema
		if err = fromJSON(payload, &v); err == nil {
			w.version = v.Version
		}
	}
	if w.bad == nil {
		w.bad = err
	}
}

// read reads a page with its overflow and takes note of it.
func (w *walker) read(id uint64) ([]byte, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	if id < 2 || id >= w.end {
		return nil, fmt.Errorf("page %d does not exist", id)
	}
	b := w.buffer()
	if _, err := w.f.ReadAt(b, int64(id)*int64(w.pageSize)); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	order := binary.NativeEndian
	if order.Uint64(b) != id {
		return nil, fmt.Errorf("page %d says it is page %d", id, order.Uint64(b))
	}
	more := uint64(order.Uint32(b[12:]))
	if id+more >= w.end {
		return nil, fmt.Errorf("page %d goes on beyond the end", id)
	}
	for p := id; p <= id+more; p++ {
		if !w.mark(p) {
			return nil, fmt.Errorf("page %d is used twice", p)
		}
	}
	if more > 0 {
		first := b
		b = make([]byte, (more+1)*uint64(w.pageSize))
		copy(b, first)
		if _, err := w.f.ReadAt(b[w.pageSize:], (int64(id)+1)*int64(w.pageSize)); err != nil {
			return nil, fmt.Errorf("read page %d: %w", id, err)
		}
	}
	return b, nil
}

// buffer gives memory for one page; release takes it back.
func (w *walker) buffer() []byte {
	if n := len(w.spare); n > 0 {
		b := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return b
	}
	return make([]byte, w.pageSize)
}

func (w *walker) release(b []byte) {
	if len(b) == w.pageSize {
		w.spare = append(w.spare, b)
	}
}

func (w *walker) mark(page uint64) bool {
	bit := uint64(1) << (page % 64)
	if w.seen[page/64]&bit != 0 {
		return false
	}
	w.seen[page/64] |= bit
	return true
}

// page visits a page of the bucket with that path and everything below it.
func (w *walker) page(id uint64, path []string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("page %d is too deep", id)
	}
	b, err := w.read(id)
	if err != nil {
		return err
	}
	defer w.release(b)
	return w.elements(id, b, path, depth)
}

// elements visits what a page holds. bbolt packs keys and values without gaps behind
// the elements, so a count or length that has changed shows.
func (w *walker) elements(id uint64, b []byte, path []string, depth int) error {
	order := binary.NativeEndian
	flags, count := order.Uint16(b[8:]), int(order.Uint16(b[10:]))
	if flags != flagBranch && flags != flagLeaf {
		return fmt.Errorf("page %d has the kind %#x, which no page here has", id, flags)
	}
	if flags == flagBranch && count == 0 {
		return fmt.Errorf("page %d leads nowhere", id)
	}
	next := pageHeader + elementSize*count
	where := spot{}
	if len(path) > 0 {
		where = at(path...)
	}
	for i := range count {
		e := pageHeader + elementSize*i
		if e+elementSize > len(b) {
			return fmt.Errorf("page %d holds too many entries", id)
		}
		var pos, keySize, valueSize uint64
		if flags == flagBranch {
			pos, keySize = uint64(order.Uint32(b[e:])), uint64(order.Uint32(b[e+4:]))
		} else {
			pos, keySize, valueSize = uint64(order.Uint32(b[e+4:])), uint64(order.Uint32(b[e+8:])), uint64(order.Uint32(b[e+12:]))
		}
		if uint64(e)+pos != uint64(next) || keySize == 0 || uint64(next)+keySize+valueSize > uint64(len(b)) {
			return fmt.Errorf("entry %d of page %d is not where it should be", i, id)
		}
		key := b[next : next+int(keySize)]
		value := b[next+int(keySize) : next+int(keySize+valueSize)]
		next += int(keySize + valueSize)
		var err error
		switch {
		case flags == flagBranch:
			err = w.page(order.Uint64(b[e+8:]), path, depth+1)
		case order.Uint32(b[e:]) == leafBucket:
			err = w.enter(value, append(slices.Clip(path), string(key)), depth)
		case order.Uint32(b[e:]) != 0:
			err = fmt.Errorf("entry %d of page %d has the unknown flags %#x", i, id, order.Uint32(b[e:]))
		case len(path) == 0:
			w.bad = cmp.Or(w.bad, fmt.Errorf("the value %s is in no bucket", keyText(key)))
		default:
			w.record(where, key, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// enter visits a bucket by its value: a root page, or a small page in place.
func (w *walker) enter(value []byte, path []string, depth int) error {
	if len(value) < bucketSize {
		return fmt.Errorf("bucket %q has no root", place(path...))
	}
	if !knownBucket(path) && w.foreign == nil {
		w.foreign = fmt.Errorf("bucket %q does not belong here", place(path...))
	}
	if depth >= maxDepth {
		return fmt.Errorf("bucket %q is too deep", place(path...))
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return w.page(root, path, depth+1)
	}
	inline := value[bucketSize:]
	if len(inline) < pageHeader || binary.NativeEndian.Uint16(inline[8:]) != flagLeaf {
		return fmt.Errorf("bucket %q holds no entries where they should be", place(path...))
	}
	return w.elements(0, inline, path, depth+1)
}

// freelist checks the list of free pages, and that together with the pages seen it
// accounts for every page once.
func (w *walker) freelist(id uint64) error {
	if id == noFreelist {
		return errors.New("the list of free pages is missing")
	}
	b, err := w.read(id)
	if err != nil {
		return fmt.Errorf("list of free pages: %w", err)
	}
	order := binary.NativeEndian
	if flags := order.Uint16(b[8:]); flags != flagFreelist {
		return fmt.Errorf("list of free pages: page %d has the kind %#x", id, flags)
	}
	at, count := uint64(pageHeader), uint64(order.Uint16(b[10:]))
	if count == 0xFFFF {
		count = order.Uint64(b[at:])
		at += 8
	}
	if count > (uint64(len(b))-at)/8 {
		return fmt.Errorf("list of free pages: %d entries do not fit", count)
	}
	for ; count > 0; count, at = count-1, at+8 {
		page := order.Uint64(b[at:])
		if page < 2 || page >= w.end {
			return fmt.Errorf("list of free pages: page %d does not exist", page)
		}
		if !w.mark(page) {
			return fmt.Errorf("page %d is free and in use", page)
		}
	}
	for page := uint64(2); page < w.end; page++ {
		if w.mark(page) {
			return fmt.Errorf("page %d is neither in use nor free", page)
		}
	}
	return nil
}
