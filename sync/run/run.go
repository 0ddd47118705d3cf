// Package run holds the words of a run: what started it, what it changed, what it
// held back, and the report that people and scripts read.
//
// The JSON names here are a contract with scripts; they never change meaning. The
// package decides nothing: plan computes changes, engine carries them out.
package run

import (
	"cmp"
	"time"
)

// Trigger is what started a run.
type Trigger string

// The triggers.
const (
	Manual   Trigger = "manual"
	Schedule Trigger = "schedule"
	Webhook  Trigger = "webhook"
	Watch    Trigger = "watch"
	Reload   Trigger = "reload"
	Confirm  Trigger = "confirm"
	Push     Trigger = "push"
)

// Watched reports whether a source said by itself that something changed.
func (t Trigger) Watched() bool { return t == Watch || t == Push }

// Mode says whether a run may write.
type Mode string

// The modes.
const (
	Apply Mode = "apply"
	Plan  Mode = "plan"
)

// Op is the kind of a change.
type Op string

// The kinds of change.
const (
	CreateGroup    Op = "create_group"
	UpdateGroup    Op = "update_group"
	DeleteGroup    Op = "delete_group"
	AddMember      Op = "add_member"
	RemoveMember   Op = "remove_member"
	AdoptMember    Op = "adopt_member"
	ReleaseMember  Op = "release_member"
	SetPermissions Op = "set_permissions"
	SetRole        Op = "set_role"
	CreateAccount  Op = "create_account"
	SetGrants      Op = "set_grants"
)

// Outcome is what became of a change.
type Outcome string

// The outcomes.
const (
	Applied Outcome = "applied"
	Planned Outcome = "planned"
	Held    Outcome = "held"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped"
)

// Check names a rule of the guard. Checks orders them: a change that several hold
// shows the first.
type Check string

// The checks of the guard.
const (
	MaxPeople       Check = "max_people"
	MaxPeople24h    Check = "max_people_24h"
	MaxGroupLoss    Check = "max_group_loss"
	MaxDemotions    Check = "max_demotions"
	MaxNewAdmins    Check = "max_new_admins"
	MaxNewGroups    Check = "max_new_groups"
	MaxCuts         Check = "max_cuts"
	MaxSourceShrink Check = "max_source_shrink"
	Emptied         Check = "emptied"
	Unruled         Check = "unruled"
	SourceRemoved   Check = "source_removed"
	SourceChanged   Check = "source_changed"
	Exact           Check = "exact"
	TargetChanged   Check = "target_changed"
	Protected       Check = "protected"
	LastAdmin       Check = "last_admin"
	Reverted        Check = "reverted"
	Collision       Check = "collision"
	Recreated       Check = "recreated"
	StateLost       Check = "state_lost"
)

// Checks lists every check in the order in which they are shown.
func Checks() []Check {
	return []Check{MaxPeople, MaxPeople24h, MaxGroupLoss, MaxDemotions, MaxNewAdmins, MaxNewGroups, MaxCuts, MaxSourceShrink, Emptied, Unruled,
		SourceRemoved, SourceChanged, Exact, TargetChanged, Protected, LastAdmin, Reverted, Collision, Recreated, StateLost}
}

// ProblemKind names what a problem is about.
type ProblemKind string

// The kinds of problem.
const (
	KindCollision  ProblemKind = "collision"
	KindConflict   ProblemKind = "conflict"
	KindUnmatched  ProblemKind = "unmatched"
	KindDrift      ProblemKind = "drift"
	KindForeign    ProblemKind = "foreign"
	KindSuspended  ProblemKind = "suspended"
	KindCompeting  ProblemKind = "competing_sync"
	KindLostGrants ProblemKind = "lost_grants"
	KindUnresolved ProblemKind = "unresolved"
	KindNaming     ProblemKind = "naming"
	KindStale      ProblemKind = "stale"
)

// Problem is something a person should know or settle; it stops nothing by itself.
type Problem struct {
	Kind    ProblemKind `json:"kind"`
	Message string      `json:"message"`
	Hint    string      `json:"hint,omitempty"`
}

// GroupRef names an Open WebUI group. ID is empty for one that does not exist yet.
type GroupRef struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// UserRef names an Open WebUI account.
type UserRef struct {
	ID    string `json:"id"`
	Email string `json:"email"`
}

// ResourceRef names something in Open WebUI that is shared by grants: a model, knowledge,
// prompt, tool or skill.
type ResourceRef struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Field is one value that a change sets: of a group, an account, the default permissions, or
// one grant of a resource.
type Field struct {
	Name string `json:"name"`
	From any    `json:"from"`
	To   any    `json:"to"`
	// Principal is whom a grant is for, as group:ID or user:ID: names of groups are not
	// unique. It is empty for a group that does not exist yet, and for all other values.
	Principal string `json:"principal,omitempty"`
}

// HoldRef is the hold that keeps a change back.
type HoldRef struct {
	Check  Check  `json:"check"`
	Detail string `json:"detail"`
	Hash   string `json:"hash"`
}

// HoldNote is an open hold in a report: what it is about, and how much it keeps back.
type HoldNote struct {
	Check   Check  `json:"check"`
	Scope   string `json:"scope"`
	Detail  string `json:"detail"`
	Hash    string `json:"hash"`
	Changes int    `json:"changes"`
}

// Change is one difference between what is wanted and what Open WebUI holds. It has a group
// where it is about one; a role and an account have a user, grants a resource, and
// permissions without a group are the defaults of the instance.
type Change struct {
	Op       Op           `json:"op"`
	Group    *GroupRef    `json:"group,omitempty"`
	User     *UserRef     `json:"user,omitempty"`
	Resource *ResourceRef `json:"resource,omitempty"`
	Fields   []Field      `json:"fields,omitempty"`
	Absence  string       `json:"absence,omitempty"`
	Reason   string       `json:"reason,omitempty"`
	Rule     string       `json:"rule,omitempty"`
	Outcome  Outcome      `json:"outcome"`
	Error    string       `json:"error,omitempty"`
	// Foreign marks what somebody else had made, and what is as if somebody else made it.
	Foreign bool     `json:"foreign,omitempty"`
	Hold    *HoldRef `json:"hold,omitempty"`
	// Reverts is the run whose change this one undoes.
	Reverts string `json:"reverts,omitempty"`
	// Imports is the file that the change comes from, by the beginning of its SHA-256.
	Imports string `json:"imports,omitempty"`
}

// GroupID gives the id of the group that the change is about; empty: none, or one that does
// not exist yet.
func (c *Change) GroupID() string {
	if c.Group == nil {
		return ""
	}
	return c.Group.ID
}

// GroupName gives its name, which also a group has that does not exist yet.
func (c *Change) GroupName() string {
	if c.Group == nil {
		return ""
	}
	return c.Group.Name
}

// About names what the change is about, for people.
func (c *Change) About() string {
	switch {
	case c.Group != nil:
		return c.Group.Name
	case c.Resource != nil:
		return c.Resource.Type + " " + cmp.Or(c.Resource.Name, c.Resource.ID)
	case c.User != nil:
		return cmp.Or(c.User.Email, c.User.ID)
	}
	return "default permissions"
}

// Summary counts what a run did to one target.
type Summary struct {
	GroupsCreated   int `json:"groups_created"`
	GroupsUpdated   int `json:"groups_updated"`
	GroupsDeleted   int `json:"groups_deleted"`
	MembersAdded    int `json:"members_added"`
	MembersRemoved  int `json:"members_removed"`
	MembersAdopted  int `json:"members_adopted"`
	MembersReleased int `json:"members_released"`
	RolesChanged    int `json:"roles_changed"`
	GrantsChanged   int `json:"grants_changed"`
	AccountsCreated int `json:"accounts_created"`
	// DefaultsChanged counts changes of the default permissions of the instance.
	DefaultsChanged int `json:"defaults_changed"`
	Held            int `json:"held"`
	Failed          int `json:"failed"`
	Pending         int `json:"pending"`
	Drift           int `json:"drift"`
	Foreign         int `json:"foreign"`
	Unchanged       int `json:"unchanged"`
}

// Total adds up what a run did to all of its targets.
func (r *Report) Total() Summary {
	var all Summary
	for i := range r.Targets {
		t := &r.Targets[i].Summary
		all.GroupsCreated += t.GroupsCreated
		all.GroupsUpdated += t.GroupsUpdated
		all.GroupsDeleted += t.GroupsDeleted
		all.MembersAdded += t.MembersAdded
		all.MembersRemoved += t.MembersRemoved
		all.MembersAdopted += t.MembersAdopted
		all.MembersReleased += t.MembersReleased
		all.RolesChanged += t.RolesChanged
		all.GrantsChanged += t.GrantsChanged
		all.AccountsCreated += t.AccountsCreated
		all.DefaultsChanged += t.DefaultsChanged
		all.Held += t.Held
		all.Failed += t.Failed
	}
	return all
}

// Pending counts what a run that only planned would have written.
func (r *Report) Pending() int {
	if r.Mode != Plan {
		return 0
	}
	t := r.Total()
	return t.GroupsCreated + t.GroupsUpdated + t.GroupsDeleted + t.MembersAdded + t.MembersRemoved + t.RolesChanged + t.GrantsChanged +
		t.AccountsCreated + t.DefaultsChanged
}

// WouldHold reports whether a run that only planned met what the guard would hold: nothing
// waits for a decision yet.
func (r *Report) WouldHold() bool { return r.Mode == Plan && r.Exit == ExitHeld }

// ReadKind says how a source was read.
type ReadKind string

// The kinds of reading.
const (
	// ReadFull read everything, ReadChanges what changed since the read before.
	ReadFull    ReadKind = "full"
	ReadChanges ReadKind = "changes"
)

// IsZero leaves the usual kind out of reports, whose keys are a contract.
func (k ReadKind) IsZero() bool { return k == "" || k == ReadFull }

// SourceReport says what a run learned from one source.
type SourceReport struct {
	Name        string    `json:"name"`
	Coverage    string    `json:"coverage"`
	Reason      string    `json:"reason"`
	Hint        string    `json:"hint,omitempty"`
	AsOf        time.Time `json:"as_of"`
	Users       int       `json:"users"`
	Groups      int       `json:"groups"`
	Memberships int       `json:"memberships"`
	// Requests counts what was asked over HTTP; it is left out where nothing is counted.
	Requests int `json:"requests,omitempty"`
	// Read is empty where nothing was read, or one person only; in JSON also for full.
	Read ReadKind `json:"read,omitzero"`
	// Single says that the source knows single people only: it has no lists that could be
	// covered, and has failed only where there is a hint.
	Single bool `json:"single,omitempty"`
	// Fault is the kind of the failure, for metrics; empty: there was none, or nothing was tried.
	Fault string `json:"-"`
}

// Whole reports whether a read of everything showed all that the source can show.
func (s *SourceReport) Whole() bool { return s.Coverage == "full" || s.Single && s.Hint == "" }

// TargetReport says what a run did to one Open WebUI.
type TargetReport struct {
	Name     string  `json:"name"`
	Version  string  `json:"version"`
	Requests int     `json:"requests"`
	Writes   int     `json:"writes"`
	Plan     string  `json:"plan"`
	Summary  Summary `json:"summary"`
	// Changes are left out of the JSON where they were not loaded, as in a list of runs;
	// a run without changes has an empty list.
	Changes  []Change  `json:"changes,omitzero"`
	Problems []Problem `json:"problems"`
	// Imported says what became of the groups of a file.
	Imported []ImportedGroup `json:"imported,omitempty"`
	// Holds are the open holds after a full run, also those that list nothing yet.
	Holds []HoldNote `json:"holds,omitempty"`
	Error string     `json:"error,omitempty"`
	Hint  string     `json:"hint,omitempty"`
	// Fault is the kind of that error, for metrics; empty: there was none, or nothing was tried.
	Fault string `json:"-"`
	// Stale says that a written plan was not carried out because it is no longer the plan.
	Stale bool `json:"stale,omitempty"`
}

// Report is what a run prints and what history keeps.
type Report struct {
	Schema     int            `json:"schema"`
	Run        string         `json:"run"`
	Mode       Mode           `json:"mode"`
	Trigger    Trigger        `json:"trigger"`
	User       string         `json:"user,omitempty"`
	Started    time.Time      `json:"started"`
	DurationMS int64          `json:"duration_ms"`
	Sources    []SourceReport `json:"sources"`
	Targets    []TargetReport `json:"targets"`
	// Reverts is the run that this one undoes, Imports the file whose groups it carried in.
	Reverts string `json:"reverts,omitempty"`
	Imports string `json:"imports,omitempty"`
	By      string `json:"by,omitempty"`
	// Notices are what this run had to tell people.
	Notices []Notice `json:"notices,omitempty"`
	Exit    int      `json:"exit"`
	// Suspensions are how many milliseconds each account of somebody disabled or gone stayed
	// open after the directory said so.
	Suspensions []int64 `json:"-"`
}

// FaultOther stands for failures without a kind.
const FaultOther = "other"

// Schema is the version of the report.
const Schema = 1

// Single reports whether the run is about one person.
func (r *Request) Single() bool { return r.User != "" || r.Account != "" }

// Request asks for a run.
type Request struct {
	Trigger Trigger `json:"trigger"`
	Mode    Mode    `json:"mode"`
	// Source limits the pull to one source; the others are planned from what is
	// known of them. Target limits the run to one target. Empty: all.
	Source string `json:"source,omitempty"`
	Target string `json:"target,omitempty"`
	// Full reads everything, also where changes alone would do.
	Full bool `json:"full,omitempty"`
	// Quick leaves sources of single people as they are unless Source names one: to look at
	// everybody takes them minutes, and somebody waits for something else.
	Quick bool `json:"quick,omitempty"`
	// User makes it a run of one person, by mail, user name or id in a source.
	User string `json:"user,omitempty"`
	// Account makes it a run of one person too: of who has that account in Target.
	Account string `json:"account,omitempty"`
	// ID is the id that the run gets, where somebody has to know it before the run
	// begins; empty: one is made.
	ID string `json:"id,omitempty"`
	// Revert is the id of a run whose changes are undone instead of planning from the
	// directories; Reason says why.
	Revert string `json:"revert,omitempty"`
	Reason string `json:"reason,omitempty"`
	// By is who asks, for the audit.
	By string `json:"by,omitempty"`
}
