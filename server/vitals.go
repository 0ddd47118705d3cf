package server

import (
	"time"

	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
	"groupsyncd/sync/run"
)

// Vitals are figures about the daemon itself. To give them costs no request.
type Vitals struct {
	StateSize, StateMaxSize int64
	// OldestReader is the age of the oldest open look at the state.
	OldestReader time.Duration
	// BackupEvery is how often a backup is made; zero: never.
	BackupEvery time.Duration
	// Audit is the signed end of the audit.
	Audit run.AuditHead
	// Forward is how passing it on goes; nil where it goes nowhere.
	Forward *Forward
	// Loaded is when the configuration in force was loaded, and ConfigHash the beginning of
	// the SHA-256 of its file; LoadFailed says that a newer file was refused since.
	Loaded     time.Time
	ConfigHash uint64
	LoadFailed bool
	// Peers are the configured sources and targets.
	Peers []Peer
	// Expiries are the ends of credentials, as far as they are known.
	Expiries []Expiry
}

// Forward is how passing on the audit goes.
type Forward struct {
	Failing bool
	// Waiting counts the records that have not arrived.
	Waiting uint64
}

// The kinds of those with whom we exchange credentials.
const (
	PeerSource   = "source"
	PeerTarget   = "target"
	PeerListener = "listener"
)

// Peer is what was counted of one source or target since the program was started.
type Peer struct {
	Kind, Name string
	Counts     httpx.Counts
	// Skipped counts the times of its schedule that passed while its run went on.
	Skipped int
}

// Expiry is until when a credential of a source, a target or a listener is good.
type Expiry struct {
	Kind, Name string
	Credential providers.Credential
	At         time.Time
}
