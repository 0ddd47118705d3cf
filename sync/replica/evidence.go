package replica

import (
	"slices"
	"strings"
	"time"

	"groupsyncd/directory"
)

// Evidence is what is known of when a user was shown. Thousands of users are shown by the
// same reads, so they share one and it is never changed: a merge gives the row another one.
type Evidence struct {
	// SeenAt is the newest evidence that shows the user; StatusAt that of Disabled;
	// GroupsAt that of all their groups, by a look-up or token.
	SeenAt   time.Time `json:"seen_at,omitzero"`
	StatusAt time.Time `json:"status_at,omitzero"`
	GroupsAt time.Time `json:"groups_at,omitzero"`
	Missing  Missing   `json:"missing,omitzero"`
	// DeletedAt is when the source itself said that the user was deleted; whoever is
	// deleted is missing too. Any newer sighting clears both.
	DeletedAt time.Time `json:"deleted_at,omitzero"`
}

// Shared gives equal evidence one place. The zero value is ready for use.
type Shared struct {
	last *Evidence
	all  map[Evidence]*Evidence
}

// Of gives the one place of some evidence.
func (s *Shared) Of(e Evidence) *Evidence {
	if s.last != nil && *s.last == e {
		return s.last
	}
	have := s.all[e]
	if have == nil {
		own := e
		have = &own
		if s.all == nil {
			s.all = map[Evidence]*Evidence{}
		}
		s.all[e] = have
	}
	s.last = have
	return have
}

// know gives a row other evidence.
func (m *merger) know(row *User, change func(*Evidence)) {
	next := *row.Evidence
	change(&next)
	row.Evidence = m.evidence.Of(next)
}

// sight gives a row the evidence that it has after a read that shows it: newest says that
// the read is not older than what showed it before, status that it tells the status. Most
// rows had the evidence of the row before, and get what that one got.
func (m *merger) sight(row *User, newest, status bool, at time.Time) {
	if how := (sighting{row.Evidence, newest, status, at}); how != m.sighting {
		next := *row.Evidence
		if newest {
			next.SeenAt = at
		}
		if status {
			next.StatusAt = at
		}
		if next.Missing.Is() {
			next.Missing, next.DeletedAt = sighted(next.Missing, next.DeletedAt, at)
		}
		m.sighting, m.sightedAs = how, m.evidence.Of(next)
	}
	row.Evidence = m.sightedAs
}

// sighting is all that what a read makes of the evidence about a user depends on.
type sighting struct {
	before         *Evidence
	newest, status bool
	at             time.Time
}

// ownTexts gives the texts of a user in one piece of memory, which is theirs: those of a snapshot
// may be parts of something larger, which would live as long.
func ownTexts(u *directory.User, id string) directory.User {
	next := *u
	next.ID = id
	text := strings.Join([]string{u.Email, u.Username, u.Name, u.DN}, "")
	for _, field := range []*string{&next.Email, &next.Username, &next.Name, &next.DN} {
		n := len(*field)
		*field, text = text[:n], text[n:]
	}
	if u.Attributes != nil {
		next.Attributes = make(map[string][]string, len(u.Attributes))
		for name, values := range u.Attributes {
			next.Attributes[strings.Clone(name)] = ownList(values)
		}
	}
	return next
}

func ownList(list []string) []string {
	list = slices.Clone(list)
	for i := range list {
		list[i] = strings.Clone(list[i])
	}
	return list
}
