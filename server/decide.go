package server

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"groupsyncd/sync/run"
)

// Decisions are what a person decides about what is ours and who is who, and the lists to
// decide from.
type Decisions interface {
	Release(ctx context.Context, req run.Release, by string) ([]run.Released, error)
	Links(ctx context.Context, source string, conflicts bool) ([]run.Link, error)
	SetLink(ctx context.Context, req run.SetLink, by string) (*run.Link, error)
	Strangers(ctx context.Context, target string) ([]run.Stranger, error)
	TakeOver(ctx context.Context, req run.Takeover, by string) ([]run.TakenOver, error)
	ListGroups(ctx context.Context, source string, unmatched bool) ([]run.DirectoryGroup, error)
	ListUsers(ctx context.Context, source string, unmatched bool) ([]run.DirectoryUser, error)
}

// decisions adds the routes of Decisions. The daemon finds out itself who asks.
func (c *control) decisions(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/release", decided(c, c.b.Release))
	mux.HandleFunc("POST /v1/links", decided(c, c.b.SetLink))
	mux.HandleFunc("POST /v1/takeover", decided(c, c.b.TakeOver))
	mux.HandleFunc("GET /v1/links", listed(c, "conflicts", c.b.Links))
	mux.HandleFunc("GET /v1/directory/groups", listed(c, "unmatched", c.b.ListGroups))
	mux.HandleFunc("GET /v1/directory/users", listed(c, "unmatched", c.b.ListUsers))
	mux.HandleFunc("GET /v1/takeover", func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() ([]run.Stranger, error) { return c.b.Strangers(r.Context(), r.URL.Query().Get("target")) })
	})
}

func decided[In, Out any](c *control, do func(context.Context, In, string) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() (Out, error) {
			var in In
			if err := decode(r, &in); err != nil {
				var none Out
				return none, err
			}
			return do(r.Context(), in, c.caller(r.Context()))
		})
	}
}

// listed answers for one source, or all, and for everything or only what a flag leaves.
func listed[T any](c *control, flag string, list func(context.Context, string, bool) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		reply(c, w, func() (T, error) {
			q := r.URL.Query()
			only, _ := strconv.ParseBool(q.Get(flag)) // What is no yes is a no.
			return list(r.Context(), q.Get("source"), only)
		})
	}
}

// Release ends what is ours.
func (c *Client) Release(ctx context.Context, req run.Release, _ string) ([]run.Released, error) {
	return call[[]run.Released](ctx, c, http.MethodPost, "/v1/release", req)
}

// Links says who is which account.
func (c *Client) Links(ctx context.Context, source string, conflicts bool) ([]run.Link, error) {
	return call[[]run.Link](ctx, c, http.MethodGet, listPath("/v1/links", source, "conflicts", conflicts), nil)
}

// SetLink ties a directory user to an account, or unties them.
func (c *Client) SetLink(ctx context.Context, req run.SetLink, _ string) (*run.Link, error) {
	return call[*run.Link](ctx, c, http.MethodPost, "/v1/links", req)
}

// Strangers lists the members of managed groups whom no directory group names.
func (c *Client) Strangers(ctx context.Context, target string) ([]run.Stranger, error) {
	return call[[]run.Stranger](ctx, c, http.MethodGet, "/v1/takeover?target="+url.QueryEscape(target), nil)
}

// TakeOver makes such members ours.
func (c *Client) TakeOver(ctx context.Context, req run.Takeover, _ string) ([]run.TakenOver, error) {
	return call[[]run.TakenOver](ctx, c, http.MethodPost, "/v1/takeover", req)
}

// ListGroups says what groups the directories have.
func (c *Client) ListGroups(ctx context.Context, source string, unmatched bool) ([]run.DirectoryGroup, error) {
	return call[[]run.DirectoryGroup](ctx, c, http.MethodGet, listPath("/v1/directory/groups", source, "unmatched", unmatched), nil)
}

// ListUsers says whom the directories have.
func (c *Client) ListUsers(ctx context.Context, source string, unmatched bool) ([]run.DirectoryUser, error) {
	return call[[]run.DirectoryUser](ctx, c, http.MethodGet, listPath("/v1/directory/users", source, "unmatched", unmatched), nil)
}

func listPath(path, source, flag string, on bool) string {
	return path + "?" + url.Values{"source": {source}, flag: {strconv.FormatBool(on)}}.Encode()
}
