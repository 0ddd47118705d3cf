package enginetest

import (
	"context"
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// ReadFault is what goes wrong with one read; the zero value is a whole read.
type ReadFault struct {
	// Fails: nothing is read at all.
	Fails bool
	// Cut are ids of groups whose members are cut off in the middle.
	Cut []string
	// CutGroups and CutUsers end the lists after that many entries; negative: not cut.
	CutGroups, CutUsers int
	// Behind is how far behind the answering server is.
	Behind time.Duration
	// Panics: the reader has a bug.
	Panics bool
	// Old is how long ago the read began: what it shows, and what it says of its time, are
	// from then.
	Old time.Duration
	// NoStatus: nothing is shown of who is disabled.
	NoStatus bool
}

// Whole is a read without any fault.
func Whole() ReadFault { return ReadFault{CutGroups: -1, CutUsers: -1} }

// Read is what a source showed: the evidence that there is.
type Read struct {
	AsOf time.Time
	// Data is the time of the directory that was shown.
	Data time.Time
	// Whole: everything was covered.
	Whole bool
	// Users and Groups say that the lists were read to their end.
	Users, Groups bool
	// Covered are the groups whose members were read to the end.
	Covered []string
	// Listed are the groups that rules may select. Shown are the users whom the read
	// showed; Person is the one who was looked up.
	Listed, Shown []string
	Person        string
	// Delta: only changes were read. Deleted are ids of people and groups that the source says
	// were deleted.
	Delta   bool
	Deleted []string
	// Lost: the process died in the run that read it, so it may not be known.
	Lost bool
	// Named are the groups that a token named, Got is when the source took it; neither is set
	// for a read of a directory.
	Named []string
	Got   time.Time
}

// Source reads a Directory, with the faults that were set for its next read.
type Source struct {
	Directory *Directory
	// Narrow is the filter in force.
	Narrow bool
	// Next is the fault of the next pull, NextLookUp that of the next look-up.
	Next, NextLookUp ReadFault
	// Nobody makes the next look-up find nobody.
	Nobody bool
	// Replicated: the server turns out to be one of several.
	Replicated bool
	// During is called in the middle of the next pull, when everything was read.
	During func()
	// Tells is how it tells what changed; Forgot, that it does not know the next cursor.
	Tells  Tells
	Forgot bool
	// Reads is all evidence so far.
	Reads []Read
	clock *Clock
}

// NewSource gives a source over a directory.
func NewSource(d *Directory, clock *Clock) *Source {
	return &Source{Directory: d, Next: Whole(), NextLookUp: Whole(), clock: clock}
}

// Close has nothing to close.
func (s *Source) Close() error { return nil }

// Pull reads everything, as far as the fault lets it.
func (s *Source) Pull(ctx context.Context, _ providers.Progress) (*directory.Snapshot, error) {
	s.clock.turn.Lock()
	defer s.clock.turn.Unlock()
	f := s.Next
	s.Next = Whole()
	asOf := s.clock.Now().Add(-f.Old)
	data := asOf.Add(-f.Behind)
	switch {
	case f.Panics:
		panic("a bug in the reader")
	case f.Fails || ctx.Err() != nil:
		return &directory.Snapshot{AsOf: asOf, Reason: "the connection was refused"},
			fault.Errorf(fault.Unavailable, "read", "directory", "the connection was refused")
	}
	snapshot := s.Directory.At(data).snapshot(asOf, s.Narrow)
	snapshot.Replicated = s.Replicated
	if s.Tells != Nothing {
		snapshot.Cursor = cursor(data)
	}
	if f.NoStatus {
		for i := range snapshot.Users {
			snapshot.Users[i].StatusKnown, snapshot.Users[i].Disabled = false, false
		}
	}
	faulty := s.cut(snapshot, &f)
	s.note(snapshot, data, !faulty)
	if faulty {
		return snapshot, fault.Errorf(fault.Incomplete, "read", "directory", "the answer was cut")
	}
	return snapshot, nil
}

// note keeps what was shown, and lets happen what was kept for the middle of a read.
func (s *Source) note(snapshot *directory.Snapshot, data time.Time, whole bool) {
	r := Read{AsOf: snapshot.AsOf, Data: data, Whole: whole, Users: snapshot.UsersListed, Groups: snapshot.GroupsListed,
		Delta: snapshot.Delta, Deleted: slices.Concat(snapshot.DeletedUsers, snapshot.DeletedGroups)}
	for i := range snapshot.Groups {
		if snapshot.Groups[i].MembersKnown {
			r.Covered = append(r.Covered, snapshot.Groups[i].ID)
		}
		if !snapshot.Groups[i].Unlisted {
			r.Listed = append(r.Listed, snapshot.Groups[i].ID)
		}
	}
	for i := range snapshot.Users {
		r.Shown = append(r.Shown, snapshot.Users[i].ID)
	}
	s.Reads = append(s.Reads, r)
	if during := s.During; during != nil {
		s.During = nil
		during()
	}
}

// cut takes out of a whole snapshot what a fault leaves unread.
func (s *Source) cut(snapshot *directory.Snapshot, f *ReadFault) bool {
	faulty := false
	for i := range snapshot.Groups {
		g := &snapshot.Groups[i]
		if slices.Contains(f.Cut, g.ID) {
			g.Direct = g.Direct[:len(g.Direct)/2]
			g.MembersKnown = false
			faulty = true
		}
	}
	if f.CutUsers >= 0 && f.CutUsers < len(snapshot.Users) {
		faulty, snapshot.UsersListed = true, false
		snapshot.Users = snapshot.Users[:f.CutUsers]
		for i := range snapshot.Groups {
			g := &snapshot.Groups[i]
			g.MembersKnown = false
			g.Direct = slices.DeleteFunc(slices.Clone(g.Direct), func(n uint32) bool { return int(n) >= f.CutUsers })
		}
	}
	if f.CutGroups >= 0 && f.CutGroups < len(snapshot.Groups) {
		faulty, snapshot.GroupsListed = true, false
		snapshot.Groups = snapshot.Groups[:f.CutGroups]
		for i := range snapshot.Groups {
			g := &snapshot.Groups[i]
			before := len(g.Children)
			g.Children = slices.DeleteFunc(slices.Clone(g.Children), func(n uint32) bool { return int(n) >= f.CutGroups })
			if len(g.Children) != before {
				g.MembersKnown = false
			}
		}
	}
	if faulty {
		snapshot.Reason = "the answer was cut"
		snapshot.Close(true)
	}
	return faulty
}

// LookUp reads one person.
func (s *Source) LookUp(_ context.Context, who directory.Person) (*directory.Snapshot, error) {
	f, nobody := s.NextLookUp, s.Nobody
	s.NextLookUp, s.Nobody = Whole(), false
	asOf := s.clock.Now().Add(-f.Old)
	data := asOf.Add(-f.Behind)
	if f.Fails {
		return &directory.Snapshot{AsOf: asOf, Reason: "the connection was refused"},
			fault.Errorf(fault.Unavailable, "look up", "directory", "the connection was refused")
	}
	state := s.Directory.At(data)
	ids := state.find(who)
	if nobody || len(ids) != 1 {
		return &directory.Snapshot{AsOf: asOf, Reason: "nobody was found"}, nil
	}
	whole := state.snapshot(asOf, s.Narrow)
	out := &directory.Snapshot{AsOf: asOf}
	u := state.Users[ids[0]]
	u.StatusKnown, u.GroupsKnown = true, true
	u.DN = "uid=" + u.ID
	out.Users = append(out.Users, u)
	r := Read{AsOf: asOf, Data: data, Person: u.ID, Shown: []string{u.ID}}
	at := slices.IndexFunc(whole.Users, func(x directory.User) bool { return x.ID == u.ID })
	for i := range whole.Groups {
		g := whole.Groups[i]
		if _, in := slices.BinarySearch(g.Members, uint32(at)); !in {
			continue
		}
		out.Groups = append(out.Groups, directory.Group{ID: g.ID, Name: g.Name, DN: g.DN, Description: g.Description,
			Unlisted: g.Unlisted, Direct: []uint32{0}, Members: []uint32{0}})
	}
	s.Reads = append(s.Reads, r)
	return out, nil
}
