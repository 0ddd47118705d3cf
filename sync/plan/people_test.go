package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// linked lists who is which account, as "corp/ann=ann by email".
func linked(w *world) []string {
	var all []string
	for key, l := range w.mem.People.All() {
		all = append(all, key.Source+"/"+key.ID+"="+strings.TrimPrefix(l.Account, "a-")+" by "+l.By)
	}
	slices.Sort(all)
	return all
}

// subject gives an account an OAuth subject.
func (w *world) subject(account, provider, subject string) {
	n, _ := w.mem.Mirror.Number("a-" + account)
	a := *w.mem.Mirror.Account(n)
	a.Subjects = map[string]string{provider: subject}
	w.mem.Observe(&plan.Observation{Accounts: []plan.Account{a}, Groups: w.groups(), At: w.now})
}

func TestPeopleFindTheirAccounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		accounts []string
		setup    func(*world)
		users    string
		want     []string
		problem  run.ProblemKind
		pending  int
	}{
		{"by mail", []string{"ann"}, nil, "ann", []string{"corp/ann=ann by email"}, "", 0},
		{"ASCII letters in other case", []string{"x=Ann@Example.ORG"}, nil, "ann", []string{"corp/ann=x by email"}, "", 0},
		{"other letters only byte for byte", []string{"x=ÄNN@example.org"}, nil, "ann=änn@example.org", nil, "", 1},
		{"a letter that only looks alike", []string{"x=\u212aim@example.org"}, nil, "kim", nil, "", 1},
		{"byte for byte", []string{"x=änn@example.org"}, nil, "ann=änn@example.org", []string{"corp/ann=x by email"}, "", 0},
		{"no account yet", nil, nil, "ann", nil, "", 1},
		{"no mail", []string{"ann"}, nil, "ann=", nil, run.KindUnmatched, 0},
		{"a mail outside the domains", []string{"ann"}, func(w *world) { w.sources[0].Domains = []string{"example.com"} }, "ann", nil, run.KindUnmatched, 0},
		{"a mail within the domains, in other case", []string{"ann"}, func(w *world) { w.sources[0].Domains = []string{"EXAMPLE.org"} }, "ann", []string{"corp/ann=ann by email"}, "", 0},
		{"a domain is not a suffix", []string{"ann"}, func(w *world) { w.sources[0].Domains = []string{"ple.org"} }, "ann", nil, run.KindUnmatched, 0},
		{"two accounts of one mail", []string{"x=ann@example.org", "y=ANN@example.org"}, nil, "ann", nil, run.KindUnmatched, 0},
		{"two people of one mail", []string{"ann"}, nil, "ann ann2=Ann@example.org", nil, run.KindConflict, 0},
		{"by sign-in before mail", []string{"ann", "x"}, func(w *world) {
			w.sources[0].Provider, w.sources[0].Subject = "oidc", "username"
			w.subject("x", "oidc", "u-ann")
		}, "ann", []string{"corp/ann=x by sign_in"}, "", 0},
		{"a subject of another provider", []string{"ann", "x"}, func(w *world) {
			w.sources[0].Provider, w.sources[0].Subject = "oidc", "username"
			w.subject("x", "github", "u-ann")
		}, "ann", []string{"corp/ann=ann by email"}, "", 0},
		{"mail first, when it is said so", []string{"ann", "x"}, func(w *world) {
			w.match = []string{"email", "sign_in"}
			w.sources[0].Provider, w.sources[0].Subject = "oidc", "username"
			w.subject("x", "oidc", "u-ann")
		}, "ann", []string{"corp/ann=ann by email"}, "", 0},
		{"no mail but a subject that has not signed in", nil, func(w *world) { w.sources[0].Provider, w.sources[0].Subject = "oidc", "username" }, "ann=", nil, "", 1},
		{"two people of one mail who can still sign in", nil, func(w *world) { w.sources[0].Provider, w.sources[0].Subject = "oidc", "username" },
			"ann ann2=Ann@example.org", nil, "", 2},
		{"an account that was deleted", []string{"ann", "bob"}, func(w *world) { w.without("ann") }, "ann", nil, "", 1},
		{"disabled and never linked: not of interest", []string{"ann"}, nil, "-ann", nil, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "corp").rule("r", "sales").accounts(c.accounts...)
			if c.setup != nil {
				c.setup(w)
			}
			var ids []string
			for u := range strings.FieldsSeq(c.users) {
				id, _, _ := strings.Cut(strings.TrimPrefix(u, "-"), "=")
				ids = append(ids, id)
			}
			p := w.read("corp", 0, "users: "+c.users, "sales: "+strings.Join(ids, " ")).run()
			if got := linked(w); !slices.Equal(got, c.want) {
				t.Errorf("linked %v, want %v", got, c.want)
			}
			if p.Summary.Pending != c.pending {
				t.Errorf("pending %d, want %d", p.Summary.Pending, c.pending)
			}
			if has := c.problem != "" && told(p, c.problem, ""); has != (len(p.Problems) > 0) || c.problem != "" && !has {
				t.Errorf("problems %v, want %q", texts(p), c.problem)
			}
		})
	}
}

func TestLinkSurvivesAChangeOfMail(t *testing.T) {
	t.Parallel()
	w := synced(t)
	expect(t, w.read("corp", 10, "users: ann=new@example.org bob cid dan", "sales: ann bob").run())
	w.accounts("new") // somebody else signs in with the new mail
	expect(t, w.read("corp", 20, "users: ann=new@example.org bob cid dan", "sales: ann bob").run())
	if got := linked(w); !slices.Contains(got, "corp/ann=ann by email") || len(got) != 4 {
		t.Errorf("linked %v", got)
	}
}

// TestRecycledMail is the sixth scenario: nobody inherits an account with a mail.
func TestRecycledMail(t *testing.T) {
	t.Parallel()
	t.Run("while the first one is still there under another mail", func(t *testing.T) {
		t.Parallel()
		w := synced(t)
		p := w.read("corp", 10, "users: ann=new@example.org bob cid dan eve=ann@example.org", "sales: bob").run()
		expect(t, p, "remove_member sales ann left")
		if !told(p, run.KindConflict, "ann@example.org (corp) is not matched") {
			t.Errorf("problems %v", texts(p))
		}
	})
	t.Run("when the first one is gone, linked or not, for 90 days", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "sales")
		w.read("corp", 0, "users: ann bob", "sales: ann").run()
		w.read("corp", 10, "users: bob", "sales:").read("corp", 40, "users: bob eve=ann@example.org", "sales: eve").run()
		w.accounts("ann")
		expect(t, w.run())
		day := 24 * 60
		w.read("corp", 89*day, "users: bob eve=ann@example.org", "sales: eve")
		expect(t, w.run())
		w.read("corp", 91*day, "users: bob eve=ann@example.org", "sales: eve")
		expect(t, w.run(), "add_member sales ann")
	})
	t.Run("what the conflicting person would keep is unknown, not removed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp", "hr").rule("r", "*", to("All")).accounts("ann")
		w.read("corp", 0, "users: ann", "a: ann").read("hr", 0, "users:", "b:").run()
		// Ann's mail changed at corp and she left there; hr has somebody with her old one.
		w.read("corp", 10, "users: ann=new@example.org", "a:").read("hr", 10, "users: eve=ann@example.org", "b: eve")
		p := w.run()
		expect(t, p)
		if len(p.Unknown) != 1 || p.Waiting["hr"] != 1 {
			t.Errorf("unknown %v, waiting %v", p.Unknown, p.Waiting)
		}
		// Whom the conflict says nothing about goes.
		w.read("hr", 20, "users: eve=ann@example.org", "b:")
		expect(t, w.run(), "remove_member All ann left")
	})
}

// TestNoTakeOverAcrossSources: an account linked from one source is not given to
// somebody of another whose mail it only seems to be.
func TestNoTakeOverAcrossSources(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		corp []string
		want bool
	}{
		{"the holder still has the mail", []string{"users: ann", "a: ann"}, true},
		{"the holder has another mail now", []string{"users: ann=new@example.org", "a: ann"}, false},
		{"the holder is in the grace", []string{"users:", "a:"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "corp", "hr").rule("r", "*", to("All")).accounts("ann")
			w.read("corp", 0, "users: ann", "a: ann").run()
			w.read("corp", 10, c.corp...).read("hr", 10, "users: eve=ann@example.org", "b: eve")
			p := w.run()
			if got := slices.Contains(linked(w), "hr/eve=ann by email"); got != c.want || told(p, run.KindConflict, "eve") == c.want && c.want {
				t.Errorf("linked %v, problems %v", linked(w), texts(p))
			}
		})
	}
	t.Run("the holder is gone", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp", "hr").rule("r", "*", to("All")).accounts("ann")
		w.read("corp", 0, "users: ann", "a: ann").run()
		w.read("corp", 10, "users:", "a:").read("corp", 40, "users:", "a:").read("hr", 40, "users: eve=ann@example.org", "b: eve")
		p := w.run()
		if slices.Contains(linked(w), "hr/eve=ann by email") || !told(p, run.KindConflict, "gone from there") {
			t.Errorf("linked %v, problems %v", linked(w), texts(p))
		}
	})
	t.Run("the holder is gone for so long that only the id is left", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp", "hr").rule("r", "*", to("All")).accounts("ann")
		w.read("corp", 0, "users: ann", "a: ann").run()
		late := 92 * 24 * 60
		w.read("corp", 10, "users:", "a:").read("corp", late, "users:", "a:").read("hr", late, "users: eve=ann@example.org", "b: eve")
		p := w.run()
		if slices.Contains(linked(w), "hr/eve=ann by email") || !told(p, run.KindConflict, "gone from there") {
			t.Errorf("linked %v, problems %v", linked(w), texts(p))
		}
	})
	t.Run("two sources at once, the one by sign-in under another mail, in both orders", func(t *testing.T) {
		t.Parallel()
		for _, order := range [][]string{{"corp", "hr"}, {"hr", "corp"}} {
			w := newWorld(t, order...).rule("r", "*", to("All")).accounts("ann")
			w.source("corp").Provider, w.source("corp").Subject = "oidc", "username"
			w.subject("ann", "oidc", "u-ann")
			w.read("corp", 0, "users: ann=other@example.org", "a: ann").read("hr", 0, "users: eve=ann@example.org", "b: eve").run()
			if got := linked(w); !slices.Equal(got, []string{"corp/ann=ann by sign_in"}) {
				t.Errorf("%v: linked %v", order, got)
			}
		}
	})
}

// TestDeletedAccount is the fifth scenario.
func TestDeletedAccount(t *testing.T) {
	t.Parallel()
	w := synced(t)
	w.without("bob")
	p := w.read("corp", 10, "users: ann bob cid dan", "sales: ann bob").run()
	if !told(p, run.KindUnmatched, "the account of bob@example.org (corp) was deleted") || len(p.People.Ended) != 1 {
		t.Errorf("problems %v, ended %v", texts(p), p.People.Ended)
	}
	expect(t, p)
	w.accounts("bob2=bob@example.org")
	expect(t, w.run(), "add_member sales bob2")
	w.settled()
}

func TestLinksOutliveGone(t *testing.T) {
	t.Parallel()
	w := synced(t)
	gone := []string{"users: ann cid dan", "sales: ann"}
	w.read("corp", 10, gone...).run()
	expect(t, w.read("corp", 30, gone...).run(), "remove_member sales bob gone")
	if !slices.Contains(linked(w), "corp/bob=bob by email") {
		t.Errorf("linked %v", linked(w))
	}
	expect(t, w.read("corp", 40, "users: ann bob cid dan", "sales: ann bob").run(), "add_member sales bob")
}

// TestLinkToAnAccountThatWasNeverSeenStays: a link ends when its account is proved
// deleted, not when the table of accounts does not have it.
func TestLinkToAnAccountThatWasNeverSeenStays(t *testing.T) {
	t.Parallel()
	w := synced(t)
	key := directory.UserKey{Source: "corp", ID: "eve"}
	w.mem.People.Set(key, plan.PersonLink{Account: "a-eve", By: "manual", Since: time.Time{}})
	p := w.read("corp", 10, "users: ann bob cid dan eve=dan@example.org", "sales: ann bob eve").run()
	expect(t, p)
	if _, ok := w.mem.People.Get(key); !ok || len(p.People.Ended) != 0 {
		t.Errorf("ended %v", p.People.Ended)
	}
}

// TestManyPeopleFewAccounts is the twentieth scenario.
func TestManyPeopleFewAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "*", func(s *specOf) { s.Create = "used" })
	big := &directory.Snapshot{AsOf: at(0), UsersListed: true, GroupsListed: true}
	o := &plan.Observation{At: at(0)}
	const people, accounts, groups = 100_000, 2_000, 500
	for n := range people {
		id := "user-" + strings.Repeat("x", n%3) + number(n)
		big.Users = append(big.Users, directory.User{ID: id, Email: id + "@example.org", StatusKnown: true})
		if n%(people/accounts) == 0 {
			o.Accounts = append(o.Accounts, plan.Account{ID: "a-" + id, Email: id + "@example.org"})
		}
	}
	for n := range groups {
		g := directory.Group{ID: "g" + number(n), Name: "g" + number(n), MembersKnown: true}
		for k := range people / groups {
			if n%2 == 0 || k%(people/accounts) != 0 {
				g.Direct = append(g.Direct, uint32(n*(people/groups)+k))
			}
		}
		big.Groups = append(big.Groups, g)
	}
	big.Close(false)
	w.mem.Observe(o)
	w.source("corp").Replica, _ = w.source("corp").Replica.Merge(big, 0)
	started := time.Now()
	p, _ := w.plan()
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	creates, adds := 0, 0
	for _, c := range p.Changes {
		switch c.Op {
		case run.CreateGroup:
			creates++
		case run.AddMember:
			adds++
		default:
			t.Fatalf("a %s", c.Op)
		}
	}
	memberships := big.Memberships()
	if creates != groups/2 || adds != accounts/2 || p.Summary.Pending != memberships-adds || len(p.Problems) > 3 {
		t.Errorf("%d groups, %d members, %d pending of %d; %d problems", creates, adds, p.Summary.Pending, memberships, len(p.Problems))
	}
}
