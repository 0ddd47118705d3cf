package web

import (
	"time"

	"groupsyncd/sync/access"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// StatusView is the body of the first page.
type StatusView struct {
	// Status is nil while nothing is known; Age is how old it is where it could not be had anew.
	Status  *engine.Status
	Age     string
	Verdict Verdict
	Steps   []Step
	Runs    []run.Report
	Holds   []HoldView
	Going   GoingView
	// Version is that of the program.
	Version string
}

// GoingView says which runs go on.
type GoingView struct {
	Runs []run.Going
	// Then is what the script does when they have ended: reload, or stay. Waits says that the
	// page is about one that may not have begun, or may be over.
	Then  string
	Waits bool
}

// HoldView is a hold with a part of its changes.
type HoldView struct {
	run.Hold
	Shown []run.Change
	More  int
}

// HoldsView is the list of holds.
type HoldsView struct {
	Holds []HoldView
	Pager Pager
}

// HoldPage is one hold with everything.
type HoldPage struct {
	run.Hold
	Shown []run.Change
	// Withheld says that the changes themselves are no longer known, their number alone.
	Withheld int
	Filter   Filter
	// Ops are those that occur; all have the same outcome.
	Ops, Outcomes []string
	Pager         Pager
	Approvals     []run.Approval
	// Reason and Problem are what was typed and what was wrong with it.
	Reason, Problem string
}

// RunsView is the list of runs.
type RunsView struct {
	Runs  []run.Report
	Pager Pager
	Going GoingView
}

// RunPage is one run with its changes.
type RunPage struct {
	*run.Report
	Targets []RunTarget
	Filter  Filter
	Pager   Pager
	// Ops and Outcomes are those that occur.
	Ops, Outcomes []string
	Changes       int
	Shown         []*run.Change
}

// RunTarget is what a run did to one target, without the changes.
type RunTarget struct {
	run.TargetReport
	// Problems are the first of them, More how many others there are.
	Problems []run.Problem
	More     int
}

// Filter is what a list was narrowed down to.
type Filter struct{ Op, Outcome, Text string }

// Any reports whether it narrows anything down.
func (f Filter) Any() bool { return f.Op+f.Outcome+f.Text != "" }

// UsersView is what a search for people found.
type UsersView struct {
	Query  string
	People []run.DirectoryUser
	Pager  Pager
}

// UserPage is one person.
type UserPage struct {
	*engine.UserExplanation
	Accounts []AccountView
}

// AccountView is one account of a person.
type AccountView struct {
	engine.AccountWhy
	Since  map[string]time.Time
	Rights RightsView
}

// RightsView is what somebody may do. Missing says why that is not known.
type RightsView struct {
	Allowed []RightView
	// Resources are the first of them, More how many others there are.
	Resources []access.Resource
	More      int
	Notes     []string
	Missing   string
}

// RightView is everything that the same groups allow.
type RightView struct {
	From []string
	Keys []string
}

// GroupsView is the map from directory groups to groups of Open WebUI.
type GroupsView struct {
	Query, Source string
	Sources       []string
	Unmatched     bool
	Groups        []run.DirectoryGroup
	Drawing       Drawing
	Pager         Pager
}

// GroupPage is a group of Open WebUI.
type GroupPage struct {
	Name    string
	Targets []GroupView
}

// GroupView is a group in one target.
type GroupView struct {
	engine.GroupInWhole
	People  []engine.Member
	Pager   Pager
	Changes []run.Change
	More    int
	Rights  RightsView
}

// SignInView is the form that takes a token.
type SignInView struct {
	// To is where to go afterwards, Problem what was wrong, Hint what to do about it.
	To, Problem, Hint string
	// Continue offers the page itself: somebody came by a link on another site.
	Continue bool
}

// ErrorView is a refusal or a failure.
type ErrorView struct {
	Text, Hint string
	// Link leads to where it goes on, under the words Way.
	Link, Way string
}

// UnderWayView is a run that has not ended.
type UnderWayView struct {
	Run   string
	Going GoingView
}
