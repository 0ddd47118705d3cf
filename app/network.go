package app

import (
	"time"

	"groupsyncd/internal/httpx"
)

// Network says how long requests to sources and targets may take, and how often they
// are tried. What is zero has the default of the adapter.
type Network struct {
	// Timeout bounds one request.
	Timeout time.Duration
	// Retry is for requests to targets.
	Retry httpx.Retry
}
