package run

import "time"

// NoticeKind says what a notice is about.
type NoticeKind string

// The kinds of notice.
const (
	NoticeHeld        NoticeKind = "held"
	NoticeQuarantined NoticeKind = "failed"
	NoticeStale       NoticeKind = "stale"
	NoticeRecovered   NoticeKind = "recovered"
	NoticeState       NoticeKind = "state"
	NoticePrivileged  NoticeKind = "privileged"
)

// Notice is something that a person should hear of once: when it begins, and when its
// reason changes. Key tells notices about one cause from others.
type Notice struct {
	At      time.Time  `json:"at"`
	Kind    NoticeKind `json:"kind"`
	Key     string     `json:"key"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
	// Targets are those that a hold with one cause concerns.
	Targets []string `json:"targets,omitempty"`
}
