package main

import (
	"strconv"

	"groupsyncd/sync/engine"
)

// webhooks says how the webhooks fare, and who waits for a run.
func (c *command) webhooks(s *engine.Status) {
	if len(s.Webhooks) > 0 {
		var rows [][]string
		for _, w := range s.Webhooks {
			rows = append(rows, []string{w.Name, w.Type, strconv.Itoa(w.Accepted), c.when(w.LastAccepted), strconv.Itoa(w.Refused), c.when(w.LastRefused)})
		}
		c.table([]string{"WEBHOOK", "TYPE", "ACCEPTED", "LAST", "REFUSED", "LAST"}, rows)
		for _, w := range s.Webhooks {
			if w.Reason != "" {
				c.line("  %s: the last one was refused because %s", w.Name, w.Reason)
			}
		}
	}
	if q := s.People; q != nil && q.Waiting > 0 {
		c.line("waiting for a run of their own: %d, the first since %s", q.Waiting, c.when(q.Oldest))
	}
}
