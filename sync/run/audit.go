package run

import "time"

// EventKind says what an audit record is about.
type EventKind string

// The kinds of audit record.
const (
	// EventCalls says which calls a run is about to make; written before the first one.
	EventCalls EventKind = "calls"
	// EventChange is one change that happened, or failed, in a target.
	EventChange EventKind = "change"
	// EventHeld says that the guard began, or ceased, to hold something.
	EventHeld EventKind = "held"
	// EventApproved to EventTakenOver are decisions of a person.
	EventApproved  EventKind = "approved"
	EventAccepted  EventKind = "target_accepted"
	EventReleased  EventKind = "released"
	EventLinked    EventKind = "linked"
	EventUnlinked  EventKind = "unlinked"
	EventTakenOver EventKind = "taken_over"
	// EventRun closes a run.
	EventRun EventKind = "run"
	// EventRestored and EventPruned are about the state and the audit themselves.
	EventRestored EventKind = "restored"
	EventPruned   EventKind = "pruned"
)

// Event is what the audit says about one thing that happened. It is stored in the
// transaction of the change that it describes; the store adds its number, and chains it
// to the record before. People and groups are named by ids.
type Event struct {
	At     time.Time `json:"at"`
	Kind   EventKind `json:"kind"`
	Run    string    `json:"run,omitempty"`
	Target string    `json:"target,omitempty"`
	// By is who decided: a local user, the name of a token, or what started the run.
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
	Op     Op     `json:"op,omitempty"`
	// Group and User are ids in Open WebUI. Names are kept only where the audit is
	// configured to.
	Group     string   `json:"group,omitempty"`
	GroupName string   `json:"group_name,omitempty"`
	User      string   `json:"user,omitempty"`
	UserName  string   `json:"user_name,omitempty"`
	Rule      string   `json:"rule,omitempty"`
	Absence   string   `json:"absence,omitempty"`
	Fields    []Field  `json:"fields,omitempty"`
	Outcome   Outcome  `json:"outcome,omitempty"`
	Error     string   `json:"error,omitempty"`
	Check     Check    `json:"check,omitempty"`
	Scope     string   `json:"scope,omitempty"`
	Hash      string   `json:"hash,omitempty"`
	Count     int      `json:"count,omitempty"`
	Keys      []string `json:"keys,omitempty"`
	Detail    string   `json:"detail,omitempty"`
}

// AuditHead is the end of the audit: whoever keeps it elsewhere can tell later that
// nothing before it was cut or changed.
type AuditHead struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
	// Signature is Ed25519 over "groupsyncd audit SEQ HASH", in base64.
	Signature string `json:"signature"`
}
