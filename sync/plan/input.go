package plan

import (
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/permission"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// Input is everything that Compute reads.
type Input struct {
	Now     time.Time
	Memory  *Memory
	Sources []Source
	Desired *Desired
	// Accepted is what the rules that were applied before want of the same replicas;
	// nil when the rules have not changed.
	Accepted *Desired
	// Rules are the keys of the rules in force.
	Rules map[string]bool
	// Could are the positions of the sources that each of these rules reads, by its key.
	Could map[string][]int
	// Match says in which order a person finds an account: sign_in, email.
	Match []string
	// Ignore and Protect are mail addresses of accounts.
	Ignore, Protect []string
	// Accounts says what of accounts and roles is ours; nil: nothing.
	Accounts *AccountRules
	// Defaults are the keys of the instance's default permissions that we keep; nil: none.
	Defaults permission.Set
	// Only limits the plan to one account or, while they have none, to nobody.
	Only *Only
	// Undo is the run whose inverse is planned; nil for every other run. Such a plan says
	// nothing about what the directories want, so Guard leaves all else as it is.
	Undo *run.Report
	// Import is a file of groups that is carried in; nil for every other run. What is said of
	// a plan with Undo holds for it too.
	Import *Importing
}

// Apart reports whether the plan is not made from the directories, so that it says nothing
// about what they want.
func (in *Input) Apart() bool { return in.Undo != nil || in.Import != nil }

// AccountRules say what becomes of accounts and roles. Which role a person has through a
// directory group is a Want with a Role.
type AccountRules struct {
	// Authority are the ids of the sources that decide for all sources who is disabled, gone,
	// or in which role; empty: the only source.
	Authority []string
	// Otherwise is keep or pending: for people whom no line names and whose role we did not
	// give.
	Otherwise string
	// Disabled and Gone are pending or keep.
	Disabled, Gone string
	// RevokeSessions ends the sign-in sessions of whoever becomes pending.
	RevokeSessions bool
	// Create is never, pending or user: the role of accounts made before a first sign-in.
	Create string
}

// disables reports whether the accounts of those whom a source says are disabled are closed.
func (r *AccountRules) disables(source string) bool {
	return r != nil && r.Disabled == RolePending && (len(r.Authority) == 0 || slices.Contains(r.Authority, source))
}

// Only is the person whom a one-person run is about.
type Only struct {
	Account uint32
	// None: the person has no account yet; only the counts are of interest, and whether they
	// get one. People are then who that is.
	None   bool
	People []directory.UserKey
}

// Source is one source as the rules and the guard see it.
type Source struct {
	// ID is its identity in the state, Name its key in the configuration.
	ID, Name string
	Replica  *replica.Replica
	Grace    replica.Grace
	MaxAge   time.Duration
	// Single says that the source knows single people only: it could have granted only
	// what it has shown, and nothing follows from whom it does not show.
	Single bool
	// Provider is the OAuth provider inside Open WebUI that these people use, Subject
	// the attribute that is its subject there. Empty: matched by mail only.
	Provider, Subject string
	// Domains are the mail domains in which mail links accounts; empty: any.
	Domains []string
	// Scope says in a canonical text what the source shows; Read that this run read it
	// completely.
	Scope string
	Read  bool
}

// Plan is what Compute found.
type Plan struct {
	Target  string
	Hash    string
	Changes []Change
	// Problems are sorted by kind and message.
	Problems []run.Problem
	Summary  run.Summary
	// People are new links and ended ones; they are recorded whatever the guard says.
	People Linked
	// Links are links of groups that were found or taken over without a write.
	Links []FoundLink
	// Provenance are owned memberships whose grants changed without a change there.
	Provenance []Regrant
	// Clocks are the clocks of each group as they are after this run, for groups where
	// they changed.
	Clocks map[string][]Clock
	// Grants are those of ours as they are after this run but for what its calls change, for
	// resources where that differs, sorted.
	Grants []ResourceGrants
	// Forgotten are values that are ours no longer although no call changes them.
	Forgotten []ForgottenValue
	// Lost are the members in doubt of each group as they are after this run, for groups
	// where they changed.
	Lost map[string][]uint32
	// Unknown are keys of owned memberships that are neither wanted nor proved absent;
	// Waiting counts them by the id of the source that they wait for.
	Unknown map[string]bool
	Waiting map[string]int
	// Imported says what becomes of the groups of a file, and Refs which groups they are, in
	// the order of the file; a group to be made gets its id there.
	Imported []run.ImportedGroup
	Refs     []*run.GroupRef
	// ConfirmAt is when a further complete read can settle an unknown; zero: never.
	ConfirmAt time.Time
	// Roles are notes about accounts that need no call.
	Roles []RoleNote
	// Accepts says that nothing is left that the accepted rules want and the present
	// ones do not.
	Accepts bool
	// SourceLosses are the sources that have losses or unknowns in this plan.
	SourceLosses map[string]bool
}

// Change is a change with what is needed to carry it out and to judge it.
type Change struct {
	run.Change
	// Key identifies the change across runs.
	Key string
	// Link is the wanted group, Want its position in Desired.Wants or -1.
	Link LinkKey
	Want int
	// Links are all links that lead to a group to be created. Leaves is the group that
	// such a link leads to so far, when another want holds that one now; empty: none.
	Links   []LinkKey
	Leaves  string
	Account uint32
	// Feeds are the grants of an added or adopted member.
	Feeds []FeedKey
	// Proof is the absence behind a removal; Scope the rule, source or group that a
	// hold of it is about.
	Proof Proof
	// Spec is what a create or an update writes. Below is the wanted group above a new one
	// that is made in the same run, level how many such there are.
	Spec  GroupSpec
	Below *LinkKey
	level int
	// Resource and Grants are what a change of grants is about: those to add and to remove.
	// The principal of an added one is the group of Link where its ID is still empty.
	Resource ResourceKey
	Grants   GrantEdit
	// NewAccount is the account that a creation makes.
	NewAccount AccountSpec
	// Person is who a new account is for.
	Person directory.UserKey
	// Revoke ends the sign-in sessions of the account too.
	Revoke bool
	// Record is what the ledger keeps of a role once the account has it, and Role the id of
	// the role that is then ours through Feeds; empty: none.
	Record *OwnedRole
	Role   string
	// Since is as of when the directory says what a suspension rests on.
	Since time.Time
	// For is the group of a file that added grants are for, which may not be made yet.
	For *run.GroupRef
	// Under is the parent that a group of a file gets, whose id may not be known before it is
	// made; nil: Spec has it.
	Under *run.GroupRef
	// Restored are the values that go back to what was there before us.
	Restored []string
	// Approved says that an approval lets this change through.
	Approved bool
	// Affected are the accounts that lose something by permissions or grants that go, as far
	// as the guard had to count them.
	Affected []uint32
	// Against are the changes by which a later run would undo this one, which undoes
	// another: they are held from then on.
	Against []Opposite
}

// GrantEdit is what a change does to the grants of one resource.
type GrantEdit struct {
	Add, Remove []Grant
}

// Opposite is a change that is held because a person undid it.
type Opposite struct {
	Key    string
	Change run.Change
}

// Loss reports whether the change takes something away from somebody.
func (c *Change) Loss() bool { return c.Op == run.RemoveMember || c.Demotes() }

// Proof is why a membership may be taken away: an absence that a replica proved, or a
// change of the rules or of the configuration, which is always held.
type Proof struct {
	// Word is the word of the report: explicit, left, gone, unselected, unruled; empty
	// for a member of an exact group whom nobody gave anything.
	Word   string
	Reason string
	// Sources are the ids of the sources whose evidence it rests on.
	Sources []string
	// Rule is the rule that granted it.
	Rule string
	// Exact marks a member who is not ours, in a group that takes only ours.
	Exact bool
	// Lost marks a member who is in doubt since the state was lost, Nobody that their
	// account belongs to nobody in any directory.
	Lost, Nobody bool
	// TakenOver marks a membership that is ours by a person's decision alone.
	TakenOver bool
	// SourceRemoved marks a grant of a source that is no longer configured.
	SourceRemoved bool
}

// ours reports whether the removal is of somebody whom we put there, as far as we know.
func (p *Proof) ours() bool { return !p.Exact && !p.Lost }

// Linked are changes in who is which account.
type Linked struct {
	New []NewLink
	// Ended are links whose account is proved deleted.
	Ended []NewLink
}

// NewLink is one link of a person and an account.
type NewLink struct {
	Source, User string
	Link         PersonLink
}

// FoundLink is a link of a wanted group to an Open WebUI group.
type FoundLink struct {
	Link    LinkKey
	GroupID string
}

// ResourceGrants are the grants of one resource that are ours.
type ResourceGrants struct {
	ResourceKey
	Grants []OwnedGrant
}

// ForgottenValue is a value of a group, or without a group one of the default permissions,
// that somebody else has set since we did, and that no rule names any more.
type ForgottenValue struct {
	GroupID, Field string
}

// Regrant replaces the grants of one owned membership.
type Regrant struct {
	GroupID string
	Account uint32
	Feeds   []FeedKey
}
