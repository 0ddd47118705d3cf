// Package engine runs the line from pull to record: it pulls sources into replicas,
// observes targets, has plan compute and guard the differences, applies them in
// batches, verifies, and records what really happened.
//
// It owns the queue of triggers and the ports to everything that keeps or changes
// something; what is wanted and what is held back it does not decide.
package engine

import (
	"context"
	"encoding/json"

	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// Ledger keeps what we know between runs: the replica of each source and the memory
// of each target. Every call is durable when it returns.
type Ledger interface {
	// Replica loads the replica of a source by its id; a source never read gives a
	// new one.
	Replica(source string) (*replica.Replica, error)
	// SaveReplica stores a replica after a merge.
	SaveReplica(*replica.Replica) error
	// Memory loads the memory of a target; one never seen gives a new one.
	Memory(target string) (*plan.Memory, error)
	// SaveMemory stores the named parts of a memory in one transaction.
	SaveMemory(*plan.Memory, plan.Dirty) error
}

// Journal keeps what a run is about to do and what became of it, so that a crash
// leaves no doubt about what is ours.
type Journal interface {
	// Begin stores the changed parts of the memory together with the intents of a plan,
	// before its first write.
	Begin(m *plan.Memory, run, planHash string, intents []plan.Intent, dirty plan.Dirty) error
	// Done closes intents, by their Seq, and stores the changed parts of the memory
	// in the same transaction.
	Done(m *plan.Memory, run string, seqs []int, dirty plan.Dirty) error
	// Open gives the intents that were never closed, oldest first.
	Open(target string) ([]plan.Intent, error)
}

// Runs keeps the history.
type Runs interface {
	// SaveRun stores a report, and in the same transaction what the audit says of it.
	SaveRun(*run.Report, ...run.Event) error
	// Run loads a report by its id or a unique beginning of it; fault.NotFound when
	// there is none.
	Run(id string) (*run.Report, error)
	// Runs gives the newest reports, newest first, without their changes.
	Runs(limit int) ([]run.Report, error)
}

// Audit keeps what happened and who decided it. What belongs to a change of a memory is
// stored with that change instead, through plan.Dirty.
type Audit interface {
	// Note adds records; they are durable when it returns.
	Note(events ...run.Event) error
	// Head gives the signed end of the audit.
	Head() (run.AuditHead, error)
}

// Health keeps how sources and targets fare, and what people were told of. Every call is
// durable when it returns.
type Health interface {
	Health() (run.Health, error)
	SaveHealth(run.Health) error
}

// Target is one look at and one series of writes to an Open WebUI. It counts its
// requests. Errors carry a fault.Kind.
type Target interface {
	// Observe looks at all groups and new accounts, and at what look asks for beside them,
	// reading members only where the mirror cannot vouch for them.
	Observe(ctx context.Context, m *plan.Mirror, look plan.Look) (*plan.Observation, error)
	// Account reads one account with the ids of its groups; fault.NotFound when there is
	// none. known says that it was there before: then a refusal, which may be any failure
	// inside the server, counts only with proof.
	Account(ctx context.Context, id string, known bool) (*plan.AccountView, error)
	// CreateGroup makes a group. When the answer is lost it looks for a group with
	// the same mark before it fails or tries again.
	CreateGroup(ctx context.Context, spec plan.GroupSpec) (plan.Group, error)
	// UpdateGroup changes what the spec names and keeps everything else.
	UpdateGroup(ctx context.Context, current plan.Group, spec plan.GroupSpec) (plan.Group, error)
	// AddMembers and RemoveMembers take at most plan.MaxBatch account ids. Ids that the
	// server does not know are dropped by it without a word: read again to verify.
	AddMembers(ctx context.Context, group string, accounts []string) error
	RemoveMembers(ctx context.Context, group string, accounts []string) error
	// ReadGroup reads a group with its members; fault.NotFound when it is proved to
	// be gone.
	ReadGroup(ctx context.Context, id string) (plan.Group, error)
	// Export gives groups as the server's own JSON, with every field and the ids of their
	// direct members as user_ids, in the order of ids; fault.NotFound when one is proved to be
	// gone.
	Export(ctx context.Context, ids []string) ([]json.RawMessage, error)
	// SetRole gives an account a role, and reads back what it has then.
	SetRole(ctx context.Context, a plan.Account, role string) (plan.Account, error)
	// CreateAccount makes an account that nobody can sign in to by password; fault.Conflict
	// when its mail address is taken.
	CreateAccount(ctx context.Context, spec plan.AccountSpec) (plan.Account, error)
	// RevokeSessions ends the sign-in sessions of an account; false where this version of
	// the server cannot.
	RevokeSessions(ctx context.Context, account string) (bool, error)
	// Resource reads one resource with its grants; fault.NotFound when it is proved to be
	// gone.
	Resource(ctx context.Context, key plan.ResourceKey) (plan.Resource, error)
	// SetGrants replaces all grants of a resource, and gives it as it is then; also with
	// fault.Conflict, where that is something else.
	SetGrants(ctx context.Context, r plan.Resource, grants []plan.Grant) (plan.Resource, error)
	// SetDefaults lays a tree over the default permissions of the instance, and gives them as
	// they are then: a server drops keys that it does not know.
	SetDefaults(ctx context.Context, tree plan.Defaults) (plan.Defaults, error)
	// Settings reads the settings that change what groups, roles and grants do.
	Settings(ctx context.Context) (plan.Settings, error)
	// BuiltInSync reports what in the server's own settings would fight us.
	BuiltInSync(ctx context.Context) ([]run.Problem, error)
	// Spent gives the number of requests so far, and how many of them were writes.
	Spent() (requests, writes int)
}
