package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/plan"
)

// marked gives a group of Open WebUI that carries a mark, with members a0, a1, ….
func marked(id, instance string, serial uint64, members ...string) plan.Group {
	return plan.Group{ID: id, Name: id, Mark: &plan.Mark{Instance: instance, Rule: "r", Source: "corp", Group: id, Serial: serial},
		Members: members, MembersRead: true, MemberCount: len(members), ReadAt: at(0)}
}

func observed(m *plan.Memory, groups ...plan.Group) {
	m.Observe(&plan.Observation{At: at(0), AllAccounts: true, ReadAll: true, Groups: groups,
		Accounts: []plan.Account{{ID: "a0", Email: "a0@x.org"}, {ID: "a1", Email: "a1@x.org"}}})
}

func TestALostStateIsToldByMarks(t *testing.T) {
	t.Parallel()
	link := plan.LinkKey{Rule: "r", Group: directory.GroupKey{Source: "corp", ID: "g1"}}
	for _, c := range []struct {
		name   string
		serial uint64
		linked bool
		groups []plan.Group
		why    string
		doubt  []string
	}{
		{"nothing is marked", 0, false, []plan.Group{{ID: "g1", Name: "g1", Members: []string{"a0"}, MembersRead: true}}, "", nil},
		{"our own number", 7, true, []plan.Group{marked("g1", "here", 7, "a0")}, "", nil},
		{"a higher number of ours", 7, true, []plan.Group{marked("g1", "here", 8, "a0"), marked("g2", "here", 3, "a1")}, "number 8", []string{"g1", "g2"}},
		{"an empty state and marks of another", 0, false, []plan.Group{marked("g1", "before", 9, "a0"), marked("g2", "before", 2)}, "was lost", []string{"g1"}},
		{"marks of another beside our own", 7, true, []plan.Group{marked("g1", "here", 7, "a0"), marked("g2", "there", 90, "a1")}, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := plan.NewMemory("chat", "here", at(-1))
			m.Serial = c.serial
			if c.linked {
				m.Links[link] = plan.GroupLink{GroupID: "g1"}
			}
			observed(m, c.groups...)
			why, dirty := m.FindLost(at(0))
			if c.why == "" && why != "" || !strings.Contains(why, c.why) {
				t.Errorf("told %q, want something with %q", why, c.why)
			}
			if slices.Sort(dirty.Lost); !slices.Equal(dirty.Lost, c.doubt) {
				t.Errorf("in doubt are %v, want %v", dirty.Lost, c.doubt)
			}
			if again, _ := m.FindLost(at(1)); again != "" && c.serial > 0 {
				t.Errorf("told twice: %q", again)
			}
		})
	}
}

func TestAnotherStateIsToldWhileItsNumberGrows(t *testing.T) {
	t.Parallel()
	m := plan.NewMemory("chat", "here", at(-1))
	observed(m, marked("g1", "before", 9, "a0"))
	m.FindLost(at(0))
	if p := m.PeerProblems(at(0)); len(p) > 0 {
		t.Errorf("the state before ours is told as another one: %v", p)
	}
	m.Serial = 1
	observed(m, marked("g1", "before", 10, "a0"))
	m.FindLost(at(1))
	if p := m.PeerProblems(at(1)); len(p) != 1 || !strings.Contains(p[0].Message, "state before") {
		t.Errorf("its number grew, and the problems are %v", p)
	}
	m.FindLost(at(2))
	if p := m.PeerProblems(at(1).Add(25 * time.Hour)); len(p) > 0 {
		t.Errorf("a day later it is still told: %v", p)
	}
}

func TestSettlingEndsTheDoubtAboutOneMember(t *testing.T) {
	t.Parallel()
	m := plan.NewMemory("chat", "here", at(-1))
	observed(m, marked("g1", "before", 9, "a0", "a1"))
	m.FindLost(at(0))
	var dirty plan.Dirty
	m.Settle("g1", 0, &dirty)
	if !slices.Equal(m.Lost["g1"], []uint32{1}) || !slices.Equal(dirty.Lost, []string{"g1"}) {
		t.Errorf("left %v, dirty %v", m.Lost, dirty.Lost)
	}
	m.Settle("g1", 0, &dirty)
	m.Settle("g1", 1, &dirty)
	if len(m.Lost) > 0 {
		t.Errorf("left %v", m.Lost)
	}
}

func TestAcceptingReadsTombstones(t *testing.T) {
	t.Parallel()
	feed := plan.FeedKey{Rule: "r", Group: directory.GroupKey{Source: "corp", ID: "g1"}}
	link := plan.LinkKey{Rule: "r", Group: feed.Group}
	m := plan.NewMemory("chat", "here", at(-1))
	m.Serial = 1
	observed(m, marked("g1", "here", 1, "a1"), marked("g9", "here", 1, "a1"))
	gone := plan.LinkKey{Rule: "r", Group: directory.GroupKey{Source: "corp", ID: "g9"}}
	m.Links[link], m.Links[gone] = plan.GroupLink{GroupID: "g1", RecreatedAt: at(0)}, plan.GroupLink{GroupID: "g9"}
	m.Owned["g9"] = &plan.OwnedGroup{GroupID: "g9", Feeds: []plan.OwnedFeed{{Key: feed, Accounts: []uint32{1}}}}
	// a0 was taken out and a1 was released, and both are there now; only a0 was away when
	// we looked last.
	m.Tombstones = []plan.Tombstone{{At: at(-5), Group: "g1", Account: "a0", Feed: feed}, {At: at(-5), Group: "g1", Account: "a1", Feed: feed}}
	m.Accept(&plan.Observation{At: at(1), AllAccounts: true, ReadAll: true, Groups: []plan.Group{marked("g1", "here", 1, "a0", "a1")},
		Accounts: []plan.Account{{ID: "a0", Email: "a0@x.org"}, {ID: "a1", Email: "a1@x.org"}}})
	if o := m.Owned["g1"]; o == nil || !o.Has(0) || o.Has(1) {
		t.Errorf("owned in g1: %+v", o)
	}
	if _, there := m.Links[gone]; there || m.Owned["g9"] != nil {
		t.Error("the group that is missing is still linked or owned")
	}
	if !m.Links[link].RecreatedAt.IsZero() {
		t.Error("accepting does not begin anew what counts as made twice")
	}
	if n := len(m.Tombstones); n != 3 {
		t.Errorf("%d tombstones, want one more for the member of the missing group", n)
	}
}

func TestAcceptingIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	accept := func() []plan.Tombstone {
		m := plan.NewMemory("chat", "here", at(-1))
		var groups []plan.Group
		for _, id := range []string{"g1", "g2", "g3", "g4", "g5", "g6"} {
			groups = append(groups, marked(id, "here", 0, "a0", "a1"))
			key := directory.GroupKey{Source: "corp", ID: id}
			m.Links[plan.LinkKey{Rule: "r", Group: key}] = plan.GroupLink{GroupID: id}
			m.Owned[id] = &plan.OwnedGroup{GroupID: id, Feeds: []plan.OwnedFeed{{Key: plan.FeedKey{Rule: "r", Group: key}, Accounts: []uint32{0, 1}}}}
		}
		observed(m, groups...)
		for _, account := range []string{"a0", "a1"} {
			m.People.Set(directory.UserKey{Source: "corp", ID: account}, plan.PersonLink{Account: account})
		}
		m.Accept(&plan.Observation{At: at(1), AllAccounts: true, ReadAll: true, Groups: groups[:1]})
		for i := range m.Tombstones {
			m.Tombstones[i].Link = nil // a pointer, which says nothing
		}
		return m.Tombstones
	}
	first := accept()
	for range 20 {
		if again := accept(); !slices.Equal(again, first) || len(again) < 12 {
			t.Fatalf("tombstones %v, and before %v", again, first)
		}
	}
}
