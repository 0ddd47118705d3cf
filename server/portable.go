package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"groupsyncd/sync/run"
)

// Portable is what carries groups from one Open WebUI to another.
type Portable interface {
	// Export gives groups of a target as its own JSON.
	Export(ctx context.Context, req run.ExportRequest) ([]json.RawMessage, error)
	// Import carries groups of a file into a target.
	Import(ctx context.Context, req *run.ImportRequest) (*run.Report, error)
}

func (c *control) portableRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/export", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() ([]json.RawMessage, error) {
			q := r.URL.Query()
			return c.b.Export(r.Context(), run.ExportRequest{Target: q.Get("target"), Groups: q["group"], Bare: q.Has("bare")})
		})
	})
}

func (c *control) importGroups(w http.ResponseWriter, r *http.Request) {
	reply(c, w, func() (*run.Report, error) {
		var req run.ImportRequest
		if err := decode(r, &req); err != nil {
			return nil, err
		}
		req.By = c.caller(r.Context())
		return c.b.Import(r.Context(), &req)
	})
}

// Import has the daemon carry groups in, and it finds out itself who asks.
func (c *Client) Import(ctx context.Context, req *run.ImportRequest) (*run.Report, error) {
	return call[*run.Report](ctx, c, http.MethodPost, "/v1/import", req)
}

// Export has the daemon export groups.
func (c *Client) Export(ctx context.Context, req run.ExportRequest) ([]json.RawMessage, error) {
	q := url.Values{"target": {req.Target}, "group": req.Groups}
	if req.Bare {
		q.Set("bare", "true")
	}
	return call[[]json.RawMessage](ctx, c, http.MethodGet, "/v1/export?"+q.Encode(), nil)
}
