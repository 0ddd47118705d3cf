package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"groupsyncd/internal/logging"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

func (a *Admin) index(w http.ResponseWriter, _ *http.Request, _ visitor) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := io.WriteString(w, `groupsyncd

GET  /livez /readyz              health; ?verbose explains
GET  /metrics                    for Prometheus
GET  /api/v1/status              what is going on
GET  /api/v1/runs                past runs, newest first; ?limit=20
GET  /api/v1/runs/RUN            one run with every change
GET  /api/v1/holds               what the guard holds
GET  /api/v1/users/NAME          why somebody is, or is not, in a group
GET  /api/v1/groups/NAME         where a group comes from
POST /api/v1/sync                run now; {"source", "target", "user", "mode"}; ?wait=60s
POST /api/v1/holds/HASH/approve  let a hold through; {"reason"}
`)
	if err != nil {
		a.Logger.LogAttrs(a.ctx, slog.LevelDebug, "answer not sent", slog.String(logging.KeyErr, err.Error()))
	}
}

func (a *Admin) status(w http.ResponseWriter, r *http.Request, _ visitor) {
	show(a, w, r, func(ctx context.Context) (*engine.Status, error) { return a.Backend.Status(ctx) })
}

// maxRuns is the longest list of runs that is given.
const maxRuns = 1000

func (a *Admin) runs(w http.ResponseWriter, r *http.Request, _ visitor) {
	limit := 20
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxRuns {
			a.refuse(w, http.StatusBadRequest, "limit must be a number from 1 to "+strconv.Itoa(maxRuns), "")
			return
		}
		limit = n
	}
	show(a, w, r, func(ctx context.Context) (RunList, error) {
		runs, err := a.Backend.History(ctx, limit)
		return ListRuns(runs), err
	})
}

func (a *Admin) report(w http.ResponseWriter, r *http.Request, _ visitor) {
	show(a, w, r, func(ctx context.Context) (*run.Report, error) { return a.Backend.Report(ctx, r.PathValue("id")) })
}

func (a *Admin) holds(w http.ResponseWriter, r *http.Request, _ visitor) {
	show(a, w, r, func(ctx context.Context) (HoldList, error) {
		holds, err := a.Backend.Holds(ctx)
		return ListHolds(holds), err
	})
}

func (a *Admin) user(w http.ResponseWriter, r *http.Request, _ visitor) {
	show(a, w, r, func(ctx context.Context) (*engine.UserExplanation, error) {
		return a.Backend.ExplainUser(ctx, r.PathValue("name"))
	})
}

func (a *Admin) group(w http.ResponseWriter, r *http.Request, _ visitor) {
	show(a, w, r, func(ctx context.Context) (*engine.GroupExplanation, error) {
		return a.Backend.ExplainGroup(ctx, r.PathValue("name"))
	})
}

// syncBody asks for a run.
type syncBody struct {
	Source string   `json:"source"`
	Target string   `json:"target"`
	User   string   `json:"user"`
	Mode   run.Mode `json:"mode"`
}

const (
	// usualWait is how long a request waits for its run, maxWait the longest that it
	// may ask for.
	usualWait = time.Minute
	maxWait   = 10 * time.Minute
)

// sync starts a run and answers with its report, or, when the run takes longer than
// the request would wait, that it goes on. It goes on too when the request is ended.
func (a *Admin) sync(w http.ResponseWriter, r *http.Request, v visitor) {
	var b syncBody
	if !a.body(w, r, &b) {
		return
	}
	if b.Mode == "" {
		b.Mode = run.Apply
	}
	wait := usualWait
	if text := r.URL.Query().Get("wait"); text != "" {
		var err error
		if wait, err = time.ParseDuration(text); err != nil || wait < 0 || wait > maxWait {
			a.refuse(w, http.StatusBadRequest, "wait must be a time from 0s to "+maxWait.String(), "write ?wait=90s")
			return
		}
	}
	if b.Mode != run.Apply && b.Mode != run.Plan {
		a.refuse(w, http.StatusBadRequest, "mode must be apply or plan", "")
		return
	}
	req := run.Request{Trigger: run.Manual, Mode: b.Mode, Source: b.Source, Target: b.Target, User: b.User, By: v.by(), ID: a.NewID()}
	goesOn := accepted{State: "running", Run: req.ID, Hint: "see how it ended with GET /api/v1/runs/" + req.ID}
	carry(a, w, r, wait, goesOn, func(ctx context.Context) (*run.Report, error) { return a.Backend.Run(ctx, req, nil) })
}

// approve lets through what a hold lists.
func (a *Admin) approve(w http.ResponseWriter, r *http.Request, v visitor) {
	var b struct {
		Reason string `json:"reason"`
	}
	if !a.body(w, r, &b) {
		return
	}
	reason := strings.TrimSpace(b.Reason)
	if reason == "" {
		a.refuse(w, http.StatusBadRequest, "the reason is missing", `say why: {"reason": "department closed, ticket 4711"}; it is kept with the approval`)
		return
	}
	carry(a, w, r, readBound, accepted{State: "running", Hint: "see whether it is still held with GET /api/v1/holds"}, func(ctx context.Context) (*run.Approval, error) {
		return a.Backend.Approve(ctx, r.PathValue("hash"), reason, v.by())
	})
}
