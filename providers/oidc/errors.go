package oidc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"groupsyncd/internal/fault"
)

var errClosed = errors.New("the source is closed")

// ended gives the error of a call whose context ended.
func ended(ctx context.Context, op, where string) error {
	kind, cause := fault.Canceled, context.Cause(ctx)
	if errors.Is(cause, context.DeadlineExceeded) {
		kind = fault.Unavailable
	}
	return fault.New(kind, op, where, cause, "")
}

// refused makes the error of a token that is not right. The text never holds a part of
// the token, and of its claims only what the provider itself has signed.
func (v *verifier) refused(hint, format string, args ...any) error {
	return fault.New(fault.Auth, "verify token", v.issuer, fmt.Errorf(format, args...), hint)
}

// later makes the error of a token of which it could not be found out whether it is right.
func later(issuer string, err error, hint string, after time.Duration) error {
	e := fault.New(fault.Unavailable, "verify token", issuer, err, hint)
	e.After = max(0, after)
	return e
}

// why gives what a refusal says, without what was done and where.
func why(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}

// shown makes a text from elsewhere fit for one line of a message.
func shown(text string) string {
	const most = 120
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
