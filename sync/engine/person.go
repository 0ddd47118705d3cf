package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/providers"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// personRun is the same line for one person: look-ups instead of pulls, and a plan that
// concerns nobody else. It applies new rules and never accepts them.
type personRun struct {
	e      *Engine
	setup  *Setup
	req    run.Request
	report *run.Report
	log    *slog.Logger
	// behind are the people whom the request is about, as the sources know them.
	behind []directory.UserKey
	// failed says that something was tried and did not work.
	failed bool
}

// runPerson carries out a run of one person, whom the request names or whose account it
// names.
func (e *Engine) runPerson(ctx context.Context, req run.Request) (*run.Report, error) {
	setup := e.current()
	p := &personRun{e: e, setup: &setup, req: req, report: e.begin(&setup, req)}
	p.log = e.log.With(slog.String(logging.KeyRun, p.report.Run))
	about := p.named
	if req.Account != "" {
		about = p.signedIn
	}
	if err := about(ctx); err != nil {
		return nil, err
	}
	return p.end(ctx)
}

// bySelf reports whether nobody waits for the run at a terminal: then somebody unknown is
// no mistake, and a run that found everything as it should be is not worth a word.
func (p *personRun) bySelf() bool { return p.req.Trigger == run.Webhook || p.req.Trigger.Watched() }

// named is the run of somebody by mail, user name or id in a source.
func (p *personRun) named(ctx context.Context) error {
	known := p.e.namesake(p.setup, p.req.User)
	err := p.lookUps(ctx, func(src *Source) []directory.Person { return p.asked(src, known) })
	if err != nil {
		return err
	}
	for i := range p.setup.Sources {
		src := &p.setup.Sources[i]
		r := p.e.replica(src.ID)
		if n, found := findPerson(r, p.req.User); found {
			p.meet(directory.UserKey{Source: src.ID, ID: r.Users()[n].ID})
		}
	}
	if len(p.behind) == 0 && !p.bySelf() {
		return fault.New(fault.NotFound, "sync", "", errors.New("no source knows "+p.req.User),
			"give a mail address, user name or id as the directory has it; see what was read with: groupsyncd status")
	}
	for i := range p.setup.Targets {
		t := &p.setup.Targets[i]
		if p.req.Target != "" && t.Name != p.req.Target {
			continue
		}
		if len(p.behind) == 0 {
			p.report.Targets = append(p.report.Targets, *p.work(t).nothing())
			continue
		}
		if err := p.at(ctx, t, (*work).person); err != nil {
			return err
		}
	}
	return nil
}

// signedIn is the run of whoever has an account: the account is looked at first, then who
// is behind it is looked up in every source, and what follows is applied there and
// wherever else that person has an account.
func (p *personRun) signedIn(ctx context.Context) error {
	at := slices.IndexFunc(p.setup.Targets, func(t TargetSetup) bool { return t.Name == p.req.Target })
	err := p.at(ctx, &p.setup.Targets[at], (*work).signIn)
	if err != nil || len(p.behind) == 0 {
		return err
	}
	for i := range p.setup.Targets {
		t := &p.setup.Targets[i]
		if i == at || !p.work(t).has(p.behind) {
			continue
		}
		if err := p.at(ctx, t, (*work).person); err != nil {
			return err
		}
	}
	return nil
}

func (p *personRun) work(t *TargetSetup) *work {
	return p.e.work(p.setup, t, p.req, p.report, p.log, map[string]bool{})
}

// at does a part of the run, unless no time is left for it.
func (p *personRun) at(ctx context.Context, t *TargetSetup, part func(*work, context.Context, *personRun) (*run.TargetReport, error)) error {
	if ctx.Err() != nil {
		if late := overdue(ctx); late != "" {
			p.report.Targets = append(p.report.Targets, unreached(t.Name, late))
			p.failed = true
		}
		return nil
	}
	w := p.work(t)
	tr, err := w.try(ctx, func(ctx context.Context) (*run.TargetReport, error) { return part(w, ctx, p) })
	if err != nil {
		return err
	}
	p.report.Targets = append(p.report.Targets, *tr)
	p.failed = p.failed || tr.Error != "" && !w.rested
	return nil
}

// meet notes somebody whom the run is about.
func (p *personRun) meet(key directory.UserKey) {
	if !slices.Contains(p.behind, key) {
		p.behind = append(p.behind, key)
	}
}

// lookUps asks every source at once for the person, and takes in what they showed.
func (p *personRun) lookUps(ctx context.Context, ask func(*Source) []directory.Person) error {
	var sources []*Source
	for i := range p.setup.Sources {
		if src := &p.setup.Sources[i]; p.req.Source == "" || src.Name == p.req.Source {
			sources = append(sources, src)
		}
	}
	found := make([]lookedUp, len(sources))
	var wg sync.WaitGroup
	for i, src := range sources {
		names := ask(src)
		wg.Go(func() { found[i] = p.e.lookUp(ctx, src, p.req.Trigger, names) })
	}
	wg.Wait()
	for i, src := range sources {
		f := &found[i]
		if f.err != nil {
			return f.err
		}
		p.report.Sources = append(p.report.Sources, f.report)
		p.failed = p.failed || f.failed
		if f.id != "" {
			p.meet(directory.UserKey{Source: src.ID, ID: f.id})
		}
	}
	return nil
}

// lookedUp is what became of a look-up.
type lookedUp struct {
	report run.SourceReport
	// id is that of the person who was found, or who was asked for by it and is known.
	id string
	// failed says that it was tried and did not work.
	failed bool
	// err is about our own state.
	err error
}

// lookUp reads one person from one source, by the first of several names that it knows.
func (e *Engine) lookUp(ctx context.Context, src *Source, by run.Trigger, names []directory.Person) lookedUp {
	l, able := src.Provider.(providers.LookUp)
	if !able {
		return lookedUp{report: run.SourceReport{Name: src.Name, Coverage: string(directory.None), Reason: "this kind of source cannot look up one person"}}
	}
	out := lookedUp{}
	for _, who := range names {
		if _, known := e.replica(src.ID).User(who.ID); known && who.ID != "" {
			out.id = who.ID
		}
	}
	if len(names) == 0 {
		out.report = run.SourceReport{Name: src.Name, Coverage: string(directory.None), Reason: "nothing that is known of the person would find them here"}
		return out
	}
	if t, rests := e.rests(src.party(), by); rests {
		out.report = e.left(ctx, src, &t)
		return out
	}
	began := e.now()
	snapshot, err := (*directory.Snapshot)(nil), error(nil)
	requests := 0
	for _, who := range names {
		snapshot, err = safely(func() (*directory.Snapshot, error) { return l.LookUp(ctx, who) })
		requests += snapshot.Requests
		if err != nil && fault.KindOf(err) != fault.NotFound || len(snapshot.Users) > 0 {
			break
		}
	}
	_, stored := e.merge(src, snapshot)
	out.report = sourceReport(src, snapshot, err)
	out.report.Requests = requests
	if len(snapshot.Users) == 1 {
		out.id = snapshot.Users[0].ID
	}
	if err != nil {
		out.failed = true
		e.log.LogAttrs(ctx, slog.LevelError, "person not looked up", slog.String(logging.KeySource, src.Name),
			slog.String(logging.KeyErr, out.report.Reason), slog.String(logging.KeyHint, out.report.Hint))
	}
	out.report = late(ctx, out.report)
	out.err = errors.Join(stored, e.fared(src.party(), err, began, false))
	return out
}

// end closes the run. One that came by itself, and found nothing to do and nothing wrong,
// leaves no trace: there may be dozens in a second.
func (p *personRun) end(ctx context.Context) (*run.Report, error) {
	if !p.bySelf() || p.failed || ctx.Err() != nil {
		return p.e.end(ctx, p.report, &p.req, p.log)
	}
	for i := range p.report.Targets {
		if slices.ContainsFunc(p.report.Targets[i].Changes, func(c run.Change) bool { return c.Outcome != run.Skipped }) {
			return p.e.end(ctx, p.report, &p.req, p.log)
		}
	}
	return p.e.idle(ctx, p.report, p.log)
}

// nothing is the part of a report about a target where there is nothing to do.
func (w *work) nothing() *run.TargetReport {
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	return &run.TargetReport{Name: w.t.Name, Version: w.state.mem.Mirror.Version, Changes: []run.Change{}, Problems: []run.Problem{}}
}

// person does the part of a run for a target where the person may have an account.
func (w *work) person(ctx context.Context, p *personRun) (*run.TargetReport, error) {
	tr := w.nothing()
	only, stop, err := w.findAccount(ctx, tr, p.behind)
	if err != nil || stop {
		return w.finish(tr, nil), err
	}
	return w.do(ctx, tr, only)
}

// signIn does the part of a run for the target where somebody signed in.
func (w *work) signIn(ctx context.Context, p *personRun) (*run.TargetReport, error) {
	tr := w.nothing()
	names, only, err := w.whoSignedIn(ctx, tr, p)
	if err != nil || only == nil {
		return w.finish(tr, nil), err
	}
	if err := p.lookUps(ctx, func(src *Source) []directory.Person { return names[src.ID] }); err != nil {
		return nil, err
	}
	if len(p.behind) == 0 {
		return w.finish(tr, nil), nil
	}
	w.refresh(only.Account)
	return w.do(ctx, tr, only)
}

// whoSignedIn looks at the account that the request names, and says how to ask each source
// for who is behind it. No account: there is none, or nothing may be done about it.
func (w *work) whoSignedIn(ctx context.Context, tr *run.TargetReport, p *personRun) (map[string][]directory.Person, *plan.Only, error) {
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	seen, err := w.readAccount(ctx, tr, p.req.Account)
	if err != nil || seen == nil || seen.stop {
		return nil, nil, err
	}
	if seen.gone {
		if !p.bySelf() {
			err = fault.New(fault.NotFound, "sync", "target "+w.t.Name, errors.New("there is no account "+p.req.Account), "give the id of an account as Open WebUI has it")
		}
		return nil, nil, err
	}
	if mail := w.state.mem.Mirror.Account(seen.number).Email; mail != "" {
		p.report.User = mail
	}
	names := map[string][]directory.Person{}
	known := w.linkedTo(p.req.Account)
	for i := range p.setup.Sources {
		src := &p.setup.Sources[i]
		names[src.ID] = w.namesFor(src, seen.number, known)
	}
	return names, &plan.Only{Account: seen.number}, nil
}
