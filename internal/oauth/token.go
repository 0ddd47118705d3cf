package oauth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
)

const opToken = "get an access token"

const (
	// failurePause is how long a failure stands for all who ask, so that eight workers do
	// not ask eight times over.
	failurePause = 5 * time.Second
	// unknownLife is how long a token is used that does not say when it ends.
	unknownLife = 5 * time.Minute
	// earliest is how long before its end a token is exchanged at most.
	earliest = time.Minute
	// maxRefused is how many refused tokens are remembered.
	maxRefused = 16
)

// token is an access token and when it ends.
type token struct {
	value secret.Value
	// bound says that only its owner's key makes it worth something.
	bound           bool
	got, renew, end time.Time
}

// newToken computes the times of a token from before it was asked for, as nobody knows
// when on the way its life began.
func newToken(value string, bound bool, asked time.Time, life time.Duration) token {
	if life <= 0 {
		life = unknownLife
	}
	return token{value: secret.New(value), bound: bound, got: asked, renew: asked.Add(life - min(earliest, life/10)), end: asked.Add(life)}
}

func (t token) is(v string) bool { return v != "" && t.value.Reveal() == v }

// Bearer gives a token for httpx.Options.Bearer. It is kept until shortly before its end; one
// request for another is made at a time, and while it fails a token that has not ended stays in
// use. refused is a token that was just answered with 401, or empty: it is never given again.
//
// Errors are *fault.Error: Auth (we are not known, or lack a right), Invalid (what is
// configured cannot be used), Throttled and Unavailable with After, and Canceled.
func (c *Client) Bearer(ctx context.Context, refused secret.Value) (secret.Value, error) {
	c.refuse(refused.Reveal())
	if t, due := c.current(); !due {
		return t.value, nil
	} else if t.value.Reveal() != "" {
		// Another one is wanted soon: the first to come gets it, the others need not wait.
		select {
		case c.busy <- struct{}{}:
		default:
			return t.value, nil
		}
	} else {
		select {
		case c.busy <- struct{}{}:
		case <-ctx.Done():
			return secret.Value{}, c.ended(ctx)
		}
	}
	defer func() { <-c.busy }()
	return c.renewed(ctx)
}

// renewed exchanges the token unless somebody else just did. The caller holds busy.
func (c *Client) renewed(ctx context.Context) (secret.Value, error) {
	t, due := c.current()
	if !due {
		return t.value, nil
	}
	err := c.remembered()
	if err == nil {
		if err = ctx.Err(); err != nil {
			return secret.Value{}, c.ended(ctx)
		}
		var fresh token
		if fresh, err = c.exchange(ctx); err == nil {
			err = c.keep(fresh)
		}
		if err == nil {
			return fresh.value, nil
		}
		err = c.remember(ctx, err)
		if t.value.Reveal() != "" && ctx.Err() == nil {
			c.o.Logger.Warn("access token not exchanged yet, the one in use has not ended", "server", c.o.Name, "err", err)
		}
	}
	if t.value.Reveal() != "" && ctx.Err() == nil {
		return t.value, nil
	}
	return secret.Value{}, err
}

// current gives the token in use, empty where there is none, and whether another is due.
func (c *Client) current() (t token, due bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.o.Now()
	t = c.known[0]
	if !now.Before(t.end) {
		return token{}, true
	}
	return t, !now.Before(t.renew)
}

// refuse drops a token that a server refused.
func (c *Client) refuse(text string) {
	if text == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	mark := sha256.Sum256([]byte(text))
	if !slices.Contains(c.refused, mark) {
		c.refused = append(c.refused, mark)
		c.refused = c.refused[max(0, len(c.refused)-maxRefused):]
	}
	t := c.known[0]
	if !t.is(text) {
		return
	}
	c.known[0].end = time.Time{} // Still known as bound to a key, yet over.
	if now := c.o.Now(); now.Sub(t.got) < failurePause {
		// The next one would be refused just as well, and each request would ask for another.
		c.failed = fault.New(fault.Auth, opToken, c.where(), errors.New("the server refuses the token that it was given for a moment ago"),
			"is the token for this server, and may the client read there?")
		c.until = now.Add(failurePause)
	}
}

// keep puts a token into use.
func (c *Client) keep(t token) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Contains(c.refused, sha256.Sum256([]byte(t.value.Reveal()))) {
		return fault.New(fault.Auth, opToken, c.where(), errors.New("the token endpoint gives the token again that the server refuses"),
			"is the token for this server, and may the client read there?")
	}
	if t.value.Reveal() != c.known[0].value.Reveal() {
		c.known[1] = c.known[0]
	}
	c.known[0], c.failed = t, nil
	return nil
}

// bound reports whether a token is bound to our key.
func (c *Client) bound(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.known[:], func(t token) bool { return t.bound && t.is(text) })
}

// remember keeps a failure for all who ask in the next seconds, unless it is the caller's own.
func (c *Client) remember(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	c.mu.Lock()
	c.failed, c.until = err, c.o.Now().Add(max(failurePause, min(fault.AfterOf(err), longestPause)))
	c.mu.Unlock()
	return cmp.Or(c.remembered(), err)
}

// longestPause bounds what a mistaken Retry-After makes of a pause.
const longestPause = 10 * time.Minute

// remembered gives the failure that stands, with the time until somebody asks again.
func (c *Client) remembered() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := c.until.Sub(c.o.Now())
	if c.failed == nil || left <= 0 {
		return nil
	}
	f, ok := errors.AsType[*fault.Error](c.failed)
	if !ok {
		return c.failed
	}
	again := *f
	if again.Kind.Retryable() {
		again.After = left
	}
	return &again
}
