package plan

import (
	"encoding/json"
	"sync"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/run"
)

// Memory is what we remember about one target: what it held (Mirror), which account
// is which person, which group is which link, what we gave to whom, and what the
// guard holds. Compute and Guard read it; engine changes it as changes succeed.
type Memory struct {
	Target string
	// Instance tells this state from any other, in marks.
	Instance string
	// Began is when this memory began to exist.
	Began  time.Time
	Serial uint64
	Mirror *Mirror

	People *PersonLinks
	Links  map[LinkKey]GroupLink
	// Owned is by the id of the Open WebUI group.
	Owned map[string]*OwnedGroup
	// Losses of the last 24 hours, oldest first.
	Losses []Loss
	// Holds and Approvals are sorted by hash.
	Holds     []run.Hold
	Approvals []run.Approval
	// Accepted are the rules that a full run has applied, each in its stored form.
	Accepted []AcceptedRule
	// Roles are the roles that we gave, by the id of the account.
	Roles map[string]OwnedRole
	// Grants are those that we gave, by their resource.
	Grants map[ResourceKey][]OwnedGrant
	// Defaults are the default permissions that we set, by permissions.KEY.
	Defaults Values
	// Scopes are the accepted scope and size of each source, by its id.
	Scopes map[string]run.AcceptedSource
	// Tombstones remember removals, forgets and ended links for 90 days.
	Tombstones []Tombstone
	// Lost are the members, by the id of their group and sorted, whom groups with our mark
	// had when we found that our state had been lost or restored, and about whom nothing is
	// known or decided yet.
	Lost map[string][]uint32
	// Peers are other states whose marks were seen, by their instance.
	Peers map[string]Peer
}

// PersonLink is the account of a directory user. It is never guessed again while
// both ends live.
type PersonLink struct {
	Account string    `json:"account"`
	By      string    `json:"by"` // sign_in, email, manual
	Email   string    `json:"email,omitempty"`
	Since   time.Time `json:"since"`
}

// GroupLink is the Open WebUI group of a link key, with what we last wrote there.
type GroupLink struct {
	GroupID string    `json:"group_id"`
	Since   time.Time `json:"since"`
	Created bool      `json:"created"` // by us, not adopted
	// Applied and Before hold single values by field name (name, description, share,
	// permissions.KEY): what we last wrote, and what was there before us.
	Applied map[string]json.RawMessage `json:"applied,omitempty"`
	Before  map[string]json.RawMessage `json:"before,omitempty"`
	// RecreatedAt is when the group was last made again after somebody deleted it.
	RecreatedAt time.Time `json:"recreated_at,omitzero"`
	// Exact says that somebody has approved that the group takes nobody whom the
	// directory does not name.
	Exact bool `json:"exact,omitempty"`
	// Kept are the ids, sorted, of accounts that somebody decided to leave in the group
	// although it takes only whom the directory names.
	Kept []string `json:"kept,omitempty"`
	// Shared are the grants that the group had when somebody deleted it, as they were last
	// read.
	Shared []SharedGrant `json:"shared,omitempty"`
}

// SharedGrant is a grant of a group, by what it shares.
type SharedGrant struct {
	ResourceKey
	Name       string `json:"name,omitempty"`
	Permission string `json:"permission"`
}

// Values are single values by field name: what we last wrote, and what was there before us.
type Values struct {
	Applied map[string]json.RawMessage `json:"applied,omitempty"`
	Before  map[string]json.RawMessage `json:"before,omitempty"`
}

// OwnedRole is a role that we gave an account.
type OwnedRole struct {
	// Role is what we gave last, Before what the account had before us.
	Role   string    `json:"role"`
	Before string    `json:"before"`
	Since  time.Time `json:"since"`
	// Why is role (a directory group), disabled, gone, otherwise or created.
	Why string `json:"why"`
	// Rule and Group say which directory group gave it.
	Rule  string             `json:"rule,omitempty"`
	Group directory.GroupKey `json:"group,omitzero"`
}

// OwnedGrant is a grant of a resource that we made.
type OwnedGrant struct {
	Grant
	Since time.Time `json:"since"`
	Rule  string    `json:"rule,omitempty"`
}

// OwnedGroup is who is a member of one Open WebUI group because of us.
type OwnedGroup struct {
	GroupID string
	// Feeds are sorted by key; the accounts of each are sorted numbers.
	Feeds []OwnedFeed
	// Clocks run for owned members whose only trouble is that no rule selects what
	// grants them any more, sorted by account.
	Clocks []Clock
}

// OwnedFeed is who got the membership through one rule and directory group. The accounts
// may share memory with the members of the mirror, so none is taken out in place.
type OwnedFeed struct {
	Key      FeedKey
	Accounts []uint32
}

// Clock counts complete reads in which a condition held.
type Clock struct {
	Account uint32    `json:"account"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Reads   int       `json:"reads"`
}

// Loss is one membership that we took away, or, as a Cut and without a group, that somebody
// lost a permission or a grant.
type Loss struct {
	At       time.Time `json:"at"`
	Group    string    `json:"group"`
	Account  string    `json:"account"`
	Approved bool      `json:"approved,omitempty"`
	Cut      bool      `json:"cut,omitempty"`
}

// AcceptedRule is a rule as a full run applied it.
type AcceptedRule struct {
	Key string `json:"key"`
	// Hash is over Spec.
	Hash string          `json:"hash"`
	Spec json.RawMessage `json:"spec"`
}

// Tombstone remembers that a membership of ours ended, or, with a Link, that a person had
// the account, or, with the account alone, that it was deleted.
type Tombstone struct {
	At      time.Time         `json:"at"`
	Group   string            `json:"group,omitempty"`
	Account string            `json:"account"`
	Feed    FeedKey           `json:"feed,omitzero"`
	Person  directory.UserKey `json:"person,omitzero"`
	Link    *PersonLink       `json:"link,omitempty"`
}

// NewMemory gives the memory of a target that was never seen.
func NewMemory(target, instance string, began time.Time) *Memory {
	return &Memory{
		Target: target, Instance: instance, Began: began, Mirror: NewMirror(),
		People: &PersonLinks{}, Links: map[LinkKey]GroupLink{},
		Owned: map[string]*OwnedGroup{}, Scopes: map[string]run.AcceptedSource{}, Lost: map[string][]uint32{}, Peers: map[string]Peer{},
		Roles: map[string]OwnedRole{}, Grants: map[ResourceKey][]OwnedGrant{},
	}
}

// EraseAccounts forgets name, mail address and subjects of the accounts that were deleted and
// that no tombstone and no link names any more.
func (m *Memory) EraseAccounts(dirty *Dirty) {
	remembered := sync.OnceValue(func() map[string]bool {
		ids := map[string]bool{}
		for i := range m.Tombstones {
			ids[m.Tombstones[i].Account] = true
		}
		for _, link := range m.People.All() {
			ids[link.Account] = true
		}
		return ids
	})
	dirty.Accounts = append(dirty.Accounts, m.Mirror.erase(func(id string) bool { return remembered()[id] })...)
}
