// Package app puts the parts together: it is the only package that knows all concrete
// types. It opens the state, makes sources and targets from a configuration, runs the
// daemon with its schedules and its control socket, and does one-shot work.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
	"groupsyncd/providers/all"
	"groupsyncd/server"
	"groupsyncd/state"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/notice"
	"groupsyncd/sync/run"
	"groupsyncd/sync/schedule"

	"github.com/oklog/ulid/v2"
)

// Options are what an App needs.
type Options struct {
	// File names the configuration file.
	File   string
	Config *config.Config
	Logger *slog.Logger
	// LockTimeout is how long to wait for another process that holds the state; zero:
	// ten seconds.
	LockTimeout time.Duration
	// Progress is told how far a long run is; may be nil.
	Progress func(where, what string, done, total int)
	Now      func() time.Time
	// Step is told of each commit of the state, for tests that kill the process there.
	Step func(when string)
	// Network bounds requests; the zero value is right outside of tests.
	Network Network
	// Empty has the program work on an empty state, which is gone when it is closed; none
	// is made where the configuration says.
	Empty bool
	// Version and Revision are those of the program, for its metrics.
	Version, Revision string
}

// App is the program with its state open. It meets server.Backend.
type App struct {
	log  *slog.Logger
	file string
	now  func() time.Time
	// network is the same for every configuration.
	network Network
	db      *state.DB
	// scratch is the folder of a state that is gone when it is closed, else empty.
	scratch string
	engine  *engine.Engine
	// version and revision are those of the program.
	version, revision string

	mu    sync.Mutex
	parts *parts
	// daemon is set while Serve runs.
	daemon *daemon
	care   care

	audit *auditor
	// expiries are what metrics say about the ends of credentials.
	expiries expiries
	// desk tells people in services outside.
	desk *notice.Desk
	// going are the runs that go on.
	going going
	// recent are runs that are not in the history.
	recent recent
	// ran says that this process carried out a run; changed, that the configuration did.
	ran     atomic.Bool
	changed chan struct{}
}

var _ server.Backend = (*App)(nil)

// Load reads a configuration file with every kind of source that the program knows.
func Load(file string) (*config.Config, error) {
	return config.LoadFile(file, loadOptions())
}

// Schema gives the JSON Schema of the configuration, with every kind of source.
func Schema() ([]byte, error) { return config.Schema(all.Registry()) }

func loadOptions() config.Options {
	return config.Options{Registry: all.Registry(), Hooks: hookKinds(), CheckNotice: checkNotice, CheckSchedule: func(spec string) error {
		_, err := schedule.Parse(spec, time.UTC)
		if hint := fault.HintOf(err); hint != "" {
			return fmt.Errorf("%w: %s", err, hint)
		}
		return err
	}, Interval: func(spec string) time.Duration {
		s, err := schedule.Parse(spec, time.UTC)
		if err != nil {
			return 0 // CheckSchedule has said what is wrong.
		}
		return s.Interval()
	}}
}

// New opens the state and makes everything that the configuration names. It connects to
// nothing. Errors have the kind fault.Damaged when the state cannot be used.
func New(ctx context.Context, o Options) (*App, error) {
	if o.Network.Limiters == nil {
		o.Network.Limiters = &httpx.Limiters{}
	}
	o.Network.Meters = &httpx.Meters{}
	a := &App{log: o.Logger, file: o.File, now: o.Now, network: o.Network, version: o.Version, revision: o.Revision}
	if a.now == nil {
		a.now = time.Now
	}
	dir := string(o.Config.State)
	if o.Empty {
		var err error
		if dir, err = os.MkdirTemp("", "groupsyncd-empty-*"); err != nil {
			return nil, fault.New(fault.Unavailable, "make an empty state", os.TempDir(), err, "the folder for temporary files must take a small one; name another with TMPDIR")
		}
		a.scratch = dir
	}
	db, err := state.Open(ctx, state.Options{Dir: dir, Timeout: o.LockTimeout, Logger: o.Logger, Now: a.now, Step: o.Step})
	if err != nil {
		return nil, errors.Join(err, a.tidy())
	}
	a.db = db
	a.audit = &auditor{db: db, log: a.log, now: a.now}
	a.changed = make(chan struct{}, 1)
	if err := a.make(o.Config, o.Progress); err != nil {
		return nil, errors.Join(err, db.Close(), a.tidy())
	}
	return a, nil
}

func (a *App) make(cfg *config.Config, progress func(string, string, int, int)) error {
	known, err := a.db.Sources()
	if err != nil {
		return err
	}
	p, err := build(cfg, known, a.log, a.now, a.network, a.pushed)
	if err != nil {
		return err
	}
	a.engine, err = engine.New(engine.Options{Logger: a.log, Now: a.now, NewID: newID, Ledger: a.db, Journal: a.db, Runs: a.db, Audit: a.db, Health: a.db,
		Ended: a.ended, Setup: p.setup, Confirm: a.confirm, Began: a.going.begin, Progress: a.progress(progress)})
	if err != nil {
		return errors.Join(err, p.close())
	}
	a.parts = p
	told, err := services(cfg)
	if err != nil {
		return errors.Join(err, p.close())
	}
	a.desk = a.newDesk()
	a.desk.Use(told)
	return p.remember(a.db, known)
}

// pushed gives the store of a source that its provider fills.
func (a *App) pushed(id string) providers.Pushed { return a.db.Pushed(id) }

func newID() string { return ulid.Make().String() }

// Close closes sources, targets and state.
func (a *App) Close() error {
	audit := a.closeAudit()
	a.mu.Lock()
	defer a.mu.Unlock()
	return errors.Join(audit, a.parts.close(), a.db.Close(), a.tidy())
}

// tidy removes a state that was only there to be looked at.
func (a *App) tidy() error {
	if a.scratch == "" {
		return nil
	}
	return os.RemoveAll(a.scratch)
}

// Run carries out a request. With a new configuration it plans only, on a copy of what
// is known, and keeps nothing.
func (a *App) Run(ctx context.Context, req run.Request, file *server.NewConfig) (*run.Report, error) {
	defer a.restSoon()
	if file == nil {
		a.ran.Store(true)
		if err := a.beginNotices(req); err != nil {
			return nil, err
		}
		report, err := a.perform(ctx, req)
		if err == nil {
			a.afterRun(ctx, req)
		}
		if req.ID != "" && !led(report) {
			a.recent.keep(req.ID, report, err) // Else it is in the history.
		}
		return report, err
	}
	if req.Mode != run.Plan {
		return nil, fault.Errorf(fault.Invalid, "run", file.File, "only a plan can be made with another configuration")
	}
	opts := loadOptions()
	opts.File, opts.Dir = file.File, file.Dir
	cfg, err := config.Load(file.Data, opts)
	if err != nil {
		return nil, err
	}
	known, err := a.db.Sources()
	if err != nil {
		return nil, err
	}
	unmeasured := a.network
	unmeasured.Meters = nil
	p, err := build(cfg, known, a.log, a.now, unmeasured, glass{a.db}.pushed)
	if err != nil {
		return nil, err
	}
	look, err := engine.New(engine.Options{Logger: a.log, Now: a.now, NewID: newID, Ledger: glass{a.db}, Journal: glass{a.db}, Runs: glass{a.db}, Audit: glass{a.db}, Setup: p.setup})
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	report, err := look.Run(ctx, req)
	return report, errors.Join(err, p.close())
}

// Holds gives what the guard holds back.
func (a *App) Holds(context.Context) ([]run.Hold, error) { return a.engine.Holds(), nil }

// Approve lets through what a hold lists; a daemon starts a run at once.
func (a *App) Approve(ctx context.Context, hash, reason, by string) (*run.Approval, error) {
	all, err := a.ApproveAll(ctx, []string{hash}, reason, by)
	if err != nil {
		return nil, err
	}
	return &all[0], nil
}

// ApproveAll lets through what several holds list; a daemon starts a run for all of it.
func (a *App) ApproveAll(ctx context.Context, hashes []string, reason, by string) ([]run.Approval, error) {
	all, err := a.engine.ApproveAll(ctx, hashes, reason, by)
	a.follow(all, by) // What was decided is carried out, although something else failed.
	return all, err
}

// AcceptTarget takes a changed target as the right one; a daemon starts a run at once.
func (a *App) AcceptTarget(ctx context.Context, name, by string) error {
	err := a.engine.AcceptTarget(ctx, name, by)
	if err == nil {
		a.soon(run.Request{Trigger: run.Manual, Mode: run.Apply, Target: name, By: by})
	}
	return err
}

// AcceptSource takes what a provider has brought as everything; a daemon reads it at once.
func (a *App) AcceptSource(ctx context.Context, name, by string) error {
	err := a.engine.AcceptSource(ctx, name, by)
	if err == nil {
		a.soon(run.Request{Trigger: run.Manual, Mode: run.Apply, Source: name, By: by})
	}
	return err
}

// RestartSource has a provider bring everything again.
func (a *App) RestartSource(ctx context.Context, name, by string) error {
	return a.engine.RestartSource(ctx, name, by)
}

// Status gives what is going on, with the times of the next reads in a daemon.
func (a *App) Status(context.Context) (*engine.Status, error) {
	s, err := a.engine.Status()
	if err != nil {
		return nil, err
	}
	if s.Holds == nil {
		s.Holds = []run.Hold{} // A list in JSON, also when it is empty.
	}
	a.mu.Lock()
	d, following := a.daemon, &following{}
	if d != nil && d.following != nil {
		following = d.following
	}
	watched := &doors{}
	if d != nil && d.doors != nil {
		watched = d.doors
	}
	refused := d != nil && d.refused
	a.mu.Unlock()
	if a.scratch == "" {
		s.State = a.stateStatus()
	}
	s.Notify = a.desk.Status()
	if d != nil {
		s.Daemon = &engine.DaemonStatus{PID: os.Getpid(), Since: d.started, Refused: refused}
		s.Webhooks, s.People = d.public.public.Status(), d.people.queueStatus()
		for i := range s.Sources {
			s.Sources[i].Next = d.schedule.Next(s.Sources[i].Name)
			if f := following.by[s.Sources[i].Name]; f != nil {
				s.Sources[i].Watch = f.status()
			}
		}
		for i := range s.Targets {
			if w := watched.by[s.Targets[i].Name]; w != nil {
				s.Targets[i].Watch = w.status()
			}
		}
	}
	return s, nil
}

// History gives the newest runs.
func (a *App) History(_ context.Context, limit int) ([]run.Report, error) {
	return a.engine.History(limit)
}

// Report gives a past run.
func (a *App) Report(_ context.Context, id string) (*run.Report, error) {
	report, err := a.engine.Report(id)
	if fault.KindOf(err) != fault.NotFound {
		return report, err
	}
	if e, ok := a.recent.find(id); ok {
		return e.report, e.err
	}
	if d := a.serving(); d != nil && d.people.pending(id) {
		return nil, underWay(id)
	}
	return report, err
}

// ExplainUser says why somebody is, or is not, in each group.
func (a *App) ExplainUser(_ context.Context, name string) (*engine.UserExplanation, error) {
	return a.engine.ExplainUser(name)
}

// ExplainGroup says where a group comes from.
func (a *App) ExplainGroup(_ context.Context, name string) (*engine.GroupExplanation, error) {
	return a.engine.ExplainGroup(name)
}
