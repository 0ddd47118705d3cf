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
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
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
	v, err := wait(a, r, readBound, call)
	if err != nil {
		a.fail(w, err)
		return
	}
	a.write(w, http.StatusOK, v)
}

// wait carries out a call that only reads, and waits for it as long as somebody may.
func wait[T any](a *Admin, r *http.Request, longest time.Duration, call func(context.Context) (T, error)) (T, error) {
	var none T
	done, err := begin(a, a.reads, call)
	if err != nil {
		return none, err
	}
	return outcomeOf(r, done, longest)
}

// outcomeOf waits for the end of a call that goes on.
func outcomeOf[T any](r *http.Request, done <-chan outcome[T], longest time.Duration) (T, error) {
	var none T
	bound := time.NewTimer(longest)
	defer bound.Stop()
	select {
	case o := <-done:
		return o.value, o.err
	case <-bound.C:
		return none, fault.New(fault.Unavailable, "", "", errors.New("the answer takes longer than "+longest.String()), "a look at Open WebUI is probably under way: come back when it has ended")
	case <-r.Context().Done():
		return none, fault.New(fault.Canceled, "", "", errors.New("the daemon stops"), "")
	}
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

// accepted is the answer to what goes on behind it.
type accepted struct {
	State string `json:"state"`
	// Run is the id of the run that it is.
	Run  string `json:"run,omitempty"`
	Hint string `json:"hint"`
}

// carry carries out what somebody decided, and answers with what it came to, or after
// some time that it goes on.
func carry[T any](a *Admin, w http.ResponseWriter, r *http.Request, wait time.Duration, goesOn accepted, call func(context.Context) (T, error)) {
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + readBound)); err != nil {
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
		a.write(w, http.StatusAccepted, goesOn)
		return
	}
}
