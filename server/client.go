package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"syscall"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// Client is a Backend that asks a running daemon.
type Client struct {
	http *http.Client
	path string
}

var _ Backend = (*Client)(nil)

// Dial finds the daemon that holds the store in a folder. No daemon there: nil and no
// error. A socket that this user may not open is an error.
func Dial(ctx context.Context, dir string) (*Client, error) {
	path := filepath.Join(dir, SocketName)
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EINVAL):
		return nil, nil //nolint:nilnil // no daemon is no failure
	case errors.Is(err, syscall.EACCES):
		return nil, fault.New(fault.Damaged, "talk to the daemon", path, err, "run the command as the user of the daemon, or as root")
	case err != nil:
		return nil, fault.New(fault.Damaged, "talk to the daemon", path, err, "")
	}
	if err := conn.Close(); err != nil {
		return nil, fault.New(fault.Damaged, "talk to the daemon", path, err, "")
	}
	return &Client{path: path, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) },
	}}}, nil
}

// Run carries out a request in the daemon.
func (c *Client) Run(ctx context.Context, req run.Request, config *NewConfig) (*run.Report, error) {
	return call[*run.Report](ctx, c, http.MethodPost, "/v1/run", runRequest{Request: req, Config: config})
}

// Holds gives what the daemon's guard holds back.
func (c *Client) Holds(ctx context.Context) ([]run.Hold, error) {
	return call[[]run.Hold](ctx, c, http.MethodGet, "/v1/holds", nil)
}

// Approve lets through what a hold lists. The daemon finds out itself who asks.
func (c *Client) Approve(ctx context.Context, hash, reason, _ string) (*run.Approval, error) {
	return call[*run.Approval](ctx, c, http.MethodPost, "/v1/approve", approval{Hash: hash, Reason: reason})
}

// ApproveAll lets through what several holds list.
func (c *Client) ApproveAll(ctx context.Context, hashes []string, reason, _ string) ([]run.Approval, error) {
	return call[[]run.Approval](ctx, c, http.MethodPost, "/v1/approvals", approvals{Hashes: hashes, Reason: reason})
}

// AcceptTarget takes a changed target as the right one.
func (c *Client) AcceptTarget(ctx context.Context, name, _ string) error {
	_, err := call[done](ctx, c, http.MethodPost, "/v1/targets/"+url.PathEscape(name)+"/accept", nil)
	return err
}

// AcceptSource takes what a provider has brought as everything.
func (c *Client) AcceptSource(ctx context.Context, name, _ string) error {
	_, err := call[done](ctx, c, http.MethodPost, "/v1/sources/"+url.PathEscape(name)+"/accept", nil)
	return err
}

// RestartSource has a provider bring everything again.
func (c *Client) RestartSource(ctx context.Context, name, _ string) error {
	_, err := call[done](ctx, c, http.MethodPost, "/v1/sources/"+url.PathEscape(name)+"/restart", nil)
	return err
}

// Status gives what is going on in the daemon.
func (c *Client) Status(ctx context.Context) (*engine.Status, error) {
	return call[*engine.Status](ctx, c, http.MethodGet, "/v1/status", nil)
}

// History gives the newest runs without their changes.
func (c *Client) History(ctx context.Context, limit int) ([]run.Report, error) {
	return call[[]run.Report](ctx, c, http.MethodGet, "/v1/runs?limit="+strconv.Itoa(limit), nil)
}

// Report gives a past run.
func (c *Client) Report(ctx context.Context, id string) (*run.Report, error) {
	return call[*run.Report](ctx, c, http.MethodGet, "/v1/runs/"+url.PathEscape(id), nil)
}

// ExplainUser says why somebody is, or is not, in each group.
func (c *Client) ExplainUser(ctx context.Context, name string) (*engine.UserExplanation, error) {
	return call[*engine.UserExplanation](ctx, c, http.MethodGet, "/v1/users/"+url.PathEscape(name), nil)
}

// ExplainGroup says where a group comes from.
func (c *Client) ExplainGroup(ctx context.Context, name string) (*engine.GroupExplanation, error) {
	return call[*engine.GroupExplanation](ctx, c, http.MethodGet, "/v1/groups/"+url.PathEscape(name), nil)
}

// Reload makes the daemon read its configuration again.
func (c *Client) Reload(ctx context.Context) error {
	_, err := call[done](ctx, c, http.MethodPost, "/v1/reload", nil)
	return err
}

func call[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	var out T
	resp, err := send(ctx, c, method, path, body)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is left to do with it
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return out, fault.New(fault.Damaged, "talk to the daemon", c.path, err, "use the same version of groupsyncd as the daemon")
	}
	return out, nil
}

// send asks the daemon and gives its answer when that is none of a failure.
func send(ctx context.Context, c *Client, method, path string, body any) (*http.Response, error) {
	var in io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("write the request: %w", err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://groupsyncd"+path, in)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fault.New(fault.Canceled, "wait for the daemon", c.path, ctx.Err(), "the daemon ends the run after the call under way; see it with: groupsyncd history")
		}
		return nil, fault.New(fault.Damaged, "talk to the daemon", c.path, err, "see the daemon's log")
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close() //nolint:errcheck // nothing is left to do with it
		var f failure
		if err := json.NewDecoder(resp.Body).Decode(&f); err != nil || f.Message == "" {
			return nil, fault.New(fault.Damaged, "talk to the daemon", c.path, errors.New("it answered "+resp.Status), "use the same version of groupsyncd as the daemon")
		}
		return nil, fault.New(f.Kind, f.Op, f.Where, errors.New(f.Message), f.Hint)
	}
	return resp, nil
}
