package plan

import (
	"slices"
	"strings"
	"time"

	"groupsyncd/sync/run"
)

// Everybody who has a role is treated like the members of a group with the id of the role, so
// that who gets and who loses a role rests on the same evidence as memberships. Such a group
// is in the ledger only, never in the mirror.
const roleGroup = "role:"

// RoleGroup gives the id under which the ledger keeps who has a role because of us.
func RoleGroup(role string) string { return roleGroup + role }

// IsRole reports whether an id of the ledger stands for a role and not for a group.
func IsRole(id string) bool { return strings.HasPrefix(id, roleGroup) }

// rankedRoles are the roles from the weakest to the strongest.
var rankedRoles = []string{RolePending, RoleUser, RoleAdmin}

// RoleRank orders roles by what they allow; below zero: a role that we do not know.
func RoleRank(role string) int { return slices.Index(rankedRoles, role) }

// Why an account has the role that we noted.
const (
	whyRole      = "role"
	whyDisabled  = "disabled"
	whyGone      = "gone"
	whyOtherwise = "otherwise"
	whyCreated   = "created"
	whyKept      = "kept" // somebody decided that it stays
)

// Suspends reports whether we took the role because of what the directory says of the person.
func (r *OwnedRole) Suspends() bool { return r.Why == whyDisabled || r.Why == whyGone }

// Roles gives the role that a change takes from an account and the one that it gives.
func (c *Change) Roles() (from, to string) {
	if c.Op != run.SetRole || len(c.Fields) == 0 {
		return "", ""
	}
	from, _ = c.Fields[0].From.(string)
	to, _ = c.Fields[0].To.(string)
	return from, to
}

// Demotes reports whether the change is a step down, Promotes a step up.
func (c *Change) Demotes() bool {
	from, to := c.Roles()
	return c.Op == run.SetRole && RoleRank(from) > RoleRank(to)
}

// Promotes reports whether the change is a step up.
func (c *Change) Promotes() bool {
	from, to := c.Roles()
	return c.Op == run.SetRole && RoleRank(from) < RoleRank(to)
}

// LossScope is where the change takes something away, as losses are counted: the group, or the
// role.
func (c *Change) LossScope() string {
	if from, _ := c.Roles(); from != "" {
		return RoleGroup(from)
	}
	return c.GroupID()
}

func (c *Change) lossName() string {
	if from, _ := c.Roles(); from != "" {
		return "role " + from
	}
	return c.GroupName()
}

// roleField is the one field of a change of a role.
func roleField(from, to string) []run.Field { return []run.Field{{Name: "role", From: from, To: to}} }

// RoleNote is what is noted about an account without a call: its role is the wanted one
// already, or what we gave ended without a change.
type RoleNote struct {
	Account uint32
	// Record is what the ledger keeps then; nil: nothing.
	Record *OwnedRole
	// Group is the role that is ours through Feeds; empty: none.
	Group string
	Feeds []FeedKey
}

// NoteRole takes what became of an account's role into the ledger: what is remembered about
// it, and through what it is ours. All other roles are then not ours.
func (m *Memory) NoteRole(account uint32, record *OwnedRole, group string, feeds []FeedKey, dirty *Dirty) {
	id := m.Mirror.Account(account).ID
	for _, role := range rankedRoles {
		g := RoleGroup(role)
		var now []FeedKey
		if g == group {
			now = feeds
		}
		o := m.Owned[g]
		if o == nil {
			if len(now) == 0 {
				continue
			}
			o = &OwnedGroup{GroupID: g}
			m.Owned[g] = o
		} else if len(now) == 0 && !o.Has(account) {
			continue
		}
		o.Set(account, now)
		if len(o.Feeds) == 0 {
			delete(m.Owned, g)
		}
		dirty.Owned = append(dirty.Owned, g)
	}
	if record != nil && record.Role == record.Before && len(feeds) == 0 && record.Why == whyRole {
		record = nil // As it was before us: nothing is ours any more.
	}
	_, had := m.Roles[id]
	if record == nil {
		if !had {
			return
		}
		delete(m.Roles, id)
	} else {
		if *record == m.Roles[id] {
			return
		}
		m.Roles[id] = *record
	}
	dirty.Roles = append(dirty.Roles, id)
}

// suspendedByHand ends what was ours of the role of an account that somebody made pending:
// whatever it has later was not given by us.
func (m *Memory) suspendedByHand(account uint32, dirty *Dirty) {
	if m.Mirror.accounts[account].ByHand {
		m.NoteRole(account, nil, "", nil, dirty)
	}
}

// TookRole takes a role that a call has set into the mirror: whoever is pending then was not
// made so by somebody else.
func (m *Memory) TookRole(a *Account, dirty *Dirty) {
	n, _ := m.Mirror.account(a, time.Time{}, time.Time{})
	m.Mirror.accounts[n].ByHand = false
	dirty.Accounts = append(dirty.Accounts, n)
}

// owns reports whether a membership, or a role, is ours.
func (m *Memory) owns(group string, account uint32) bool {
	o := m.Owned[group]
	return o != nil && o.Has(account)
}
