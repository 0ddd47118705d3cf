package run

import "time"

// NoticeApplied tells what a run changed.
const NoticeApplied NoticeKind = "applied"

// Condition is something that is wrong now, and that people hear of in services outside:
// once when it begins, once when its reason changes, every day while it lasts, and once
// when it is over.
type Condition struct {
	Kind NoticeKind
	// Key tells it from others; Reason is the kind of its reason, without figures.
	Key, Reason   string
	Message, Hint string
	Since         time.Time
	// Target is empty for what concerns all of them.
	Target string
	// Lines are the first of what it lists, and More is how many there are beside them.
	Lines []string
	More  int
}

// LetterEvent says what a letter tells of its condition.
type LetterEvent string

// The events of a letter.
const (
	LetterNew      LetterEvent = "new"
	LetterChanged  LetterEvent = "changed"
	LetterReminder LetterEvent = "reminder"
	LetterOver     LetterEvent = "over"
)

// Letter is a notice on its way to one service. It is kept until it has arrived, or is
// too old.
type Letter struct {
	Seq     uint64      `json:"seq"`
	Service string      `json:"service"`
	At      time.Time   `json:"at"`
	Kind    NoticeKind  `json:"kind"`
	Event   LetterEvent `json:"event"`
	Key     string      `json:"key"`
	Message string      `json:"message"`
	Hint    string      `json:"hint,omitempty"`
	Since   time.Time   `json:"since,omitzero"`
	Target  string      `json:"target,omitempty"`
	Run     string      `json:"run,omitempty"`
	Lines   []string    `json:"lines,omitempty"`
	More    int         `json:"more,omitempty"`
}

// Desk is what is remembered of the notices to services outside, beside the letters.
type Desk struct {
	// Audit is the last record of the audit that was looked at, Last the number of the last
	// letter.
	Audit uint64 `json:"audit"`
	Last  uint64 `json:"last"`
	// Told is what each service was told of that is not over yet, by its key.
	Told map[string]map[string]Told `json:"told,omitempty"`
	// Partly counts the runs in a row in which calls failed, since PartlySince; PartlyRun is
	// the last of them.
	Partly      int       `json:"partly,omitempty"`
	PartlySince time.Time `json:"partly_since,omitzero"`
	PartlyRun   string    `json:"partly_run,omitempty"`
	// Lost are letters that never arrived, by service.
	Lost map[string]LostLetters `json:"lost,omitempty"`
}

// Told is a condition that a service was told of.
type Told struct {
	Kind    NoticeKind `json:"kind"`
	Reason  string     `json:"reason,omitempty"`
	Message string     `json:"message"`
	Target  string     `json:"target,omitempty"`
	Since   time.Time  `json:"since"`
	// Last is when it was told last.
	Last time.Time `json:"last"`
}

// LostLetters says how many letters were given up, and when the last one was.
type LostLetters struct {
	Count int       `json:"count"`
	At    time.Time `json:"at"`
}

// NotifyStatus is how one service for notices fares.
type NotifyStatus struct {
	Name string `json:"name"`
	// Kind is that of the service, such as slack; empty while its address cannot be read.
	Kind string       `json:"kind,omitempty"`
	On   []NoticeKind `json:"on"`
	// Waiting counts the letters that have not arrived yet, the first of them since Oldest.
	Waiting int       `json:"waiting"`
	Oldest  time.Time `json:"oldest,omitzero"`
	// Sent is when this process last delivered something.
	Sent time.Time `json:"sent,omitzero"`
	// Failing is since when nothing arrives, Reason and Hint why, Next when it is tried again.
	Failing time.Time `json:"failing,omitzero"`
	Reason  string    `json:"reason,omitempty"`
	Hint    string    `json:"hint,omitempty"`
	Next    time.Time `json:"next,omitzero"`
	// Lost counts the letters that were given up, the last of them at LostAt.
	Lost   int       `json:"lost,omitempty"`
	LostAt time.Time `json:"lost_at,omitzero"`
}

// NotifyTest is what became of a test message to one service.
type NotifyTest struct {
	Name  string `json:"name"`
	Kind  string `json:"kind,omitempty"`
	OK    bool   `json:"ok"`
	MS    int64  `json:"ms"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
}
