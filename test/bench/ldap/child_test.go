//go:build peers

package ldap_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap"
	"groupsyncd/state"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
	"groupsyncd/test/bench/site"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/proc"
)

// source opens the directory as a person would configure it, with the pages of
// ldapsearch.
func source() (providers.Source, error) {
	c, ok := ldap.Type().New().(*ldap.Config)
	if !ok {
		return nil, errors.New("the type ldap has another configuration")
	}
	password, err := secret.Parse("file:" + os.Getenv("GROUPSYNCD_BENCH_PASSWORD"))
	if err != nil {
		return nil, err
	}
	c.URL, c.Layout, c.PageSize = ldap.List{os.Getenv("GROUPSYNCD_BENCH_URL")}, ldap.RFC2307bis, 1000
	c.Bind = ldap.Bind{DN: os.Getenv("GROUPSYNCD_BENCH_BIND"), Password: password}
	c.Users.Base, c.Groups.Base = ldap.List{ldif.People}, ldap.List{ldif.Groups}
	return c.Open(providers.Options{Name: site.Source, Logger: slog.New(slog.DiscardHandler)})
}

// readOnce pulls and does nothing else.
func readOnce(string) (result, error) {
	s, err := source()
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	snapshot, err := s.Pull(context.Background(), nil)
	if err != nil {
		return result{}, err
	}
	r := result{Seconds: time.Since(began).Seconds(), Users: len(snapshot.Users), Groups: len(snapshot.Groups), Memberships: snapshot.Memberships()}
	m, err := proc.Self.Memory()
	r.PeakMB = float64(m.Peak) / (1 << 20)
	return r, errors.Join(err, s.Close())
}

// makeState stores the company as one that is in force in an Open WebUI.
func makeState(dir string) (result, error) {
	s, err := source()
	if err != nil {
		return result{}, err
	}
	snapshot, err := s.Pull(context.Background(), nil)
	if err != nil {
		return result{}, err
	}
	db, err := state.Open(context.Background(), state.Options{Dir: dir})
	if err != nil {
		return result{}, err
	}
	r, _ := replica.New(site.Source).Merge(snapshot, 0)
	m, dirty := site.Size{Users: len(r.Users())}.Settled(r)
	return result{}, errors.Join(db.SaveReplica(r), db.SaveMemory(m, dirty), db.Close(), s.Close())
}

// runOnce is one run of a daemon that has its state loaded: read, merge, map, plan.
func runOnce(dir string) (result, error) {
	s, err := source()
	if err != nil {
		return result{}, err
	}
	db, err := state.Open(context.Background(), state.Options{Dir: dir})
	if err != nil {
		return result{}, err
	}
	target := &site.Chat{}
	watched := &seen{Source: s}
	e, err := start(db, watched, target)
	if err == nil {
		target.Groups, err = site.GroupsOf(db)
	}
	if err != nil {
		return result{}, errors.Join(err, db.Close())
	}
	// A daemon was idle for minutes, and what loading left behind is collected.
	runtime.GC()
	began := time.Now()
	report, err := e.Run(context.Background(), run.Request{Trigger: run.Schedule, Mode: run.Plan})
	r := watched.result
	r.Seconds = time.Since(began).Seconds()
	if err == nil {
		err = unchanged(report, r.Memberships)
	}
	m, failed := proc.Self.Memory()
	// The file of the state is mapped; the system takes that memory back when it wants.
	r.PeakMB = float64(m.Peak-m.Mapped) / (1 << 20)
	return r, errors.Join(err, failed, db.Close())
}

// seen notes what a source showed.
type seen struct {
	providers.Source
	result result
}

func (s *seen) Pull(ctx context.Context, progress providers.Progress) (*directory.Snapshot, error) {
	snapshot, err := s.Source.Pull(ctx, progress)
	s.result = result{Users: len(snapshot.Users), Groups: len(snapshot.Groups), Memberships: snapshot.Memberships()}
	return snapshot, err
}

// start wires an engine as app does.
func start(db *state.DB, source providers.Source, target engine.Target) (*engine.Engine, error) {
	rule, err := site.Rule()
	if err != nil {
		return nil, err
	}
	ids := 0
	return engine.New(engine.Options{Logger: slog.New(slog.DiscardHandler), NewID: func() string { ids++; return fmt.Sprintf("%026d", ids) },
		Ledger: db, Journal: db, Runs: db, Audit: db,
		Setup: engine.Setup{Limits: site.Limits(), Rules: []*mapping.Rule{rule},
			Sources: []engine.Source{{ID: site.Source, Name: site.Source, Provider: source, MaxAge: 48 * time.Hour, Grace: replica.Grace{Reads: 2, Over: 15 * time.Minute}}},
			Targets: []engine.TargetSetup{{Name: site.Target, Match: []string{"email"}, Open: func() engine.Target { return target }}}}})
}

// unchanged makes sure that the run saw everything in step.
func unchanged(r *run.Report, memberships int) error {
	if len(r.Targets) != 1 || len(r.Sources) != 1 || r.Sources[0].Reason != "" {
		return fmt.Errorf("the report has %+v and %+v", r.Targets, r.Sources)
	}
	if t := &r.Targets[0]; len(t.Changes) > 0 || t.Summary.Unchanged != memberships || t.Error != "" {
		return fmt.Errorf("%d changes, %d of %d memberships unchanged, error %q", len(t.Changes), t.Summary.Unchanged, memberships, t.Error)
	}
	return nil
}
