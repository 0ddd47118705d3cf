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
	// EventSourceAccepted and EventSourceRestarted are decisions about a source that its
	// provider fills.
	EventSourceAccepted  EventKind = "source_accepted"
	EventSourceRestarted EventKind = "source_restarted"
	// EventRun closes a run.
	EventRun EventKind = "run"
	// EventRestored and EventPruned are about the state and the audit themselves.
	EventRestored EventKind = "restored"
	EventPruned   EventKind = "pruned"
)

// HoldEnded is the outcome of an EventHeld when a hold is gone; it is run.Held when one
// begins, or lists something else.
const HoldEnded Outcome = "ended"

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
	Group     string `json:"group,omitempty"`
	GroupName string `json:"group_name,omitempty"`
	User      string `json:"user,omitempty"`
	UserName  string `json:"user_name,omitempty"`
	// Resource is the type and id of something that grants share.
	Resource string  `json:"resource,omitempty"`
	Rule     string  `json:"rule,omitempty"`
	Absence  string  `json:"absence,omitempty"`
	Fields   []Field `json:"fields,omitempty"`
	Outcome  Outcome `json:"outcome,omitempty"`
	Error    string  `json:"error,omitempty"`
	Check    Check   `json:"check,omitempty"`
	Scope    string  `json:"scope,omitempty"`
	Hash     string  `json:"hash,omitempty"`
	Count    int     `json:"count,omitempty"`
	// Keys are what a hold or an approval lists; of members of one group whom one call
	// failed for, their ids.
	Keys   []string `json:"keys,omitempty"`
	Detail string   `json:"detail,omitempty"`
}

// AuditHead is the end of the audit: whoever keeps it elsewhere can tell later that
// nothing before it was cut or changed.
type AuditHead struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
	// Signature is Ed25519 over "groupsyncd audit SEQ HASH", in base64.
	Signature string `json:"signature"`
}

// AuditRecord is an event in the audit: its number, the hash of the record before, and
// its own, which is SHA-256 over the line of the record without the hash. The first
// record has nothing before it.
type AuditRecord struct {
	Seq  uint64 `json:"seq"`
	Prev string `json:"prev"`
	// Event has a hash of its own: that of the plan or the hold it is about.
	Event Event  `json:"event"`
	Hash  string `json:"hash"`
}

// AuditSummary is what a whole reading of the audit found.
type AuditSummary struct {
	// First and Last are the numbers of the records that are kept, zero when there is none.
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	// Pruned is the number of the last record that was dropped by its age, PrunedHash its
	// hash.
	Pruned     uint64    `json:"pruned,omitempty"`
	PrunedHash string    `json:"pruned_hash,omitempty"`
	Head       AuditHead `json:"head"`
	// PublicKey is the key to check signatures of heads with, in base64.
	PublicKey string `json:"public_key"`
	// Proved is the head that was asked about: its record is here, and its signature ours.
	Proved *AuditHead `json:"proved,omitempty"`
}
