package apitest

import (
	"bytes"
	"cmp"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// Status answers with a status and a body of JSON.
func Status(status int, body string) Do {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		answer(w, status, "application/json", body)
	}
}

// Busy answers 429 with a Retry-After of that many seconds; in a date where date is set, and
// without the header for none at all.
func Busy(seconds int, date bool, body string) Do {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		switch {
		case seconds > 0 && date:
			w.Header().Set("Retry-After", time.Now().Add(time.Duration(seconds)*time.Second).UTC().Format(http.TimeFormat))
		case seconds > 0:
			w.Header().Set("Retry-After", strconv.Itoa(seconds))
		}
		answer(w, http.StatusTooManyRequests, "application/json", body)
	}
}

// Text answers 200 with a body of that type.
func Text(contentType, body string) Do {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		answer(w, http.StatusOK, contentType, body)
	}
}

// Slow gives no answer at all. It reads what was sent first: before, a server does not notice
// that its client has gone.
func Slow(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// Hang closes the connection without an answer.
func Hang(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// Cut breaks the connection off in the middle of the answer.
func Cut(w http.ResponseWriter, r *http.Request, next http.Handler) {
	a := record(r, next)
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Content-Length", strconv.Itoa(max(2, a.body.Len())))
	w.WriteHeader(cmp.Or(a.status, http.StatusOK))
	_, _ = w.Write(half(a.body.Bytes()))
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// Half gives the first half of the answer as if it were all.
func Half(w http.ResponseWriter, r *http.Request, next http.Handler) {
	a := record(r, next)
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(cmp.Or(a.status, http.StatusOK))
	_, _ = w.Write(half(a.body.Bytes()))
}

// Elsewhere redirects to another server.
func Elsewhere(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	http.Redirect(w, r, "https://elsewhere.invalid"+r.URL.RequestURI(), http.StatusFound)
}

// half gives the first half, and never all: what is left is no JSON.
func half(body []byte) []byte {
	if len(body) < 4 {
		return []byte("{")
	}
	return body[:len(body)/2]
}

func answer(w http.ResponseWriter, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// recorded is an answer that was not sent.
type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func record(r *http.Request, next http.Handler) *recorded {
	a := &recorded{header: http.Header{}}
	next.ServeHTTP(a, r)
	a.header.Del("Content-Length")
	return a
}

func (a *recorded) Header() http.Header         { return a.header }
func (a *recorded) WriteHeader(status int)      { a.status = cmp.Or(a.status, status) }
func (a *recorded) Write(b []byte) (int, error) { return a.body.Write(b) }
