package engine

import "time"

// StateStatus is what is known of the file in which everything is kept.
type StateStatus struct {
	Path     string `json:"path"`
	Instance string `json:"instance,omitempty"`
	Schema   int    `json:"schema_version,omitempty"`
	// Size is that of the file and MaxSize its limit; Unused is the part of it that holds
	// nothing, FreeSpace what is left on its disk.
	Size      int64 `json:"size"`
	MaxSize   int64 `json:"max_size,omitempty"`
	Unused    int64 `json:"unused"`
	FreeSpace int64 `json:"free_space"`
	// CheckedAt is when all of it was last read and found whole.
	CheckedAt time.Time `json:"checked_at,omitzero"`
	// Problem is why nothing is written any more; Hint what to do about it.
	Problem string       `json:"problem,omitempty"`
	Hint    string       `json:"hint,omitempty"`
	Backup  BackupStatus `json:"backup"`
}

// BackupStatus is what is known of the copies of the state.
type BackupStatus struct {
	// Every is how often one is made: a duration, or off.
	Every     string `json:"every"`
	Keep      int    `json:"keep"`
	Encrypted bool   `json:"encrypted"`
	// Last is when the newest good one was made, File where it is.
	Last time.Time `json:"last,omitzero"`
	File string    `json:"file,omitempty"`
	// Overdue says that it is older than twice what was asked for.
	Overdue bool `json:"overdue"`
	// Problem is why the last attempt failed.
	Problem string `json:"problem,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// BackupMade is a backup that was just made.
type BackupMade struct {
	Path      string    `json:"path"`
	Size      int64     `json:"size"`
	At        time.Time `json:"at"`
	Encrypted bool      `json:"encrypted"`
}
