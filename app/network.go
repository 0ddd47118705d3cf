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
	// Limiters are shared by all sources for as long as the program runs; nil: New makes them.
	Limiters *httpx.Limiters
	// Meters count what goes on with each source and target, for metrics; nil: nobody does.
	Meters *httpx.Meters
	// Dial makes the connections of sources over HTTP; nil: the network's own.
	Dial httpx.Dial
}
