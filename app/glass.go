package app

import (
	"groupsyncd/providers"
	"groupsyncd/state"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// glass lets an engine see a state and keep nothing in it: for a plan with another
// configuration, whose reads must not count as reads of the one in force.
type glass struct{ db *state.DB }

// Replica loads a replica.
func (g glass) Replica(source string) (*replica.Replica, error) { return g.db.Replica(source) }

// Memory loads a memory.
func (g glass) Memory(target string) (*plan.Memory, error) { return g.db.Memory(target) }

// Run loads a report.
func (g glass) Run(id string) (*run.Report, error) { return g.db.Run(id) }

// Runs loads reports.
func (g glass) Runs(limit int) ([]run.Report, error) { return g.db.Runs(limit) }

// Open shows no open intents: settling them is for the engine that may write.
func (g glass) Open(string) ([]plan.Intent, error) { return nil, nil }

// SaveReplica keeps nothing.
func (g glass) SaveReplica(*replica.Replica) error { return nil }

// SaveMemory keeps nothing.
func (g glass) SaveMemory(*plan.Memory, plan.Dirty) error { return nil }

// SaveRun keeps nothing.
func (g glass) SaveRun(*run.Report, ...run.Event) error { return nil }

// Note keeps nothing.
func (g glass) Note(...run.Event) error { return nil }

// Head gives none: nothing was added.
func (g glass) Head() (run.AuditHead, error) { return run.AuditHead{}, nil }

// Begin keeps nothing.
func (g glass) Begin(*plan.Memory, string, string, []plan.Intent, plan.Dirty) error { return nil }

// Done keeps nothing.
func (g glass) Done(*plan.Memory, string, []int, plan.Dirty) error { return nil }

// pushed gives what was pushed into a source, for whoever must not change it.
func (g glass) pushed(id string) providers.Pushed { return &pane{Pushed: g.db.Pushed(id)} }

// pane is a store that keeps nothing of what is written through it, and numbers that all the same.
type pane struct {
	providers.Pushed
	written uint64
}

// Revision counts what was written elsewhere and here.
func (p *pane) Revision() uint64 { return p.Pushed.Revision() + p.written }

// Load shows the store as it is.
func (p *pane) Load(each func(string, []byte) error) (uint64, error) {
	revision, err := p.Pushed.Load(each)
	return revision + p.written, err
}

// Save keeps nothing.
func (p *pane) Save(uint64, []providers.PushedRecord) (uint64, error) {
	p.written++
	return p.Revision(), nil
}
