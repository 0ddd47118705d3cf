// Package enginetest holds what the engine is tested against: a store in memory that
// can die at any durable step, an Open WebUI in memory with the hand of an
// administrator in it, and sources over directories that change, fail, lag and are cut.
//
// Everything is deterministic and without real time, so that a history can be run again
// from its seed. It knows the engine's ports and none of the adapters behind them.
package enginetest

import (
	"errors"
	"sync"
	"time"

	"groupsyncd/internal/fault"
)

// Clock is a time that moves only when it is told to.
type Clock struct {
	mu sync.Mutex
	t  time.Time
	// turn is held by the source that is read: what happens in the middle of one read does not
	// happen in the middle of another.
	turn sync.Mutex
}

// NewClock gives a clock that stands at t.
func NewClock(t time.Time) *Clock { return &Clock{t: t} }

// Now gives the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

// Add moves the time on.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// Power is the electricity of a process under test: once it is off, nothing that the
// process does has an effect any more.
type Power struct {
	mu    sync.Mutex
	steps int
	off   bool
	// Steps counts the durable steps that were taken.
	taken int
}

// CutAfter takes the power away before the durable step after the next n.
func (p *Power) CutAfter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps = n + 1
}

// Off reports whether the power is gone.
func (p *Power) Off() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.off
}

// Taken counts the durable steps since the power came on.
func (p *Power) Taken() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

// On gives a new process its electricity.
func (p *Power) On() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps, p.off, p.taken = 0, false, 0
}

// step is a durable step; it fails when there is no power.
func (p *Power) step() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.steps > 0 {
		p.steps--
		p.off = p.off || p.steps == 0
	}
	if p.off {
		return fault.New(fault.Damaged, "write", "", errDead, "")
	}
	p.taken++
	return nil
}

var errDead = errors.New("the process is dead")
