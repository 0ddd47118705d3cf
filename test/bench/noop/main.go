// Command noop measures whole runs over the state on disk, with a directory and an Open
// WebUI that answer out of nothing: what a run costs of the processor and of memory beside
// LDAP and the network. It prints, for each step, the time of the processor, the highest
// memory that was the process's own, and what of it was still in use at the end.
//
//	go run ./test/bench/noop            # at the size of the budget
//	go run ./test/bench/noop -users 10000 -groups 500
//
// Memory that maps the file of the state is counted apart: the system takes it back.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"time"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/state"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
	"groupsyncd/test/bench/site"
)

func main() {
	size, dir, makes := site.Large(), "", false
	flag.IntVar(&size.Users, "users", size.Users, "people")
	flag.IntVar(&size.Groups, "groups", size.Groups, "groups")
	flag.IntVar(&size.PerUser, "each", size.PerUser, "groups of everybody")
	flag.StringVar(&dir, "state", "", "folder of the state; empty: a temporary one")
	flag.BoolVar(&makes, "make", false, "make the state and end")
	flag.Parse()
	var err error
	if makes {
		err = build(dir, size)
	} else {
		err = measure(dir, size)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "noop:", err)
		os.Exit(1)
	}
}

// build stores a company that is in step.
func build(dir string, size site.Size) error {
	db, err := state.Open(context.Background(), state.Options{Dir: dir})
	if err != nil {
		return err
	}
	r, _ := replica.New(site.Source).Merge(size.Read(site.Began()), 0)
	if err := db.SaveReplica(r); err != nil {
		return err
	}
	m, dirty := size.Settled(r)
	if err := db.SaveMemory(m, dirty); err != nil {
		return err
	}
	return db.Close()
}

// measure runs over a state that another process has made, so that its memory does not
// count here.
func measure(dir string, size site.Size) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "groupsyncd-noop-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		if err := buildApart(dir, size); err != nil {
			return err
		}
	}
	fmt.Printf("%-34s %10s %10s %10s %10s\n", "", "cpu ms", "peak MB", "after MB", "in use MB")
	var db *state.DB
	if err := step("open the state", func() error { return open(&db, dir) }); err != nil {
		return err
	}
	source, target := &directoryOf{size: size, now: site.Began()}, &site.Chat{}
	var e *engine.Engine
	if err := step("load replica and memory", func() error { return start(&e, db, source, target) }); err != nil {
		return errors.Join(err, db.Close())
	}
	if target.Groups, err = site.GroupsOf(db); err != nil {
		return errors.Join(err, db.Close())
	}
	if err := rounds(e, source); err != nil {
		return errors.Join(err, db.Close())
	}
	return errors.Join(watched(e, source), db.Close())
}

func buildApart(dir string, size site.Size) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.Command(self, "-make", "-state", dir, "-users", fmt.Sprint(size.Users), "-groups", fmt.Sprint(size.Groups), "-each", fmt.Sprint(size.PerUser))
	child.Stderr = os.Stderr
	if err := child.Run(); err != nil {
		return fmt.Errorf("make the state: %w", err)
	}
	return nil
}

func open(db **state.DB, dir string) (err error) {
	*db, err = state.Open(context.Background(), state.Options{Dir: dir})
	return err
}

// rounds are runs one after the other.
func rounds(e *engine.Engine, source *directoryOf) error {
	runtime.GC()
	for _, round := range []struct {
		name  string
		moved int
	}{{"a run, nothing changed", 0}, {"another one", 0}, {"a run, one membership changed", 1}, {"another one", 1}} {
		source.moved = round.moved
		if err := step("    the snapshot alone", func() error { _, err := source.Pull(context.Background(), nil); return err }); err != nil {
			return err
		}
		if err := step(round.name, func() error {
			source.now = source.now.Add(15 * time.Minute)
			report, err := e.Run(context.Background(), run.Request{Trigger: run.Schedule, Mode: run.Plan, Full: true})
			return complain(report, err)
		}); err != nil {
			return err
		}
	}
	return nil
}

func complain(r *run.Report, err error) error {
	if err != nil {
		return err
	}
	for i := range r.Targets {
		t := &r.Targets[i]
		fmt.Printf("    %d unchanged, %d changes, exit %d %s\n", t.Summary.Unchanged, len(t.Changes), r.Exit, t.Error)
	}
	for i := range r.Sources {
		if r.Sources[i].Reason != "" {
			return fmt.Errorf("the source: %s", r.Sources[i].Reason)
		}
	}
	return nil
}

// start wires an engine as app does.
func start(e **engine.Engine, db *state.DB, source *directoryOf, target *site.Chat) error {
	rule, err := site.Rule()
	if err != nil {
		return err
	}
	ids := 0
	*e, err = engine.New(engine.Options{Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return source.now.Add(time.Second) },
		NewID:  func() string { ids++; return fmt.Sprintf("%026d", ids) },
		Ledger: db, Journal: db, Runs: db, Audit: db,
		Setup: engine.Setup{Limits: site.Limits(), Rules: []*mapping.Rule{rule},
			Sources: []engine.Source{{ID: site.Source, Name: site.Source, Provider: source, Changes: true, FullEvery: 24 * time.Hour, MaxAge: 48 * time.Hour, Grace: replica.Grace{Reads: 2, Over: 15 * time.Minute}}},
			Targets: []engine.TargetSetup{{Name: site.Target, Match: []string{"email"}, Open: func() engine.Target { return target }}}}})
	return err
}

// directoryOf is a source that answers at once. moved takes that many people out of their
// first group.
type directoryOf struct {
	size  site.Size
	now   time.Time
	moved int
}

func (d *directoryOf) Pull(context.Context, providers.Progress) (*directory.Snapshot, error) {
	s := d.size.Read(d.now)
	s.Cursor = []byte(d.now.String())
	for n := range d.moved {
		g := &s.Groups[n]
		g.Direct = g.Direct[1:]
		g.Members = g.Direct
	}
	return s, nil
}

func (d *directoryOf) Close() error { return nil }
