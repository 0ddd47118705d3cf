package plan

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/index"
	"groupsyncd/sync/run"
)

// Account is one account of Open WebUI.
type Account struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
	Role  string `json:"role"`
	// Subjects are the OAuth subjects by provider name inside Open WebUI. Nil when
	// the account was read without them.
	Subjects map[string]string `json:"subjects,omitempty"`
	// CreatedAt is in seconds since 1970, as the server gives it.
	CreatedAt int64 `json:"created_at"`
	// Deleted marks an account that is proved to be no longer there.
	Deleted bool `json:"deleted,omitempty"`
	// ByHand marks an account that is pending because somebody else made it so: it had
	// another role before, or was not new when we saw it first.
	ByHand bool `json:"by_hand,omitempty"`
}

// Mark is our note in data.groupsyncd of a group that we made or took over.
type Mark struct {
	// Instance tells one state folder from another.
	Instance string `json:"instance"`
	// Rule and, for a group made from a directory group, Source and Group say which
	// link the group belongs to; To is the literal name of a rule without template.
	Rule   string `json:"rule"`
	Source string `json:"source,omitempty"`
	Group  string `json:"group,omitempty"`
	To     string `json:"to,omitempty"`
	// Serial grows with every run that writes.
	Serial uint64 `json:"serial"`
}

// Link gives the link that the mark names.
func (m *Mark) Link() LinkKey {
	return LinkKey{Rule: m.Rule, To: m.To, Group: directory.GroupKey{Source: m.Source, ID: m.Group}}
}

// Group is one group of Open WebUI.
type Group struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	// Permissions and Data are the JSON objects as the server gave them, null as nil.
	Permissions json.RawMessage `json:"permissions,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	// Share is data.config.share in our words: anyone, members, nobody.
	Share string `json:"share,omitempty"`
	// Mark is our note in the data, nil when there is none.
	Mark        *Mark  `json:"mark,omitempty"`
	Parent      string `json:"parent,omitempty"`
	MemberCount int    `json:"member_count"`
	// UpdatedAt is in seconds since 1970; every write of a membership sets it.
	UpdatedAt int64 `json:"updated_at"`

	// Members are the ids of the direct members; meaningful when MembersRead.
	Members     []string `json:"-"`
	MembersRead bool     `json:"-"`
	// ReadAt is the server's own time of the answer that gave Members, from its Date
	// header, in whole seconds.
	ReadAt time.Time `json:"-"`
}

// Observation is what one look at the target found out.
type Observation struct {
	Version    string
	Deployment string
	// Self is the id of the account behind our key, when known.
	Self string
	// Accounts are all accounts when AllAccounts, else the ones that were not known.
	Accounts    []Account
	AllAccounts bool
	// Groups is every group there is. Those without MembersRead are unchanged since
	// the mirror's verified reading.
	Groups []Group
	// Resources are all there are of ResourceTypes, the types that were read.
	Resources     []Resource
	ResourceTypes []string
	// Defaults are the default permissions of the instance; nil: not read.
	Defaults Defaults
	// Own are the permissions of our own account, as the server computes them with the
	// defaults that it really applies; nil: not read.
	Own json.RawMessage
	// Parents says that groups there can have a parent.
	Parents bool
	// ReadAll says that the members of every group were read.
	ReadAll bool
	At      time.Time
}

// Mirror is our copy of what a target held when we last looked. Accounts have
// dense numbers that stay the same for the life of the state, so that members of
// mirror and ledger are small sorted lists of numbers.
type Mirror struct {
	Version    string
	Deployment string
	Self       string
	// ReadAllAt is when the members of every group were last read.
	ReadAllAt time.Time
	// At is when the last observation was made.
	At time.Time
	// Competing are problems with the server's own group sync, as its settings were
	// last read.
	Competing []run.Problem
	// Defaults are the default permissions as they were last read; nil: never.
	Defaults Defaults
	// Parents says that groups there can have a parent.
	Parents bool
	// ResourcesAt is when each type of resource was last read.
	ResourcesAt map[string]time.Time

	resources map[ResourceKey]*Resource
	accounts  []Account
	byID      index.Index
	groups    map[string]*MirrorGroup
}

// MirrorGroup is a group with the members of its last verified reading.
type MirrorGroup struct {
	Group
	// Numbers are the members as account numbers, sorted.
	Numbers []uint32
}

// NewMirror gives an empty mirror.
func NewMirror() *Mirror {
	return &Mirror{groups: map[string]*MirrorGroup{}, resources: map[ResourceKey]*Resource{}, ResourcesAt: map[string]time.Time{}}
}

// RestoreMirror rebuilds a mirror from its stored parts; the account's position in
// the slice is its number.
func RestoreMirror(head Mirror, accounts []Account, groups []*MirrorGroup, resources ...*Resource) *Mirror {
	m := head
	if m.ResourcesAt == nil {
		m.ResourcesAt = map[string]time.Time{}
	}
	m.resources = make(map[ResourceKey]*Resource, len(resources))
	for _, r := range resources {
		m.resources[r.ResourceKey] = r
	}
	m.accounts = accounts
	m.byID = index.Of(len(accounts), m.accountID)
	m.groups = make(map[string]*MirrorGroup, len(groups))
	for _, g := range groups {
		m.groups[g.ID] = g
	}
	return &m
}

// Accounts gives the table of accounts; the position is the number. Not to be changed.
func (m *Mirror) Accounts() []Account { return m.accounts }

// Account gives the account with that number.
func (m *Mirror) Account(n uint32) *Account { return &m.accounts[n] }

// Number finds the number of an account by its id.
func (m *Mirror) Number(id string) (uint32, bool) {
	return m.byID.Find(id, m.accountID)
}

func (m *Mirror) accountID(n uint32) string { return m.accounts[n].ID }

// erase leaves of every deleted account that keep does not name only its id, its role and the
// time of its making, and gives the numbers of those that changed. The id tells a restored
// Open WebUI later; nothing is decided by the rest.
func (m *Mirror) erase(keep func(id string) bool) []uint32 {
	var out []uint32
	for i := range m.accounts {
		a := &m.accounts[i]
		if a.Deleted && (a.Email != "" || a.Name != "" || len(a.Subjects) > 0) && !keep(a.ID) {
			a.Email, a.Name, a.Subjects = "", "", nil
			out = append(out, uint32(i))
		}
	}
	return out
}

// OnlyProvider gives the OAuth provider through which accounts sign in, when that is the
// same for all that have one; empty: there are several, or none.
func (m *Mirror) OnlyProvider() string {
	only := ""
	for i := range m.accounts {
		for provider := range m.accounts[i].Subjects {
			switch {
			case m.accounts[i].Deleted || provider == only:
			case only != "":
				return ""
			default:
				only = provider
			}
		}
	}
	return only
}

// Living counts the accounts that are not known as deleted.
func (m *Mirror) Living() int {
	n := 0
	for i := range m.accounts {
		if !m.accounts[i].Deleted {
			n++
		}
	}
	return n
}

// Group gives the group with that id, or nil.
func (m *Mirror) Group(id string) *MirrorGroup { return m.groups[id] }

// Groups gives the groups ordered by id.
func (m *Mirror) Groups() []*MirrorGroup {
	return slices.SortedFunc(maps.Values(m.groups), func(a, b *MirrorGroup) int {
		switch {
		case a.ID < b.ID:
			return -1
		case a.ID > b.ID:
			return 1
		}
		return 0
	})
}

// Resource gives what is shared under that key, or nil.
func (m *Mirror) Resource(key ResourceKey) *Resource { return m.resources[key] }

// Resources gives what is shared, ordered by type and id. Not to be changed.
func (m *Mirror) Resources() []*Resource {
	return slices.SortedFunc(maps.Values(m.resources), func(a, b *Resource) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID))
	})
}

// racyMargin is how much older than its reading a group's last change must be for
// an equal count and time to prove that nothing changed: times there are whole
// seconds, so a change in the second of the reading would not show.
const racyMargin = 2 * time.Second

// Unchanged reports whether a listed group still has the members of the mirror's
// reading, judged by its count and its time of change.
func (m *Mirror) Unchanged(g *Group) bool {
	have := m.groups[g.ID]
	if have == nil || !have.MembersRead {
		return false
	}
	return have.MemberCount == g.MemberCount && have.UpdatedAt == g.UpdatedAt &&
		len(have.Numbers) == g.MemberCount &&
		time.Unix(g.UpdatedAt, 0).Add(racyMargin).Before(have.ReadAt)
}
