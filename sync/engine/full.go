package engine

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// runFull is the straight line for everybody: pull, merge, map, observe, plan, guard,
// apply, verify, record.
func (e *Engine) runFull(ctx context.Context, req run.Request) (*run.Report, error) {
	setup := e.current()
	report := e.begin(&setup, req)
	defer e.going(report)()
	log := e.log.With(slog.String(logging.KeyRun, report.Run))
	log.LogAttrs(ctx, slog.LevelInfo, "run begins", slog.String(logging.KeyTrigger, string(req.Trigger)), slog.String("mode", string(report.Mode)))
	read, err := e.pull(ctx, &setup, req)
	if err != nil {
		return nil, err
	}
	report.Sources = read.reports
	if read.idle {
		return e.idle(ctx, report, log)
	}
	for i := range setup.Targets {
		t := &setup.Targets[i]
		if req.Target != "" && t.Name != req.Target {
			continue
		}
		if ctx.Err() != nil {
			if late := overdue(ctx); late != "" {
				report.Targets = append(report.Targets, unreached(t.Name, late))
			}
			continue
		}
		w := e.work(&setup, t, req, report, log, read.complete)
		tr, err := w.try(ctx, w.run)
		if err != nil {
			return nil, err
		}
		report.Targets = append(report.Targets, *tr)
		read.confirmAt = soonest(read.confirmAt, w.confirmAt)
	}
	if e.confirm != nil && !read.confirmAt.IsZero() {
		e.confirm(read.confirmAt)
	}
	e.reportStale(&setup, report)
	return e.end(ctx, report, &req, log)
}

func (e *Engine) begin(s *Setup, req run.Request) *run.Report {
	r := &run.Report{Schema: run.Schema, Run: req.ID, Mode: run.Apply, Trigger: req.Trigger, User: cmp.Or(req.User, req.Account),
		Started: e.now().UTC(), Sources: []run.SourceReport{}, Targets: []run.TargetReport{}}
	if r.Run == "" {
		r.Run = e.newID()
	}
	if req.Mode == run.Plan || s.PlanOnly {
		r.Mode = run.Plan
	}
	return r
}

// idle ends a run that found nothing to do: nobody has to hear of it, and the history keeps
// no word.
func (e *Engine) idle(ctx context.Context, r *run.Report, log *slog.Logger) (*run.Report, error) {
	r.Exit = r.ExitCode()
	r.DurationMS = e.now().Sub(r.Started).Milliseconds()
	log.LogAttrs(ctx, slog.LevelDebug, "nothing has changed", slog.Int64("ms", r.DurationMS))
	if e.ended != nil {
		e.ended(r)
	}
	return r, nil
}

// end closes a report: its exit code, its place in the history, and one line of log.
func (e *Engine) end(ctx context.Context, r *run.Report, req *run.Request, log *slog.Logger) (*run.Report, error) {
	r.DurationMS = e.now().Sub(r.Started).Milliseconds()
	r.Exit = r.ExitCode()
	if ctx.Err() != nil && overdue(ctx) == "" {
		r.Exit = run.ExitInterrupted
	}
	if err := e.tellAll(); err != nil {
		return nil, err
	}
	r.Notices = e.news()
	if err := e.runs.SaveRun(r, e.closing(r, req)); err != nil {
		return nil, err
	}
	s := r.Total()
	log.LogAttrs(ctx, slog.LevelInfo, "run ended", slog.Int("exit", r.Exit), slog.Int64("ms", r.DurationMS),
		slog.Int("added", s.MembersAdded), slog.Int("removed", s.MembersRemoved), slog.Int("groups_created", s.GroupsCreated),
		slog.Int("roles", s.RolesChanged), slog.Int("grants", s.GrantsChanged), slog.Int("accounts_created", s.AccountsCreated),
		slog.Int("held", s.Held), slog.Int("failed", s.Failed))
	if e.ended != nil {
		e.ended(r)
	}
	return r, e.tellHead(ctx, log)
}

func (e *Engine) replica(id string) *replica.Replica {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.replicas[id]
}

// work is what one run does to one target.
type work struct {
	e      *Engine
	setup  *Setup
	t      *TargetSetup
	state  *target
	api    Target
	req    run.Request
	report *run.Report
	log    *slog.Logger
	mode   run.Mode
	read   map[string]bool

	confirmAt time.Time
	planSeq   uint64
	batches   []batch
	// instead is looked at in place of the replica of its source that is in force; nil: no one is.
	instead *replica.Replica
	// failure is what makes the target as a whole fail; rested says that it was left alone.
	failure error
	rested  bool
	// together gathers the outcomes of calls that are recorded in one transaction, while the
	// lock of the target is held for all of them; nil: each is recorded by itself.
	together *together
	// undo is the run whose changes this work undoes, file what it carries in; nil for every other.
	undo *run.Report
	file *plan.Importing
}

func (e *Engine) work(s *Setup, t *TargetSetup, req run.Request, report *run.Report, log *slog.Logger, read map[string]bool) *work {
	return &work{e: e, setup: s, t: t, state: e.target(t.Name), api: t.Open(), req: req, report: report,
		log: log.With(slog.String(logging.KeyTarget, t.Name)), mode: mode(s, t, req), read: read}
}

// try does the part of a run for its target, unless that is left alone, and takes in how
// the target fared.
func (w *work) try(ctx context.Context, part func(context.Context) (*run.TargetReport, error)) (*run.TargetReport, error) {
	p, began := w.t.party(), w.e.now()
	if t, rests := w.e.rests(p, w.req.Trigger); rests {
		w.rested = true
		w.log.LogAttrs(ctx, slog.LevelInfo, "target left alone", slog.String(logging.KeyReason, resting(&t)))
		return &run.TargetReport{Name: w.t.Name, Changes: []run.Change{}, Problems: []run.Problem{}, Error: resting(&t), Hint: p.now(t.Hint)}, nil
	}
	tr, err := part(ctx)
	if err != nil {
		return nil, err
	}
	if late := overdue(ctx); late != "" {
		if tr.Error != "" {
			tr.Error, tr.Hint = late+": "+tr.Error, deadlineHint
		}
		return tr, nil // Too little time is no failure of the target.
	}
	return tr, w.e.fared(p, w.failure, began, !w.req.Single())
}

// run does a full run's part for the target. The error is about our own state; what the
// target does wrong is in the report.
func (w *work) run(ctx context.Context) (*run.TargetReport, error) {
	tr := &run.TargetReport{Name: w.t.Name, Changes: []run.Change{}, Problems: []run.Problem{}}
	return w.do(ctx, tr, nil)
}

// do plans and applies, for everybody or for one person.
func (w *work) do(ctx context.Context, tr *run.TargetReport, only *plan.Only) (*run.TargetReport, error) {
	p, err := w.prepare(ctx, tr, only)
	if err != nil || p == nil {
		return w.finish(tr, nil), err
	}
	if w.mode == run.Apply {
		if err := w.apply(ctx, p); err != nil {
			return nil, err
		}
		if err := w.accept(ctx, p, only); err != nil {
			return nil, err
		}
	}
	return w.finish(tr, p), nil
}

// prepare looks at the target and plans, under its lock. A nil plan means that nothing
// can be planned, for the reason in the report.
func (w *work) prepare(ctx context.Context, tr *run.TargetReport, only *plan.Only) (*plan.Plan, error) {
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	p, g, err := w.look(ctx, tr, only)
	if err != nil || p == nil {
		return nil, err
	}
	if w.mode == run.Plan {
		var dirty plan.Dirty
		w.keepGrants(p)
		w.bookEvidence(p, &dirty)
		if dirty.Empty() {
			return p, nil
		}
		return p, w.e.ledger.SaveMemory(w.state.mem, dirty)
	}
	return p, w.book(p, g, only)
}

// look looks at the target and plans, for a caller who holds its lock.
func (w *work) look(ctx context.Context, tr *run.TargetReport, only *plan.Only) (*plan.Plan, *plan.Guarded, error) {
	crashed, err := w.crashed()
	if err != nil {
		return nil, nil, err
	}
	var p *plan.Plan
	var g *plan.Guarded
	if only == nil && len(crashed) == 0 {
		if p, g, err = w.narrow(ctx); err != nil {
			return nil, nil, err
		}
	}
	if p == nil {
		if p, g, err = w.widely(ctx, tr, only, crashed); err != nil || p == nil {
			return nil, nil, err
		}
	}
	mem := w.state.mem
	tr.Version = mem.Mirror.Version
	tr.Plan = p.Hash
	switch {
	case w.undo != nil || w.file != nil:
		tr.Holds = holdNotes(holding(p, g.Holds))
	case only == nil:
		tr.Holds = holdNotes(g.Holds)
		p.Problems = append(p.Problems, mem.Mirror.Competing...)
		p.Problems = append(p.Problems, mem.PeerProblems(w.e.now())...)
		w.state.waiting = p.Waiting
	}
	w.confirmAt = p.ConfirmAt
	w.planSeq = w.state.looked
	return p, g, nil
}

// widely looks at everything that a plan for everybody, or for one person, needs, and plans.
// A nil plan: nothing can be planned, for the reason in the report.
func (w *work) widely(ctx context.Context, tr *run.TargetReport, only *plan.Only, crashed []plan.Intent) (*plan.Plan, *plan.Guarded, error) {
	if only == nil || len(crashed) > 0 {
		if stop, err := w.observe(ctx, tr); stop || err != nil {
			return nil, nil, err
		}
	}
	if err := w.settle(ctx, crashed); err != nil {
		return nil, nil, w.targetError(tr, err)
	}
	p, g := w.compute(only)
	if only != nil && needsAll(p) {
		if stop, err := w.observe(ctx, tr); stop || err != nil {
			return nil, nil, err
		}
		p, g = w.compute(only)
	}
	if only == nil {
		w.state.pending = p.Summary.Pending
	}
	return p, g, nil
}

func holdNotes(holds []run.Hold) []run.HoldNote {
	var out []run.HoldNote
	for i := range holds {
		h := &holds[i]
		out = append(out, run.HoldNote{Check: h.Check, Scope: h.Scope, Detail: h.Detail, Hash: h.Hash, Changes: len(h.Keys)})
	}
	return out
}

func (w *work) compute(only *plan.Only) (*plan.Plan, *plan.Guarded) {
	if w.undo != nil {
		return w.inverse()
	}
	if w.file != nil {
		return w.imported()
	}
	defer w.took(context.Background(), "planned", w.e.now())
	in := w.input(only)
	p := plan.Compute(in)
	return p, plan.Guard(p, in, w.setup.Limits)
}

// took says how long a part of the run took.
func (w *work) took(ctx context.Context, part string, began time.Time) {
	w.log.LogAttrs(ctx, slog.LevelDebug, "part of the run done", slog.String("what", part), slog.Int64("ms", w.e.now().Sub(began).Milliseconds()))
}

// targetError puts a failure of the target into the report; failures of our own state
// end the run instead.
func (w *work) targetError(tr *run.TargetReport, err error) error {
	if fault.KindOf(err) == fault.Damaged {
		return err
	}
	w.failure = err
	tr.Error, tr.Hint, tr.Fault = err.Error(), fault.HintOf(err), faultWord(err)
	w.log.LogAttrs(context.Background(), slog.LevelError, "target failed", slog.String(logging.KeyErr, tr.Error), slog.String(logging.KeyHint, tr.Hint))
	return nil
}

// observe looks at the target and takes what it shows into the memory. stop: nothing
// may be planned on it.
func (w *work) observe(ctx context.Context, tr *run.TargetReport) (stop bool, err error) {
	mem := w.state.mem
	pending := slices.ContainsFunc(mem.Approvals, accepts)
	began := w.e.now()
	all := pending || began.Sub(mem.Mirror.ReadAllAt) > w.e.reread
	o, err := w.api.Observe(ctx, mem.Mirror, w.wanted(all))
	if err != nil {
		return true, w.targetError(tr, err)
	}
	w.took(ctx, "target observed", began)
	why := mem.TargetChanged(o)
	if why != "" && !w.accepted(why) {
		return true, w.changed(tr, why)
	}
	var dirty plan.Dirty
	if why != "" {
		dirty = mem.Accept(o)
	} else {
		dirty = mem.Observe(o)
	}
	if pending {
		// It is used up, or about something that is over.
		mem.Approvals = slices.DeleteFunc(mem.Approvals, accepts)
		dirty.Approvals = true
	}
	lost, found := mem.FindLost(w.e.now())
	dirty.Merge(found)
	if lost != "" {
		w.e.announce(run.Notice{At: w.e.now(), Kind: run.NoticeState, Key: "state/" + w.t.Name, Targets: []string{w.t.Name},
			Message: "the state of target " + w.t.Name + " was lost or restored: " + lost,
			Hint:    "members of our groups whom no directory names are held until somebody decides: groupsyncd holds"})
		if err := w.e.doubtPushed(w.setup, lost); err != nil {
			return true, err
		}
	}
	before := slices.Clone(mem.Holds)
	mem.Holds = slices.DeleteFunc(mem.Holds, func(h run.Hold) bool {
		dirty.Holds = dirty.Holds || h.Check == run.TargetChanged
		return h.Check == run.TargetChanged
	})
	dirty.Events = append(dirty.Events, w.heldEvents(before, mem.Holds)...)
	if o.ReadAll {
		problems, err := w.api.BuiltInSync(ctx)
		if err != nil {
			w.log.LogAttrs(ctx, slog.LevelWarn, "settings of the target not read", slog.String(logging.KeyErr, err.Error()))
		} else {
			mem.Mirror.Competing = problems
		}
	}
	w.dropLost(&dirty)
	w.state.seen = began
	return false, w.e.ledger.SaveMemory(mem, dirty)
}

// wanted says what has to be looked at for what the configuration manages. Once a day all
// that can be shared is read as well, so that what a group had can be told when somebody
// deletes it.
func (w *work) wanted(all bool) plan.Look {
	mem := w.state.mem
	look := plan.Look{All: all, Roles: w.t.Accounts != nil, Defaults: all || w.t.Defaults != nil || len(mem.Defaults.Applied) > 0}
	look.Resources = slices.Clone(w.t.Resources)
	slices.Sort(look.Resources)
	for key := range mem.Grants { // where no rule names the type any more, it may be refused
		if !slices.Contains(look.Resources, key.Type) && !slices.Contains(look.Also, key.Type) {
			look.Also = append(look.Also, key.Type)
		}
	}
	slices.Sort(look.Also)
	if all {
		look.Also = plan.ResourceTypes()
	}
	if shares(w.file) {
		look.Resources = plan.ResourceTypes()
	}
	return look
}

// accepts reports whether an approval is one of a changed target.
func accepts(a run.Approval) bool { return a.Check == run.TargetChanged }

// accepted reports whether somebody has said that the target is the right one although
// it changed in this way.
func (w *work) accepted(why string) bool {
	hold := w.state.mem.ChangedHold(why, w.e.now())
	return slices.ContainsFunc(w.state.mem.Approvals, func(a run.Approval) bool {
		return accepts(a) && slices.Contains(a.Keys, acceptKey(&hold)) && w.e.now().Before(a.Until)
	})
}

func heldAsChanged(mem *plan.Memory) bool {
	return slices.ContainsFunc(mem.Holds, func(h run.Hold) bool { return h.Check == run.TargetChanged })
}

// dropLost forgets what we owned in groups that are proved to be gone and that no link
// will make again.
func (w *work) dropLost(dirty *plan.Dirty) {
	mem := w.state.mem
	linked := map[string]bool{}
	for _, l := range mem.Links {
		linked[l.GroupID] = true
	}
	ids := slices.Collect(maps.Keys(mem.Owned))
	for _, ours := range mem.Grants {
		for _, o := range ours {
			if o.Kind == plan.KindGroup {
				ids = append(ids, o.ID)
			}
		}
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		if mem.Mirror.Group(id) == nil && !linked[id] && !plan.IsRole(id) {
			mem.EndGroup(id, w.e.now(), dirty)
		}
	}
}

// changed reports and keeps the hold on a target that is not the one we know.
func (w *work) changed(tr *run.TargetReport, why string) error {
	mem := w.state.mem
	hold, before := mem.ChangedHold(why, w.e.now()), slices.Clone(mem.Holds)
	mem.Holds = slices.DeleteFunc(mem.Holds, func(h run.Hold) bool { return h.Check == run.TargetChanged })
	mem.Holds = append(mem.Holds, hold)
	tr.Version = mem.Mirror.Version
	tr.Holds = holdNotes(mem.Holds)
	tr.Problems = append(tr.Problems, run.Problem{Kind: run.KindConflict,
		Message: "this does not look like the Open WebUI that groupsyncd knows: " + why + "; nothing is written",
		Hint:    "if it is the right one: " + hold.Approve})
	return w.e.ledger.SaveMemory(mem, plan.Dirty{Holds: true, Events: w.heldEvents(before, mem.Holds)})
}

// input gathers what plan reads.
func (w *work) input(only *plan.Only) *plan.Input {
	s, in := w.setup, w.people()
	in.Only, in.Rules, in.Could = only, map[string]bool{}, map[string][]int{}
	sources := make([]mapping.Source, 0, len(in.Sources))
	for i := range in.Sources {
		src := &in.Sources[i]
		sources = append(sources, mapping.Source{ID: src.ID, Name: src.Name, Replica: src.Replica})
	}
	in.Desired = w.state.wants.Apply(w.t.Name, s.Rules, sources)
	for _, r := range s.Rules {
		in.Rules[r.Key()] = true
		for i := range s.Sources {
			if len(r.From) == 0 || slices.Contains(r.From, s.Sources[i].ID) {
				in.Could[r.Key()] = append(in.Could[r.Key()], i)
			}
		}
	}
	if old := acceptedRules(w.state.mem, s.Rules); len(old) > 0 {
		in.Accepted = mapping.Apply(w.t.Name, old, sources)
	}
	return in
}

// people gathers the part of the input that says who is which account; it needs no rules.
func (w *work) people() *plan.Input {
	e, s := w.e, w.setup
	in := &plan.Input{Now: e.now(), Memory: w.state.mem, Match: w.t.Match, Ignore: w.t.Ignore, Protect: w.t.Protect,
		Accounts: w.t.Accounts, Defaults: w.t.Defaults}
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range s.Sources {
		src := &s.Sources[i]
		in.Sources = append(in.Sources, plan.Source{ID: src.ID, Name: src.Name, Replica: w.shown(src.ID), Grace: src.Grace, MaxAge: src.MaxAge,
			Single: src.Single, Provider: w.provider(src), Subject: src.Subject, Domains: src.Domains, Scope: src.scope(w.shown(src.ID)), Read: w.read[src.ID]})
	}
	return in
}

// shown gives what a source has proved. The lock of the replicas is held.
func (w *work) shown(source string) *replica.Replica {
	if w.instead != nil && w.instead.Source == source {
		return w.instead
	}
	return w.e.replicas[source]
}

// finish closes the target's part of the report.
func (w *work) finish(tr *run.TargetReport, p *plan.Plan) *run.TargetReport {
	tr.Requests, tr.Writes = w.api.Spent()
	if p == nil {
		return tr
	}
	tr.Summary = p.Tally()
	tellImported(tr, p)
	tr.Problems = append(tr.Problems, p.Problems...)
	for i := range p.Changes {
		tr.Changes = append(tr.Changes, p.Changes[i].Change)
	}
	return tr
}
