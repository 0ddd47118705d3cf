package plan

import (
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/run"
)

func TestAReplicaIsNeededWhileAnythingRestsOnItsSource(t *testing.T) {
	t.Parallel()
	feed := func(source string) FeedKey {
		return FeedKey{Rule: "all", Group: directory.GroupKey{Source: source, ID: "sales"}}
	}
	link := func(source string) LinkKey {
		return LinkKey{Rule: "all", Group: directory.GroupKey{Source: source, ID: "sales"}}
	}
	for name, c := range map[string]struct {
		fill func(*Memory)
		open []Intent
		want string
	}{
		"nothing": {func(*Memory) {}, nil, ""},
		"links of groups and people": {func(m *Memory) {
			m.Links[link("old")] = GroupLink{GroupID: "g"}
			m.People.Set(directory.UserKey{Source: "old", ID: "ana"}, PersonLink{Account: "a"})
			m.Scopes["old"] = run.AcceptedSource{Users: 9}
		}, nil, ""},
		"a membership of ours": {func(m *Memory) {
			m.Owned["g"] = &OwnedGroup{GroupID: "g", Feeds: []OwnedFeed{{Key: feed("corp"), Accounts: []uint32{1}}, {Key: feed("old"), Accounts: []uint32{1}}}}
		}, nil, "memberships that it granted are ours"},
		"everybody of it": {func(m *Memory) {
			key := FeedKey{Rule: "all", Group: directory.GroupKey{Source: "old", ID: Everyone}}
			m.Owned["g"] = &OwnedGroup{GroupID: "g", Feeds: []OwnedFeed{{Key: key, Accounts: []uint32{1}}}}
		}, nil, "memberships that it granted are ours"},
		"memberships through others": {func(m *Memory) {
			m.Owned["g"] = &OwnedGroup{GroupID: "g", Feeds: []OwnedFeed{{Key: feed("corp"), Accounts: []uint32{1}}, {Key: feed("old")}}}
		}, nil, ""},
		"a hold about it":             {func(m *Memory) { m.Holds = []run.Hold{{Check: run.SourceRemoved, Scope: "old"}} }, nil, "a hold is about it"},
		"a hold under its name":       {func(m *Memory) { m.Holds = []run.Hold{{Check: run.SourceRemoved, Scope: "Old directory"}} }, nil, "a hold is about it"},
		"a hold about something else": {func(m *Memory) { m.Holds = []run.Hold{{Check: run.Emptied, Scope: "g"}, {Check: run.TargetChanged}} }, nil, ""},
		"a call under way":            {func(*Memory) {}, []Intent{{Link: link("corp"), Keys: []FeedKey{feed("corp"), feed("old")}}}, "a call for it was under way when the program ended"},
		"a group being made":          {func(*Memory) {}, []Intent{{Link: link("old")}}, "a call for it was under way when the program ended"},
		"another call under way":      {func(*Memory) {}, []Intent{{Link: link("corp"), Keys: []FeedKey{feed("corp")}}}, ""},
	} {
		m := NewMemory("chat", "01I", time.Time{})
		c.fill(m)
		if got := m.RestsOn("old", "Old directory", c.open); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if got := m.RestsOn("never", "", c.open); got != "" {
			t.Errorf("%s: a source that nobody knows is needed: %s", name, got)
		}
	}
}
