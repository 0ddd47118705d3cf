package entra

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"groupsyncd/internal/httpx"
)

// asking is one request.
type asking struct {
	op   string
	need permission
	// cost is what Graph counts: what it documents for the path, less one for $select.
	cost  int
	path  string
	query url.Values
	// next is an address that Graph gave, in place of path and query.
	next string
	// eventual asks an index that lags, for searches that no other one can do.
	eventual bool
}

// get reads one answer.
func (r *reading) get(ctx context.Context, a asking, into any) error {
	h := http.Header{"X-Ms-Throttle-Priority": {r.priority}}
	if a.eventual {
		h.Set("ConsistencyLevel", "eventual")
	}
	_, err := r.session.Do(ctx, httpx.Request{
		Method: http.MethodGet, Path: a.path, Query: a.query, URL: a.next, Header: h, Op: a.op, Cost: max(1, a.cost), Into: into, Repeat: true,
	})
	if r.since.IsZero() && err == nil {
		// Times of the directory are compared with it, so it is the server's clock, where told.
		if r.since = r.session.LastDate(); r.since.IsZero() {
			r.since = r.asOf
		}
	}
	return r.explain(err, a.need)
}

// walk reads a list to its proved end and gives where a later round of it begins, for a delta
// query. An answer without a list, or one that leads nowhere, proves nothing.
func (r *reading) walk(ctx context.Context, a asking, delta bool, each func(object) error) (link string, err error) {
	var pages httpx.Walk
	for {
		var p page
		if err := r.get(ctx, a, &p); err != nil {
			return "", err
		}
		if p.Value == nil {
			return "", r.incomplete(a.op, "", "an answer of the server holds no list")
		}
		for _, o := range p.Value {
			if err := each(o); err != nil {
				return "", err
			}
		}
		switch {
		case p.Next != "":
			if err := pages.Next(p.Next); err != nil {
				return "", r.incomplete(a.op, "", "%w", err)
			}
			a.next = p.Next
		case p.Delta != "" || !delta:
			return p.Delta, nil
		default:
			return "", r.incomplete(a.op, "", "the list ends without the link with which Graph ends it")
		}
	}
}

// quoted writes a text for a filter.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// selecting asks for some properties only.
func selecting(properties []string) url.Values {
	return url.Values{"$select": {strings.Join(properties, ",")}}
}
