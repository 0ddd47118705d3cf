package scimpush

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/scimpush/scimpushtest"
)

// staff is a world of so many people, all of them in each of two groups.
func staff(n int) providertest.World {
	var w providertest.World
	var all []string
	for i := range n {
		id := fmt.Sprintf("p%03d", i)
		all = append(all, id)
		w.Users = append(w.Users, providertest.User{ID: id, Username: id, Email: id + "@example.org"})
	}
	w.Groups = []providertest.Group{{ID: "g1", Name: "One", Members: all}, {ID: "g2", Name: "Two", Members: all}}
	return w
}

// listen watches a source until the test ends, and counts what it is told.
func listen(t *testing.T, s *Source) (told func() int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	n, done := make(chan int, 1), make(chan struct{})
	n <- 0
	go func() {
		defer close(done)
		if err := s.Watch(ctx, func(...directory.Person) { n <- <-n + 1 }); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	synctest.Wait()
	return func() int { v := <-n; n <- v; return v }
}

// covers pulls and gives how much is covered; less than everything is no failure.
func covers(t *testing.T, s *Source) directory.Coverage {
	t.Helper()
	got, err := s.Pull(t.Context(), nil)
	if (err == nil) != (got.Coverage() == directory.Full) || err != nil && (!errors.Is(err, providers.ErrWaiting) || fault.HintOf(err) == "" || got.Reason == "") {
		t.Fatalf("coverage %s, %v", got.Coverage(), err)
	}
	return got.Coverage()
}

func TestTheFirstRoundEndsWhenTheProviderIsQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, &scimpushtest.Store{}, nil)
		if c := covers(t, s); c != directory.None {
			t.Errorf("empty: %s", c)
		}
		time.Sleep(24 * time.Hour)
		p := provider(s)
		p.Bring(t, staff(3))
		time.Sleep(24 * time.Hour)
		if c := covers(t, s); c != directory.Partial {
			t.Errorf("while nobody listens: %s", c)
		}
		told := listen(t, s)
		time.Sleep(59 * time.Minute)
		before := told()
		// A write that is refused is a sign of life too.
		p.Ask(t, "POST", "/Users", `{"userName":"P000"}`)
		time.Sleep(59 * time.Minute)
		s.Missed() // As is one that was turned away at the door.
		time.Sleep(59 * time.Minute)
		if c := covers(t, s); c != directory.Partial || told() != before {
			t.Errorf("too early: %s, told %d times", c, told()-before)
		}
		p.Ask(t, "GET", "/Users", nil) // To read is not to write.
		time.Sleep(90 * time.Second)
		if n := told() - before; n != 1 {
			t.Errorf("told %d times that it is complete", n)
		}
		if c := covers(t, s); c != directory.Full {
			t.Errorf("quiet for an hour: %s", c)
		}
		p.Bring(t, staff(5))
		if c := covers(t, s); c != directory.Full {
			t.Errorf("after the next changes: %s", c)
		}
	})
}

// TestAClockThatIsSetEndsNoRound: half of the people are there when the clock is set forward,
// as it is when a machine has slept.
func TestAClockThatIsSetEndsNoRound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, &scimpushtest.Store{}, nil)
		var ahead atomic.Int64
		s.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())).Round(0) }
		told := listen(t, s)
		provider(s).Bring(t, staff(3))
		time.Sleep(time.Minute)
		before := told()
		ahead.Store(int64(24 * time.Hour))
		if c := covers(t, s); c != directory.Partial {
			t.Errorf("the clock was set forward: %s", c)
		}
		time.Sleep(58 * time.Minute)
		if c := covers(t, s); c != directory.Partial || told() != before {
			t.Errorf("too early: %s, told %d times", c, told()-before)
		}
		time.Sleep(90 * time.Second)
		if c := covers(t, s); c != directory.Full || told() == before {
			t.Errorf("quiet for an hour: %s, told %d times", c, told()-before)
		}
	})
}

func TestWithNobodyBroughtNothingIsComplete(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, &scimpushtest.Store{}, nil)
		listen(t, s)
		provider(s).Ask(t, "POST", "/Groups", `{"displayName":"Empty"}`)
		time.Sleep(48 * time.Hour)
		if c := covers(t, s); c == directory.Full {
			t.Error("a source without people counts as complete")
		}
		if err := s.Accept(); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("accepted: %v", err)
		}
	})
}

func TestADoubtEndsWhenEnoughIsThereAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		again func(w *providertest.World)
		full  bool
	}{
		"all":                       {func(*providertest.World) {}, true},
		"nine tenths of the people": {func(w *providertest.World) { w.Users = w.Users[:18] }, true},
		"fewer people":              {func(w *providertest.World) { w.Users = w.Users[:17] }, false},
		"one group of two":          {func(w *providertest.World) { w.Groups = w.Groups[:1] }, false},
		"groups with fewer in them": {func(w *providertest.World) { w.Groups[0].Members = w.Groups[0].Members[:10] }, false},
		"groups with a few less":    {func(w *providertest.World) { w.Groups[0].Members = w.Groups[0].Members[:17] }, true},
		"more than before":          {func(w *providertest.World) { *w = staff(30) }, true},
		"nothing":                   {func(w *providertest.World) { *w = providertest.World{} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &scimpushtest.Store{}
				first := open(t, store, nil)
				old := provider(first)
				old.Bring(t, staff(20))
				if err := first.Accept(); err != nil {
					t.Fatal(err)
				}
				s := open(t, store, nil)
				if did, err := s.Doubt("it may be old"); err != nil || !did {
					t.Fatal(did, err)
				}
				told := listen(t, s)
				if c := covers(t, s); c != directory.None {
					t.Errorf("in doubt: %s", c)
				}
				if got, err := s.LookUp(t.Context(), directory.Person{Username: "p001"}); err != nil || got.Coverage() != directory.None || got.Reason == "" {
					t.Errorf("a look-up in doubt: %+v, %v", got, err)
				}
				w := staff(20)
				c.again(&w)
				p := provider(s)
				p.Bring(t, w)
				for _, u := range w.Users {
					if is := p.ID(u.ID); old.ID(u.ID) != "" && is != old.ID(u.ID) {
						t.Errorf("%s has another id", u.ID)
					}
				}
				if did, err := s.Doubt("once more"); err != nil || did {
					t.Errorf("what came since is in doubt too: %v", err)
				}
				time.Sleep(61 * time.Minute)
				st, err := s.Standing()
				if err != nil {
					t.Fatal(err)
				}
				if got := covers(t, s); (got == directory.Full) != c.full || got == directory.Partial {
					t.Errorf("%s with %+v", got, st)
				}
				if c.full {
					if told() == 0 {
						t.Error("nobody was told")
					}
					return
				}
				if !strings.Contains(st.Waiting, "of 20 users") || !strings.Contains(st.Hint, "source accept pushed") {
					t.Errorf("%+v", st)
				}
				if len(w.Users) > 0 {
					if got, err := s.LookUp(t.Context(), directory.Person{Username: "p001"}); err != nil || got.Coverage() != directory.None {
						t.Errorf("who came again is looked up before the others: %+v, %v", got, err)
					}
					if err := s.Accept(); err != nil || covers(t, s) != directory.Full {
						t.Errorf("accepted: %v", err)
					}
				}
			})
		})
	}
}

// TestADoubtIsRememberedAndCanBeginAnew: neither a restart nor a second doubt makes less of
// what is to come again.
func TestADoubtIsRememberedAndCanBeginAnew(t *testing.T) {
	t.Parallel()
	store := &scimpushtest.Store{}
	s := open(t, store, nil)
	provider(s).Bring(t, staff(20))
	for range 3 {
		s = open(t, store, nil)
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		provider(s).Bring(t, staff(2))
	}
	s = open(t, store, nil)
	st, err := s.Standing()
	if err != nil || st.Generation != 4 || st.FormerUsers != 20 || st.FormerMembers != 40 || st.Users != 2 || st.Complete {
		t.Errorf("%+v, %v", st, err)
	}
	// A store that came from a backup is in doubt as soon as it is opened, once.
	if _, err := store.Save(store.Revision(), []providers.PushedRecord{{Key: providers.RestoredKey, Value: []byte("{}")}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if st, err = open(t, store, nil).Standing(); err != nil || st.Generation != 5 || st.Users != 0 {
			t.Errorf("restored: %+v, %v", st, err)
		}
	}
}

// TestWhatCannotBeKeptIsNotTakenIn: the provider is told to come again, and nothing changes.
func TestWhatCannotBeKeptIsNotTakenIn(t *testing.T) {
	t.Parallel()
	store := &scimpushtest.Store{}
	s := open(t, store, nil)
	p := provider(s)
	p.Bring(t, staff(2))
	for _, r := range [][3]string{{"POST", "/Users", `{"userName":"new"}`}, {"DELETE", "/Users/" + p.ID("p000"), ""}, {"PATCH", "/Groups/" + p.ID("g1"), `{"Operations":[{"op":"remove","path":"members"}]}`},
		{"PUT", "/Users/" + p.ID("p001"), `{"userName":"other"}`}} {
		store.Fail = errors.New("the disk is full")
		if a := p.Ask(t, r[0], r[1], r[2]); a.Status != 503 || a.Header.Get("Retry-After") == "" || strings.Contains(fmt.Sprint(a.Body), "disk") {
			t.Errorf("%s %s: %d %v", r[0], r[1], a.Status, a.Body)
		}
	}
	got, err := open(t, store, nil).Pull(t.Context(), nil)
	if !errors.Is(err, providers.ErrWaiting) || len(got.Users) != 2 || got.Memberships() != 4 {
		t.Errorf("%d users, %d memberships, %v", len(got.Users), got.Memberships(), err)
	}
	if here, err := s.Pull(t.Context(), nil); !errors.Is(err, providers.ErrWaiting) || len(here.Users) != 2 || here.Memberships() != 4 {
		t.Errorf("in memory: %d users, %d memberships, %v", len(here.Users), here.Memberships(), err)
	}
}

// TestTwoSourcesOnOneStore as while a configuration is loaded again: neither loses what the
// other has written.
func TestTwoSourcesOnOneStore(t *testing.T) {
	t.Parallel()
	store := &scimpushtest.Store{}
	a, b := open(t, store, nil), open(t, store, nil)
	for i := range 20 {
		for j, s := range []*Source{a, b} {
			if r := provider(s).Ask(t, "POST", "/Users", fmt.Sprintf(`{"userName":"u%d-%d"}`, i, j)); r.Status != 201 {
				t.Fatal(r.Status, r.Body)
			}
		}
	}
	for _, s := range []*Source{a, b} {
		if st, err := s.Standing(); err != nil || st.Users != 40 {
			t.Errorf("%+v, %v", st, err)
		}
	}
}

// TestOneMemberOfALargeGroupWritesLittle, and takes little time, with a million memberships.
func TestOneMemberOfALargeGroupWritesLittle(t *testing.T) {
	t.Parallel()
	store := &scimpushtest.Store{}
	s := open(t, store, nil)
	p := provider(s)
	var b strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&b, `,{"value":"0a000000-0000-4000-8000-%012d"}`, i)
	}
	a := p.Ask(t, "POST", "/Groups", `{"displayName":"Everybody","members":[`+b.String()[1:]+`]}`)
	if a.Status != 201 {
		t.Fatal(a.Status, a.Body["detail"])
	}
	all := store.Written
	if all > 1_000_000 {
		t.Errorf("50,000 members take %d bytes", all)
	}
	for _, op := range []string{`{"op":"add","path":"members","value":[{"value":"somebody"}]}`, `{"op":"remove","path":"members[value eq \"0a000000-0000-4000-8000-000000025000\"]"}`} {
		store.Written = 0
		if r := p.Ask(t, "PATCH", "/Groups/"+fmt.Sprint(a.Body["id"]), `{"Operations":[`+op+`]}`); r.Status != 204 || store.Written > 10_000 || store.Written == 0 {
			t.Errorf("%s: %d, %d bytes", op, r.Status, store.Written)
		}
	}
	if st, err := s.Standing(); err != nil || st.Members != 50_000 || st.Unresolved != 50_000 {
		t.Errorf("%+v, %v", st, err)
	}
}

// TestAUserNameThatWentOnLeadsToNobodyElse: after a doubt the provider's own ids say who somebody
// is; a userName that another one had before gives nobody that one's id, whoever comes first, and
// keeps nobody from coming. It is so too when the store is opened anew between.
func TestAUserNameThatWentOnLeadsToNobodyElse(t *testing.T) {
	t.Parallel()
	const body = `{"userName":%q,"externalId":%q}`
	store := &scimpushtest.Store{}
	s := open(t, store, nil)
	id := map[string]string{}
	for ext, name := range map[string]string{"1": "ann", "2": "bob", "3": "cid", "4": "dee"} {
		id[ext], _ = provider(s).Ask(t, "POST", "/Users", fmt.Sprintf(body, name, ext)).Body["id"].(string)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	for _, u := range [][2]string{{"1", "bob"}, {"2", "cid"}, {"5", "dee"}, {"3", "ann"}} {
		s = open(t, store, nil)
		a := provider(s).Ask(t, "POST", "/Users", fmt.Sprintf(body, u[1], u[0]))
		is, _ := a.Body["id"].(string)
		if a.Status != 201 || is == "" || is != id[u[0]] && id[u[0]] != "" {
			t.Errorf("%s as %s: %d, id %q in place of %q", u[0], u[1], a.Status, is, id[u[0]])
		}
		for ext, other := range id {
			if ext != u[0] && other == is {
				t.Errorf("%s has the id of %s", u[0], ext)
			}
		}
		id[u[0]] = is
		s = open(t, store, nil)
		if n := fmt.Sprint(provider(s).Ask(t, "GET", "/Users?filter="+url.QueryEscape(`userName eq "`+u[1]+`"`), nil).Body["totalResults"]); n != "1" {
			t.Errorf("%s as %s: found %s times", u[0], u[1], n)
		}
	}
	// The one who had the name dee was not brought again, and keeps nobody from a name.
	if a := provider(s).Ask(t, "POST", "/Users", fmt.Sprintf(body, "dee", "6")); a.Status != 409 {
		t.Errorf("a name that is taken: %d", a.Status)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if a := provider(s).Ask(t, "PATCH", "/Users/"+id["1"], `{"Operations":[{"op":"replace","path":"userName","value":"ann"}]}`); a.Status != 200 {
		t.Errorf("renamed to a name that nobody has: %d", a.Status)
	}
}
