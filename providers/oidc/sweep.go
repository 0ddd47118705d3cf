package oidc

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// maxInARow is after how many accounts that could not be read, one after the other, the
// rest is left alone: the server fails then, and not the account.
const maxInARow = 10

// reportEvery is how many accounts lie between two words of progress.
const reportEvery = 20

// Pull looks at everybody who signs in through the provider, slowly enough that the target
// hardly notices. It covers single people only, never a list: who has no token is not
// gone. With a nil error everything was read that there is to read; what that proves may
// be little, and Reason says what is missing. Posted tokens are taken when they come, so
// with them there is nothing to read.
func (s *source) Pull(ctx context.Context, progress providers.Progress) (*directory.Snapshot, error) {
	asOf := s.now()
	ctx, end, err := s.begin(ctx, "read sign-in sessions")
	defer end()
	if err != nil {
		return failed(asOf, err), err
	}
	if s.config.Tokens == FromWebhook {
		return nothing(asOf, "tokens are posted, and taken as they come"), nil
	}
	c := newCrowd(asOf)
	reason, err := s.sweep(ctx, c, asOf, progress)
	if err != nil {
		reason, _, _ = strings.Cut(err.Error(), "\n")
	}
	return c.snapshot(reason), err
}

// sweep looks at all accounts. The provider is asked first: without its keys no token
// counts, and no account has to be read to find that out.
func (s *source) sweep(ctx context.Context, c *crowd, asOf time.Time, progress providers.Progress) (string, error) {
	inside, err := s.insideTarget(ctx)
	if err != nil {
		return "", err
	}
	v, d, err := s.verifier(ctx)
	if err != nil {
		return "", err
	}
	if err := d.keys.ready(ctx); err != nil {
		return "", stopped(ctx, s.name, err)
	}
	var accounts []string
	if err := s.sessions.SignedIn(ctx, inside, func(a providers.SignedIn) error {
		accounts = append(accounts, a.Account)
		return nil
	}); err != nil {
		return "", stopped(ctx, s.name, err)
	}
	p := pace{every: time.Second / time.Duration(s.config.SweepRate)}
	var failures []error
	inARow := 0
	reasons := map[string]int{}
	for i, account := range accounts {
		if i%reportEvery == 0 {
			progress.Report("accounts", i)
		}
		if err := p.wait(ctx); err != nil {
			return "", stopped(ctx, s.name, err)
		}
		one, reason, err := s.account(ctx, reader{v, d, inside}, account, "", asOf)
		switch {
		case ctx.Err() != nil:
			return "", stopped(ctx, s.name, err)
		case err != nil:
			failures = append(failures, err)
			if inARow++; inARow >= maxInARow {
				return "", unread(s.name, failures, len(accounts)-i-1)
			}
			continue
		case one == nil:
			reasons[reason]++
		default:
			c.add(one)
		}
		inARow = 0
	}
	progress.Report("accounts", len(accounts))
	if len(failures) > 0 {
		return "", unread(s.name, failures, 0)
	}
	return summary(len(accounts), len(c.people), reasons), nil
}

// stopped gives the error of a sweep that was ended, or the one that ended it.
func stopped(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return ended(ctx, "read sign-in sessions", "source "+name)
	}
	return err
}

// unread is the error of a sweep that could not read some accounts. It is of the kind of
// the last failure, which is the most likely one to go on.
func unread(name string, failures []error, left int) error {
	last := failures[len(failures)-1]
	text := fmt.Errorf("%d accounts could not be read, the last because: %w", len(failures), last)
	if left > 0 {
		text = fmt.Errorf("%d accounts in a row could not be read, and %d were left alone: %w", maxInARow, left, last)
	}
	kind := fault.KindOf(last)
	if kind == 0 {
		kind = fault.Incomplete
	}
	return fault.New(kind, "read sign-in sessions", "source "+name, text, fault.HintOf(last))
}

// summary says how far the tokens of everybody prove something.
func summary(accounts, proved int, reasons map[string]int) string {
	var text strings.Builder
	fmt.Fprintf(&text, "single people are read, never a list: the tokens of %d of %d accounts name their groups", proved, accounts)
	names := slices.SortedFunc(maps.Keys(reasons), func(a, b string) int {
		if n := reasons[b] - reasons[a]; n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	const most = 3
	for _, r := range names[:min(len(names), most)] {
		fmt.Fprintf(&text, "; %d: %s", reasons[r], r)
	}
	if more := len(names) - most; more > 0 {
		fmt.Fprintf(&text, "; and %d more reasons", more)
	}
	return text.String()
}

// pace keeps steps apart. A step that is late does not make the next one come early.
type pace struct {
	every time.Duration
	next  time.Time
}

func (p *pace) wait(ctx context.Context) error {
	now := time.Now()
	if wait := p.next.Sub(now); wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		now = p.next
	}
	p.next = now.Add(p.every)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
