package plan_test

import (
	"slices"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// single makes a source one of single people, who sign in through a provider by their id.
func (w *world) single(id string) *world {
	src := w.source(id)
	src.Single, src.MaxAge, src.Provider, src.Subject = true, time.Hour, "oidc", "id"
	return w
}

// token merges what a token of somebody said, as of when it was issued. An attribute oid may
// be given behind the name: ann/oid-of-ann. No groups at all: the token had no claim.
func (w *world) token(source string, read, issued int, who string, groups ...string) *world {
	u := directory.User{ID: who, Email: who + "@example.org", AsOf: at(issued), GroupsKnown: !slices.Equal(groups, []string{"?"})}
	if i := slices.Index([]byte(who), '/'); i >= 0 {
		u.ID, u.Attributes = who[:i], map[string][]string{plan.ObjectIDAttribute: {who[i+1:]}}
		u.Email = ""
	}
	s := &directory.Snapshot{AsOf: at(read), Users: []directory.User{u}}
	if u.GroupsKnown {
		for _, g := range groups {
			s.Groups = append(s.Groups, directory.Group{ID: g, Name: g, Direct: []uint32{0}})
		}
	}
	s.Close(true)
	src := w.source(source)
	src.Replica, _ = src.Replica.Merge(s, 0)
	w.now = at(read)
	return w
}

// signs gives accounts a subject at a provider.
func (w *world) signs(provider string, subjects map[string]string) *world {
	for id, subject := range subjects {
		n, _ := w.mem.Mirror.Number("a-" + id)
		a := *w.mem.Mirror.Account(n)
		a.Subjects = map[string]string{provider: subject}
		w.mem.ObserveAccount(&plan.AccountView{Account: a, Groups: w.groupsOf(n)})
	}
	return w
}

func (w *world) groupsOf(account uint32) []string {
	var ids []string
	for _, g := range w.mem.Mirror.Groups() {
		if _, in := slices.BinarySearch(g.Numbers, account); in {
			ids = append(ids, g.ID)
		}
	}
	return ids
}

// tokens is a world in which ann and bob came into sales by their tokens.
func tokens(t *testing.T, more ...string) *world {
	t.Helper()
	w := newWorld(t, append([]string{"sso"}, more...)...).single("sso").rule("r", "sales").accounts("ann", "bob", "cid")
	w.token("sso", 0, 0, "ann", "sales").token("sso", 0, 0, "bob", "sales", "other")
	expect(t, w.run(), "create_group sales", "add_member sales ann", "add_member sales bob")
	return w
}

func TestASourceOfSinglePeople(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		steps func(w *world)
		want  []string
	}{
		{"a newer token without the group", func(w *world) { w.token("sso", 30, 29, "ann", "other") }, []string{"remove_member sales ann left"}},
		{"a newer token with no group at all", func(w *world) { w.token("sso", 30, 29, "ann") }, []string{"remove_member sales ann left"}},
		{"a token without the claim", func(w *world) { w.token("sso", 30, 29, "ann", "?") }, nil},
		{"an older token without the group", func(w *world) { w.token("sso", 30, -5, "ann", "other") }, nil},
		{"nobody was seen for longer than max_age", func(w *world) { w.now = at(200) }, nil},
		{"a token that was old already when it was read", func(w *world) { w.token("sso", 200, 100, "ann", "other") }, nil},
		{"a token that is new, another person's is old", func(w *world) { w.token("sso", 200, 199, "bob", "other") }, []string{"remove_member sales bob left"}},
		{"a new person", func(w *world) { w.token("sso", 30, 29, "cid", "sales") }, []string{"add_member sales cid"}},
		{"a new person, by a token that is too old", func(w *world) { w.token("sso", 200, 100, "cid", "sales") }, nil},
		{"somebody put there by hand whom no token ever named", func(w *world) { w.byHand("sales", "ann", "bob", "cid") }, nil},
		{"somebody taken out by hand whom an old token names", func(w *world) { w.byHand("sales", "bob"); w.now = at(200) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := tokens(t)
			c.steps(w)
			p := w.run()
			expect(t, p, c.want...)
			for _, problem := range p.Problems {
				if problem.Kind == run.KindStale {
					t.Errorf("it has no lists that could be old: %s", problem.Message)
				}
			}
			w.settled()
		})
	}
}

func TestWhatWaitsForASourceOfSinglePeopleIsCounted(t *testing.T) {
	t.Parallel()
	w := tokens(t)
	w.rules = nil
	w.rule("r", "other")
	w.token("sso", 20, 19, "bob", "other").run()
	w.now = at(300)
	if p, _ := w.plan(); len(p.Waiting) != 1 || p.Waiting["sso"] == 0 {
		t.Errorf("waiting: %v", p.Waiting)
	}
}

// TestASourceOfSinglePeopleHoldsUpNobody: whom it never showed it has no say about, and what
// it showed holds as long as it counts.
func TestASourceOfSinglePeopleHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp", "sso").single("sso").rule("all", "*", func(s *mapping.Spec) { s.To = "All" }).accounts("ann", "bob")
	w.read("corp", 0, "users: ann bob", "a: ann bob").run()
	w.token("sso", 5, 4, "ann", "b").run()
	// Corp drops both. Nobody has ever heard of bob at sso; ann is in a group of it.
	w.read("corp", 10, "users: ann bob", "a:")
	expect(t, w.run(), "remove_member All bob left")
	// Its word about her grows old: then it is unknown, and stays so.
	w.read("corp", 100, "users: ann bob", "a:")
	expect(t, w.run())
	w.token("sso", 110, 109, "ann", "c", "b").token("sso", 120, 119, "ann", "z")
	expect(t, w.run())
	w.token("sso", 130, 129, "ann")
	expect(t, w.run(), "remove_member All ann left")
}

func TestGoneWaitsForListsOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp", "sso").single("sso").rule("all", "*", func(s *mapping.Spec) { s.To = "All" }).accounts("ann", "bob")
	w.read("corp", 0, "users: ann bob", "a: ann bob").run()
	w.read("corp", 10, "users: ann", "a: ann").run()
	w.read("corp", 40, "users: ann", "a: ann")
	expect(t, w.run(), "remove_member All bob gone")
}

func TestEveryoneAtASourceOfSinglePeopleIsWhomItShowedLately(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sso").single("sso").accounts("ann", "bob", "cid")
	w.rule("all", "", func(s *mapping.Spec) { s.Match, s.To = mapping.Match{Everyone: true}, "All" })
	w.token("sso", 100, 100, "ann", "x").token("sso", 100, 90, "bob", "?").token("sso", 100, 10, "cid", "x")
	expect(t, w.run(), "create_group All", "add_member All ann", "add_member All bob")
	w.now = at(500)
	expect(t, w.run())
	w.token("sso", 500, 499, "cid", "?")
	expect(t, w.run(), "add_member All cid")
}

func TestAnExactGroupTakesNobodyOutWhereSinglePeopleAreKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sso").single("sso").rule("r", "sales", members("exact")).accounts("ann", "bob")
	w.token("sso", 0, 0, "ann", "sales").run()
	w.byHand("sales", "ann", "bob")
	expect(t, w.run())
}

func TestASourceOfSinglePeopleNeverShrinks(t *testing.T) {
	t.Parallel()
	w := tokens(t)
	w.limits.MaxSourceShrink = plan.LimitPercent(1)
	w.mem.Scopes["sso"] = run.AcceptedSource{Scope: w.source("sso").Scope, Users: 1000, Groups: 1000}
	w.token("sso", 30, 29, "ann", "other")
	expect(t, w.run(), "remove_member sales ann left")
	if holds := w.holds(); len(holds) != 0 {
		t.Errorf("held: %v", holds)
	}
}

// TestAChangedPersonOfASourceOfSinglePeopleHasAGrace: who no longer meets the conditions of
// a rule goes when newer words, as far apart as the grace wants, say the same.
func TestAChangedPersonOfASourceOfSinglePeopleHasAGrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sso").single("sso").accounts("ann")
	w.rule("r", "sales", func(s *mapping.Spec) { s.Where = map[string][]string{"oid": {"good"}} })
	w.signs("oidc", map[string]string{"ann": "ann"})
	w.token("sso", 0, 0, "ann/good", "sales").run()
	expect(t, w.token("sso", 10, 10, "ann/bad", "sales").run())
	expect(t, w.token("sso", 12, 12, "ann/bad", "sales").run())
	for minute := 20; minute < 40; minute += 5 {
		w.now = at(minute) // runs alone say nothing new about her
		expect(t, w.run())
	}
	expect(t, w.token("sso", 40, 40, "ann/bad", "sales").run(), "remove_member sales ann unselected")
}

func TestMembersInDoubtWaitForWhoMayStillSignIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		subject string
		token   bool
		want    []string
	}{
		{"somebody who signs in there and has not yet", "cid", false, nil},
		{"somebody who has, and is in no such group", "cid", true, []string{"remove_member sales cid held state_lost"}},
		{"somebody who never signed in there", "", false, []string{"remove_member sales cid held state_lost"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := tokens(t)
			w.byHand("sales", "ann", "bob", "cid")
			w.signs("oidc", map[string]string{"cid": c.subject})
			n, _ := w.mem.Mirror.Number("a-cid")
			w.mem.Lost[w.group("sales").ID] = []uint32{n}
			if c.token {
				w.token("sso", 1, 1, "cid", "other")
			}
			expect(t, w.run(), c.want...)
		})
	}
}

// TestPeopleAreFoundByTheirObjectID: where subjects differ from client to client, the token of
// a sign-in tells the id by which a directory knows the same person.
func TestPeopleAreFoundByTheirObjectID(t *testing.T) {
	t.Parallel()
	directoryOf := func(t *testing.T) *world {
		t.Helper()
		w := newWorld(t, "entra", "sso").single("sso").rule("r", "staff").accounts("ann=other@elsewhere.org", "bob=second@elsewhere.org")
		w.source("entra").Provider, w.source("entra").Subject = "oidc", "id"
		w.signs("oidc", map[string]string{"ann": "pairwise-ann", "bob": "pairwise-bob"})
		w.read("entra", 0, "users: oid-ann oid-bob", "staff: oid-ann oid-bob")
		return w
	}
	t.Run("once a token says so", func(t *testing.T) {
		t.Parallel()
		w := directoryOf(t)
		expect(t, w.run(), "create_group staff")
		w.token("sso", 5, 5, "pairwise-ann/oid-ann")
		expect(t, w.run(), "add_member staff ann")
		if link := w.mem.People.Link(directory.UserKey{Source: "entra", ID: "oid-ann"}); link.Account != "a-ann" || link.By != "sign_in" {
			t.Errorf("link %+v", link)
		}
	})
	t.Run("an id of two accounts leads to none", func(t *testing.T) {
		t.Parallel()
		w := directoryOf(t)
		w.token("sso", 5, 5, "pairwise-ann/oid-ann").token("sso", 5, 5, "pairwise-bob/oid-ann")
		expect(t, w.run(), "create_group staff")
	})
	t.Run("a subject means its account alone", func(t *testing.T) {
		t.Parallel()
		w := directoryOf(t)
		w.signs("oidc", map[string]string{"bob": "oid-ann"})
		w.token("sso", 5, 5, "pairwise-ann/oid-ann")
		expect(t, w.run(), "create_group staff", "add_member staff bob")
	})
	t.Run("a source of another provider", func(t *testing.T) {
		t.Parallel()
		w := directoryOf(t)
		w.source("entra").Provider = "google"
		w.token("sso", 5, 5, "pairwise-ann/oid-ann")
		expect(t, w.run(), "create_group staff")
	})
	t.Run("only a source of single people vouches for it", func(t *testing.T) {
		t.Parallel()
		w := directoryOf(t)
		w.source("sso").Single = false
		w.token("sso", 5, 5, "pairwise-ann/oid-ann")
		expect(t, w.run(), "create_group staff")
	})
	t.Run("who is linked counts before what a subject says", func(t *testing.T) {
		t.Parallel()
		w := directoryOf(t)
		w.mem.People.Set(directory.UserKey{Source: "sso", ID: "pairwise-ann"}, plan.PersonLink{Account: "a-bob", By: "manual"})
		w.token("sso", 5, 5, "pairwise-ann/oid-ann")
		expect(t, w.run(), "create_group staff", "add_member staff bob")
	})
}

func TestTheOnlyProviderOfATarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t).accounts("ann", "bob", "cid")
	if got := w.mem.Mirror.OnlyProvider(); got != "" {
		t.Errorf("nobody signs in anywhere: %q", got)
	}
	w.signs("oidc", map[string]string{"ann": "1", "bob": "2"})
	if got := w.mem.Mirror.OnlyProvider(); got != "oidc" {
		t.Errorf("one provider: %q", got)
	}
	w.signs("google", map[string]string{"cid": "3"})
	if got := w.mem.Mirror.OnlyProvider(); got != "" {
		t.Errorf("two providers: %q", got)
	}
	w.without("cid")
	if got := w.mem.Mirror.OnlyProvider(); got != "oidc" {
		t.Errorf("the account of the other is gone: %q", got)
	}
}
