package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// crowd is how many people are in the directory group of a clinic.
const crowd = 12

// clinic is a world in which one source and several targets fail as long as a test wants.
type clinic struct {
	clock  *enginetest.Clock
	store  *enginetest.Store
	dir    *enginetest.Directory
	source *patient
	webs   []*enginetest.OpenWebUI
	stale  time.Duration
	limits plan.Limits
	engine *engine.Engine
	log    bytes.Buffer
	runs   int
	last   *run.Report
	// deadlines of runs, zero: those that the engine has by itself.
	deadline, personDeadline time.Duration
}

// patient is a source that fails, or hangs, while it is told to.
type patient struct {
	*enginetest.Source
	failing, lookUp error
	hangs           bool
	pulls           int
}

func (p *patient) Pull(ctx context.Context, progress providers.Progress) (*directory.Snapshot, error) {
	p.pulls++
	if p.hangs {
		<-ctx.Done()
		return &directory.Snapshot{}, fault.New(fault.KindOf(ctx.Err()), "read", "directory", ctx.Err(), "")
	}
	if p.failing != nil {
		return &directory.Snapshot{}, p.failing
	}
	return p.Source.Pull(ctx, progress)
}

func (p *patient) LookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	if p.hangs {
		<-ctx.Done()
		return &directory.Snapshot{}, fault.New(fault.KindOf(ctx.Err()), "look up", "directory", ctx.Err(), "")
	}
	if p.lookUp != nil {
		return &directory.Snapshot{}, p.lookUp
	}
	return p.Source.LookUp(ctx, who)
}

func newClinic(t *testing.T, targets int) *clinic {
	t.Helper()
	c := &clinic{clock: enginetest.NewClock(start), limits: plan.Limits{MaxPeople: plan.LimitBoth(500, 100), MaxPeople24h: plan.LimitBoth(500, 100),
		MaxGroupLoss: plan.LimitOff(), MaxNewGroups: plan.LimitOff(), MaxSourceShrink: plan.LimitPercent(100), ApprovalTTL: time.Hour}}
	c.store = enginetest.NewStore(c.clock.Now)
	c.dir = enginetest.NewDirectory(c.clock)
	c.source = &patient{Source: enginetest.NewSource(c.dir, c.clock)}
	members := map[string]bool{}
	for i := range targets {
		c.webs = append(c.webs, enginetest.NewOpenWebUI(c.clock, c.store.Power))
		for n := range crowd {
			c.webs[i].SignUp(fmt.Sprintf("a%d", n), fmt.Sprintf("h%d@x.org", n), nil)
		}
	}
	for n := range crowd {
		id := fmt.Sprintf("corp-h%d", n)
		c.dir.SetUser(directory.User{ID: id, Username: id, Email: fmt.Sprintf("h%d@x.org", n)})
		members[id] = true
	}
	c.dir.SetGroup(enginetest.TrueGroup{ID: "corp-eng", Name: "eng", Members: members})
	c.boot(t)
	return c
}

// boot starts a process over what is kept.
func (c *clinic) boot(t *testing.T) {
	t.Helper()
	setup := engine.Setup{Limits: c.limits, Sources: []engine.Source{{ID: "corp", Name: "corp", Provider: c.source, MaxAge: 48 * time.Hour,
		Grace: replica.Grace{Reads: 1}, Scope: "all", StaleAfter: c.stale, Since: start}}}
	setup.Rules = append(setup.Rules, catalogue["r1a"].rule)
	for i, web := range c.webs {
		setup.Targets = append(setup.Targets, engine.TargetSetup{Name: []string{target, "lab", "old"}[i], Open: web.Open, Match: []string{"email"}})
	}
	e, err := engine.New(engine.Options{Logger: slog.New(slog.NewTextHandler(&c.log, nil)), Now: c.clock.Now, Ledger: c.store, Journal: c.store,
		Runs: c.store, Audit: c.store, Health: c.store, Setup: setup, Deadline: c.deadline, PersonDeadline: c.personDeadline,
		NewID: func() string { c.runs++; return fmt.Sprintf("run-%04d", c.runs) }})
	if err != nil {
		t.Fatal(err)
	}
	c.engine = e
}

// run carries out a run and gives the kinds of its notices.
func (c *clinic) run(t *testing.T, req run.Request) string {
	t.Helper()
	if req.Mode == "" {
		req.Mode = run.Apply
	}
	report, err := c.engine.Run(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	c.last = report
	return kinds(report.Notices)
}

func kinds(notices []run.Notice) string {
	words := make([]string, len(notices))
	for i, n := range notices {
		words[i] = string(n.Kind)
	}
	return strings.Join(words, " ")
}

func (c *clinic) scheduled(t *testing.T) string {
	t.Helper()
	return c.run(t, run.Request{Trigger: run.Schedule})
}

func (c *clinic) manual(t *testing.T) string {
	t.Helper()
	return c.run(t, run.Request{Trigger: run.Manual})
}

func (c *clinic) status(t *testing.T) *engine.Status {
	t.Helper()
	s, err := c.engine.Status()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func broken(kind fault.Kind) error {
	return fault.New(kind, "read", "directory", errors.New("it is "+kind.String()), "mend it")
}
