package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/sync/run"
)

const (
	// maxWaiting is how many people may wait for their run. Who comes after them is healed
	// by the next scheduled read.
	maxWaiting = 1000
	// maxVisits is how many people are seen to at a time.
	maxVisits = 4
	// wideEvery is the least time between two reads of a source that webhooks ask for.
	wideEvery = time.Minute
)

// seeTo carries out a run that was asked for.
func (a *App) seeTo(ctx context.Context, req run.Request) (*run.Report, error) {
	report, err := a.Run(ctx, req, nil)
	if !req.Single() {
		debug.FreeOSMemory() // The same as in quiet.
	}
	return report, err
}

// errBusy says that nobody else can wait at present.
var errBusy = errors.New("too many people wait for their run")

// people has runs of single people begin soon: who signed in, and who changed. Nobody waits
// twice, nobody is seen to twice at a time, and whoever asks while a run of that person is
// under way gets one more, because what they tell of may be later than what it has read.
//
// Reads of a whole source that webhooks ask for go through it too, each source at most
// once in wideEvery.
type people struct {
	peopleOptions
	ctx context.Context

	mu sync.Mutex
	// waiting are those who have not begun, in the order in which they came; joins finds
	// them by what makes two requests one.
	waiting []*visit
	joins   map[run.Request]*visit
	// busy are those who are seen to, atWork how many of them are single people.
	busy   map[run.Request]bool
	atWork int
	// open are the ids of the runs that wait or are under way.
	open map[string]bool
	// wideAt is when the last read of each source began.
	wideAt map[string]time.Time
	closed bool
	ends   sync.WaitGroup
}

// peopleOptions are what people needs.
type peopleOptions struct {
	// run carries out a request.
	run func(context.Context, run.Request) (*run.Report, error)
	log *slog.Logger
	now func() time.Time
	// newID makes ids of runs.
	newID func() string
	// ended is told of each run that was carried out, and how long ago it was asked for
	// first; may be nil.
	ended func(req run.Request, took time.Duration, report *run.Report, err error)
}

// newPeople makes an empty queue. Runs under way end with ctx.
func newPeople(ctx context.Context, o peopleOptions) *people {
	return &people{peopleOptions: o, ctx: ctx, joins: map[run.Request]*visit{}, busy: map[run.Request]bool{}, open: map[string]bool{}, wideAt: map[string]time.Time{}}
}

// asked is a run that will begin soon.
type asked struct {
	// Run is its id.
	Run string
	// Wait waits for its end and gives its report.
	Wait func(context.Context) (*run.Report, error)
}

// visit is one run that waits or is under way.
type visit struct {
	req run.Request
	// key finds it for whoever asks for the same; who is the person, or the source.
	key, who run.Request
	// token gives the person, where that has to be found out first.
	token func(context.Context) (directory.Person, error)
	// wide says that it reads a source, ripe that its time has come.
	wide, ripe bool
	at         time.Time

	done   chan struct{}
	report *run.Report
	err    error
}

func (v *visit) wait(ctx context.Context) (*run.Report, error) {
	select {
	case <-v.done:
		return v.report, v.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ask has a run of one person begin soon, or joins one that waits for the same person. It
// gives the id of that run at once. errBusy: nobody else can wait.
func (p *people) ask(req run.Request) (asked, error) {
	if !req.Single() {
		return asked{}, fault.New(fault.Invalid, "ask for a run", "", errors.New("it is about nobody"), "")
	}
	return p.join(&visit{req: req, key: same(req), who: whose(req), ripe: true})
}

// askToken is the same for whom an ID token is about. It is verified in its turn, because
// that may need the keys of its issuer.
func (p *people) askToken(req run.Request, source providers.Tokens, raw secret.Value) (asked, error) {
	sum := sha256.Sum256([]byte(raw.Reveal()))
	key := same(req)
	key.Reason = "token " + hex.EncodeToString(sum[:]) // Nobody else asks for a run with a reason here.
	return p.join(&visit{req: req, key: key, who: key, ripe: true, token: func(ctx context.Context) (directory.Person, error) {
		return source.TakeToken(ctx, raw.Reveal())
	}})
}

// askAll has a source read soon, or everything where the request names none.
func (p *people) askAll(req run.Request) (asked, error) {
	return p.join(&visit{req: req, key: same(req), who: run.Request{Source: req.Source}, wide: true})
}

// same leaves of a request what makes two of them one.
func same(req run.Request) run.Request {
	req.ID, req.Trigger = "", ""
	return req
}

// whose leaves of a request whom it is about.
func whose(req run.Request) run.Request {
	return run.Request{Source: req.Source, Target: req.Target, User: req.User, Account: req.Account}
}

func (p *people) join(v *visit) (asked, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return asked{}, stopping()
	}
	if first := p.joins[v.key]; first != nil {
		return asked{Run: first.req.ID, Wait: first.wait}, nil
	}
	if len(p.waiting) >= maxWaiting {
		return asked{}, fault.New(fault.Throttled, "", "", errBusy, "come back a little later; the next scheduled read sees to everybody")
	}
	v.at, v.done = p.now(), make(chan struct{})
	if v.req.ID == "" {
		v.req.ID = p.newID()
	}
	p.waiting = append(p.waiting, v)
	p.joins[v.key] = v
	p.open[v.req.ID] = true
	if v.wide {
		p.ripen(v)
	}
	p.dispatch()
	return asked{Run: v.req.ID, Wait: v.wait}, nil
}

// ripen has the read of a source begin when changes have been collected for a while, and
// the last one is long enough ago.
func (p *people) ripen(v *visit) {
	wait := settle
	if last, ok := p.wideAt[v.req.Source]; ok {
		wait = max(wait, last.Add(wideEvery).Sub(v.at))
	}
	time.AfterFunc(wait, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		v.ripe = true
		p.dispatch()
	})
}

// dispatch begins what may begin. The caller holds mu.
func (p *people) dispatch() {
	if p.closed || p.ctx.Err() != nil {
		return // Whoever waits is let go by stop.
	}
	p.waiting = slices.DeleteFunc(p.waiting, func(v *visit) bool {
		if !v.ripe || p.busy[v.who] || !v.wide && p.atWork >= maxVisits {
			return false
		}
		if p.joins[v.key] == v {
			delete(p.joins, v.key)
		}
		p.busy[v.who] = true
		if v.wide {
			p.wideAt[v.req.Source] = p.now()
		} else {
			p.atWork++
		}
		p.ends.Go(func() { p.see(v) })
		return true
	})
}

// see carries out what has begun.
func (p *people) see(v *visit) {
	if v.token != nil && !p.identify(v) {
		return
	}
	report, err := p.survive(v.req)
	p.finish(v, report, err)
}

// identify finds out whom a token is about. False: the visit has ended, or waits again
// because somebody else asked for that person.
func (p *people) identify(v *visit) bool {
	who, err := v.token(p.ctx)
	if err == nil && nameOf(who) == "" {
		err = fault.Errorf(fault.Invalid, "take a token", "", "it is about nobody")
	}
	if err != nil {
		p.finish(v, nil, err)
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.busy, v.who)
	v.token, v.req.User = nil, nameOf(who)
	v.who = whose(v.req)
	if !p.busy[v.who] {
		p.busy[v.who] = true
		return true
	}
	p.atWork--
	if p.closed {
		p.end(v, nil, stopping())
		return false
	}
	p.waiting = slices.Insert(p.waiting, 0, v)
	p.dispatch()
	return false
}

// survive makes a panic in a run a failure like any other.
func (p *people) survive(req run.Request) (report *run.Report, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fault.Errorf(fault.Unavailable, "sync", "", "the run failed unexpectedly: %v\n%s", r, debug.Stack())
		}
	}()
	return p.run(p.ctx, req)
}

func (p *people) finish(v *visit, report *run.Report, err error) {
	took := p.now().Sub(v.at)
	if p.ended != nil {
		p.ended(v.req, took, report, err)
	}
	log := p.log.With(slog.String(logging.KeyRun, v.req.ID), slog.String(logging.KeyTrigger, string(v.req.Trigger)))
	switch {
	case err == nil:
		log.LogAttrs(p.ctx, slog.LevelDebug, "asked run ended", slog.Int64("ms", took.Milliseconds()))
	case fault.KindOf(err) == fault.NotFound:
		log.LogAttrs(p.ctx, slog.LevelInfo, "nobody is known by that name", slog.String(logging.KeyReason, err.Error()))
	case p.ctx.Err() == nil:
		log.LogAttrs(p.ctx, slog.LevelError, "run failed", slog.String(logging.KeyErr, err.Error()), slog.String(logging.KeyHint, fault.HintOf(err)))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.busy, v.who)
	if !v.wide {
		p.atWork--
	}
	p.end(v, report, err)
	p.dispatch()
}

// end tells those who wait. The caller holds mu.
func (p *people) end(v *visit, report *run.Report, err error) {
	delete(p.open, v.req.ID)
	v.report, v.err = report, err
	close(v.done)
}

// nameOf gives the name by which a run is asked for a person.
func nameOf(who directory.Person) string {
	for _, name := range []string{who.ID, who.Email, who.Username} {
		if name != "" {
			return name
		}
	}
	return ""
}

// load is how much there is to do.
type load struct {
	Waiting, AtWork int
	// Oldest is when the one who waits longest was asked for; zero: nobody waits.
	Oldest time.Time
}

func (p *people) load() load {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := load{Waiting: len(p.waiting), AtWork: len(p.busy)}
	for _, v := range p.waiting {
		if l.Oldest.IsZero() || v.at.Before(l.Oldest) {
			l.Oldest = v.at
		}
	}
	return l
}

// pending reports whether a run waits or is under way.
func (p *people) pending(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open[id]
}

func stopping() error {
	return fault.New(fault.Canceled, "", "", errors.New("the daemon stops"), "")
}

// stop begins nothing more, lets go whoever waits, and waits for what is under way.
func (p *people) stop(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	left := p.waiting
	p.waiting = nil
	clear(p.joins)
	for _, v := range left {
		p.end(v, nil, stopping())
	}
	p.mu.Unlock()
	return within(ctx, "runs of single people are still going on", p.ends.Wait)
}
