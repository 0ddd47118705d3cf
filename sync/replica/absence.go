package replica

import (
	"fmt"
	"slices"
	"time"
)

// Kind is why something is absent. It decides how fast it may be taken away.
type Kind int

// The kinds that a replica can prove.
const (
	// Explicit is a statement of the source: disabled, deleted.
	Explicit Kind = iota + 1
	// Left is a reference that is gone while group and person are still there.
	Left
	// Gone is a group or person missing from enough complete lists.
	Gone
)

// String gives the word of the report.
func (k Kind) String() string {
	switch k {
	case Explicit:
		return "explicit"
	case Left:
		return "left"
	case Gone:
		return "gone"
	}
	return "none"
}

// Absence is the proof that a source does not grant a membership. Only this package
// can make one; the zero value proves nothing.
type Absence struct {
	kind   Kind
	source string
	since  time.Time
	reason string
}

// Kind gives the kind, zero for the zero value.
func (a Absence) Kind() Kind { return a.kind }

// Source gives the id of the source that proved it.
func (a Absence) Source() string { return a.source }

// Since gives the time of the evidence; for Gone that of the first sighting.
func (a Absence) Since() time.Time { return a.since }

// Reason says in words what the source showed.
func (a Absence) Reason() string { return a.reason }

// Standing is how a membership stands in one replica.
type Standing int

// The standings.
const (
	// NotShown: the replica knows nothing that would grant it.
	NotShown Standing = iota + 1
	// Shown: the source grants it.
	Shown
	// Absent: proved not to be granted; comes with an Absence.
	Absent
	// Unknown: shown once, and its absence is not proved.
	Unknown
)

// Grace is how often, and over how long, somebody must be missing to be gone.
type Grace struct {
	Reads int
	Over  time.Duration
}

// done reports whether the grace is over.
func (g Grace) done(m Missing) bool {
	return m.Reads >= g.Reads && m.Last.Sub(m.First) >= g.Over
}

// Verdict is the standing of one membership with its proof, or with the time at which
// a complete read would settle it.
type Verdict struct {
	Standing Standing
	Absence  Absence
	// Why says in words what an unknown waits for.
	Why string
	// ConfirmAt is when a complete read can settle what is not proved; zero: no read
	// can by itself.
	ConfirmAt time.Time
}

// Membership says how the membership of a user in a group stands.
func (r *Replica) Membership(user, group uint32, grace Grace) Verdict {
	u, g := &r.users[user], &r.groups[group]
	_, edge := slices.BinarySearch(g.Members, user)
	if v, decided := r.person(u, edge, grace); decided {
		return v
	}
	if !g.DeletedAt.IsZero() {
		return r.deleted(g.DeletedAt, "group "+quoted(g.Name, g.DN))
	}
	if g.Missing.Is() {
		return r.missing(g.Missing, edge, grace, "group "+quoted(g.Name, g.DN)+" is missing from the list of groups")
	}
	switch {
	case edge:
		return Verdict{Standing: Shown}
	case !g.MembersAt.IsZero() && (g.OwnersOf != "" || !g.MembersAt.Before(u.GroupsAt)):
		return Verdict{Standing: Absent, Absence: Absence{Left, r.Source, g.MembersAt, "left " + quoted(g.Name, g.DN)}}
	case !u.GroupsAt.IsZero() && g.OwnersOf == "":
		return Verdict{Standing: Absent, Absence: Absence{Left, r.Source, u.GroupsAt, "left " + quoted(g.Name, g.DN) + ", as looked up"}}
	}
	return Verdict{Standing: Unknown, Why: "the members of " + quoted(g.Name, g.DN) + " were never read"}
}

// Listing says how a user stands in the group of everybody in the source.
func (r *Replica) Listing(user uint32, grace Grace) Verdict {
	if v, decided := r.person(&r.users[user], true, grace); decided {
		return v
	}
	return Verdict{Standing: Shown}
}

// GroupGone reports whether a group was deleted, or is missing from the list beyond its
// grace.
func (r *Replica) GroupGone(group uint32, grace Grace) bool {
	g := &r.groups[group]
	return !g.DeletedAt.IsZero() || g.Missing.Is() && grace.done(g.Missing)
}

// person decides what concerns the person and not the group: explicit statements and
// people missing from the list. Somebody missing who had nothing here holds up nothing.
func (r *Replica) person(u *User, edge bool, grace Grace) (Verdict, bool) {
	if u.Disabled && !u.Missing.Is() {
		return Verdict{Standing: Absent, Absence: Absence{Explicit, r.Source, u.StatusAt, nameOf(u) + " is disabled"}}, true
	}
	if !u.DeletedAt.IsZero() {
		return r.deleted(u.DeletedAt, nameOf(u)), true
	}
	if !u.Missing.Is() {
		return Verdict{}, false
	}
	return r.missing(u.Missing, edge, grace, nameOf(u)+" is missing from the list of users"), true
}

// deleted is the verdict on what the source itself says was deleted.
func (r *Replica) deleted(at time.Time, what string) Verdict {
	return Verdict{Standing: Absent, Absence: Absence{Explicit, r.Source, at, what + " was deleted in the directory"}}
}

// missing judges by the grace of a missing person or group. Who was shown out of the
// group before holds up nothing, but is gone with it in the end: a membership may still
// be owned that could not be taken away while its reference was known to be gone.
func (r *Replica) missing(m Missing, edge bool, grace Grace, what string) Verdict {
	if grace.done(m) {
		reason := fmt.Sprintf("%s since %s, in %d complete reads", what, m.First.UTC().Format(time.RFC3339), m.Reads)
		return Verdict{Standing: Absent, Absence: Absence{Gone, r.Source, m.First, reason}}
	}
	if !edge {
		return Verdict{Standing: NotShown, ConfirmAt: m.First.Add(grace.Over)}
	}
	return Verdict{Standing: Unknown, ConfirmAt: m.First.Add(grace.Over),
		Why: fmt.Sprintf("%s since %s, seen in %d of %d complete reads", what, m.First.UTC().Format(time.RFC3339), m.Reads, grace.Reads)}
}

// Fresh reports whether the source's lists, and the members of the given groups, were
// read completely and not longer than maxAge ago. The text says what is not.
func (r *Replica) Fresh(groups []uint32, now time.Time, maxAge time.Duration) (string, bool) {
	switch {
	case r.UsersAt.IsZero() || r.GroupsAt.IsZero():
		return "was never read completely", false
	case now.Sub(r.UsersAt) > maxAge || now.Sub(r.GroupsAt) > maxAge:
		return "was last read completely at " + older(r.UsersAt, r.GroupsAt).UTC().Format(time.RFC3339), false
	}
	for _, n := range groups {
		g := &r.groups[n]
		switch {
		case g.Missing.Is():
		case g.MembersAt.IsZero():
			return "has never shown all members of " + quoted(g.Name, g.DN), false
		case now.Sub(g.MembersAt) > maxAge:
			return "last showed all members of " + quoted(g.Name, g.DN) + " at " + g.MembersAt.UTC().Format(time.RFC3339), false
		}
	}
	return "", true
}

// ReadSince reports whether both lists, and the members of the given groups, were
// read completely by a read that began at or after t.
func (r *Replica) ReadSince(groups []uint32, t time.Time) bool {
	if r.UsersAt.Before(t) || r.GroupsAt.Before(t) {
		return false
	}
	for _, n := range groups {
		if g := &r.groups[n]; !g.Missing.Is() && g.MembersAt.Before(t) {
			return false
		}
	}
	return true
}

func older(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// quoted names a group for people: by its DN where it has one, because names repeat.
func quoted(name, dn string) string {
	if dn != "" {
		return dn
	}
	return fmt.Sprintf("%q", name)
}

func nameOf(u *User) string {
	for _, s := range []string{u.Email, u.Username, u.DN} {
		if s != "" {
			return s
		}
	}
	return u.ID
}
