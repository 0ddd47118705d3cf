// Package schedule says when something is due and starts it then.
//
// It owns the text form of schedules, their arithmetic across time zones, and the
// loop that starts what is due: missed runs are caught up once, nothing runs beside
// itself, and a changed clock is noticed. What a run does, which run goes first when
// several are wanted, and when something ran last are the business of the caller.
package schedule

import (
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is a rule for when something is due, made by Parse. The zero Schedule is
// never due.
type Schedule struct {
	spec     string
	zone     *time.Location
	every    time.Duration // Set for the form `every 15m`, which has no wall clock.
	cron     *cron.SpecSchedule
	interval time.Duration
}

// String gives the text that the schedule was made from.
func (s Schedule) String() string { return s.spec }

// IsZero reports whether s is the zero Schedule.
func (s Schedule) IsZero() bool { return s.every == 0 && s.cron == nil }

// Equal reports whether both are due at the same times.
func (s Schedule) Equal(other Schedule) bool {
	return s.spec == other.spec && (s.cron == nil || s.zone.String() == other.zone.String())
}

// Interval gives the longest time that usually lies between two runs: 24 hours for
// a daily schedule, three days for one of working days. A source is late when more
// than that has passed.
func (s Schedule) Interval() time.Duration { return s.interval }

// Next gives the first time after the given one at which s is due, or the zero time
// when there is none.
//
// A schedule that names hours means the clock on the wall, and each time of that
// clock once: what falls into the hour that is left out in spring is due at the end
// of the gap, and what falls into the hour that comes twice in autumn is due when
// it comes first. A schedule of every hour goes by elapsed time instead, so that
// `*/15 * * * *` keeps its pace through both nights.
func (s Schedule) Next(after time.Time) time.Time {
	switch {
	case s.every > 0:
		return after.Add(s.every)
	case s.cron == nil:
		return time.Time{}
	case s.cron.Hour&everyHour == everyHour:
		elapsed := *s.cron
		elapsed.Location = s.zone
		return elapsed.Next(after)
	}
	// The library counts on a clock without changes of offset; what it finds there
	// is then looked up on the real one. In the hour that repeats, some of what it
	// finds lies before the time asked about.
	wall := wallClock(after.In(s.zone))
	for {
		wall = s.cron.Next(wall)
		if wall.IsZero() {
			return time.Time{}
		}
		if t := instant(wall, s.zone); t.After(after) {
			return t
		}
	}
}

// everyHour are the bits of the 24 hours in the library's field of hours.
const everyHour = 1<<24 - 1

// wallClock gives what the clock on the wall shows at t, as a time in UTC.
func wallClock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant finds when the clock on the wall of a zone shows wall: the first time
// where it does so twice, and the end of the gap where it never does.
func instant(wall time.Time, zone *time.Location) time.Time {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	start, end := t.ZoneBounds()
	switch shown := wallClock(t); {
	case shown.After(wall):
		return start
	case shown.Before(wall):
		return end
	case start.IsZero():
		return t
	}
	_, offset := t.Zone()
	_, before := start.Add(-time.Second).Zone()
	first := t.Add(time.Duration(offset-before) * time.Second)
	if first.Before(start) && wallClock(first).Equal(wall) {
		return first
	}
	return t
}

// longestGap measures a schedule of the wall clock over more than a week, and over
// at least thirteen runs, which is a year for a monthly one.
func longestGap(c *cron.SpecSchedule) time.Duration {
	const week, runs, most = 9 * 24 * time.Hour, 13, 13000
	begin := c.Next(epoch())
	longest := time.Duration(0)
	for last, n := begin, 0; n < most && (n < runs || last.Sub(begin) < week); n++ {
		next := c.Next(last)
		if next.IsZero() {
			break
		}
		longest = max(longest, next.Sub(last))
		last = next
	}
	return longest
}

// epoch is the day from which schedules are judged, so that the judgement does not
// depend on the day it is made. It is a Monday in a leap year.
func epoch() time.Time { return time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC) }
