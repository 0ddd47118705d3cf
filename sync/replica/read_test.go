package replica_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/replica"
)

// at gives the time some minutes after the start of a test.
func at(minutes int) time.Time {
	return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(minutes) * time.Minute)
}

// read writes down a whole read in a few lines:
//
//	users: ann bob -cid      everybody listed; - marks the disabled
//	users?: ann              the list was cut
//	groups?                  the list of groups was cut
//	sales: ann +eng ~cn=x    ann, the nested group eng, and a reference that resolves to nothing
//	sales?: ann              the members were cut
//	(team): bob              a group outside base and filter, read because it is nested
//
// Groups may be named before they are listed. Members who are in no users line are
// an error of the test.
func read(minutes int, lines ...string) *directory.Snapshot {
	b := builder{s: &directory.Snapshot{AsOf: at(minutes), GroupsListed: true}, users: map[string]uint32{}, groups: map[string]uint32{}}
	for _, line := range lines {
		name, rest, _ := strings.Cut(line, ":")
		switch name {
		case "users", "users?":
			b.s.UsersListed = name == "users"
			for u := range strings.FieldsSeq(rest) {
				id := strings.TrimPrefix(u, "-")
				b.users[id] = uint32(len(b.s.Users))
				b.s.Users = append(b.s.Users, directory.User{ID: id, Email: id + "@example.org", StatusKnown: true, Disabled: id != u})
			}
		case "groups?":
			b.s.GroupsListed = false
		default:
			id := strings.Trim(name, "()?")
			b.groups[id] = uint32(len(b.s.Groups))
			b.s.Groups = append(b.s.Groups, directory.Group{ID: id, Name: id, DN: "cn=" + id,
				MembersKnown: !strings.HasSuffix(name, "?"), Unlisted: strings.HasPrefix(name, "(")})
		}
	}
	for _, line := range lines {
		name, rest, _ := strings.Cut(line, ":")
		if !strings.HasPrefix(name, "users") && name != "groups?" {
			b.members(strings.Trim(name, "()?"), strings.Fields(rest))
		}
	}
	b.s.Close(true)
	return b.s
}

type builder struct {
	s             *directory.Snapshot
	users, groups map[string]uint32
}

func (b *builder) members(group string, names []string) {
	g := &b.s.Groups[b.groups[group]]
	for _, n := range names {
		switch n[0] {
		case '+':
			g.Children = append(g.Children, b.number(b.groups, n[1:]))
		case '~':
			g.Unresolved = append(g.Unresolved, n[1:])
		default:
			g.Direct = append(g.Direct, b.number(b.users, n))
		}
	}
}

func (b *builder) number(of map[string]uint32, name string) uint32 {
	n, ok := of[name]
	if !ok {
		panic(fmt.Sprintf("the read does not show %q", name))
	}
	return n
}

// lookUp writes down what the look-up of one person proved.
func lookUp(minutes int, user string, groups ...string) *directory.Snapshot {
	s := &directory.Snapshot{AsOf: at(minutes), Users: []directory.User{{ID: user, Email: user + "@example.org", StatusKnown: true, GroupsKnown: true}}}
	for _, g := range groups {
		s.Groups = append(s.Groups, directory.Group{ID: g, Name: g, DN: "cn=" + g, Direct: []uint32{0}})
	}
	s.Close(true)
	return s
}

// after merges reads in their order, without lag.
func after(reads ...*directory.Snapshot) *replica.Replica { return lagging(0, reads...) }

func lagging(lag time.Duration, reads ...*directory.Snapshot) *replica.Replica {
	r := replica.New("corp")
	for _, s := range reads {
		r, _ = r.Merge(s, lag)
	}
	return r
}

var grace = replica.Grace{Reads: 2, Over: 15 * time.Minute}

// stands gives the standing of somebody in a group.
func stands(t *testing.T, r *replica.Replica, user, group string) replica.Verdict {
	t.Helper()
	u, ok := r.User(user)
	if !ok {
		t.Fatalf("user %s is unknown", user)
	}
	g, ok := r.Group(group)
	if !ok {
		t.Fatalf("group %s is unknown", group)
	}
	return r.Membership(u, g, grace)
}

// word sums up a verdict: shown, unknown, none, or the kind of absence.
func word(v replica.Verdict) string {
	switch v.Standing {
	case replica.Shown:
		return "shown"
	case replica.Unknown:
		return "unknown"
	case replica.NotShown:
		return "none"
	}
	return v.Absence.Kind().String()
}

// expect compares standings written as "ann sales shown".
func expect(t *testing.T, r *replica.Replica, wants ...string) {
	t.Helper()
	for _, want := range wants {
		f := strings.Fields(want)
		if got := word(stands(t, r, f[0], f[1])); got != f[2] {
			t.Errorf("%s in %s: %s, want %s", f[0], f[1], got, f[2])
		}
	}
}

// dump writes everything a replica knows, for comparison.
func dump(r *replica.Replica) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%+v\n", r.Head)
	for i := range r.Users() {
		fmt.Fprintf(&b, "%d %+v %+v\n", i, r.Users()[i].User, *r.Users()[i].Evidence)
	}
	for i := range r.Groups() {
		fmt.Fprintf(&b, "%d %+v\n", i, r.Groups()[i])
	}
	return b.String()
}

// edges lists "user group" for every member that the replica keeps, whatever it stands for.
func edges(r *replica.Replica) []string {
	var all []string
	for i := range r.Groups() {
		for _, n := range r.Groups()[i].Members {
			all = append(all, r.Users()[n].ID+" "+r.Groups()[i].ID)
		}
	}
	slices.Sort(all)
	return all
}
