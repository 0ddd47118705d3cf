package state

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// The compact records are written by writer and read by reader: lengths, counts and
// numbers as varints, lists of rows as gaps, UUIDs as their 16 bytes.

// writer appends values to a record.
type writer struct{ b []byte }

func (w *writer) byte(v byte)   { w.b = append(w.b, v) }
func (w *writer) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) int(v int64)   { w.b = binary.AppendVarint(w.b, v) }

func (w *writer) string(s string) {
	w.uint(uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) bytes(p []byte) {
	w.uint(uint64(len(p)))
	w.b = append(w.b, p...)
}

// id writes a text that is often a UUID in its usual form.
func (w *writer) id(s string) {
	var raw [16]byte
	if !parseUUID(s, &raw) {
		w.uint(uint64(len(s)) << 1)
		w.b = append(w.b, s...)
		return
	}
	w.byte(1)
	w.b = append(w.b, raw[:]...)
}

// time writes a time in full; the zero time survives.
func (w *writer) time(t time.Time) {
	w.int(t.Unix())
	w.uint(uint64(t.Nanosecond()))
}

// rows writes strictly growing numbers as gaps.
func (w *writer) rows(list []uint32) error {
	w.uint(uint64(len(list)))
	next := uint64(0)
	for _, n := range list {
		if uint64(n) < next {
			return fmt.Errorf("number %d is not in order", n)
		}
		w.uint(uint64(n) - next)
		next = uint64(n) + 1
	}
	return nil
}

// clock is the times of a head, to which most times of the rows are equal: those take
// two bits instead of their bytes, and a record stays the same when only its head moves.
type clock [2]time.Time

// The two bits of a time.
const (
	timeZero = iota
	timeFirst
	timeSecond
	timeOwn
)

func (c *clock) code(t time.Time) byte {
	switch {
	case t.IsZero():
		return timeZero
	case t.Equal(c[0]):
		return timeFirst
	case t.Equal(c[1]):
		return timeSecond
	}
	return timeOwn
}

// coded writes what the two bits of a time leave open.
func (w *writer) coded(code byte, t time.Time) {
	if code == timeOwn {
		w.time(t)
	}
}

// errShort is the end of a record in the middle of a value.
var errShort = errors.New("the record ends too early")

// reader takes values from a record. After the first error every value is zero.
type reader struct {
	b   []byte
	pos int
	err error
	// text is one copy of the record from offset on that all texts share; empty when each
	// has its own, because the rest of the record is large and would live as long.
	text   string
	offset int
}

func newReader(payload []byte) *reader { return &reader{b: payload} }

// share has all texts from here on share one copy of the rest of the record.
func (r *reader) share() { r.text, r.offset = string(r.b[r.pos:]), r.pos }

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.pos = len(r.b)
}

// end reports an error met on the way, or bytes that are left over.
func (r *reader) end() error {
	if r.err == nil && r.pos != len(r.b) {
		return fmt.Errorf("%d bytes are left over", len(r.b)-r.pos)
	}
	return r.err
}

func (r *reader) byte() byte {
	if r.pos >= len(r.b) {
		r.fail(errShort)
		return 0
	}
	r.pos++
	return r.b[r.pos-1]
}

func (r *reader) uint() uint64 {
	if r.pos < len(r.b) && r.b[r.pos] < 0x80 {
		r.pos++
		return uint64(r.b[r.pos-1])
	}
	v, n := binary.Uvarint(r.b[r.pos:])
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.pos += n
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b[r.pos:])
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.pos += n
	return v
}

// count reads a number of things of at least that many bytes each, so that a damaged
// one cannot ask for more memory than the record is long.
func (r *reader) count(least int) int {
	n := r.uint()
	if n > uint64((len(r.b)-r.pos)/least) {
		r.fail(errShort)
		return 0
	}
	return int(n)
}

func (r *reader) string() string {
	n := r.count(1)
	r.pos += n
	if r.text != "" {
		return r.text[r.pos-n-r.offset : r.pos-r.offset]
	}
	return string(r.b[r.pos-n : r.pos])
}

// shared reads a text and gives the equal one of those named, if there is one.
func (r *reader) shared(known ...string) string {
	n := r.count(1)
	r.pos += n
	raw := r.b[r.pos-n : r.pos]
	for _, s := range known {
		if s == string(raw) {
			return s
		}
	}
	return string(raw)
}

// bytes gives a copy, nil when empty.
func (r *reader) bytes() []byte {
	n := r.count(1)
	if n == 0 {
		return nil
	}
	r.pos += n
	return append([]byte(nil), r.b[r.pos-n:r.pos]...)
}

// id appends the text of an id to dst.
func (r *reader) id(dst []byte) []byte {
	v := r.uint()
	n := v >> 1
	switch {
	case v == 1:
		n = 16
	case v&1 == 1:
		r.fail(fmt.Errorf("an id has the unknown form %d", v))
		return dst
	}
	if n > uint64(len(r.b)-r.pos) {
		r.fail(errShort)
		return dst
	}
	r.pos += int(n)
	raw := r.b[r.pos-int(n) : r.pos]
	if v == 1 {
		return appendUUID(dst, raw)
	}
	return append(dst, raw...)
}

// idString reads one id.
func (r *reader) idString() string {
	var buf [64]byte
	return string(r.id(buf[:0]))
}

// ids reads n ids into one text of their own: maps of ids outlive the rows.
func (r *reader) ids(n int) []string {
	buf := make([]byte, 0, 36*n)
	ends := make([]int, n)
	for i := range ends {
		buf = r.id(buf)
		ends[i] = len(buf)
	}
	text, from := string(buf), 0
	list := make([]string, n)
	for i, to := range ends {
		list[i] = text[from:to]
		from = to
	}
	return list
}

func (r *reader) time() time.Time {
	sec, nsec := r.int(), r.uint()
	if nsec >= uint64(time.Second) {
		r.fail(errors.New("a time has too many nanoseconds"))
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

// coded reads a time of which the two bits are known.
func (r *reader) coded(code byte, c *clock) time.Time {
	switch code & 3 {
	case timeFirst:
		return c[0]
	case timeSecond:
		return c[1]
	case timeOwn:
		return r.time()
	}
	return time.Time{}
}

// rows reads strictly growing numbers below limit, nil when there are none.
func (r *reader) rows(limit int) []uint32 {
	n := r.count(1)
	if n == 0 {
		return nil
	}
	list := make([]uint32, n)
	next := uint64(0)
	for i := range list {
		gap := r.uint()
		if gap >= uint64(limit) || next+gap >= uint64(limit) {
			r.fail(fmt.Errorf("it names row %d of %d", next+gap, limit))
			return nil
		}
		list[i] = uint32(next + gap)
		next += gap + 1
	}
	if r.err != nil {
		return nil
	}
	return list
}

// parseUUID reads the usual form in lower case; any other text must come back as it is.
func parseUUID(s string, raw *[16]byte) bool {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	var bad byte
	for i, p := range [16]byte{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34} {
		high, low := nibble(s[p]), nibble(s[p+1])
		raw[i] = high<<4 | low
		bad |= high | low
	}
	return bad < 16
}

// nibble gives the value of a digit, and for anything else one with a high bit set.
func nibble(c byte) byte {
	if d := c - '0'; d < 10 {
		return d
	}
	if d := c - 'a'; d < 6 {
		return d + 10
	}
	return 0x80
}

func appendUUID(dst, raw []byte) []byte {
	from := 0
	for i, to := range [...]int{4, 6, 8, 10, 16} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, raw[from:to])
		from = to
	}
	return dst
}
