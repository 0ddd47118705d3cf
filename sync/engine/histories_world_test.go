package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// start is when every history begins.
var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

const (
	graceOver  = 15 * time.Minute
	graceReads = 2
	maxAge     = 12 * time.Hour
	hrLag      = 5 * time.Minute
	target     = "chat"
)

// A step is one thing that happens, in words that can be written down and read again.
type step struct {
	do   string
	args []string
}

func (s step) String() string { return strings.Join(append([]string{s.do}, s.args...), " ") }

func (s step) arg(i int) string {
	if i < len(s.args) {
		return s.args[i]
	}
	return ""
}

func (s step) number(i int) int {
	n, err := strconv.Atoi(s.arg(i))
	if err != nil {
		return 1
	}
	return n
}

func (s step) rest(i int) step {
	if i >= len(s.args) {
		return step{do: "nothing"}
	}
	return step{do: s.args[i], args: s.args[i+1:]}
}

// parse reads steps, one a line; # begins a remark.
func parse(text string) []step {
	var steps []step
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) > 0 {
			steps = append(steps, step{words[0], words[1:]})
		}
	}
	return steps
}

// world is everything that a history plays with.
type world struct {
	clock   *enginetest.Clock
	store   *enginetest.Store
	web     *enginetest.OpenWebUI
	dirs    map[string]*enginetest.Directory
	sources map[string]*enginetest.Source
	signIns *enginetest.SignIns
	order   []string // configured sources
	rules   []string // rules in force, by their names in the catalogue
	ruledAt time.Time
	engine  *engine.Engine
	runs    int

	armed    map[int][]step    // by the number of the gap in the next full run
	during   map[string][]step // by the source whose next read they happen in
	amid     map[string][]step // and by the source whose next look-up
	writes   map[int]enginetest.Fault
	written  int
	account  map[string]string // human to their living account
	human    map[string]string // account to human
	incarnat map[string]int
	recycled map[string]bool // humans whose mail address somebody else has
	rough    bool            // identities were changed: what should be linked is not checked

	kept backup
	set  settings
	// stoppable is the context of the last run of everybody that began.
	stoppable *gaps
	oracle    *oracle
	failed    string
	last      *run.Report // of the last run
	err       error
	told      int      // effects that were told
	depth     int      // runs that are under way
	about     []string // whom they are about
	// unverified: a process died before it could see that the server had lied to it.
	lied, unverified bool
}

var sourceNames = []string{"corp", "hr", "eu"}

func newWorld() *world {
	w := &world{set: newSettings(), clock: enginetest.NewClock(start), dirs: map[string]*enginetest.Directory{}, sources: map[string]*enginetest.Source{},
		armed: map[int][]step{}, during: map[string][]step{}, amid: map[string][]step{}, writes: map[int]enginetest.Fault{}, account: map[string]string{}, human: map[string]string{},
		incarnat: map[string]int{}, recycled: map[string]bool{}}
	w.store = enginetest.NewStore(w.clock.Now)
	w.store.Keep = 60
	w.web = enginetest.NewOpenWebUI(w.clock, w.store.Power)
	w.web.Fault = w.becomes
	for _, name := range allSources {
		w.dirs[name] = enginetest.NewDirectory(w.clock)
		w.sources[name] = enginetest.NewSource(w.dirs[name], w.clock)
	}
	w.signIns = enginetest.NewSignIns(w.sources[sso], w.web, "idp")
	w.oracle = newOracle(w)
	return w
}

// setup is the configuration in force.
func (w *world) setup() engine.Setup {
	s := engine.Setup{Limits: w.set.limits}
	for _, name := range w.order {
		if single(name) {
			s.Sources = append(s.Sources, w.signInSource())
			continue
		}
		src := engine.Source{ID: name, Name: name, Provider: w.sources[name], Lag: w.set.lag[name], LagReplicated: hrLag, MaxAge: maxAge, Domains: w.set.domains[name], StaleAfter: w.set.staleAfter,
			Changes: true, FullEvery: fullEvery, Grace: w.grace(), Scope: w.scope(name)}
		if w.set.signIn == name {
			src.SignIn, src.Subject = "idp", "sub"
		}
		s.Sources = append(s.Sources, src)
	}
	for _, name := range w.rules {
		s.Rules = append(s.Rules, catalogue[name].rule)
	}
	s.Targets = []engine.TargetSetup{{Name: target, Open: w.web.Open, Match: []string{"sign_in", "email"}, Protect: w.set.protect, Ignore: w.set.ignore}}
	return s
}

func (w *world) grace() replica.Grace { return replica.Grace{Reads: w.set.reads, Over: graceOver} }

func (w *world) fail(kind, format string, args ...any) {
	if w.failed == "" {
		w.failed = kind + ": " + fmt.Sprintf(format, args...)
	}
}

// boot starts the process: a new engine over what is kept.
func (w *world) boot() {
	w.store.Power.On()
	e, err := engine.New(engine.Options{Logger: slog.New(slog.DiscardHandler), Now: w.clock.Now, Ledger: w.store, Journal: w.store, Runs: w.store, Audit: w.store, Health: w.store,
		NewID: func() string { w.runs++; return fmt.Sprintf("run-%04d", w.runs) }, Setup: w.setup()})
	if err != nil {
		w.fail("boot", "%v", err)
		return
	}
	w.engine = e
}

func (w *world) reload() {
	if w.engine == nil {
		return
	}
	if err := w.engine.Replace(w.setup()); err != nil {
		w.fail("reload", "%v", err)
	}
}

// gaps is a context that the engine asks, outside all of its locks, between any two of
// its batches: what was armed for a gap happens there.
type gaps struct {
	context.Context
	w   *world
	n   int
	end bool

	done  chan struct{}
	after []func()
}

func (g *gaps) Err() error {
	g.n++
	steps := g.w.armed[g.n]
	delete(g.w.armed, g.n)
	for _, s := range steps {
		if s.do == "stop" {
			g.end = true
			continue
		}
		g.w.do(s)
	}
	if g.end {
		return context.Canceled
	}
	return nil
}

func (w *world) sync(req run.Request) {
	who := req.Account + req.User
	if req.Single() && slices.Contains(w.about, who) {
		return // It would wait for the run that is under way.
	}
	w.depth++
	w.about = append(w.about, who)
	defer func() { w.depth, w.about = w.depth-1, w.about[:len(w.about)-1] }()
	w.oracle.before()
	effects, events := len(w.web.Effects), len(w.store.Events())
	// What a first read shows counts as old, so it is as old as it may be.
	if !w.oracle.everWhole("hr") {
		w.sources["hr"].Next.Behind = hrLag
	}
	w.stoppable = &gaps{Context: context.Background(), w: w, done: make(chan struct{})}
	var ctx context.Context = w.stoppable
	if req.Single() {
		ctx = context.Background()
	}
	w.middle(req)
	w.middleOf(req)
	report, err := w.engine.Run(ctx, req)
	if !req.Single() {
		clear(w.armed)
		clear(w.during)
		clear(w.writes)
	}
	w.last, w.err = report, err
	dead := w.store.Power.Off()
	w.unverified = w.unverified || w.lied && dead
	w.lied = false
	if err != nil && !dead && fault.KindOf(err) != fault.NotFound && req.Revert == "" {
		w.fail("error", "%s", err)
	}
	if dead {
		report = nil
	}
	w.oracle.after(req, report, dead)
	if what := silent(w, effects, events); !dead && what != "" {
		w.fail("audit", "nothing is recorded of %s", what)
	}
	if dead && w.depth == 1 {
		w.boot()
	}
}

// do lets one step happen.
func (w *world) do(s step) {
	w.clock.Add(time.Second)
	if w.disasterStep(s) || w.deltaStep(s) || w.expectStep(s) || w.signInStep(s) || w.settingStep(s) || w.traceStep(s) {
		return
	}
	if w.directoryStep(s) || w.webStep(s) {
		if w.runs > 0 || single(s.arg(0)) { // Nobody has seen anything else before that.
			w.oracle.look()
		}
		return
	}
	switch s.do {
	case "sources":
		w.configure(func() { w.order = s.args })
	case "rules":
		w.configure(func() { w.useRules(s.args) })
	case "wait":
		w.oracle.look()
		d, err := time.ParseDuration(s.arg(0))
		if err == nil {
			w.clock.Add(d)
		}
	case "fault":
		if src := w.sources[s.arg(0)]; src != nil {
			src.Next = w.fault(s)
		}
	case "lookupfault":
		if src := w.sources[s.arg(0)]; src != nil {
			src.Nobody = s.arg(1) == "nobody"
			src.NextLookUp = w.fault(s)
		}
	case "write":
		w.writes[w.written+s.number(0)] = writeFaults[s.arg(1)]
	case "down":
		w.web.Down = fault.Errorf(fault.Unavailable, "call", "open webui", "it is down")
	case "up":
		w.web.Down = nil
	case "crash":
		w.store.Power.CutAfter(s.number(0))
	case "restart":
		w.boot()
	case "inside":
		w.armed[s.number(0)] = append(w.armed[s.number(0)], s.rest(1))
	case "during":
		w.during[s.arg(0)] = append(w.during[s.arg(0)], s.rest(1))
	case "run":
		w.sync(run.Request{Trigger: run.Schedule, Mode: run.Apply, Source: w.only(s.arg(0))})
	case "sync":
		w.sync(run.Request{Trigger: run.Manual, Mode: run.Apply})
	case "plan":
		w.sync(run.Request{Trigger: run.Manual, Mode: run.Plan})
	case "person":
		w.sync(run.Request{Trigger: run.Webhook, Mode: run.Apply, User: w.mailOf(s.arg(0))})
	case "unblock":
		w.unblock(s.arg(0), s.arg(1))
	case "approve":
		w.approve(s.number(0), false)
	case "approve-earlier":
		w.approve(s.number(0), true)
	case "revert":
		w.undo(s.number(0))
	case "release":
		w.keep(s.number(0))
	case "nothing":
	default:
		w.fail("word", "nobody knows what %q is", s)
	}
}

// configure puts a changed configuration in force.
func (w *world) configure(change func()) {
	w.oracle.configured()
	change()
	w.reload()
	w.oracle.look()
}

func (w *world) only(source string) string {
	if slices.Contains(w.order, source) {
		return source
	}
	return ""
}

// middle lets what was kept for it happen while the only source of a run is being read.
func (w *world) middle(req run.Request) {
	only := req.Source
	if only == "" && len(w.order) == 1 {
		only = w.order[0]
	}
	if steps := w.during[only]; len(steps) > 0 && !req.Single() && w.depth == 1 {
		w.sources[only].During = func() {
			for _, s := range steps {
				w.do(s)
			}
		}
	}
}

func (w *world) fault(s step) enginetest.ReadFault {
	f := enginetest.Whole()
	switch s.arg(1) {
	case "fails":
		f.Fails = true
	case "panics":
		f.Panics = true
	case "cut":
		f.Cut = s.args[2:]
	case "users":
		f.CutUsers = s.number(2)
	case "groups":
		f.CutGroups = s.number(2)
	case "behind":
		if s.arg(0) == "hr" {
			f.Behind = time.Duration(min(s.number(2), 5)) * time.Minute
		}
	case "old":
		d, err := time.ParseDuration(s.arg(2))
		if err == nil {
			f.Old = d
		}
	case "nostatus":
		f.NoStatus = true
	}
	return f
}

func (w *world) mailOf(human string) string {
	for _, name := range w.order {
		if u, ok := w.dirs[name].Now().Users[personID(name, human)]; ok {
			return u.Email
		}
	}
	return human + "@x.org"
}

// scope is what a source is configured to read.
func (w *world) scope(source string) string {
	return "narrow=" + strconv.FormatBool(w.sources[source].Narrow)
}

func (w *world) approve(n int, earlier bool) {
	holds := w.engine.Holds()
	if len(holds) == 0 {
		return
	}
	h := holds[n%len(holds)]
	hash := h.Hash
	if earlier && len(h.Earlier) > 0 {
		hash = h.Earlier[0].Hash
	}
	if h.Check == run.TargetChanged {
		if w.engine.AcceptTarget(context.Background(), target, "tester") == nil {
			w.oracle.acceptsTarget()
		}
		return
	}
	a, err := w.engine.Approve(context.Background(), hash, "because", "tester")
	if err != nil {
		switch {
		case !w.store.Power.Off():
			w.fail("error", "approve: %v", err)
		case w.depth == 0:
			w.boot()
		}
		return
	}
	w.oracle.approved(a)
	w.undoAgain(a)
}

// undoAgain starts the reverts again of which an approval lets a part through, as a daemon
// does.
func (w *world) undoAgain(a *run.Approval) {
	for _, id := range a.Reverts {
		w.undoRun(id)
	}
}

// keep keeps what a hold lists.
func (w *world) keep(n int) {
	holds := w.engine.Holds()
	if len(holds) == 0 || holds[n%len(holds)].Release == "" {
		return
	}
	h := holds[n%len(holds)]
	_, err := w.engine.Release(context.Background(), run.Release{Hold: h.Hash, Reason: "because"}, "tester")
	if err != nil {
		switch {
		case !w.store.Power.Off():
			w.fail("error", "release: %v", err)
		case w.depth == 0:
			w.boot()
		}
		return
	}
	w.oracle.released(h.Keys)
}

// undo reverts one of the last runs.
func (w *world) undo(n int) {
	if w.depth > 0 {
		return
	}
	reports, err := w.store.Runs(3)
	if err != nil || len(reports) == 0 {
		return
	}
	w.undoRun(reports[n%len(reports)].Run)
}

func (w *world) undoRun(id string) {
	if w.depth > 0 {
		return
	}
	w.oracle.undoing = true
	defer func() { w.oracle.undoing = false }()
	w.sync(run.Request{Trigger: run.Manual, Mode: run.Apply, Revert: id, Reason: "because", By: "tester"})
}

// unblock has somebody say that what a directory group names in vain counts no longer.
func (w *world) unblock(source, group string) {
	w.oracle.unblocked[source] = true
	before := w.owned()
	_, err := w.engine.Release(context.Background(), run.Release{Source: source, Reference: group, Reason: "because"}, "tester")
	if err != nil {
		switch {
		case fault.KindOf(err) == fault.NotFound || fault.KindOf(err) == fault.Invalid:
		case !w.store.Power.Off():
			w.fail("error", "release: %v", err)
		case w.depth == 0:
			w.boot()
		}
		return
	}
	after := w.owned()
	var keys []string
	for key := range before {
		if !after[key] {
			keys = append(keys, key)
		}
	}
	w.oracle.released(keys)
}

// owned gives what is ours, by the keys of the removals.
func (w *world) owned() map[string]bool {
	m := w.store.Peek(target)
	out := map[string]bool{}
	for id, o := range m.Owned {
		for f := range o.Feeds {
			for _, a := range o.Feeds[f].Accounts {
				out[plan.RemovalKey(id, m.Mirror.Account(a).ID)] = true
			}
		}
	}
	return out
}
