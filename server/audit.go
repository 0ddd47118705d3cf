package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/run"
)

// AuditBackend is what the control socket gives access to of the audit.
type AuditBackend interface {
	// AuditVerify proves the audit whole, and a head that somebody kept; nil: none.
	AuditVerify(ctx context.Context, head *run.AuditHead) (*run.AuditSummary, error)
	// AuditExport calls line for every record that was asked for, oldest first.
	AuditExport(ctx context.Context, q AuditQuery, line func([]byte) error) error
}

// AuditQuery says which records of the audit are wanted; empty: all.
type AuditQuery struct {
	Since time.Time
	// Run is the id of a run, or the beginning of it.
	Run string
}

// auditFailure is the last line of an export that failed on its way.
type auditFailure struct {
	Failure *failure `json:"export_failed"`
}

// auditRoutes are the requests about the audit.
func (c *control) auditRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/audit/verify", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() (*run.AuditSummary, error) {
			var head *run.AuditHead
			if err := decode(r, &head); err != nil {
				return nil, err
			}
			return c.b.AuditVerify(r.Context(), head)
		})
	})
	mux.HandleFunc("GET /v1/audit", c.export)
}

// export streams the audit: it may be much longer than what should be held in memory.
func (c *control) export(w http.ResponseWriter, r *http.Request) {
	q := AuditQuery{Run: r.URL.Query().Get("run")}
	if text := r.URL.Query().Get("since"); text != "" {
		since, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			reply(c, w, func() (done, error) {
				return done{}, fault.New(fault.Invalid, "read the request", "control socket", err, "use the same version of groupsyncd as the daemon")
			})
			return
		}
		q.Since = since
	}
	out := bufio.NewWriterSize(w, 64<<10)
	w.Header().Set("Content-Type", "application/x-ndjson")
	err := c.b.AuditExport(r.Context(), q, func(line []byte) error {
		_, err := out.Write(append(line, '\n'))
		return err
	})
	if err != nil {
		// The answer has begun, or is taken for one that has: the failure is its last line.
		f := describe(err)
		err = json.NewEncoder(out).Encode(auditFailure{&f})
	}
	if err = errors.Join(err, out.Flush()); err != nil && r.Context().Err() == nil {
		c.log.LogAttrs(r.Context(), slog.LevelWarn, "answer not sent", slog.String(logging.KeyErr, err.Error()))
	}
}

// AuditVerify has the daemon prove its audit.
func (c *Client) AuditVerify(ctx context.Context, head *run.AuditHead) (*run.AuditSummary, error) {
	return call[*run.AuditSummary](ctx, c, http.MethodPost, "/v1/audit/verify", head)
}

// AuditExport gives the records of the daemon's audit.
func (c *Client) AuditExport(ctx context.Context, q AuditQuery, line func([]byte) error) error {
	values := url.Values{}
	if !q.Since.IsZero() {
		values.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if q.Run != "" {
		values.Set("run", q.Run)
	}
	resp, err := send(ctx, c, http.MethodGet, "/v1/audit?"+values.Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is left to do with it
	in := bufio.NewReaderSize(resp.Body, 64<<10)
	for {
		text, err := in.ReadBytes('\n')
		switch {
		case errors.Is(err, io.EOF) && len(text) == 0:
			return nil
		case err != nil:
			return fault.New(fault.Damaged, "talk to the daemon", c.path, err, "see the daemon's log")
		}
		if bytes.HasPrefix(text, []byte(`{"export_failed":`)) {
			var f auditFailure
			if err := json.Unmarshal(text, &f); err != nil || f.Failure == nil {
				return fault.New(fault.Damaged, "talk to the daemon", c.path, errors.New("its answer makes no sense"), "use the same version of groupsyncd as the daemon")
			}
			return fault.New(f.Failure.Kind, f.Failure.Op, f.Failure.Where, errors.New(f.Failure.Message), f.Failure.Hint)
		}
		if err := line(bytes.TrimSuffix(text, []byte("\n"))); err != nil {
			return err
		}
	}
}
