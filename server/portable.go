package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// Portable is what carries groups from one Open WebUI to another.
type Portable interface {
	// Export gives groups of a target as its own JSON.
	Export(ctx context.Context, target string, groups []string) ([]json.RawMessage, error)
}

func (c *control) portableRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/export", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() ([]json.RawMessage, error) {
			q := r.URL.Query()
			return c.b.Export(r.Context(), q.Get("target"), q["group"])
		})
	})
}

// Export has the daemon export groups.
func (c *Client) Export(ctx context.Context, target string, groups []string) ([]json.RawMessage, error) {
	q := url.Values{"target": {target}, "group": groups}
	return call[[]json.RawMessage](ctx, c, http.MethodGet, "/v1/export?"+q.Encode(), nil)
}
