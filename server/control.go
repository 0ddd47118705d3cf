// Package server answers requests to a running daemon.
//
// The control socket is a Unix socket in the state folder, open to the daemon's own
// user and root only. Commands that find it talk to the daemon instead of opening its
// store, and behave the same. The package turns requests into calls of a Backend and
// decides nothing itself.
package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// Backend is what the control socket gives access to.
type Backend interface {
	// Run carries out a request; a non-empty config is a configuration file to plan
	// with instead of the one in force, and dir the folder its relative paths are for.
	Run(ctx context.Context, req run.Request, config *NewConfig) (*run.Report, error)
	Holds(ctx context.Context) ([]run.Hold, error)
	Approve(ctx context.Context, hash, reason, by string) (*run.Approval, error)
	// ApproveAll lets through what several holds list, in one run.
	ApproveAll(ctx context.Context, hashes []string, reason, by string) ([]run.Approval, error)
	AcceptTarget(ctx context.Context, name, by string) error
	AcceptSource(ctx context.Context, name, by string) error
	RestartSource(ctx context.Context, name, by string) error
	Status(ctx context.Context) (*engine.Status, error)
	History(ctx context.Context, limit int) ([]run.Report, error)
	Report(ctx context.Context, id string) (*run.Report, error)
	ExplainUser(ctx context.Context, name string) (*engine.UserExplanation, error)
	ExplainGroup(ctx context.Context, name string) (*engine.GroupExplanation, error)
	Reload(ctx context.Context) error
	StateBackend
	Decisions
	// Revert undoes a run; PlanFile and ApplyPlan write a plan down and carry it out.
	Revert(ctx context.Context, req run.Request) (*run.Report, error)
	PlanFile(ctx context.Context, req run.Request) (*engine.Planned, error)
	ApplyPlan(ctx context.Context, file *run.PlanFile, reason, by string) (*run.Report, error)
	AuditBackend
	Portable
	RightsBackend
	TeamsBackend
	NoticesBackend
}

// NewConfig is a configuration file that a plan is made with.
type NewConfig struct {
	File string `json:"file"`
	Dir  string `json:"dir"`
	Data []byte `json:"data"`
}

// runRequest is the body of a run.
type runRequest struct {
	run.Request
	Config *NewConfig `json:"config,omitempty"`
}

// failure is the body of every answer that is not a success.
type failure struct {
	Kind    fault.Kind `json:"kind"`
	Op      string     `json:"op"`
	Where   string     `json:"where"`
	Message string     `json:"message"`
	Hint    string     `json:"hint"`
}

// maxBody bounds a request: a configuration file is at most 4 MiB, a little more in
// base64.
const maxBody = 8 << 20

// Control gives the handler of the control socket. caller names who asks.
func Control(b Backend, log *slog.Logger, caller func(context.Context) string) http.Handler {
	c := &control{b: b, log: log, caller: caller}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/run", c.run)
	mux.HandleFunc("POST /v1/approve", c.approve)
	mux.HandleFunc("POST /v1/approvals", c.approveAll)
	mux.HandleFunc("POST /v1/targets/{name}/accept", c.accept)
	mux.HandleFunc("POST /v1/sources/{name}/accept", c.acceptSource)
	mux.HandleFunc("POST /v1/sources/{name}/restart", c.restartSource)
	mux.HandleFunc("POST /v1/reload", c.reload)
	c.decisions(mux)
	mux.HandleFunc("GET /v1/holds", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() ([]run.Hold, error) { return b.Holds(r.Context()) })
	})
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() (*engine.Status, error) { return b.Status(r.Context()) })
	})
	mux.HandleFunc("GET /v1/runs", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() ([]run.Report, error) {
			limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
			if err != nil {
				limit = 20
			}
			return b.History(r.Context(), limit)
		})
	})
	mux.HandleFunc("GET /v1/runs/{id}", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() (*run.Report, error) { return b.Report(r.Context(), r.PathValue("id")) })
	})
	mux.HandleFunc("GET /v1/users/{name}", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() (*engine.UserExplanation, error) { return b.ExplainUser(r.Context(), r.PathValue("name")) })
	})
	mux.HandleFunc("GET /v1/groups/{name}", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() (*engine.GroupExplanation, error) { return b.ExplainGroup(r.Context(), r.PathValue("name")) })
	})
	c.alive(mux)
	c.stateRoutes(mux)
	c.auditRoutes(mux)
	c.undoRoutes(mux)
	c.portableRoutes(mux)
	c.rightsRoutes(mux)
	c.teamsRoutes(mux)
	c.noticeRoutes(mux)
	return c.plans(http.MaxBytesHandler(mux, maxBody))
}

type control struct {
	b      Backend
	log    *slog.Logger
	caller func(context.Context) string
}

func (c *control) run(w http.ResponseWriter, r *http.Request) {
	reply(c, w, func() (*run.Report, error) {
		var req runRequest
		if err := decode(r, &req); err != nil {
			return nil, err
		}
		req.By = c.caller(r.Context()) // The kernel knows better than the client.
		return c.b.Run(r.Context(), req.Request, req.Config)
	})
}

// approval is the body of an approve request.
type approval struct {
	Hash   string `json:"hash"`
	Reason string `json:"reason"`
}

func (c *control) approve(w http.ResponseWriter, r *http.Request) {
	reply(c, w, func() (*run.Approval, error) {
		var a approval
		if err := decode(r, &a); err != nil {
			return nil, err
		}
		return c.b.Approve(r.Context(), a.Hash, a.Reason, c.caller(r.Context()))
	})
}

// done is the answer of what has nothing to say.
type done struct{}

// approvals is the body of a request that approves several holds.
type approvals struct {
	Hashes []string `json:"hashes"`
	Reason string   `json:"reason"`
}

func (c *control) approveAll(w http.ResponseWriter, r *http.Request) {
	reply(c, w, func() ([]run.Approval, error) {
		var a approvals
		if err := decode(r, &a); err != nil {
			return nil, err
		}
		return c.b.ApproveAll(r.Context(), a.Hashes, a.Reason, c.caller(r.Context()))
	})
}

func (c *control) accept(w http.ResponseWriter, r *http.Request) {
	reply(c, w, func() (done, error) {
		return done{}, c.b.AcceptTarget(r.Context(), r.PathValue("name"), c.caller(r.Context()))
	})
}

func (c *control) acceptSource(w http.ResponseWriter, r *http.Request) {
	reply(c, w, func() (done, error) {
		return done{}, c.b.AcceptSource(r.Context(), r.PathValue("name"), c.caller(r.Context()))
	})
}

func (c *control) restartSource(w http.ResponseWriter, r *http.Request) {
	reply(c, w, func() (done, error) {
		return done{}, c.b.RestartSource(r.Context(), r.PathValue("name"), c.caller(r.Context()))
	})
}

func (c *control) reload(w http.ResponseWriter, r *http.Request) {
	reply(c, w, func() (done, error) { return done{}, c.b.Reload(r.Context()) })
}

func decode(r *http.Request, v any) error {
	if err := json.NewDecoder(r.Body).Decode(v); err != nil {
		return fault.New(fault.Invalid, "read the request", "control socket", err, "use the same version of groupsyncd as the daemon")
	}
	return nil
}

// reply writes the result of a call, or its failure with everything a person needs.
func reply[T any](c *control, w http.ResponseWriter, call func() (T, error)) {
	v, err := call()
	w.Header().Set("Content-Type", "application/json")
	if err == nil {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false) // What a server wrote stays as it wrote it.
		if err = enc.Encode(v); err != nil {
			c.log.LogAttrs(context.Background(), slog.LevelWarn, "answer not sent", slog.String(logging.KeyErr, err.Error()))
		}
		return
	}
	w.WriteHeader(http.StatusUnprocessableEntity)
	if err := json.NewEncoder(w).Encode(describe(err)); err != nil {
		c.log.LogAttrs(context.Background(), slog.LevelWarn, "answer not sent", slog.String(logging.KeyErr, err.Error()))
	}
}

// describe gives a failure with everything a person needs.
func describe(err error) failure {
	body := failure{Kind: fault.KindOf(err), Message: err.Error(), Hint: fault.HintOf(err)}
	// A list of problems in a configuration is shown whole.
	if problems, ok := errors.AsType[config.Problems](err); ok {
		body.Message = problems.Error()
	} else if e, ok := errors.AsType[*fault.Error](err); ok && e.Error() == err.Error() {
		// What others have wrapped around it would be lost with its parts.
		body.Op, body.Where = e.Op, e.Where
		if e.Err != nil {
			body.Message = e.Err.Error()
		}
	}
	return body
}
