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
	Hold string `json:"hold,omitempty"`
	// Reference is the name, id, path or DN of a directory group of Source that names nested
	// groups which do not resolve any more: they count no longer. It goes with Source alone.
	Reference string `json:"reference,omitempty"`
	Target    string `json:"target,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

// Released says what a release came to, for one target.
type Released struct {
	Target      string `json:"target"`
	Memberships int    `json:"memberships"`
	Groups      int    `json:"groups"`
	// Again counts those memberships that the rules still want: the next run makes them
	// ours again.
	Again int `json:"again"`
	// Links counts groups that no rule is tied to any more, Held the changes that are no
	// longer held.
	Links int `json:"links"`
	Held  int `json:"held"`
	// References counts nested groups that are no longer waited for.
	References int `json:"references,omitempty"`
}

// Takeover says which members of managed groups become ours although nobody knows who put
// them there.
type Takeover struct {
	Group  string `json:"group"`
	User   string `json:"user,omitempty"`
	Target string `json:"target,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Stranger lists the members of one managed group whom no directory group names and who
// are not ours.
type Stranger struct {
	Target string    `json:"target"`
	Group  GroupRef  `json:"group"`
	Rule   string    `json:"rule"`
	Users  []UserRef `json:"users"`
	// Gentle says that the group is add-only, so that taking over would change nothing.
	Gentle bool `json:"add_only,omitempty"`
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
	// Kept counts memberships that stay and are no longer ours, because the account was
	// given them as somebody else's.
	Kept int `json:"kept,omitempty"`
}

// SetLink ties a directory user to an account, or, with Account empty, unties them.
type SetLink struct {
	Target  string `json:"target,omitempty"`
	Source  string `json:"source"`
	User    string `json:"user"`
	Account string `json:"account,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// DirectoryGroup is a group of a source with the rules that take it.
type DirectoryGroup struct {
	Source      string  `json:"source"`
	ID          string  `json:"id"`
	Name        string  `json:"name"`
	DN          string  `json:"dn,omitempty"`
	Path        string  `json:"path,omitempty"`
	Description string  `json:"description,omitempty"`
	Members     int     `json:"members"`
	Status      string  `json:"status"` // listed, missing since …
	Rules       []Taker `json:"rules"`
}

// Taker is a rule that takes a directory group, and where it leads to. Group has no id
// while Open WebUI has no such group.
type Taker struct {
	Rule   string   `json:"rule"`
	Target string   `json:"target"`
	Group  GroupRef `json:"group"`
}

// DirectoryUser is somebody in a source with the accounts that are theirs.
type DirectoryUser struct {
	Source   string `json:"source"`
	ID       string `json:"id"`
	Username string `json:"username,omitempty"`
	Email    string `json:"email,omitempty"`
	Name     string `json:"name,omitempty"`
	DN       string `json:"dn,omitempty"`
	Status   string `json:"status"` // enabled, disabled, missing since …
	Groups   int    `json:"groups"`
	Accounts []Link `json:"accounts"`
}

// PlanSchema is the version of a written plan.
const PlanSchema = 1

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
