package server

import (
	"context"
	"net/http"
	"net/url"

	"groupsyncd/sync/run"
)

// NoticesBackend is what the control socket gives access to of notices. An empty name is
// every service.
type NoticesBackend interface {
	TestNotices(ctx context.Context, name string) ([]run.NotifyTest, error)
}

func (c *control) noticeRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/notify/test", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() ([]run.NotifyTest, error) { return c.b.TestNotices(r.Context(), r.URL.Query().Get("name")) })
	})
}

// TestNotices has the daemon send a test message.
func (c *Client) TestNotices(ctx context.Context, name string) ([]run.NotifyTest, error) {
	return call[[]run.NotifyTest](ctx, c, http.MethodPost, "/v1/notify/test?"+url.Values{"name": {name}}.Encode(), nil)
}
