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
}

// Feed is one directory group, or everybody in a source, that fills a wanted group.
type Feed struct {
	Key FeedKey
	// Source is a position in Input.Sources, Group a number in its replica.
	Source   int
	Group    uint32
	Everyone bool
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
