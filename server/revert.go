package server

import (
	"context"
	"net/http"

	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// applyRequest is the body of a request to carry out a written plan.
type applyRequest struct {
	File   *run.PlanFile `json:"file"`
	Reason string        `json:"reason"`
}

// undoRoutes adds the routes for undoing a run and for written plans. Undoing has a route of
// its own: a daemon that does not know it must not take the request for a plain run.
func (c *control) undoRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/revert", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() (*run.Report, error) {
			var req run.Request
			if err := decode(r, &req); err != nil {
				return nil, err
			}
			req.By = c.caller(r.Context())
			return c.b.Revert(r.Context(), req)
		})
	})
	mux.HandleFunc("POST /v1/plan-file", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() (*engine.Planned, error) {
			var req run.Request
			if err := decode(r, &req); err != nil {
				return nil, err
			}
			req.By = c.caller(r.Context())
			return c.b.PlanFile(r.Context(), req)
		})
	})
}

// maxPlan bounds a written plan, which has a line for each of some hundred thousand changes.
const maxPlan = 128 << 20

// plans takes written plans and files of groups, which may be larger than any other request.
func (c *control) plans(others http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", others)
	mux.Handle("POST /v1/apply", http.MaxBytesHandler(http.HandlerFunc(c.apply), maxPlan))
	mux.Handle("POST /v1/import", http.MaxBytesHandler(http.HandlerFunc(c.importGroups), maxPlan))
	return mux
}

func (c *control) apply(w http.ResponseWriter, r *http.Request) {
	reply(c, w, func() (*run.Report, error) {
		var req applyRequest
		if err := decode(r, &req); err != nil {
			return nil, err
		}
		if req.File == nil {
			req.File = &run.PlanFile{} // What is no plan is refused as such.
		}
		return c.b.ApplyPlan(r.Context(), req.File, req.Reason, c.caller(r.Context()))
	})
}

// Revert undoes a run in the daemon.
func (c *Client) Revert(ctx context.Context, req run.Request) (*run.Report, error) {
	return call[*run.Report](ctx, c, http.MethodPost, "/v1/revert", req)
}

// PlanFile makes a plan in the daemon that can be carried out later as it is.
func (c *Client) PlanFile(ctx context.Context, req run.Request) (*engine.Planned, error) {
	return call[*engine.Planned](ctx, c, http.MethodPost, "/v1/plan-file", req)
}

// ApplyPlan carries out a written plan in the daemon, which finds out itself who asks.
func (c *Client) ApplyPlan(ctx context.Context, file *run.PlanFile, reason, _ string) (*run.Report, error) {
	return call[*run.Report](ctx, c, http.MethodPost, "/v1/apply", applyRequest{File: file, Reason: reason})
}
