package server

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
)

// right is what a path demands.
type right int

const (
	anybody right = iota
	reader
	approver
)

// guarded lets a handler answer those alone who may ask for it.
func (a *Admin) guarded(need right, h func(http.ResponseWriter, *http.Request, visitor)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if need == anybody {
			h(w, r, visitor{})
			return
		}
		v, err := a.access.Load().identify(r)
		switch {
		case err != nil:
			a.noteRefused(r, err)
			w.Header().Set("WWW-Authenticate", `Bearer realm="groupsyncd"`)
			a.refuse(w, http.StatusUnauthorized, err.Error(), "send Authorization: Bearer TOKEN, with the token of a name under server.admin in the configuration")
		case need == approver && v.name == "":
			a.metrics.denied.Inc()
			w.Header().Set("WWW-Authenticate", `Bearer realm="groupsyncd"`)
			a.refuse(w, http.StatusUnauthorized, "the token of an approver is needed, also on this machine", "send Authorization: Bearer TOKEN, with the token of a name under server.admin.approvers")
		case need == approver && !v.approver:
			a.metrics.denied.Inc()
			a.refuse(w, http.StatusForbidden, v.name+" may read, and nothing else", "ask somebody whose name is under server.admin.approvers")
		default:
			h(w, r, v)
		}
	}
}

// noteRefused counts a request that was refused.
func (a *Admin) noteRefused(r *http.Request, err error) {
	a.metrics.denied.Inc()
	if len(r.Header.Values("Authorization")) > 0 {
		a.noteWrong(r, err)
	}
}

// noteWrong logs that a token was wrong, at most every ten seconds.
func (a *Admin) noteWrong(r *http.Request, err error) {
	now, last := a.Now().UnixNano(), a.refusedAt.Load()
	if now-last > int64(10*time.Second) && a.refusedAt.CompareAndSwap(last, now) {
		a.Logger.LogAttrs(r.Context(), slog.LevelWarn, "request to the admin listener refused",
			slog.String("peer", r.RemoteAddr), slog.String(logging.KeyErr, err.Error()))
	}
}

// refusal is the body of every answer that is not a success.
type refusal struct {
	Error string `json:"error"`
	Hint  string `json:"hint"`
}

func (a *Admin) refuse(w http.ResponseWriter, code int, text, hint string) {
	a.write(w, code, refusal{text, hint})
}

func (a *Admin) write(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := WriteJSON(w, v); err != nil {
		a.Logger.LogAttrs(a.ctx, slog.LevelDebug, "answer not sent", slog.String(logging.KeyErr, err.Error()))
	}
}

// fail answers with the status that fits an error.
func (a *Admin) fail(w http.ResponseWriter, err error) {
	a.refuse(w, statusOf(w, err), err.Error(), fault.HintOf(err))
}

// statusOf gives the status that fits an error.
func statusOf(w http.ResponseWriter, err error) int {
	code := http.StatusInternalServerError
	switch fault.KindOf(err) {
	case fault.Invalid:
		code = http.StatusBadRequest
	case fault.NotFound:
		code = http.StatusNotFound
	case fault.Conflict:
		code = http.StatusConflict
	case fault.Unavailable, fault.Throttled, fault.Canceled:
		code = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "5")
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		code = http.StatusRequestEntityTooLarge
	}
	return code
}
