package server

import (
	"context"
	"net/http"
	"net/url"

	"groupsyncd/sync/run"
)

// TeamsBackend is what the control socket gives access to of teams. An empty target is all
// of them, an empty name all teams.
type TeamsBackend interface {
	Teams(ctx context.Context, target, name string) (*run.Teams, error)
}

func (c *control) teamsRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/teams", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() (*run.Teams, error) {
			return c.b.Teams(r.Context(), r.URL.Query().Get("target"), r.URL.Query().Get("name"))
		})
	})
}

// Teams lists teams with what lets others in.
func (c *Client) Teams(ctx context.Context, target, name string) (*run.Teams, error) {
	return call[*run.Teams](ctx, c, http.MethodGet, "/v1/teams?"+url.Values{"target": {target}, "name": {name}}.Encode(), nil)
}
