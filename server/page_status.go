package server

import (
	"context"
	"net/http"
	"time"

	"groupsyncd/sync/run"
	"groupsyncd/web"
)

// front answers at the top: browsers with the page, everybody else with the list of paths.
func (a *Admin) front(mux *http.ServeMux) {
	list, page := a.guarded(reader, a.index), a.page.guarded(reader, a.page.status)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept")
		if wantsPage(r) {
			page(w, r)
			return
		}
		list(w, r)
	})
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", http.MethodGet)
		a.refuse(w, http.StatusMethodNotAllowed, "this path takes "+http.MethodGet+" alone", "")
	})
}

// nowhere answers at an address where there is no page.
func (p *page) nowhere(w http.ResponseWriter, r *http.Request) {
	p.dressed(func(w http.ResponseWriter, r *http.Request) {
		p.refuse(w, r, nil, http.StatusNotFound, "There is nothing at this address.", "Begin at the status page.")
	})(w, r)
}

const (
	// What the first page shows of what may be long.
	firstRuns    = 6
	firstHolds   = 5
	firstChanges = 3
	// aged is how old a status may be before the page says so.
	aged = 5 * time.Second
)

// status is the first page. It never waits long: while a look at Open WebUI is under way it
// shows what was known before.
func (p *page) status(w http.ResponseWriter, r *http.Request, c *caller) {
	s, at := p.a.look.status(r.Context(), p.a), p.a.look.when()
	runs, err := await(p, r, func(ctx context.Context) ([]run.Report, error) { return p.a.Backend.History(ctx, firstRuns) })
	if err != nil {
		p.fail(w, r, c, err)
		return
	}
	v := web.StatusView{Status: s, Runs: runs, Version: p.a.Version, Going: p.going("reload")}
	v.Verdict, v.Steps = web.Judge(s)
	if s != nil {
		v.Holds = firstOf(s.Holds, firstHolds)
		if old := p.a.Now().Sub(at); old > aged {
			v.Age = "This is as of " + old.Round(time.Second).String() + " ago: a look at Open WebUI is under way, which takes its time."
		}
	}
	p.show(w, r, c, http.StatusOK, "status", "groupsyncd", "/", v)
}

// firstOf gives the first holds with their first changes.
func firstOf(holds []run.Hold, most int) []web.HoldView {
	var out []web.HoldView
	for i := range holds[:min(most, len(holds))] {
		h := web.HoldView{Hold: holds[i], Shown: worded(holds[i].Changes)}
		h.Shown = h.Shown[:min(firstChanges, len(h.Shown))]
		h.More = len(h.Keys) - len(h.Shown)
		out = append(out, h)
	}
	return out
}

// worded leaves out changes of which only the key is left.
func worded(changes []run.Change) []run.Change {
	out := make([]run.Change, 0, len(changes))
	for i := range changes {
		if changes[i].Op != "" {
			out = append(out, changes[i])
		}
	}
	return out
}

func (p *page) going(then string) web.GoingView {
	runs, _ := p.a.Daemon.Going()
	return web.GoingView{Runs: runs, Then: then}
}
