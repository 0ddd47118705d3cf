package app

import (
	"context"
	"fmt"
)

// within waits for f to return, at most until ctx ends; late says what has not ended then.
func within(ctx context.Context, late string, f func()) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", late, ctx.Err())
	}
}
