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

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	rights "groupsyncd/sync/access"
)

// RightsBackend is what the control socket gives access to of who may do what. An empty
// target is the only one.
type RightsBackend interface {
	AccessUser(ctx context.Context, q rights.UserQuery) (*rights.User, error)
	AccessGroup(ctx context.Context, target, name string) (*rights.Group, error)
	AccessWho(ctx context.Context, target, what string) (*rights.Holders, error)
	// AccessReport gives rows that may be gone through once.
	AccessReport(ctx context.Context, target string) (*rights.Report, error)
}

// rightsRoutes are the requests about who may do what.
func (c *control) rightsRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/access/user", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() (*rights.User, error) {
			var q rights.UserQuery
			if err := decode(r, &q); err != nil {
				return nil, err
			}
			return c.b.AccessUser(r.Context(), q)
		})
	})
	mux.HandleFunc("GET /v1/access/group", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() (*rights.Group, error) {
			return c.b.AccessGroup(r.Context(), r.URL.Query().Get("target"), r.URL.Query().Get("name"))
		})
	})
	mux.HandleFunc("GET /v1/access/who", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() (*rights.Holders, error) {
			return c.b.AccessWho(r.Context(), r.URL.Query().Get("target"), r.URL.Query().Get("what"))
		})
	})
	mux.HandleFunc("GET /v1/access/report", c.review)
}

// reviewLine is one line of a report on its way: its head, a row, or why it ends early.
type reviewLine struct {
	Head   *rights.Report `json:"head,omitempty"`
	Row    *rights.Row    `json:"row,omitempty"`
	Failed *failure       `json:"failed,omitempty"`
	// Done is the last line of a whole report.
	Done bool `json:"done,omitempty"`
}

// review streams a report: it has some rows for everybody.
func (c *control) review(w http.ResponseWriter, r *http.Request) {
	report, err := c.b.AccessReport(r.Context(), r.URL.Query().Get("target"))
	if err != nil {
		reply(c, w, func() (done, error) { return done{}, err })
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(out)
	err = enc.Encode(reviewLine{Head: report})
	for row, bad := range report.Rows {
		if bad != nil {
			f := describe(bad)
			err = enc.Encode(reviewLine{Failed: &f})
			break
		}
		if err = enc.Encode(reviewLine{Row: &row}); err != nil {
			break
		}
	}
	if err == nil {
		err = enc.Encode(reviewLine{Done: true})
	}
	if err = errors.Join(err, out.Flush()); err != nil && r.Context().Err() == nil {
		c.log.LogAttrs(r.Context(), slog.LevelWarn, "answer not sent", slog.String(logging.KeyErr, err.Error()))
	}
}

// AccessUser says what somebody may do.
func (c *Client) AccessUser(ctx context.Context, q rights.UserQuery) (*rights.User, error) {
	return call[*rights.User](ctx, c, http.MethodPost, "/v1/access/user", q)
}

// AccessGroup says what a group gives.
func (c *Client) AccessGroup(ctx context.Context, target, name string) (*rights.Group, error) {
	return call[*rights.Group](ctx, c, http.MethodGet, "/v1/access/group?"+url.Values{"target": {target}, "name": {name}}.Encode(), nil)
}

// AccessWho lists everybody who has something.
func (c *Client) AccessWho(ctx context.Context, target, what string) (*rights.Holders, error) {
	return call[*rights.Holders](ctx, c, http.MethodGet, "/v1/access/who?"+url.Values{"target": {target}, "what": {what}}.Encode(), nil)
}

// AccessReport gives the rows of a review as they come.
func (c *Client) AccessReport(ctx context.Context, target string) (*rights.Report, error) {
	resp, err := send(ctx, c, http.MethodGet, "/v1/access/report?"+url.Values{"target": {target}}.Encode(), nil) //nolint:bodyclose // whoever goes through the rows closes it
	if err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(resp.Body, 64<<10)
	first, err := c.reviewLine(in)
	if err == nil && first.Head == nil {
		err = c.nonsense()
	}
	if err != nil {
		resp.Body.Close() //nolint:errcheck,gosec // nothing is left to do with it
		return nil, err
	}
	first.Head.Rows = func(yield func(rights.Row, error) bool) {
		defer resp.Body.Close() //nolint:errcheck // nothing is left to do with it
		for {
			line, err := c.reviewLine(in)
			switch {
			case err != nil:
				yield(rights.Row{}, err)
				return
			case line.Done:
				return
			case line.Row == nil:
				yield(rights.Row{}, c.nonsense())
				return
			case !yield(*line.Row, nil):
				return
			}
		}
	}
	return first.Head, nil
}

// reviewLine reads a line of a report; one that ends before its last line has failed.
func (c *Client) reviewLine(in *bufio.Reader) (*reviewLine, error) {
	text, err := in.ReadBytes('\n')
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the answer ends in the middle")
		}
		return nil, fault.New(fault.Damaged, "talk to the daemon", c.path, err, "see the daemon's log")
	}
	var line reviewLine
	err = json.Unmarshal(bytes.TrimSpace(text), &line)
	switch {
	case err == nil && line.Failed != nil:
		f := line.Failed
		return nil, fault.New(f.Kind, f.Op, f.Where, errors.New(f.Message), f.Hint)
	case err == nil && (line.Head != nil || line.Row != nil || line.Done):
		return &line, nil
	}
	return nil, c.nonsense()
}

func (c *Client) nonsense() error {
	return fault.New(fault.Damaged, "talk to the daemon", c.path, errors.New("its answer makes no sense"), "use the same version of groupsyncd as the daemon")
}
