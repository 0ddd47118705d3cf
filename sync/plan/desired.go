package plan

import (
	"groupsyncd/permission"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// Desired is what a set of rules wants of one target.
type Desired struct {
	// Wants are sorted by name, then by their first link.
	Wants    []Want
	Problems []run.Problem
	// AddOnly are the keys of rules that never take a membership away, not even where
	// they select nothing any more.
	AddOnly map[string]bool
	// Access is what each rule that concerns the target shares with its groups, by the key of
	// the rule and the type of resource, whether it selects anything now or not.
	Access map[string]map[string]Access
}

// Want is one Open WebUI group that rules ask for.
type Want struct {
	// Links are the keys that lead to this group, sorted; several when rules unite.
	Links []LinkKey
	// Name is empty where the rules give none that can be used: then nothing is made or
	// renamed, and what is linked goes on.
	Name string
	// DirID and DirPath are the id and path of the directory group, for adoption; empty
	// when several directory groups unite.
	DirID, DirPath string
	Feeds          []Feed
	// Could are the positions of the sources that could grant a membership here.
	Could   []int
	Members Members
	Create  Create
	Adopt   Adopt
	// Description, Share and Permissions are nil or empty where no rule names them.
	Description *string
	Share       string
	Permissions permission.Set
	// Parent is the name of the wanted parent group, for servers that have them; DefaultModels
	// are ids of models. Empty: not touched.
	Parent        string
	DefaultModels []string
	// Resources are what the group may use, as globs on ids and names, by the type.
	// Unfilled says that a template of them could not be filled in, so that some may be missing.
	Resources map[string]Access
	Unfilled  bool
	// Role makes it no group but the accounts that have this role; Name is then empty.
	Role string
	// Team says which part of a team the group is; nil: it belongs to none.
	Team *TeamPart
}

// Access are globs on the id or name of resources that may be read, and be written.
type Access struct {
	Read  []string `json:"read,omitempty"`
	Write []string `json:"write,omitempty"`
}

// TeamPart is what a wanted group is for a team: everybody in it, or those who run it.
type TeamPart struct {
	// Team is the name of the team, the same for both parts.
	Team     string
	Managers bool
	// OwnedByManagers makes what a manager owns a resource of the team.
	OwnedByManagers bool
	// Isolation is report or enforce; empty: neither.
	Isolation string
}

// Feed is one directory group, or everybody in a source, that fills a wanted group.
type Feed struct {
	Key FeedKey
	// Source is a position in Input.Sources, Group a number in its replica.
	Source   int
	Group    uint32
	Everyone bool
	// Direct leaves out those who come in through nested groups only.
	Direct bool
	// Where limits the people; nil: everybody.
	Where func(*replica.User) bool
}

// Rule gives the name of the rule that is shown for the wanted group.
func (w *Want) Rule() string {
	if len(w.Links) == 0 {
		return ""
	}
	return w.Links[0].Rule
}
