package config

import "time"

// A target is not asked more often than its own clock tells times apart, and not so rarely
// that people wait for their groups although it is on.
const (
	shortestWatch = Every(time.Second)
	longestWatch  = Every(10 * time.Minute)
)

func (d *decoder) checkWatch(t *Target, p path) {
	switch {
	case t.Watch != 0 && t.Watch < shortestWatch:
		d.reportAt(p, "is shorter than "+shortestWatch.String(), "5s is usual")
	case t.Watch > longestWatch:
		d.reportAt(p, "is longer than "+longestWatch.String(), "write off where sign-ins need not be noticed")
	}
}
