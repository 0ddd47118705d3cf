package run

import "time"

// Release says what is no longer ours. At least one of Source, Rule, Group and Hold is
// set; several narrow each other. What is there stays there.
type Release struct {
	// Source is the name or id of a source, also of one that is no longer configured;
	// Rule the key of a rule; Group the name or id of an Open WebUI group.
	Source string `json:"source,omitempty"`
	Rule   string `json:"rule,omitempty"`
	Group  string `json:"group,omitempty"`
	// Hold is the hash of a hold: what it lists is kept.
	Hold   string `json:"hold,omitempty"`
	Target string `json:"target,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Released says what a release came to, for one target.
type Released struct {
	Target      string `json:"target"`
	Memberships int    `json:"memberships"`
	Groups      int    `json:"groups"`
}

// Takeover says which members of managed groups become ours although nobody knows who put
// them there.
type Takeover struct {
	Group  string `json:"group"`
	User   string `json:"user,omitempty"`
	Target string `json:"target,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// TakenOver says who became ours in one group.
type TakenOver struct {
	Target string    `json:"target"`
	Group  GroupRef  `json:"group"`
	Users  []UserRef `json:"users"`
}

// Link is who a directory user is in one target.
type Link struct {
	Target string `json:"target"`
	Source string `json:"source"`
	// User is the id in the source, Name a readable one.
	User string `json:"user"`
	Name string `json:"name"`
	// State is linked, pending, unmatched or conflict; Why explains the last two.
	State   string    `json:"state"`
	Why     string    `json:"why,omitempty"`
	Account *UserRef  `json:"account,omitempty"`
	By      string    `json:"by,omitempty"` // sign_in, email, manual
	Since   time.Time `json:"since,omitzero"`
}

// SetLink ties a directory user to an account, or, with Account empty, unties them.
type SetLink struct {
	Target  string `json:"target,omitempty"`
	Source  string `json:"source"`
	User    string `json:"user"`
	Account string `json:"account,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// PlanFile is a plan that was written down to be carried out as it is, or not at all.
type PlanFile struct {
	Schema  int           `json:"schema"`
	Run     string        `json:"run"`
	Made    time.Time     `json:"made"`
	Source  string        `json:"source,omitempty"`
	Target  string        `json:"target,omitempty"`
	Targets []PlannedPart `json:"targets"`
}

// PlannedPart is the plan for one target: the hash of what would change, and the hash of
// what of it the guard lets through.
type PlannedPart struct {
	Name     string   `json:"name"`
	Instance string   `json:"instance"`
	Plan     string   `json:"plan"`
	Allowed  string   `json:"allowed"`
	Changes  []Change `json:"changes"`
}
