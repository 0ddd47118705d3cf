package config

import (
	"time"

	"groupsyncd/internal/scalar"
)

// Changes says how a source is read between full reads. Only kinds of sources that may be
// able to tell what changed have it.
type Changes struct {
	// Read is ChangesAuto or ChangesOff.
	Read      string          `yaml:"changes" words:"auto off" doc:"auto reads only what changed where the server can tell, and watches it for changes; off reads everything each time."`
	FullEvery scalar.Duration `yaml:"full_every" doc:"How long reads of changes may go on before everything is read again. Default: 24h, or half of max_age where that is less."`
}

// The values of Changes.Read.
const (
	ChangesAuto = "auto"
	ChangesOff  = "off"
)

// The bounds of full_every: below, changes would hardly ever be read alone; above, what
// only a full read can see would stay unseen for too long.
const (
	leastFullEvery = scalar.Duration(time.Minute)
	mostFullEvery  = 30 * day
)

// changesOf gives what a kind of source has between full reads, nil where that is nothing.
func changesOf(able bool) *Changes {
	if !able {
		return nil
	}
	return &Changes{Read: ChangesAuto}
}

// defaultFullEvery is known only once max_age is: what is known must not become too old
// because the one full read in that time failed.
func defaultFullEvery(maxAge scalar.Duration) scalar.Duration {
	if half := maxAge / 2; half > 0 {
		return max(min(day, half), leastFullEvery)
	}
	return day
}

// isOfChanges reports whether a key is one that only some kinds of sources have.
func isOfChanges(key string) bool { return key == "changes" || key == "full_every" }

func (d *decoder) checkChanges(s *Source, p path) {
	c := s.Changes
	if c == nil {
		return
	}
	at := p.child("full_every")
	switch {
	case !d.at.has(at):
	case c.FullEvery < leastFullEvery:
		d.reportAt(at, "must be at least 1m", "a day is a usual time: 24h; to read everything each time write changes: off")
	case c.FullEvery > mostFullEvery:
		d.reportAt(at, "must be at most 30d", "a day is a usual time: 24h")
	case c.Read == ChangesOff:
		d.warnAt(at, "means nothing with changes: off", "everything is read each time")
	case c.FullEvery > s.MaxAge/2:
		d.warnAt(at, "is more than half of max_age", "should one full read fail, what only it can see becomes too old before the next")
	case d.opts.Interval != nil && c.FullEvery.Std() < d.opts.Interval(s.Schedule):
		d.warnAt(at, "is shorter than the schedule", "every read is a full one then, but those that a change starts")
	}
}

// warnAt says what is probably not meant.
func (d *decoder) warnAt(p path, message, hint string) {
	if !d.at.broken(p) {
		d.add(&d.warnings, d.at.find(p), p, message, hint)
	}
}
