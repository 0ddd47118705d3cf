package server

import (
	"context"
	"net/http"

	"groupsyncd/sync/engine"
)

// StateBackend is the part of a Backend that looks after the state itself.
type StateBackend interface {
	// CheckState reads the whole state; an error with the kind fault.Damaged says what is
	// wrong with it.
	CheckState(ctx context.Context) (*engine.StateStatus, error)
	// BackupState writes a verified copy to a file that does not exist yet; without a path
	// into the folder of backups. A path is absolute.
	BackupState(ctx context.Context, path, by string) (*engine.BackupMade, error)
}

// backupRequest is the body of a backup request.
type backupRequest struct {
	Path string `json:"path,omitempty"`
}

func (c *control) stateRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/state/check", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() (*engine.StateStatus, error) { return c.b.CheckState(r.Context()) })
	})
	mux.HandleFunc("POST /v1/state/backup", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() (*engine.BackupMade, error) {
			var req backupRequest
			if err := decode(r, &req); err != nil {
				return nil, err
			}
			return c.b.BackupState(r.Context(), req.Path, c.caller(r.Context()))
		})
	})
}

// CheckState makes the daemon read its whole state.
func (c *Client) CheckState(ctx context.Context) (*engine.StateStatus, error) {
	return call[*engine.StateStatus](ctx, c, http.MethodPost, "/v1/state/check", nil)
}

// BackupState makes the daemon write a copy of its state.
func (c *Client) BackupState(ctx context.Context, path, _ string) (*engine.BackupMade, error) {
	return call[*engine.BackupMade](ctx, c, http.MethodPost, "/v1/state/backup", backupRequest{Path: path})
}
