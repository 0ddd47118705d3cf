package entra

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/packed"
)

// cursor is where the next read of changes begins. It is good for exactly the picture, the
// tenant and the configuration that it was made for.
type cursor struct {
	// Config is a digest of what decides what a picture shows, Tenant the tenant that the
	// token was of.
	Config string `json:"config"`
	Tenant string `json:"tenant,omitempty"`
	// Since is the time of the read by the server's clock: whoever was made later is new.
	Since time.Time `json:"since"`
	Users string    `json:"users"`
	Feeds []feed    `json:"feeds"`
	// Hidden says that there are groups whose members are hidden from most.
	Hidden bool `json:"hidden,omitempty"`
	// Print is a digest of the picture.
	Print uint64 `json:"print"`
}

// feed is a delta query of groups: of all of them, or of some.
type feed struct {
	IDs  []string `json:"ids,omitempty"`
	Link string   `json:"link"`
}

const (
	// cursorForm begins every cursor; another form gets another one.
	cursorForm = "groupsyncd-entra-1\n"
	// maxCursor bounds what a cursor may unfold to.
	maxCursor = 16 << 20
	// tokenLife is how long Graph goes on from a link, less some hours.
	tokenLife = 6*24*time.Hour + 18*time.Hour
)

func (c *cursor) encode() ([]byte, error) { return packed.Encode(cursorForm, c) }

func decodeCursor(raw []byte) (*cursor, error) {
	c := &cursor{}
	if err := packed.Decode(cursorForm, raw, maxCursor, c); err != nil {
		return nil, err
	}
	if c.Users == "" {
		return nil, packed.ErrDamaged
	}
	return c, nil
}

// resume makes sure that a picture can be followed by its cursor alone.
func (s *source) resume(base *directory.Snapshot) (*cursor, error) {
	from, err := decodeCursor(base.Cursor)
	switch {
	case err != nil:
		return nil, needFull("%w", err)
	case base.Coverage() != directory.Full:
		return nil, needFull("the picture of before is not complete")
	case from.Config != s.config.digest():
		return nil, needFull("the configuration shows other things than when the cursor was made")
	case s.now().Sub(from.Since) > tokenLife:
		return nil, needFull("the last read was at %s, and Graph tells changes of seven days only", from.Since.UTC().Format(time.RFC3339))
	case fingerprint(base) != from.Print:
		return nil, needFull("the picture of before is not the one that the cursor was made for")
	}
	return from, nil
}

// digest sums up what decides what a picture shows: with another list of attributes, users
// who did not change would lack the new ones.
func (c *Config) digest() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%q %q %q %q", c.Place(), c.Scope(), c.Users.Email, c.Users.Username, c.Users.Name, fmt.Sprint(c.Users.Attributes)))
	return fmt.Sprintf("%x", sum[:12])
}

// fingerprint sums up a picture whatever the order of its users and groups.
func fingerprint(s *directory.Snapshot) uint64 {
	var all uint64
	users := make([]uint64, len(s.Users))
	for i := range s.Users {
		u := &s.Users[i]
		parts := []string{u.ID, u.Email, u.Username, u.Name, fmt.Sprint(u.Disabled)}
		for _, name := range slices.Sorted(maps.Keys(u.Attributes)) {
			parts = append(parts, name, strings.Join(u.Attributes[name], "\x00"))
		}
		users[i] = sum(parts...)
		all += users[i]
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		var within uint64
		for _, u := range g.Direct {
			within += users[u]
		}
		for _, c := range g.Children {
			within += sum("child", s.Groups[c].ID)
		}
		for _, ref := range g.Unresolved {
			within += sum("unresolved", ref)
		}
		all += sum(g.ID, g.Name, g.Description, fmt.Sprint(g.Unlisted), fmt.Sprintf("%x", within))
	}
	return all
}

// sum sums up texts; where each ends counts too.
func sum(parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	// FNV alone spreads the last bytes too little for sums that are added up.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return cmp.Or(x^x>>33, 1)
}
