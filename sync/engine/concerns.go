package engine

import (
	"cmp"
	"slices"
	"time"

	"groupsyncd/sync/run"
)

// ConcernKind says what somebody should look at. The smaller, the worse; zero: nothing.
type ConcernKind int

// The kinds of concerns. What comes before HoldsWait does not work; what comes after it can
// wait longer than a decision.
const (
	StateStopped      ConcernKind = iota + 1 // nothing is written to the state any more
	FileRefused                              // the configuration file, at the last reload
	TargetQuarantined                        // it is tried less often
	TargetFailed                             // in the last run
	SourceQuarantined                        // it is tried less often
	SourceStale                              // the last complete read is too old
	SourceUnread                             // it could not be read
	CallsFailed                              // in the last run
	NoticesStuck                             // they do not arrive at a service
	BackupFailed
	HoldsWait     // the guard waits for a decision
	SourceWaits   // its provider has not brought everything yet
	SourceInPart  // the last read showed a part
	SourceNotRead // the last read showed nothing, and was no failure
	BackupOverdue
)

// Concern is something that somebody should look at. It has neither words nor a remedy of
// its own: a terminal offers others than a page.
type Concern struct {
	Kind ConcernKind
	// Name is that of the source, the target, or the service for notices.
	Name string
	// Since is zero where nobody knows.
	Since time.Time
	// Reason is why, and Hint what to do, as far as whoever noticed it says.
	Reason, Hint string
}

// Concerns lists what somebody should look at, the worst first.
func (s *Status) Concerns() []Concern {
	last := s.Last
	if last == nil || last.Exit == run.ExitInterrupted {
		last = &run.Report{} // What was cut short is nobody's failure.
	}
	var list []Concern
	add := func(is bool, c Concern) {
		if is {
			list = append(list, c)
		}
	}
	if f := s.State; f != nil {
		add(f.Problem != "", Concern{Kind: StateStopped, Reason: f.Problem, Hint: f.Hint})
		b := &f.Backup
		add(b.Problem != "", Concern{Kind: BackupFailed, Since: b.Last, Reason: b.Problem, Hint: b.Hint})
		add(b.Problem == "" && b.Overdue && s.Daemon != nil, Concern{Kind: BackupOverdue, Since: b.Last}) // Nobody else makes them by the clock.
	}
	add(s.Daemon != nil && s.Daemon.Refused, Concern{Kind: FileRefused})
	for i := range s.Targets {
		c := s.Targets[i].concern(last)
		add(c.Kind != 0, c)
	}
	for i := range s.Sources {
		c := s.Sources[i].concern(last)
		add(c.Kind != 0, c)
	}
	add(last.Exit == run.ExitPartly, Concern{Kind: CallsFailed, Since: last.Started})
	for i := range s.Notify {
		n := &s.Notify[i]
		add(!n.Failing.IsZero() && n.Waiting > 0, Concern{Kind: NoticesStuck, Name: n.Name, Since: n.Failing, Reason: n.Reason, Hint: n.Hint})
	}
	if len(s.Holds) > 0 {
		oldest := slices.MinFunc(s.Holds, func(a, b run.Hold) int { return a.Since.Compare(b.Since) })
		add(true, Concern{Kind: HoldsWait, Since: oldest.Since})
	}
	slices.SortStableFunc(list, func(a, b Concern) int { return cmp.Compare(a.Kind, b.Kind) })
	return list
}

func (t *TargetStatus) concern(last *run.Report) Concern {
	if q := t.Quarantine; q != nil {
		return Concern{Kind: TargetQuarantined, Name: t.Name, Since: q.Since, Reason: q.Reason}
	}
	for i := range last.Targets {
		if r := &last.Targets[i]; r.Name == t.Name && r.Error != "" {
			return Concern{Kind: TargetFailed, Name: t.Name, Reason: r.Error, Hint: r.Hint}
		}
	}
	return Concern{}
}

// concern goes by what a source shows itself, and by what the last run met unless the source
// was read completely after that.
func (s *SourceStatus) concern(last *run.Report) Concern {
	c := Concern{Kind: s.Concern(), Name: s.Name, Reason: s.Reason, Hint: s.Hint}
	for i := range last.Sources {
		if r := &last.Sources[i]; r.Name == s.Name && last.Unread(r) && s.CompleteAsOf.Before(last.Started) {
			c.Kind, c.Reason, c.Hint = cmp.Or(c.Kind, SourceUnread), cmp.Or(r.Reason, c.Reason), cmp.Or(r.Hint, c.Hint)
		}
	}
	if p := s.Provisioned; p != nil && !p.Complete {
		c.Reason, c.Hint = p.Waiting, p.Hint
	}
	switch {
	case s.Quarantine != nil:
		c.Since, c.Reason = s.Quarantine.Since, s.Quarantine.Reason
	case s.Stale:
		c.Since = s.CompleteAsOf
	}
	return c
}

// Concern says what somebody should look at in a source, going by what it shows itself.
func (s *SourceStatus) Concern() ConcernKind {
	switch {
	case s.Quarantine != nil:
		return SourceQuarantined
	case s.Stale:
		return SourceStale
	case s.Provisioned != nil && !s.Provisioned.Complete:
		return SourceWaits
	case s.Coverage == "partial":
		return SourceInPart
	case s.Failing > 0:
		return SourceUnread
	case s.Coverage == "none" && !s.Single:
		return SourceNotRead
	}
	return 0
}
