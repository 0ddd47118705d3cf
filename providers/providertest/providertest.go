// Package providertest is the conformance suite that every identity source
// passes: what a pull and a look-up must show of a given world, and what they may
// claim when the world breaks.
//
// It owns the worlds and the judgement. How a world gets into a server or a file,
// and how that server breaks, is the business of each source's own test, which
// hands both over in a Harness.
package providertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"unicode"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// World is a directory as a source should show it.
type World struct {
	Users  []User
	Groups []Group
}

// User is one person of a world.
type User struct {
	ID, Email, Username, Name string
	Disabled                  bool
	// Attributes are extra attributes by their configured name; the only name used
	// is "department".
	Attributes map[string][]string
}

// Group is one group of a world.
type Group struct {
	ID, Name, Description string
	// Place is a word for where the group lives: two groups of one name are in
	// different places. Sources without places ignore it.
	Place string
	// Members are ids of users. An id twice is a duplicate to be dropped, an id
	// that no user has is a reference to nobody.
	Members []string
	// Groups are ids of groups whose members count as members of this one.
	Groups []string
	// Owners are ids of users and groups, for sources that show them.
	Owners []string
}

// Harness connects the suite with one kind of source.
type Harness struct {
	// Open loads w into a fresh server or file and opens a source on it. It
	// registers everything that has to be closed with t.Cleanup.
	Open func(t testing.TB, w World) providers.Source
	// Live is Open for a world that changes behind the open source: each call of
	// change replaces the world. Nil: the suite opens a new source instead.
	Live func(t testing.TB, w World) (s providers.Source, change func(World))
	// Faults are the ways in which the world behind this source can break.
	Faults []Fault
	// Virtual runs every case in a bubble of testing/synctest, so that no wait takes time: the
	// servers of this harness are in memory, and nothing of it uses a network.
	Virtual bool
	// Secret is the credential that sources of this harness use; the suite looks
	// for it in every text it sees. Empty: the source has none.
	Secret string

	// Single says that the source knows single people only: it has no lists, a pull covers
	// whom it saw, and people are found by id and mail address.
	Single bool
	// OwnIDs says that the server gives ids of its own, so that users are compared
	// by Username and groups by Name.
	OwnIDs bool
	// What the source cannot express, and what is therefore not asked of it.
	NoDisabled    bool // the flag of disabled users
	NoNesting     bool // groups in groups
	NoEmptyGroups bool // a group that nobody is in
	NoDescription bool // descriptions of groups
	NoAttributes  bool // attributes of users
	NoUnresolved  bool // a member that is no user
	NoSameName    bool // two groups of one name
	NoSameEmail   bool // two users of one mail
	NoLoneUsers   bool // users who are in no group
	NoStableIDs   bool // ids that outlive a new mail address or group name
	NoMoving      bool // a world that changes while it is read: nothing can, or names stand for groups
	NoLookUp      bool // the source does not implement providers.LookUp
	// Owners says that the source shows the owners of groups, where a world has any.
	Owners bool
	// OwnersAreMembers says that owners are people who are members too.
	OwnersAreMembers bool
	// MailUsernames says that people sign in with their mail address, which is their username.
	MailUsernames bool
	// ASCIIUsernames says that usernames have ASCII letters only.
	ASCIIUsernames bool
}

// Fault is one way in which the world behind a source breaks.
type Fault struct {
	Name string
	// Open loads w, arranges the fault and opens a source.
	Open func(t testing.TB, w World) providers.Source
	// Kinds are the kinds of error that fit this fault.
	Kinds []fault.Kind
	// Partial says that something may be proved nevertheless. Unset: the snapshot
	// must cover nothing at all.
	Partial bool
	// PullOnly says that the fault does not touch a look-up.
	PullOnly bool
	// OneGroup says that the members of one group, and of what contains it, may be unknown,
	// and that everything else must be proved.
	OneGroup bool
	// Passes says that it is over when the source asks again: nothing may be missing at all.
	Passes bool
	// Virtual runs the fault in a bubble, as Harness.Virtual does.
	Virtual bool
}

// Run runs the whole suite.
func Run(t *testing.T, h Harness) {
	t.Helper()
	for _, c := range pullCases(h) {
		h.run(t, "pull/"+c.name, func(t *testing.T) { h.checkPull(t, h.Open(t, c.world), c.world) })
	}
	h.run(t, "pull/as_of is between the call and the first request", h.testAsOf)
	h.run(t, "pull/cancelled before it starts", h.testCanceledBefore)
	h.run(t, "pull/cancelled in the middle", h.testCanceledWithin)
	h.run(t, "pull/two at once", h.testConcurrent)
	h.run(t, "pull/after close", h.testClosed)
	if !h.NoStableIDs {
		h.run(t, "pull/renaming keeps the ids", h.testRename)
	}
	h.run(t, "pull/members come and go", h.testChange)
	if h.Live != nil && !h.NoStableIDs && !h.NoMoving {
		h.run(t, "pull/a world that changes while it is read", h.testMoving)
	}
	h.run(t, "check/a good world has no failed finding", h.testFindings)
	if h.Owners {
		h.run(t, "pull/owners of groups", h.testOwners)
	}
	if !h.NoLookUp {
		h.runLookUps(t)
	}
	for i, f := range h.Faults {
		// With -short, as under the race detector, some of them stand for all.
		if testing.Short() && i%5 != 0 {
			continue
		}
		h := h
		h.Virtual = h.Virtual || f.Virtual
		h.run(t, "fault/"+f.Name, func(t *testing.T) { h.testFault(t, f) })
	}
}

// run runs a case beside the others, in a bubble where the harness asks for one.
func (h Harness) run(t *testing.T, name string, test func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		if h.Virtual {
			synctest.Test(t, test)
			return
		}
		test(t)
	})
}

// CheckPull checks that a pull shows exactly w, completely, and gives what it showed: for tests
// of a source beside the suite.
func (h Harness) CheckPull(t testing.TB, s providers.Source, w World) *directory.Snapshot {
	t.Helper()
	return h.checkPull(t, s, w)
}

// Claims lists what a snapshot claims to have proved and what is not so in w.
func (h Harness) Claims(s *directory.Snapshot, w World) []string { return h.claims(s, w) }

// fit takes out of a world what the source cannot express.
func (h Harness) fit(w World) World {
	users, groups := slices.Clone(w.Users), slices.Clone(w.Groups)
	for i := range users {
		users[i].Disabled = users[i].Disabled && !h.NoDisabled
		if h.MailUsernames {
			users[i].Username = users[i].Email
		}
		if h.NoAttributes {
			users[i].Attributes = nil
		}
		if h.ASCIIUsernames && strings.ContainsFunc(users[i].Username, func(r rune) bool { return r > unicode.MaxASCII }) {
			users[i].Username = fmt.Sprintf("ascii%04d", i)
		}
	}
	for i := range groups {
		if h.NoDescription {
			groups[i].Description = ""
		}
	}
	if h.NoEmptyGroups {
		groups = slices.DeleteFunc(groups, func(g Group) bool { return len(g.Members)+len(g.Groups) == 0 })
	}
	if h.NoLoneUsers {
		in := make(map[string]bool)
		for _, g := range groups {
			for _, id := range g.Members {
				in[id] = true
			}
		}
		users = slices.DeleteFunc(users, func(u User) bool { return !in[u.ID] })
	}
	return World{Users: users, Groups: groups}
}
