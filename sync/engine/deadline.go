package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"groupsyncd/sync/run"
)

// How long a run may take where the options say nothing. Nobody waits hours for a run of
// one person.
const (
	defaultDeadline       = 2 * time.Hour
	defaultPersonDeadline = 2 * time.Minute
)

const deadlineHint = "see what is slow with: groupsyncd doctor; what is left is planned anew by the next run"

// overdueError is why a context ended whose run took too long.
type overdueError struct{ limit time.Duration }

// Error says how long the run had.
func (e *overdueError) Error() string {
	return fmt.Sprintf("the run reached its deadline of %s", e.limit)
}

// Is makes it the end of time that it is.
func (e *overdueError) Is(target error) bool { return target == context.DeadlineExceeded }

// limited is the context of a run with its deadline. Whether the run was told to stop is
// asked of the context that it was started with.
type limited struct {
	context.Context
	asked context.Context
}

// Err says why the run shall end: it was told to, or its time is up.
func (l limited) Err() error {
	if err := l.asked.Err(); err != nil {
		return err
	}
	return l.Context.Err()
}

// limitKey leads from a context to the part of it that has the deadline of the run.
type limitKey struct{}

// Value gives that part under its key.
func (l limited) Value(key any) any {
	if key == (limitKey{}) {
		return l.Context
	}
	return l.Context.Value(key)
}

// bound gives a run its deadline.
func (e *Engine) bound(ctx context.Context, req run.Request) (context.Context, context.CancelFunc) {
	limit := e.deadline
	if req.Single() {
		limit = e.personDeadline
	}
	bounded, cancel := context.WithTimeoutCause(ctx, limit, &overdueError{limit})
	return limited{Context: bounded, asked: ctx}, cancel
}

// overdue says that a run's time is up, in words, or gives nothing.
func overdue(ctx context.Context) string {
	bounded, ok := ctx.Value(limitKey{}).(context.Context)
	if !ok {
		return ""
	}
	if late, ok := errors.AsType[*overdueError](context.Cause(bounded)); ok {
		return late.Error()
	}
	return ""
}

// unreached is the part of a report about a target for which no time was left.
func unreached(name, why string) run.TargetReport {
	return run.TargetReport{Name: name, Changes: []run.Change{}, Problems: []run.Problem{},
		Error: why + " before this target was reached", Hint: deadlineHint}
}
