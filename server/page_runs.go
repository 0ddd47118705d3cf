package server

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"
	"groupsyncd/web"
)

const (
	runsPerPage    = 25
	changesPerPage = 50
	shownProblems  = 20
)

// runs lists past runs, the newest first.
func (p *page) runs(w http.ResponseWriter, r *http.Request, c *caller) {
	need := min(pageOf(r)*runsPerPage+1, maxRuns)
	list, err := await(p, r, func(ctx context.Context) ([]run.Report, error) { return p.a.Backend.History(ctx, need) })
	if err != nil {
		p.fail(w, r, c, err)
		return
	}
	v := web.RunsView{Going: p.going("reload")}
	v.Runs, v.Pager = web.Cut(list, pageOf(r), runsPerPage, "runs", turn(r))
	if v.Pager.Next != "" || len(list) == need {
		v.Pager.Total, v.Pager.More = 0, true // Nobody has counted the others.
	}
	p.show(w, r, c, http.StatusOK, "runs", "Runs", "/runs", v)
}

// run shows one run with its changes, a part of them at a time.
func (p *page) run(w http.ResponseWriter, r *http.Request, c *caller) {
	id := r.PathValue("id")
	report, leave, err := p.report(r, id)
	defer leave()
	switch {
	case err == nil:
		text := p.draw(w, r, c, http.StatusOK, "run", "Run "+report.Run, "/runs", p.runPage(r, report))
		leave() // Whoever reads slowly keeps nobody else waiting.
		if text != nil {
			p.send(w, http.StatusOK, "text/html; charset=utf-8", text)
		}
	case fault.KindOf(err) == fault.NotFound && (p.promised.has(id) || p.goesOn(id)):
		v := web.UnderWayView{Run: id, Going: p.going("reload")}
		v.Going.Waits = true
		p.show(w, r, c, http.StatusOK, "underway", "Run "+id+" has not ended", "/runs", v)
	default:
		p.fail(w, r, c, err)
	}
}

// report loads a run. It may have a hundred thousand changes, so there is one at a time.
func (p *page) report(r *http.Request, id string) (*run.Report, func(), error) {
	select {
	case p.heavy <- struct{}{}:
	case <-r.Context().Done():
		return nil, func() {}, fault.New(fault.Canceled, "", "", errors.New("nobody waits any more"), "")
	}
	report, err := await(p, r, func(ctx context.Context) (*run.Report, error) { return p.a.Backend.Report(ctx, id) })
	return report, sync.OnceFunc(func() { <-p.heavy }), err
}

func (p *page) goesOn(id string) bool {
	runs, _ := p.a.Daemon.Going()
	return slices.ContainsFunc(runs, func(g run.Going) bool { return g.Run == id })
}

func (p *page) runPage(r *http.Request, report *run.Report) *web.RunPage {
	v := &web.RunPage{Report: report, Filter: filterOf(r)}
	ops, outcomes := map[string]bool{}, map[string]bool{}
	var fit []*run.Change
	for i := range report.Targets {
		t := &report.Targets[i]
		n := min(shownProblems, len(t.Problems))
		v.Targets = append(v.Targets, web.RunTarget{TargetReport: *t, Problems: t.Problems[:n], More: len(t.Problems) - n})
		v.Changes += len(t.Changes)
		for j := range t.Changes {
			ch := &t.Changes[j]
			ops[string(ch.Op)], outcomes[string(ch.Outcome)] = true, true
			if fits(ch, v.Filter) {
				fit = append(fit, ch)
			}
		}
	}
	v.Ops, v.Outcomes = slices.Sorted(maps.Keys(ops)), slices.Sorted(maps.Keys(outcomes))
	v.Shown, v.Pager = web.Cut(fit, pageOf(r), changesPerPage, "changes", turn(r))
	return v
}

func filterOf(r *http.Request) web.Filter {
	q := r.URL.Query()
	return web.Filter{Op: q.Get("op"), Outcome: q.Get("outcome"), Text: strings.TrimSpace(q.Get("text"))}
}

// fits reports whether a change is one that somebody looks for.
func fits(c *run.Change, f web.Filter) bool {
	if f.Op != "" && string(c.Op) != f.Op || f.Outcome != "" && string(c.Outcome) != f.Outcome {
		return false
	}
	return f.Text == "" || contains(f.Text, c.Where(), c.Who(), c.Reason, c.Rule, c.Error)
}

// contains reports whether one of some texts has another in it, in whatever case.
func contains(part string, texts ...string) bool {
	part = strings.ToLower(part)
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(strings.ToLower(t), part) })
}

// sync starts a run. Its page says how far it is, and in the end what it did.
func (p *page) sync(w http.ResponseWriter, r *http.Request, c *caller) {
	req := run.Request{Trigger: run.Manual, Mode: run.Apply, By: c.by(), ID: p.a.NewID()}
	_, err := begin(p.a, p.a.writes, func(ctx context.Context) (*run.Report, error) { return p.a.Backend.Run(ctx, req, nil) })
	if err != nil {
		p.fail(w, r, c, err)
		return
	}
	p.promised.add(req.ID)
	c.session.say(web.Said{Text: "Begun as " + c.name + "."})
	http.Redirect(w, r, web.RunPath(req.ID), http.StatusSeeOther)
}
