package run

import "time"

// Teams are the teams that rules make, as they stand in Open WebUI.
type Teams struct {
	Teams []Team `json:"teams"`
	// Stale says of which targets the answer is not of now, and why.
	Stale []StaleTarget `json:"stale,omitempty"`
}

// StaleTarget is a target that could not be looked at.
type StaleTarget struct {
	Target string    `json:"target"`
	AsOf   time.Time `json:"as_of"`
	Reason string    `json:"reason"`
}

// Team is one team at one target.
type Team struct {
	Name   string `json:"name"`
	Target string `json:"target"`
	// Isolation is report, enforce, or empty.
	Isolation string   `json:"isolation,omitempty"`
	Rules     []string `json:"rules"`
	// Group and ManagersGroup are the two groups of the team; nil: not there yet.
	Group         *GroupRef `json:"group,omitempty"`
	ManagersGroup *GroupRef `json:"managers_group,omitempty"`

	Members  []UserRef `json:"members"`
	Managers []UserRef `json:"managers"`
	// Rights are the permissions of everybody in the team, ManagerRights what its managers
	// have beside them.
	Rights        []string       `json:"rights"`
	ManagerRights []string       `json:"manager_rights"`
	Resources     []TeamResource `json:"resources"`
	Leaks         []TeamLeak     `json:"leaks"`
}

// TeamResource is something that belongs to a team.
type TeamResource struct {
	ResourceRef
	// Owner is the account that made it, empty where none did.
	Owner string `json:"owner,omitempty"`
}

// TeamLeak is one thing that lets somebody else into what belongs to a team.
type TeamLeak struct {
	// Kind is public, group, user, owner, below, sharing, rights, two teams or administrators.
	Kind string `json:"kind"`
	// What says what is open, in words: a resource, or a permission.
	What       string       `json:"what,omitempty"`
	Resource   *ResourceRef `json:"resource,omitempty"`
	Permission string       `json:"permission,omitempty"`
	// Who is let in.
	Who string `json:"who,omitempty"`
	// Closable says that isolation: enforce takes it away, Why says why not, or more about it.
	Closable bool   `json:"closable"`
	Why      string `json:"why,omitempty"`
}
