package engine

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/providers"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// runPerson is the same line for one person: a look-up instead of a pull, and a plan
// that concerns nobody else. It applies new rules and never accepts them.
func (e *Engine) runPerson(ctx context.Context, req run.Request) (*run.Report, error) {
	setup := e.current()
	report := e.begin(&setup, req)
	log := e.log.With(slog.String(logging.KeyRun, report.Run))
	known := false
	for i := range setup.Sources {
		src := &setup.Sources[i]
		if req.Source != "" && src.Name != req.Source {
			continue
		}
		sr, err := e.lookUp(ctx, src, req)
		if err != nil {
			return nil, err
		}
		report.Sources = append(report.Sources, sr)
	}
	for i := range setup.Sources {
		if _, found := findPerson(e.replica(setup.Sources[i].ID), req.User); found {
			known = true
		}
	}
	if !known {
		return nil, fault.New(fault.NotFound, "sync", "", errors.New("no source knows "+req.User),
			"give a mail address, user name or id as the directory has it; see what was read with: groupsyncd status")
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
		w := e.work(&setup, t, req, report, log, map[string]bool{})
		tr, err := w.try(ctx, w.person)
		if err != nil {
			return nil, err
		}
		report.Targets = append(report.Targets, *tr)
	}
	return e.end(ctx, report, &req, log)
}

func (e *Engine) replica(id string) *replica.Replica {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.replicas[id]
}

// lookUp reads one person from one source. The error is about our own state.
func (e *Engine) lookUp(ctx context.Context, src *Source, req run.Request) (run.SourceReport, error) {
	who, began := req.User, e.now()
	l, able := src.Provider.(providers.LookUp)
	if !able {
		return run.SourceReport{Name: src.Name, Coverage: string(directory.None), Reason: "this kind of source cannot look up one person"}, nil
	}
	if t, rests := e.rests(src.party(), req.Trigger); rests {
		return e.left(ctx, src, &t), nil
	}
	person := directory.Person{Username: who}
	if strings.Contains(who, "@") {
		person = directory.Person{Email: who}
	}
	r := e.replica(src.ID)
	if n, found := findPerson(r, who); found {
		person = directory.Person{ID: r.Users()[n].ID}
	}
	snapshot, err := l.LookUp(ctx, person)
	if snapshot == nil {
		snapshot = &directory.Snapshot{}
	}
	_, stored := e.merge(src, snapshot)
	report := sourceReport(src.Name, snapshot, err)
	if err != nil {
		e.log.LogAttrs(ctx, slog.LevelError, "person not looked up", slog.String(logging.KeySource, src.Name),
			slog.String(logging.KeyErr, report.Reason), slog.String(logging.KeyHint, report.Hint))
	}
	return late(ctx, report), errors.Join(stored, e.fared(src.party(), err, began, false))
}

// findPerson finds somebody by id, mail or user name, when exactly one fits.
func findPerson(r *replica.Replica, who string) (uint32, bool) {
	if n, ok := r.User(who); ok {
		return n, true
	}
	found, count := uint32(0), 0
	mail := directory.FoldEmail(who)
	for n := range r.Users() {
		u := &r.Users()[n]
		if u.Email != "" && directory.FoldEmail(u.Email) == mail || u.Username == who {
			found = uint32(n)
			count++
		}
	}
	return found, count == 1
}

// person does a person's part for the target.
func (w *work) person(ctx context.Context) (*run.TargetReport, error) {
	tr := &run.TargetReport{Name: w.t.Name, Changes: []run.Change{}, Problems: []run.Problem{}}
	only, stop, err := w.findAccount(ctx, tr)
	if err != nil || stop {
		return w.finish(tr, nil), err
	}
	return w.do(ctx, tr, only)
}

// findAccount finds the account of the person and looks at it; somebody without a known
// account may have got one a moment ago, so then the target is looked at as a whole.
func (w *work) findAccount(ctx context.Context, tr *run.TargetReport) (*plan.Only, bool, error) {
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	account, found := w.accountOf()
	// While it looked like another server, what it says of one person proves nothing.
	if !found || heldAsChanged(w.state.mem) {
		if stop, err := w.observe(ctx, tr); stop || err != nil {
			return nil, true, err
		}
		if account, found = w.accountOf(); !found {
			return &plan.Only{None: true}, false, nil
		}
	}
	mem := w.state.mem
	id := mem.Mirror.Account(account).ID
	view, err := w.api.Account(ctx, id)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		if stop, err := w.observe(ctx, tr); stop || err != nil {
			return nil, true, err
		}
		return &plan.Only{None: true}, false, nil
	case err != nil:
		return nil, true, w.targetError(tr, err)
	}
	if mem.Returned(view) {
		// Somebody put them back by hand, or this is a server restored from a backup.
		if stop, err := w.observe(ctx, tr); stop || err != nil {
			return nil, true, err
		}
	}
	if err := w.e.ledger.SaveMemory(mem, mem.ObserveAccount(view)); err != nil {
		return nil, true, err
	}
	w.state.looked++
	w.state.refreshed[id] = w.state.looked
	return &plan.Only{Account: account}, false, nil
}

// accountOf finds the account of the person whom the request names, through any source.
func (w *work) accountOf() (uint32, bool) {
	in := w.people()
	for s := range in.Sources {
		if n, found := findPerson(in.Sources[s].Replica, w.req.User); found {
			if account, ok := plan.AccountOf(in, s, n); ok {
				return account, true
			}
		}
	}
	return 0, false
}
