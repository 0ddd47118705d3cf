package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/permission"
	"groupsyncd/providers"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// Source is a source as the engine uses it.
type Source struct {
	// ID is its identity in the state, Name its key in the configuration.
	ID, Name string
	Provider providers.Source
	Lag      time.Duration
	// LagReplicated is in force in place of Lag when a read shows that the server is one of several.
	LagReplicated time.Duration
	MaxAge        time.Duration
	Grace         replica.Grace
	// Provider and Subject are those of sign_in.
	SignIn, Subject string
	Domains         []string
	// Scope says which entries the configuration selects, Place which directory it is.
	Scope, Place string
	// Timeout bounds one pull.
	Timeout time.Duration
	// Push says that the provider of the source tells it of changes.
	Push bool
	// Walks says that the source reads one group after the other.
	Walks bool
	// Single says that the source knows single people only and has no lists; Reads is the
	// target whose sign-ins it reads, empty for none.
	Single bool
	Reads  string
	// Changes lets a run read only changes, where the source can; FullEvery is how long
	// after the last full read the next one is due.
	Changes   bool
	FullEvery time.Duration
	// StaleAfter is how long it may go without a complete read before it counts as
	// stale, zero: for ever; Since is when it was configured, for one never read.
	StaleAfter time.Duration
	Since      time.Time
}

// TargetSetup is a target as the engine uses it.
type TargetSetup struct {
	Name string
	// Open begins one look at the target; the result counts its own requests.
	Open            func() Target
	Match           []string
	Ignore, Protect []string
	// Accounts, Defaults and Resources say what beside groups is managed: accounts and roles,
	// the default permissions, and the grants of these types of resource. Empty: untouched.
	Accounts  *plan.AccountRules
	Defaults  permission.Set
	Resources []string
	// PlanOnly keeps every run from writing to this target.
	PlanOnly bool
}

// Setup is everything that comes from the configuration; it is replaced as a whole.
type Setup struct {
	Sources []Source
	Targets []TargetSetup
	Rules   []*mapping.Rule
	Limits  plan.Limits
	// PlanOnly keeps every run from writing anywhere.
	PlanOnly bool
	// AuditNames has the audit keep names and mail addresses beside ids.
	AuditNames bool
}

// Options are what an engine needs.
type Options struct {
	Logger  *slog.Logger
	Now     func() time.Time
	NewID   func() string
	Ledger  Ledger
	Journal Journal
	Runs    Runs
	Audit   Audit
	Setup   Setup
	// Health keeps how sources and targets fare; nil: nobody is slowed down, and nobody
	// is told of anything.
	Health Health
	// Deadline bounds every run, PersonDeadline one of one person; zero: two hours, and
	// two minutes.
	Deadline, PersonDeadline time.Duration
	// Confirm is told when a further complete read would settle something; may be nil.
	Confirm func(at time.Time)
	// Progress is told how far a long run is; may be nil. total is zero when unknown.
	Progress func(where, what string, done, total int)
	// Began is told of each run of everybody that begins, and gives what is called when it has
	// ended, however it did; may be nil.
	Began func(run.Going) (over func())
	// Ended is told once of every run that has ended; may be nil. All are in the history but
	// those that a watch, or a sign-in, started for nothing.
	Ended func(*run.Report)
	// RereadEvery is how often the members of every group are read whatever the
	// server's counts say; zero: 24 hours.
	RereadEvery time.Duration
}

// Engine runs reconciliations. It is safe for use by several goroutines.
type Engine struct {
	log     *slog.Logger
	now     func() time.Time
	newID   func() string
	ledger  Ledger
	journal Journal
	runs    Runs
	audit   Audit
	confirm func(time.Time)
	began   func(run.Going) func()
	ended   func(*run.Report)
	reread  time.Duration
	// health is nil where nothing is kept of it.
	health                   Health
	deadline, personDeadline time.Duration
	condition                condition
	// progress is never nil.
	progress func(where, what string, done, total int)

	queue queue

	// merging lets one replica at a time be exchanged for a newer one, which waits for the
	// disk. It is taken before mu.
	merging sync.Mutex
	// mu guards setup and replicas; never held while a source, a target or the disk is waited
	// for.
	mu       sync.Mutex
	setup    Setup
	replicas map[string]*replica.Replica
	targets  map[string]*target
	// doubted is when the replicas of sources were last taken for unproved, by their ids.
	doubted map[string]time.Time
	// pulls are the last pulls of sources by this process, for status.
	pulls map[string]run.SourceReport
	// applying are the runs whose intents are open because they are at work.
	applying map[string]bool
}

// target is the memory of one target with the lock that every batch takes.
type target struct {
	mu  sync.Mutex
	mem *plan.Memory
	// wants remembers what the rules want of it.
	wants mapping.Memo
	// looked numbers the looks at single people; refreshed gives the last per account
	// id, so that an older plan drops what it wanted of them.
	looked    uint64
	refreshed map[string]uint64
	// seen is when this process last looked at everything, zero: never; pending are the people
	// who had no account then.
	seen    time.Time
	pending int
	// waiting counts owned memberships that wait for a source, by its id, as the last
	// full plan found.
	waiting map[string]int
}

// New makes an engine and loads what is known. Open intents of a crashed run are
// settled by Recover, which must come before the first run.
func New(o Options) (*Engine, error) {
	if o.Logger == nil || o.Ledger == nil || o.Journal == nil || o.Runs == nil || o.Audit == nil || o.NewID == nil {
		return nil, errors.New("engine: logger, ledger, journal, runs, audit and ids are required")
	}
	e := &Engine{log: o.Logger, now: o.Now, newID: o.NewID, ledger: o.Ledger, journal: o.Journal, runs: o.Runs, audit: o.Audit,
		confirm: o.Confirm, began: o.Began, ended: o.Ended, reread: o.RereadEvery, health: o.Health, deadline: o.Deadline, personDeadline: o.PersonDeadline,
		progress: o.Progress, queue: queue{person: lane{places: people}}, replicas: map[string]*replica.Replica{}, targets: map[string]*target{}, pulls: map[string]run.SourceReport{}, doubted: map[string]time.Time{}}
	if e.now == nil {
		e.now = time.Now
	}
	if e.progress == nil {
		e.progress = func(string, string, int, int) {}
	}
	if e.reread == 0 {
		e.reread = 24 * time.Hour
	}
	if e.deadline == 0 {
		e.deadline = defaultDeadline
	}
	if e.personDeadline == 0 {
		e.personDeadline = defaultPersonDeadline
	}
	if e.health != nil {
		var err error
		if e.condition.kept, err = e.health.Health(); err != nil {
			return nil, err
		}
	}
	if err := e.Replace(o.Setup); err != nil {
		return nil, err
	}
	return e, nil
}

// Replace puts a new setup in force for the runs that begin from now on. Nothing
// changes when it fails.
func (e *Engine) Replace(s Setup) error {
	replicas := map[string]*replica.Replica{}
	for i := range s.Sources {
		r, err := e.loadReplica(s.Sources[i].ID)
		if err != nil {
			return err
		}
		replicas[s.Sources[i].ID] = r
	}
	targets := map[string]*target{}
	for i := range s.Targets {
		t, err := e.loadTarget(s.Targets[i].Name)
		if err != nil {
			return err
		}
		targets[s.Targets[i].Name] = t
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.setup = s
	// What was there may have become newer since.
	for id, r := range replicas {
		if e.replicas[id] == nil {
			e.replicas[id] = r
		}
	}
	for name, t := range targets {
		if e.targets[name] == nil {
			e.targets[name] = t
		}
	}
	return nil
}

func (e *Engine) loadReplica(id string) (*replica.Replica, error) {
	e.mu.Lock()
	have := e.replicas[id]
	e.mu.Unlock()
	if have != nil {
		return have, nil
	}
	return e.ledger.Replica(id)
}

func (e *Engine) loadTarget(name string) (*target, error) {
	e.mu.Lock()
	have := e.targets[name]
	e.mu.Unlock()
	if have != nil {
		return have, nil
	}
	mem, err := e.ledger.Memory(name)
	if err != nil {
		return nil, err
	}
	return &target{mem: mem, refreshed: map[string]uint64{}}, nil
}

// current gives the setup in force.
func (e *Engine) current() Setup {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.setup
}

func (e *Engine) target(name string) *target {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.targets[name]
}

// Run carries out a request and gives its report, or an error when there is none:
// unknown names, and a state that cannot be written. Failures of sources and targets
// are in the report. Equal requests that wait are carried out together.
func (e *Engine) Run(ctx context.Context, req run.Request) (*run.Report, error) {
	if err := e.check(req); err != nil {
		return nil, err
	}
	if _, err := e.audit.Head(); err != nil {
		return nil, err // What cannot be vouched for is not begun.
	}
	return e.queue.do(ctx, req, func(ctx context.Context) (*run.Report, error) {
		ctx, cancel := e.bound(ctx, req)
		defer cancel()
		switch {
		case req.Revert != "":
			return e.runRevert(ctx, req)
		case req.Single():
			return e.runPerson(ctx, req)
		}
		return e.runFull(ctx, req)
	})
}

func (e *Engine) check(req run.Request) error {
	s := e.current()
	if req.Revert != "" && (req.Single() || req.Source != "") {
		return fault.New(fault.Invalid, "revert", "", errors.New("a run is reverted as a whole, or for one target"), "leave out the source and the person")
	}
	if req.Account != "" && (req.User != "" || req.Target == "") {
		return fault.New(fault.Invalid, "", "", errors.New("an account belongs to one target, and to one person"), "name the account and its target, or the person")
	}
	if req.Source != "" && !slices.ContainsFunc(s.Sources, func(x Source) bool { return x.Name == req.Source }) {
		return fault.New(fault.Invalid, "", "", errors.New("no source is named "+req.Source), "see the sources with: groupsyncd status")
	}
	if req.Target != "" && !slices.ContainsFunc(s.Targets, func(x TargetSetup) bool { return x.Name == req.Target }) {
		return fault.New(fault.Invalid, "", "", errors.New("no target is named "+req.Target), "see the targets with: groupsyncd status")
	}
	return nil
}

// mode gives how a run deals with a target.
func mode(s *Setup, t *TargetSetup, req run.Request) run.Mode {
	if req.Mode == run.Plan || s.PlanOnly || t.PlanOnly {
		return run.Plan
	}
	return run.Apply
}
