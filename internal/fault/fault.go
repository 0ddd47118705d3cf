// Package fault gives every failure a kind, so that one place decides what is
// retried, what a metric calls it and with which code a command ends.
//
// A failure for people says what, where, why and what to do: Error carries the
// four apart, and Error() writes them in one line.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind is why something failed. The zero value is not a kind.
type Kind int

// The kinds of failure.
const (
	// Invalid is bad input: configuration, usage, a value that a server refuses.
	Invalid Kind = iota + 1
	// Auth is a refused credential or a missing right.
	Auth
	// Throttled is a server that asks us to come back later.
	Throttled
	// Unavailable is a server that cannot be reached or fails.
	Unavailable
	// Incomplete is a read that ended before its proved end.
	Incomplete
	// Conflict is a world that is not what the request assumed.
	Conflict
	// NotFound is a thing that a server says does not exist.
	NotFound
	// Canceled is a run that was told to stop.
	Canceled
	// Damaged is state that fails its checks, is locked, or is newer than us.
	Damaged
)

var names = [...]string{"", "invalid", "auth", "throttled", "unavailable", "incomplete", "conflict", "not_found", "canceled", "damaged"}

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{Invalid, Auth, Throttled, Unavailable, Incomplete, Conflict, NotFound, Canceled, Damaged}
}

// String gives the word used in metrics and JSON.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(names) {
		return "unknown"
	}
	return names[k]
}

// Retryable says whether the same request may succeed a little later.
func (k Kind) Retryable() bool { return k == Throttled || k == Unavailable }

// Error is a failure for people.
type Error struct {
	Kind Kind
	// Op is what was being done: "read groups", "add members".
	Op string
	// Where is the place: a file position, a server's address, a group. It never
	// holds a secret.
	Where string
	// Err is why.
	Err error
	// Hint is what to do about it; may be empty.
	Hint string
	// After is how long the server, or what guards it, wants to be left alone; zero:
	// nothing was said.
	After time.Duration
}

// Error writes what, where and why in one line; the hint stays apart.
func (e *Error) Error() string {
	s := e.Op
	if e.Where != "" {
		if s != "" {
			s += " at "
		}
		s += e.Where
	}
	if e.Err != nil {
		if s != "" {
			s += ": "
		}
		s += e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an Error from its parts.
func New(kind Kind, op, where string, err error, hint string) *Error {
	return &Error{Kind: kind, Op: op, Where: where, Err: err, Hint: hint}
}

// Errorf makes an Error whose cause is a formatted text.
func Errorf(kind Kind, op, where, format string, args ...any) *Error {
	return &Error{Kind: kind, Op: op, Where: where, Err: fmt.Errorf(format, args...)}
}

// KindOf finds the kind of the outermost Error in the chain. A context that ended
// is Canceled when it was cancelled and Unavailable when its time ran out; anything
// else without a kind is zero.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return Unavailable
	}
	return 0
}

// HintOf gives the first hint in the chain, or nothing.
func HintOf(err error) string {
	for err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}

// AfterOf gives the longest wait that an Error in the chain asks for, or zero.
func AfterOf(err error) time.Duration {
	var longest time.Duration
	for err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			break
		}
		longest = max(longest, e.After)
		err = e.Err
	}
	return longest
}
