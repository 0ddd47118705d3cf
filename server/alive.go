package server

import (
	"context"
	"net/http"
)

// aliver is a Backend whose loops can be asked for a sign of life.
type aliver interface {
	Alive(ctx context.Context) error
}

// alive answers what /livez does, for those whose daemon has no admin listener.
func (c *control) alive(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/alive", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() (done, error) {
			if b, able := c.b.(aliver); able {
				return done{}, b.Alive(r.Context())
			}
			return done{}, nil
		})
	})
}

// Alive asks the loops of the daemon for a sign of life.
func (c *Client) Alive(ctx context.Context) error {
	_, err := call[done](ctx, c, http.MethodGet, "/v1/alive", nil)
	return err
}
