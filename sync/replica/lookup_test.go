package replica_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/replica"

	"pgregory.net/rapid"
)

// token is what one token said when it was issued.
type token struct {
	minute int
	who    string
	groups []string
}

// sweep writes down a read of some tokens at a time: each person is as of their own.
func sweep(minutes int, tokens ...token) *directory.Snapshot {
	s := &directory.Snapshot{AsOf: at(minutes)}
	for _, k := range tokens {
		s.Users = append(s.Users, directory.User{ID: k.who, Email: k.who + "@example.org", Name: fmt.Sprint(k.minute), GroupsKnown: true, AsOf: at(k.minute)})
		for _, name := range k.groups {
			i := slices.IndexFunc(s.Groups, func(g directory.Group) bool { return g.ID == name })
			if i < 0 {
				i = len(s.Groups)
				s.Groups = append(s.Groups, directory.Group{ID: name, Name: name})
			}
			s.Groups[i].Direct = append(s.Groups[i].Direct, uint32(len(s.Users)-1))
		}
	}
	s.Close(true)
	return s
}

// anyTokens draws tokens of which no two of a person are of one time, which could contradict
// each other.
func anyTokens(t *rapid.T) []token {
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) token {
		return token{rapid.IntRange(0, 40).Draw(t, "issued"), rapid.SampledFrom(people).Draw(t, "who"), subset(t, "in", teams)}
	}), 0, 12, func(k token) string { return fmt.Sprint(k.minute, k.who) }).Draw(t, "tokens")
}

// sweeps deals tokens out to reads: each may be in several, and the newest of a person alone
// is in each.
func sweeps(t *rapid.T, tokens []token) []*directory.Snapshot {
	var reads []*directory.Snapshot
	left := slices.Clone(tokens)
	for len(left) > 0 {
		newest := map[string]token{}
		n := rapid.IntRange(1, len(left)).Draw(t, "of a read")
		for _, k := range left[:n] {
			if was, has := newest[k.who]; !has || was.minute < k.minute {
				newest[k.who] = k
			}
		}
		var list []token
		for _, who := range people {
			if k, has := newest[who]; has {
				list = append(list, k)
			}
		}
		reads = append(reads, sweep(rapid.IntRange(41, 60).Draw(t, "read at"), list...))
		left = left[n:]
	}
	return reads
}

// known writes down what a replica knows of single people, whatever its numbers.
func known(r *replica.Replica) map[string]string {
	out := map[string]string{}
	for i := range r.Users() {
		u := &r.Users()[i]
		out[u.ID] = fmt.Sprint(u.Name, u.SeenAt, u.GroupsAt, u.StatusAt, u.Missing)
	}
	for i := range r.Groups() {
		g := &r.Groups()[i]
		out["group "+g.ID] = fmt.Sprint(g.SeenAt, g.MembersAt, g.Listed)
	}
	for _, e := range edges(r) {
		out[e] = "in"
	}
	return out
}

// TestTheNewestTokenOfEachPersonCounts compares with a model that is right by looking, for
// every order in which tokens may be read.
func TestTheNewestTokenOfEachPersonCounts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tokens := anyTokens(t)
		newest := map[string]token{}
		for _, k := range tokens {
			if was, has := newest[k.who]; !has || was.minute < k.minute {
				newest[k.who] = k
			}
		}
		var want []string
		for who, k := range newest {
			for _, g := range k.groups {
				want = append(want, who+" "+g)
			}
		}
		slices.Sort(want)
		reads := sweeps(t, rapid.Permutation(tokens).Draw(t, "order"))
		r := after(reads...)
		if got := edges(r); !slices.Equal(got, want) {
			t.Fatalf("kept %v, want %v", got, want)
		}
		for i := range r.Users() {
			u := &r.Users()[i]
			if k := newest[u.ID]; !u.GroupsAt.Equal(at(k.minute)) || !u.SeenAt.Equal(at(k.minute)) || u.Name != fmt.Sprint(k.minute) {
				t.Fatalf("%s is as of %v (seen %v, %q), the newest token of %d", u.ID, u.GroupsAt, u.SeenAt, u.Name, k.minute)
			}
		}
		again := after(append(reads, reads...)...)
		if !reflect.DeepEqual(known(again), known(r)) {
			t.Fatalf("a second time taught something: %v, was %v", known(again), known(r))
		}
	})
}

// TestTheOrderOfReadsOfTokensMeansNothing: the same reads in another order give the same,
// and so do all tokens one by one.
func TestTheOrderOfReadsOfTokensMeansNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tokens := anyTokens(t)
		reads := sweeps(t, tokens)
		one, other := after(reads...), after(rapid.Permutation(reads).Draw(t, "reads")...)
		if !reflect.DeepEqual(known(one), known(other)) {
			t.Fatalf("%v in one order, %v in another", known(one), known(other))
		}
		var single []*directory.Snapshot
		for _, k := range rapid.Permutation(tokens).Draw(t, "order") {
			single = append(single, sweep(60, k))
		}
		if other := after(single...); !slices.Equal(edges(one), edges(other)) {
			t.Fatalf("%v by reads, %v one by one", edges(one), edges(other))
		}
	})
}

// TestAnOlderTokenChangesNothing: whatever it says, also where it is read after everything
// else and says more than was known.
func TestAnOlderTokenChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var reads []*directory.Snapshot
		for _, who := range people {
			reads = append(reads, sweep(61, token{50, who, subset(t, "in", teams)}))
		}
		r := after(append(reads, sweep(62, token{20, "gus", teams}))...)
		older, _ := r.Merge(sweep(90, token{rapid.IntRange(0, 49).Draw(t, "issued"), rapid.SampledFrom(people).Draw(t, "who"), subset(t, "in", teams)}), 0)
		if !slices.Equal(edges(older), edges(r)) {
			t.Fatalf("an older token made %v of %v", edges(older), edges(r))
		}
		for i := range r.Users() {
			if *older.Users()[i].Evidence != *r.Users()[i].Evidence {
				t.Fatalf("an older token made %+v of %+v", *older.Users()[i].Evidence, *r.Users()[i].Evidence)
			}
		}
	})
}

func TestATokenNeverCountsAsNewerThanItsRead(t *testing.T) {
	t.Parallel()
	s := sweep(10, token{90, "ann", []string{"eng"}})
	r := after(s)
	if u := &r.Users()[0]; !u.GroupsAt.Equal(at(10)) || !u.SeenAt.Equal(at(10)) {
		t.Errorf("groups as of %v, seen %v", u.GroupsAt, u.SeenAt)
	}
}

// TestATokenIsOlderThanAListReadAfterIt: a look-up of a moment is as of that moment, a token
// of when it was issued, whenever it is read.
func TestATokenIsOlderThanAListReadAfterIt(t *testing.T) {
	t.Parallel()
	list := read(30, "users: ann bob", "eng: bob", "ops: ann bob")
	tok := sweep(40, token{20, "ann", []string{"eng"}})
	expect(t, after(list, tok), "ann eng left", "ann ops shown", "bob eng shown")
	expect(t, after(tok, list), "ann eng left", "ann ops shown", "bob eng shown")
	expect(t, after(list, sweep(40, token{35, "ann", []string{"eng"}})), "ann eng shown", "ann ops left", "bob eng shown")
}

func TestAGroupThatOnlyTokensShowIsUnread(t *testing.T) {
	t.Parallel()
	r := after(sweep(10, token{3, "ann", []string{"eng"}}, token{5, "bob", []string{"ops", "eng"}}, token{1, "cid", nil}))
	expect(t, r, "ann eng shown", "ann ops left", "bob ops shown", "cid eng left")
	for i := range r.Groups() {
		if g := &r.Groups()[i]; !g.MembersAt.IsZero() || !g.SeenAt.Equal(at(5)) {
			t.Errorf("%s: members read %v, seen %v", g.ID, g.MembersAt, g.SeenAt)
		}
	}
	if !r.UsersAt.IsZero() || !r.GroupsAt.IsZero() || !r.CompleteAt.IsZero() {
		t.Errorf("tokens are no lists: %+v", r.Head)
	}
	r, _ = r.Merge(sweep(20, token{4, "dan", []string{"eng"}}), 0)
	if n, _ := r.Group("eng"); !r.Groups()[n].SeenAt.Equal(at(5)) {
		t.Errorf("eng was seen at %v", r.Groups()[n].SeenAt)
	}
}

// TestManyPeopleLookedUpAtOnceAreAsOneByOne: the walk through all members decides as the
// look for each does.
func TestManyPeopleLookedUpAtOnceAreAsOneByOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lag := anyLag(t)
		var reads []*directory.Snapshot
		for i := range 2 {
			lines := []string{"users: ann bob cid dan eve"}
			for _, g := range teams {
				lines = append(lines, g+": "+strings.Join(subset(t, "in "+g, people), " "))
			}
			reads = append(reads, read(40+i, lines...))
		}
		base := lagging(lag, reads...)
		var tokens []token
		for i := range rapid.IntRange(14, 20).Draw(t, "people") {
			who := fmt.Sprintf("p%02d", i)
			if i < len(people) {
				if rapid.Bool().Draw(t, "left out") {
					continue // others look at the same groups
				}
				who = people[i]
			}
			tokens = append(tokens, token{rapid.IntRange(0, 90).Draw(t, "issued"), who, subset(t, "in", teams)})
		}
		at90 := 90
		all, _ := base.Merge(sweep(at90, tokens...), lag)
		one := base
		for _, k := range tokens {
			one, _ = one.Merge(sweep(at90, k), lag)
		}
		if !slices.Equal(edges(all), edges(one)) {
			t.Fatalf("at once %v, one by one %v", edges(all), edges(one))
		}
	})
}

// BenchmarkMergeTokens is a sweep over everybody.
func BenchmarkMergeTokens(b *testing.B) {
	s := &directory.Snapshot{AsOf: at(60)}
	for g := range 500 {
		s.Groups = append(s.Groups, directory.Group{ID: fmt.Sprint("g", g), Name: fmt.Sprint("g", g)})
	}
	for u := range 10_000 {
		s.Users = append(s.Users, directory.User{ID: fmt.Sprint("u", u), GroupsKnown: true, AsOf: at(0).Add(time.Duration(u) * time.Second / 4)})
		for g := range 5 {
			i := (u*7 + g*101) % 500
			s.Groups[i].Direct = append(s.Groups[i].Direct, uint32(u))
		}
	}
	s.Close(true)
	r := after(s)
	b.ReportAllocs()
	for b.Loop() {
		r.Merge(s, 0)
	}
}
