package okta

import (
	"fmt"
	"hash/fnv"
	"io"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/packed"
	"groupsyncd/providers"
)

// cursor says what a picture was made of, so that the next read knows what is not worth
// reading again.
type cursor struct {
	// At is Okta's clock before the read.
	At time.Time `json:"at"`
	// Groups are the groups whose members were read, by id.
	Groups map[string]mark `json:"groups"`
}

// mark says which members a group had.
type mark struct {
	// Stamp is when somebody last came or went, as Okta wrote it before the members were read.
	Stamp string `json:"s"`
	// Print sums up the members, so that a picture that a look-up changed is noticed.
	Print uint64 `json:"p"`
}

// cursorForm begins every cursor; another form gets another one.
const cursorForm = "groupsyncd-okta-1\n"

// maxCursor bounds what a cursor may unfold to.
const maxCursor = 64 << 20

// needFull says why changes cannot be told.
func needFull(format string, args ...any) error {
	return fmt.Errorf("%w: %s", providers.ErrFullRead, fmt.Errorf(format, args...).Error())
}

// cursor gives that of what was read, nil where Okta did not tell its time.
func (r *reader) cursor(s *directory.Snapshot) []byte {
	if r.at.IsZero() {
		return nil
	}
	c := cursor{At: r.at, Groups: make(map[string]mark, len(s.Groups))}
	for i := range s.Groups {
		c.Groups[s.Groups[i].ID] = mark{Stamp: r.stamps[s.Groups[i].ID], Print: fingerprint(s, &s.Groups[i])}
	}
	raw, err := c.encode()
	if err != nil {
		return nil
	}
	return raw
}

// fingerprint sums up who is in a group, whatever their order.
func fingerprint(s *directory.Snapshot, g *directory.Group) uint64 {
	total := uint64(len(g.Direct))
	for _, at := range g.Direct {
		h := fnv.New64a()
		_, _ = io.WriteString(h, s.Users[at].ID)
		total += mix(h.Sum64())
	}
	return total
}

// mix spreads a sum over all bits, so that sums can be added up (the last step of MurmurHash3).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func (c *cursor) encode() ([]byte, error) { return packed.Encode(cursorForm, c) }

func decodeCursor(raw []byte) (*cursor, error) {
	c := &cursor{}
	if err := packed.Decode(cursorForm, raw, maxCursor, c); err != nil {
		return nil, err
	}
	if c.At.IsZero() {
		return nil, packed.ErrDamaged
	}
	return c, nil
}
