package replica_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/replica"

	"pgregory.net/rapid"
)

// claim is what a token of a provider said of somebody at a minute; speaks: it has a claim of groups.
type claim struct {
	user   string
	minute int
	speaks bool
	groups []string
}

// reading writes down what tokens show that are read together at a minute.
func reading(minute int, tokens ...claim) *directory.Snapshot {
	s := &directory.Snapshot{AsOf: at(minute)}
	for n, t := range tokens {
		s.Users = append(s.Users, directory.User{ID: t.user, Email: fmt.Sprintf("%s.%d@example.org", t.user, t.minute), GroupsKnown: t.speaks, AsOf: at(t.minute)})
		for _, id := range t.groups {
			g := slices.IndexFunc(s.Groups, func(g directory.Group) bool { return g.ID == id })
			if g < 0 {
				g = len(s.Groups)
				s.Groups = append(s.Groups, directory.Group{ID: id, Name: id})
			}
			s.Groups[g].Direct = append(s.Groups[g].Direct, uint32(n))
		}
	}
	s.Close(false)
	return s
}

// provider is a model of a provider and of what is known of it: tokens are issued, lie
// about, and are read one at a time or together, late and in any order.
type provider struct {
	clock  int
	truth  map[string][]string // groups by person, as the provider knows them
	issued []claim
	// newest is the newest token of somebody that was read, told the newest with a claim.
	newest, told map[string]claim
	named        map[string]bool // memberships that a token which was read ever named
	r            *replica.Replica
}

func newProvider() *provider {
	return &provider{truth: map[string][]string{}, newest: map[string]claim{}, told: map[string]claim{}, named: map[string]bool{}, r: replica.New("sso")}
}

func (p *provider) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"change": func(t *rapid.T) {
			p.truth[rapid.SampledFrom(people).Draw(t, "who")] = subset(t, "in", teams)
		},
		"issue": func(t *rapid.T) {
			p.clock++ // No two tokens are of one time.
			who := rapid.SampledFrom(people).Draw(t, "who")
			tok := claim{user: who, minute: p.clock, speaks: rapid.IntRange(0, 3).Draw(t, "claim") > 0}
			if tok.speaks && rapid.IntRange(0, 4).Draw(t, "empty") > 0 {
				tok.groups = p.truth[who]
			}
			p.issued = append(p.issued, tok)
		},
		"look up": func(t *rapid.T) {
			if len(p.issued) > 0 {
				p.read(rapid.SampledFrom(p.issued).Draw(t, "token"))
			}
		},
		"nobody": func(*rapid.T) { p.read() },
		"sweep": func(t *rapid.T) {
			var some []claim
			for _, who := range people {
				if of := p.of(who); len(of) > 0 && rapid.Bool().Draw(t, "reads "+who) {
					some = append(some, rapid.SampledFrom(of).Draw(t, "token"))
				}
			}
			p.read(some...)
		},
		"": p.check,
	}
}

func (p *provider) of(who string) []claim {
	return slices.DeleteFunc(slices.Clone(p.issued), func(t claim) bool { return t.user != who })
}

// read takes tokens in, and into the model.
func (p *provider) read(tokens ...claim) {
	p.clock++
	p.r, _ = p.r.Merge(reading(p.clock, tokens...), 0)
	for _, t := range tokens {
		if t.minute > p.newest[t.user].minute {
			p.newest[t.user] = t
		}
		if t.speaks && t.minute > p.told[t.user].minute {
			p.told[t.user] = t
		}
		for _, g := range t.groups {
			p.named[t.user+" "+g] = true
		}
	}
}

// check compares what is known with the model: the newest token with a claim says who is in
// which group, and nothing is said of anybody else.
func (p *provider) check(t *rapid.T) {
	var want []string
	for who, tok := range p.told {
		for _, g := range tok.groups {
			want = append(want, who+" "+g)
		}
	}
	slices.Sort(want)
	if got := edges(p.r); !slices.Equal(got, want) {
		t.Fatalf("kept %v, want %v", got, want)
	}
	if !p.r.UsersAt.IsZero() || !p.r.GroupsAt.IsZero() || !p.r.CompleteAt.IsZero() {
		t.Fatalf("tokens made a list: %+v", p.r.Head)
	}
	for n := range p.r.Users() {
		u := &p.r.Users()[n]
		newest, told := p.newest[u.ID], p.told[u.ID]
		if want := fmt.Sprintf("%s.%d@example.org", u.ID, newest.minute); u.Email != want || !u.SeenAt.Equal(at(newest.minute)) {
			t.Fatalf("%s is %s of %v, want %s", u.ID, u.Email, u.SeenAt, want)
		}
		if told.minute == 0 && !u.GroupsAt.IsZero() || told.minute > 0 && !u.GroupsAt.Equal(at(told.minute)) {
			t.Fatalf("the groups of %s are known as of %v, want minute %d", u.ID, u.GroupsAt, told.minute)
		}
		if u.Missing.Is() || u.StatusKnown || u.Disabled {
			t.Fatalf("tokens say that %s is missing or disabled: %+v", u.ID, u)
		}
		for g := range p.r.Groups() {
			p.stands(t, uint32(n), uint32(g))
		}
	}
}

// stands compares one membership with the model.
func (p *provider) stands(t *rapid.T, user, group uint32) {
	who, id := p.r.Users()[user].ID, p.r.Groups()[group].ID
	told := p.told[who]
	is := word(p.r.Membership(user, group, grace))
	switch {
	case slices.Contains(told.groups, id):
		if is != "shown" {
			t.Fatalf("%s in %s is %s, and the newest token names it", who, id, is)
		}
	case told.minute == 0:
		if is == "left" || is == "explicit" || is == "gone" || is == "shown" {
			t.Fatalf("%s in %s is %s, and no token ever spoke of groups", who, id, is)
		}
	case p.named[who+" "+id]:
		if is != "left" {
			t.Fatalf("%s in %s is %s, and a newer token does not name it any more", who, id, is)
		}
	}
}

// TestTokensAreKnownAsOfTheirOwnTime plays with tokens that come late, in any order, with
// and without a claim, alone and together.
func TestTokensAreKnownAsOfTheirOwnTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { t.Repeat(newProvider().actions()) })
}

// TestATokenTouchesNobodyElse: what is known of others, and of the lists, stays as it was,
// in a source with lists too.
func TestATokenTouchesNobodyElse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lag := anyLag(t)
		r := lagging(lag, anyReads(t)...)
		tok := claim{user: rapid.SampledFrom(people).Draw(t, "who"), minute: rapid.IntRange(0, 90).Draw(t, "issued"), speaks: rapid.Bool().Draw(t, "claim")}
		if tok.speaks {
			tok.groups = subset(t, "in", teams)
		}
		next, _ := r.Merge(reading(rapid.IntRange(tok.minute, 120).Draw(t, "read"), tok), lag)
		others := func(r *replica.Replica) []string {
			return slices.DeleteFunc(edges(r), func(edge string) bool { return strings.HasPrefix(edge, tok.user+" ") })
		}
		if !slices.Equal(others(next), others(r)) {
			t.Fatalf("a token of %s made %v of %v", tok.user, others(next), others(r))
		}
		for n := range r.Users() {
			if u := &r.Users()[n]; u.ID != tok.user && *u.Evidence != *next.Users()[n].Evidence {
				t.Fatalf("a token of %s made %+v of what is known of %s: %+v", tok.user, *next.Users()[n].Evidence, u.ID, *u.Evidence)
			}
		}
		if next.UsersAt != r.UsersAt || next.GroupsAt != r.GroupsAt || next.CompleteAt != r.CompleteAt {
			t.Fatalf("a token made %+v of %+v", next.Head, r.Head)
		}
	})
}

// TestATokenAgainstReadsOfGroups compares with a model that is right by looking: of all that
// covers a membership, whole reads and tokens, the newest says whether it is there, and a
// token is as old as itself, whenever it was read.
func TestATokenAgainstReadsOfGroups(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var reads []*directory.Snapshot
		model := map[string]bool{}
		for minute := range rapid.IntRange(1, 7).Draw(t, "reads") {
			if minute > 0 && rapid.Bool().Draw(t, "token") {
				tok := claim{user: rapid.SampledFrom(people).Draw(t, "who"), minute: minute, speaks: true, groups: subset(t, "in", teams)}
				reads = append(reads, reading(minute+rapid.IntRange(0, 60).Draw(t, "late"), tok))
				for _, g := range teams {
					model[tok.user+" "+g] = slices.Contains(tok.groups, g)
				}
				continue
			}
			lines := []string{"users: " + strings.Join(people, " ")}
			for _, g := range teams {
				members := subset(t, "in "+g, people)
				lines = append(lines, g+": "+strings.Join(members, " "))
				for _, u := range people {
					model[u+" "+g] = slices.Contains(members, u)
				}
			}
			reads = append(reads, read(minute, lines...))
		}
		var want []string
		for edge, in := range model {
			if in {
				want = append(want, edge)
			}
		}
		slices.Sort(want)
		if got := edges(after(rapid.Permutation(reads).Draw(t, "order")...)); !slices.Equal(got, want) {
			t.Fatalf("kept %v, want %v", got, want)
		}
	})
}

// TestATokenIsNeverNewerThanItsRead: a clock that is ahead buys nothing.
func TestATokenIsNeverNewerThanItsRead(t *testing.T) {
	t.Parallel()
	ahead := reading(5, claim{user: "ann", minute: 500, speaks: true, groups: []string{"eng"}})
	later := reading(10, claim{user: "ann", minute: 9, speaks: true, groups: []string{"ops"}})
	r := after(ahead, later)
	expect(t, r, "ann eng left", "ann ops shown")
	if n, _ := r.User("ann"); !r.Users()[n].GroupsAt.Equal(at(9)) || r.Users()[n].SeenAt.After(at(9).Add(time.Second)) {
		t.Errorf("ann is known as of %v, want minute 9", r.Users()[n].GroupsAt)
	}
}
