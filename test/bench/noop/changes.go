package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// PullChanges takes one more person out of a group, and does nothing else to the picture that
// it is given.
func (d *directoryOf) PullChanges(_ context.Context, base *directory.Snapshot, _ providers.Progress) (*directory.Snapshot, error) {
	s := *base
	s.AsOf, s.Delta, s.Cursor = d.now, true, []byte(d.now.String())
	if d.moved > 0 {
		s.Groups = slices.Clone(base.Groups)
		g := &s.Groups[d.moved]
		g.Direct = g.Direct[1:]
		g.Members = g.Direct
	}
	return &s, nil
}

// watched are runs that a change starts: what is left of a second for the directory and for
// Open WebUI.
func watched(e *engine.Engine, source *directoryOf) error {
	for _, moved := range []int{0, 0, 1, 2, 3} {
		source.moved = moved
		name := "changes were read, there were none"
		if moved > 0 {
			name = "one membership changed"
		}
		began := time.Now()
		if err := step(name, func() error {
			source.now = source.now.Add(time.Minute)
			report, err := e.Run(context.Background(), run.Request{Trigger: run.Watch, Mode: run.Plan, Source: "corp"})
			if err == nil && report.Sources[0].Read != run.ReadChanges {
				return fmt.Errorf("read %s: %s", report.Sources[0].Read, report.Sources[0].Reason)
			}
			return complain(report, err)
		}); err != nil {
			return err
		}
		fmt.Printf("    %d ms on the wall\n", time.Since(began).Milliseconds())
	}
	return nil
}
