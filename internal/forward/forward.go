// Package forward passes lines on to a file or to the syslog of this machine, in order.
//
// A sink that failed may be used again: it opens what it needs anew. Which lines have
// arrived, and what they mean, is the caller's to remember.
package forward

import "time"

// Line is one line to pass on, without its end.
type Line struct {
	At   time.Time
	Text []byte
	// Short goes where the whole text is too long.
	Short []byte
}

// Sink is where lines go.
type Sink interface {
	// Send passes lines on, in order. After an error nobody knows how many of them
	// arrived; when it returns without one, all did.
	Send(lines []Line) error
	Close() error
}
