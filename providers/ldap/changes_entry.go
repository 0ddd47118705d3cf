package ldap

import (
	"context"
	"strconv"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
	"groupsyncd/providers/ldap/wire"
)

// Changed entries come by go-ldap, because it alone gives the controls of an entry, and
// are few. They are read by the same words as those of a full read.

// idOf gives the id of an entry.
func idOf(e *ldap.Entry, attribute string) (string, error) {
	return entryID(wire.EntryOf(e), attribute)
}

// shownUser makes a user of an entry, as a full read does. An error says that the
// status of the account is not known.
func (d *differ) shownUser(e *ldap.Entry) (directory.User, error) {
	from := wire.EntryOf(e)
	u, err := new(texts).user(d.layout, from)
	if err != nil {
		return u, err
	}
	u.StatusKnown = true
	if d.layout.ad && d.layout.users.Disabled == "" {
		u.Disabled, err = adDisabled(from, d.asOf)
	}
	return u, err
}

// shownGroup makes a group of an entry, as a full read does, without its members.
func (d *differ) shownGroup(e *ldap.Entry) (directory.Group, error) {
	return new(texts).group(d.layout, wire.EntryOf(e))
}

// isGroupEntry is isGroup for an entry that go-ldap read.
func (l *layout) isGroupEntry(e *ldap.Entry) bool { return l.isGroup(wire.EntryOf(e)) }

// asking makes a request with controls.
func asking(q query, controls ...ldap.Control) *ldap.SearchRequest {
	r := request(q)
	r.Controls = controls
	return r
}

// ranged reads all values of an attribute that the server gives in slices, from one
// unchanged state of the entry.
func (d *differ) ranged(ctx context.Context, name, attribute string) ([]string, error) {
	return d.session.values(ctx, name, attribute)
}

// clockSkew is how far the clocks of this machine and of a server may be apart.
const clockSkew = time.Hour

// fileTicks writes a time as Active Directory stores it: 100 ns since 1601.
func fileTicks(t time.Time) string {
	const secondsTo1970 = 11644473600
	return strconv.FormatInt((t.Unix()+secondsTo1970)*1e7, 10)
}

// primaries sums up who has which primary group.
func (r *reader) primaries() *primaries {
	names := make([]string, len(r.users.keys)+1)
	for key, n := range r.users.keys {
		names[n] = key
	}
	keys := make(map[string]string, len(r.users.primary))
	for i, n := range r.users.primary {
		keys[r.snapshot.Users[i].ID] = names[n]
	}
	return newPrimaries(keys, func(key string) string {
		if at, ok := r.groups.tokens[key]; ok && key != "" {
			return r.snapshot.Groups[at].ID
		}
		return ""
	})
}
