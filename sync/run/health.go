package run

import "time"

// Health is how sources and targets fare, and what people were told of: with it a
// restarted process neither hurries again nor repeats itself.
type Health struct {
	// Sources are by id, Targets by name. Whoever fares well is in neither.
	Sources map[string]Trouble `json:"sources,omitempty"`
	Targets map[string]Trouble `json:"targets,omitempty"`
	// Complete is when a complete read of a source last ended, by id.
	Complete map[string]time.Time `json:"complete,omitempty"`
	// Stale is since when a source counts as stale, by id.
	Stale map[string]time.Time `json:"stale,omitempty"`
	// Holds are those that people were told of.
	Holds []ToldHold `json:"holds,omitempty"`
}

// Trouble is a series of failures with no success in between. From some point on it is a
// quarantine: tries become rare.
type Trouble struct {
	// Kind is the fault kind of the latest failure, Reason and Hint what it said.
	Kind   string    `json:"kind"`
	Reason string    `json:"reason"`
	Hint   string    `json:"hint,omitempty"`
	First  time.Time `json:"first"`
	// Failures counts all of them, Reads those that were no look-up of one person.
	Failures int `json:"failures"`
	Reads    int `json:"reads"`
	// Since is when the quarantine began; zero: there is none. Step is how often its
	// interval has grown, and Next when the next try is due.
	Since time.Time `json:"since,omitzero"`
	Step  int       `json:"step,omitempty"`
	Next  time.Time `json:"next,omitzero"`
}

// Quarantined reports whether tries are rare.
func (t *Trouble) Quarantined() bool { return !t.Since.IsZero() }

// ToldHold is a hold that people were told of. Reason is the kind of its reason, where
// its check knows several.
type ToldHold struct {
	Check  Check  `json:"check"`
	Target string `json:"target"`
	Scope  string `json:"scope,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Quarantine is what people see of a trouble that slows tries down.
type Quarantine struct {
	Reason  string    `json:"reason"`
	Since   time.Time `json:"since"`
	NextTry time.Time `json:"next_try"`
}
