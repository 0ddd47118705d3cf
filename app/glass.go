package app

import (
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
