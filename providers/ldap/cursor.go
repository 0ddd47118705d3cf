package ldap

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/packed"
	"groupsyncd/providers"
)

// way is how a server tells what changed.
type way string

// The ways, the better ones first. None is the empty one.
const (
	waySyncrepl way = "syncrepl"   // RFC 4533, OpenLDAP with syncprov
	wayDirSync  way = "dirsync"    // Active Directory
	wayUSN      way = "usnchanged" // Active Directory
)

// cursor says up to where a picture of the directory reaches, and of which server it
// is. Servers take a damaged cookie of theirs for a good one, so the whole is sealed.
type cursor struct {
	mark
	// Scope is a digest of what decides which entries are shown and how.
	Scope string `json:"scope"`
	// At is the time of the read; accounts that expired since then are disabled now.
	At time.Time `json:"at"`
	// Print is a digest of the picture that belongs to the cursor.
	Print uint64 `json:"print"`
	// Primary says who has which primary group; Active Directory only.
	Primary *primaries `json:"primary,omitempty"`
}

// mark is a server and its position.
type mark struct {
	Way way    `json:"way"`
	URL string `json:"url"`

	// Contexts are, per suffix, the newest change of each provider (contextCSN).
	Contexts map[string][]string `json:"contexts,omitempty"`

	// Host and Invocation tell domain controllers and their restored copies apart.
	Host       string `json:"host,omitempty"`
	Invocation string `json:"invocation,omitempty"`
	// Root is the naming context of all bases.
	Root string `json:"root,omitempty"`
	USN  int64  `json:"usn,omitempty"`
	// Flags and Cookie are those of DirSync.
	Flags  int64  `json:"flags,omitempty"`
	Cookie []byte `json:"cookie,omitempty"`
}

// cursorForm begins every cursor; another form gets another one.
const cursorForm = "groupsyncd-ldap-1\n"

// maxCursor bounds what a cursor may unfold to.
const maxCursor = 64 << 20

func (c *cursor) encode() ([]byte, error) { return packed.Encode(cursorForm, c) }

func decodeCursor(raw []byte) (*cursor, error) {
	c := &cursor{}
	if err := packed.Decode(cursorForm, raw, maxCursor, c); err != nil {
		return nil, err
	}
	return c, nil
}

// needFull says why changes cannot be told.
func needFull(format string, args ...any) error {
	return fmt.Errorf("%w: %s", providers.ErrFullRead, fmt.Errorf(format, args...).Error())
}

// digest sums up everything in the configuration that decides what a picture shows:
// with another list of attributes, users who did not change would lack the new ones.
func (l *layout) digest() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{l.scope(), l.users.Disabled, l.users.Email, l.users.Username, l.users.Name,
		l.groups.Name, l.groups.Description, strings.Join(l.userAttributes(), " "), strings.Join(l.groupAttributes(), " "),
		fmt.Sprint(l.ad, l.nested, l.users.Attributes)}, "\n")))
	return fmt.Sprintf("%x", sum[:12])
}

// fingerprint sums up a picture whatever the order of its users and groups. A cursor is
// good for exactly the picture that it was made for.
func fingerprint(s *directory.Snapshot) uint64 {
	var all uint64
	users := make([]uint64, len(s.Users))
	for i := range s.Users {
		u := &s.Users[i]
		h := sum64(sum64(sum64(sum64(sumStart, u.ID), u.DN), u.Username), u.Email)
		if u.Disabled {
			h = sum64(h, "disabled")
		}
		users[i] = mix(h)
		all += users[i]
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		h := sum64(sum64(sum64(sumStart, g.ID), g.DN), g.Name)
		if g.Unlisted {
			h = sum64(h, "unlisted")
		}
		var within uint64
		for _, u := range g.Direct {
			within += mix(users[u])
		}
		for _, c := range g.Children {
			within += mix(sum64(sum64(sumStart, "child"), s.Groups[c].ID))
		}
		for _, ref := range g.Unresolved {
			within += mix(sum64(sum64(sumStart, "unresolved"), ref))
		}
		all += mix(h + 31*within)
	}
	return all
}

// The constants are odd numbers without a pattern.
const (
	sumStart = 14695981039346656037
	sumPrime = 0x9fb21c651e98df25
)

// sum64 goes on with a sum, eight bytes at a time; the length of each text counts too.
func sum64(h uint64, text string) uint64 {
	h = (h ^ uint64(len(text))) * sumPrime
	for ; len(text) >= 8; text = text[8:] {
		word := uint64(text[0]) | uint64(text[1])<<8 | uint64(text[2])<<16 | uint64(text[3])<<24 |
			uint64(text[4])<<32 | uint64(text[5])<<40 | uint64(text[6])<<48 | uint64(text[7])<<56
		h = (h ^ h>>32 ^ word) * sumPrime
	}
	var rest uint64
	for i := range len(text) {
		rest |= uint64(text[i]) << (8 * i)
	}
	h = (h ^ h>>32 ^ rest) * sumPrime
	return h ^ h>>32
}

// mix spreads a sum over all bits, so that sums can be added up (the last step of
// MurmurHash3).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
