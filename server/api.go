package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// outcome is what a call came to.
type outcome[T any] struct {
	value T
	err   error
}

// begin carries out a call beside the request, which may end before it does: a look at
// Open WebUI that is under way can hold a call up for long. Too many at a time are
// refused.
func begin[T any](a *Admin, slots chan struct{}, call func(context.Context) (T, error)) (<-chan outcome[T], error) {
	select {
	case slots <- struct{}{}:
	default:
		return nil, fault.New(fault.Throttled, "", "", errors.New("too many requests are waiting"), "come back a little later")
	}
	done := make(chan outcome[T], 1)
	a.work.Go(func() {
		defer func() { <-slots }()
		done <- survive(a, call)
	})
	return done, nil
}

// survive makes a panic in a call a failure like any other: whoever looks must not
// end what runs.
func survive[T any](a *Admin, call func(context.Context) (T, error)) (o outcome[T]) {
	defer func() {
		if p := recover(); p != nil {
			a.Logger.LogAttrs(a.ctx, slog.LevelError, "panic in a request", slog.String(logging.KeyErr, fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			o.err = errors.New("an internal error, which the daemon has logged")
		}
	}()
	o.value, o.err = call(a.ctx)
	return o
}

// show answers a reader with the result of a call.
func show[T any](a *Admin, w http.ResponseWriter, r *http.Request, call func(context.Context) (T, error)) {
	done, err := begin(a, a.reads, call)
	if err != nil {
		a.fail(w, err)
		return
	}
	bound := time.NewTimer(readBound)
	defer bound.Stop()
	select {
	case o := <-done:
		if o.err != nil {
			a.fail(w, o.err)
			return
		}
		a.write(w, http.StatusOK, o.value)
	case <-bound.C:
		a.fail(w, fault.New(fault.Unavailable, "", "", errors.New("the answer takes longer than "+readBound.String()), "a look at Open WebUI is probably under way: come back when it has ended"))
	case <-r.Context().Done():
		a.fail(w, fault.New(fault.Canceled, "", "", errors.New("the daemon stops"), ""))
	}
}

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

// body reads the JSON of a request. Forms of web pages cannot send that type.
func (a *Admin) body(w http.ResponseWriter, r *http.Request, v any) bool {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		a.refuse(w, http.StatusUnsupportedMediaType, "the body must be JSON", "send Content-Type: application/json, also without a body")
		return false
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, adminBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if errors.Is(err, io.EOF) {
		return true
	}
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			return true
		}
		err = errors.Join(errors.New("something stands behind the JSON"), err)
	}
	a.fail(w, fault.New(fault.Invalid, "read the request", "", err, "the paths and their bodies are listed at /"))
	return false
}

// syncBody asks for a run.
type syncBody struct {
	Source string   `json:"source"`
	Target string   `json:"target"`
	User   string   `json:"user"`
	Mode   run.Mode `json:"mode"`
}

// accepted is the answer to what goes on behind it.
type accepted struct {
	State string `json:"state"`
	Hint  string `json:"hint"`
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
	req := run.Request{Trigger: run.Manual, Mode: b.Mode, Source: b.Source, Target: b.Target, User: b.User, By: v.by()}
	carry(a, w, r, wait, "see how it ended with GET /api/v1/runs", func(ctx context.Context) (*run.Report, error) { return a.Backend.Run(ctx, req, nil) })
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
	carry(a, w, r, readBound, "see whether it is still held with GET /api/v1/holds", func(ctx context.Context) (*run.Approval, error) {
		return a.Backend.Approve(ctx, r.PathValue("hash"), reason, v.by())
	})
}

// carry carries out what somebody decided, and answers with what it came to, or after
// some time that it goes on.
func carry[T any](a *Admin, w http.ResponseWriter, r *http.Request, wait time.Duration, hint string, call func(context.Context) (T, error)) {
	control := http.NewResponseController(w)
	// The body is read; from here on the time belongs to the call.
	if err := errors.Join(control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Now().Add(wait+readBound))); err != nil {
		a.fail(w, err)
		return
	}
	done, err := begin(a, a.writes, call)
	if err != nil {
		a.fail(w, err)
		return
	}
	bound := time.NewTimer(wait)
	defer bound.Stop()
	gone := r.Context().Done()
	for {
		select {
		case o := <-done:
			if o.err != nil {
				a.fail(w, o.err)
				return
			}
			a.write(w, http.StatusOK, o.value)
			return
		case <-bound.C:
		case <-gone:
			if a.ctx.Err() != nil {
				// The daemon stops, and the call with it: its end is worth waiting for.
				gone = nil
				continue
			}
		}
		a.write(w, http.StatusAccepted, accepted{"running", hint})
		return
	}
}
