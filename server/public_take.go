package server

import (
	"context"
	"net/http"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/server/hooks"
	"groupsyncd/sync/run"
)

// maxHookWait is the longest that a sender may wait for its run.
const maxHookWait = time.Minute

// taken is the answer to what was taken in.
type taken struct {
	// Run is the first run, Runs are all of several.
	Run  string   `json:"run"`
	Runs []string `json:"runs,omitempty"`
}

// take has a verified request looked at, once. release gives back the room of its body.
func (p *Public) take(w http.ResponseWriter, r *http.Request, h *hook, req *hooks.Request, proof hooks.Proof, release func()) *denial {
	wait, d := waitOf(r)
	if d != nil {
		return d
	}
	name := h.Config.Name
	if proof.ID != "" {
		led, before, err := p.replay.enter(r.Context(), name, proof.ID)
		switch {
		case err != nil:
			return failed(err)
		case before:
			p.count(h, Repeated)
			p.answer(w, h.Kind.Statuses.Repeated, taken{Run: led})
			return nil
		}
		defer p.replay.leave(name, proof.ID)
	}
	list, err := h.Dialect.Read(req, proof)
	if err != nil {
		return &denial{result: Unreadable, status: h.Kind.Statuses.Unreadable, text: "the body cannot be used", why: err.Error()}
	}
	var runs []Asked
	if len(list) > 0 {
		if runs, err = p.Ask(h.Config, list); err != nil {
			return failed(err)
		}
	}
	answer := ids(runs)
	if proof.ID != "" {
		// What was asked for is done even when it cannot be remembered: the sender tries
		// again, and once more does no harm.
		if err := p.replay.keep(run.Delivery{Webhook: name, ID: proof.ID, Run: answer.Run, Until: req.At.Add(proof.Keep + time.Second)}); err != nil {
			return failed(err)
		}
	}
	h.seen.accepted(req.At)
	if len(runs) == 0 {
		p.count(h, Ignored)
	} else {
		p.count(h, Accepted)
	}
	req.Body = nil
	release()
	if wait > 0 && len(runs) > 0 && p.await(w, r, runs, wait) {
		return nil
	}
	p.answer(w, h.Kind.Statuses.Accepted, answer)
	return nil
}

// ids gives the ids of runs, each once.
func ids(runs []Asked) taken {
	var t taken
	seen := map[string]bool{}
	for _, a := range runs {
		if !seen[a.Run] {
			seen[a.Run] = true
			t.Runs = append(t.Runs, a.Run)
		}
	}
	if len(t.Runs) > 0 {
		t.Run = t.Runs[0]
	}
	if len(t.Runs) == 1 {
		t.Runs = nil
	}
	return t
}

// waitOf reads how long the sender would wait.
func waitOf(r *http.Request) (time.Duration, *denial) {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 || wait > maxHookWait {
		const what = "wait must be a time from 0s to 1m, such as ?wait=10s"
		return 0, &denial{result: Unreadable, status: http.StatusBadRequest, text: what, why: what}
	}
	return wait, nil
}

// failed says that it has to come again: what is ours does not work at present.
func failed(err error) *denial {
	result := Failed
	if fault.KindOf(err) == fault.Throttled {
		result = Busy
	}
	return &denial{result: result, status: http.StatusServiceUnavailable, text: tooMuch, why: err.Error(), after: 5 * time.Second}
}

// await answers with the reports of the runs, when they end in time. Somebody whom no
// source knows looks like somebody for whom nothing changed.
func (p *Public) await(w http.ResponseWriter, r *http.Request, runs []Asked, wait time.Duration) bool {
	leave, ok := p.limits.wait()
	if !ok {
		return false
	}
	defer leave()
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + publicWrite)); err != nil {
		return false
	}
	ctx, stop := context.WithTimeout(r.Context(), wait)
	defer stop()
	var reports []*run.Report
	seen := map[string]bool{}
	for _, a := range runs {
		if seen[a.Run] {
			continue
		}
		seen[a.Run] = true
		report, err := a.Wait(ctx)
		switch {
		case ctx.Err() != nil && report == nil:
			return false
		case fault.KindOf(err) == fault.NotFound:
			report = &run.Report{Schema: run.Schema, Run: a.Run, Mode: run.Apply, Trigger: run.Webhook, Started: p.Now().UTC(),
				Sources: []run.SourceReport{}, Targets: []run.TargetReport{}}
		case err != nil:
			p.answer(w, http.StatusInternalServerError, struct {
				Error string `json:"error"`
				Run   string `json:"run"`
			}{"the run failed", a.Run})
			return true
		}
		reports = append(reports, report)
	}
	if len(reports) == 1 {
		p.answer(w, http.StatusOK, reports[0])
		return true
	}
	p.answer(w, http.StatusOK, struct {
		Runs []*run.Report `json:"runs"`
	}{reports})
	return true
}
