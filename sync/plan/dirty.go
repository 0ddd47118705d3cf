package plan

import (
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/run"
)

// Dirty names the parts of a Memory that changed, so that only those are written.
// A named part that is no longer in the Memory is deleted from the store.
type Dirty struct {
	// Head is instance, serial, peers, default permissions, and the mirror's own fields.
	Head bool
	// Accounts are numbers of the mirror's accounts; MirrorGroups ids of its groups.
	Accounts     []uint32
	MirrorGroups []string
	People       []directory.UserKey
	Links        []LinkKey
	// Owned and Lost are ids of Open WebUI groups.
	Owned, Lost []string
	// Roles are ids of accounts, Grants resources of which we gave something, Resources those
	// of the mirror.
	Roles             []string
	Grants, Resources []ResourceKey

	Losses, Holds, Approvals, Accepted, Scopes, Tombstones bool

	// Events are what the audit says about these changes; they are stored with them.
	Events []run.Event
}

// Empty reports whether nothing changed.
func (d *Dirty) Empty() bool {
	return !d.Head && len(d.Accounts)+len(d.MirrorGroups)+len(d.People)+len(d.Links)+len(d.Owned)+len(d.Lost)+len(d.Events)+len(d.Roles)+len(d.Grants)+len(d.Resources) == 0 &&
		!d.Losses && !d.Holds && !d.Approvals && !d.Accepted && !d.Scopes && !d.Tombstones
}

// Intent is one call that a run is about to make, written down before it is made. It
// names the link, because the group may not exist yet.
type Intent struct {
	Run string `json:"run"`
	// Seq numbers the intents of a run, from 0.
	Seq     int       `json:"seq"`
	At      time.Time `json:"at"`
	Op      string    `json:"op"`
	Link    LinkKey   `json:"link"`
	GroupID string    `json:"group_id,omitempty"`
	Name    string    `json:"name,omitempty"`
	// Accounts are the ids of the members to add or remove.
	Accounts []string `json:"accounts,omitempty"`
	// Feeds says, per account, through what an added member is wanted: positions in
	// Keys.
	Feeds [][]int   `json:"feeds,omitempty"`
	Keys  []FeedKey `json:"keys,omitempty"`
	// Role is the role that an account gets, as it is recorded once the account has it.
	Role *OwnedRole `json:"role,omitempty"`
	// Email is that of an account to be made.
	Email string `json:"email,omitempty"`
	// Resource is whose grants change; Add and Remove are those.
	Resource ResourceKey  `json:"resource,omitzero"`
	Add      []OwnedGrant `json:"add,omitempty"`
	Remove   []Grant      `json:"remove,omitempty"`
	// AddLinks are the wanted groups that added grants are for, one for each, where a group
	// had no id yet; nil: all had one.
	AddLinks []LinkKey `json:"add_links,omitempty"`
}
