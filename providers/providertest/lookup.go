package providertest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

func (h Harness) runLookUps(t *testing.T) {
	t.Helper()
	w := company()
	if !h.NoNesting {
		w = nested(true)
	}
	w = h.fit(w)
	for _, u := range w.Users {
		h.run(t, "look-up/"+u.Username, func(t *testing.T) { h.testPerson(t, w, u) })
	}
	strange := h.fit(strangeNames())
	h.run(t, "look-up/strange names", func(t *testing.T) { h.testPerson(t, strange, strange.Users[2]) })
	odd := h.fit(oddNames())
	h.run(t, "look-up/odd names", func(t *testing.T) {
		l := h.lookUp(t, h.Open(t, odd))
		for _, u := range odd.Users {
			got, err := l.LookUp(t.Context(), h.named(u))
			if err != nil {
				t.Errorf("%s: %v", u.Name, err)
				continue
			}
			if len(got.Users) == 1 {
				h.checkPerson(t, got, odd, u, got.Users[0].ID)
			} else {
				t.Errorf("%s: %d users", u.Name, len(got.Users))
			}
		}
	})
	h.run(t, "look-up/in more groups than a page", func(t *testing.T) {
		w := h.fit(joiner())
		h.testPerson(t, w, w.Users[1])
	})
	h.run(t, "look-up/a mail address in capitals", func(t *testing.T) {
		w := h.fit(company())
		w.Users[0].Email = "User0001@Example.Org"
		for _, email := range []string{"user0001@example.org", "USER0001@EXAMPLE.ORG", "User0001@Example.Org"} {
			got, err := h.lookUp(t, h.Open(t, w)).LookUp(t.Context(), directory.Person{Email: email})
			if err != nil || len(got.Users) != 1 {
				t.Errorf("%s: %+v, %v", email, got, err)
			}
		}
	})
	if !h.NoNesting {
		deep := h.fit(thirtyLevels())
		h.run(t, "look-up/thirty levels down", func(t *testing.T) { h.testPerson(t, deep, deep.Users[29]) })
		h.run(t, "look-up/in a large group inside others", func(t *testing.T) {
			w := h.fit(above1500(1804))
			h.testPerson(t, w, w.Users[1804])
		})
	}
	h.run(t, "look-up/nobody", h.testNobody)
	h.run(t, "look-up/cancelled", h.testLookUpCanceled)
	if !h.NoLoneUsers {
		h.run(t, "look-up/in no group", func(t *testing.T) {
			w := h.fit(World{Users: people(2)})
			h.testPerson(t, w, w.Users[1])
		})
	}
	if !h.NoDisabled {
		h.run(t, "look-up/disabled", func(t *testing.T) {
			w := h.fit(disabled())
			h.testPerson(t, w, w.Users[1])
		})
	}
	if !h.NoSameEmail {
		h.run(t, "look-up/two people with one mail", func(t *testing.T) {
			w := h.fit(company())
			w.Users[1].Email = w.Users[0].Email
			h.testNothing(t, h.lookUp(t, h.Open(t, w)), directory.Person{Email: w.Users[0].Email})
		})
	}
}

func (h Harness) lookUp(t testing.TB, s providers.Source) providers.LookUp {
	t.Helper()
	l, ok := s.(providers.LookUp)
	if !ok {
		t.Fatal("the source does not implement providers.LookUp")
	}
	return l
}

// testPerson looks up one person in every way.
func (h Harness) testPerson(t *testing.T, w World, u User) {
	s := h.Open(t, w)
	l := h.lookUp(t, s)
	pulled := h.checkPull(t, s, w)
	i := slices.IndexFunc(pulled.Users, func(x directory.User) bool { return x.Username == u.Username })
	if i < 0 {
		t.Fatalf("user %s is not in the pull", u.Username)
	}
	for _, who := range []directory.Person{
		{ID: pulled.Users[i].ID},
		{ID: pulled.Users[i].ID, Email: "somebody.else@example.org"},
		{Email: u.Email},
		{Email: strings.ToUpper(u.Email)},
		h.named(u),
	} {
		before := time.Now()
		got, err := l.LookUp(t.Context(), who)
		if err != nil {
			t.Errorf("LookUp(%+v): %v", who, err)
			continue
		}
		if got.AsOf.Before(before) || got.AsOf.After(time.Now()) {
			t.Errorf("LookUp(%+v): AsOf is %s", who, got.AsOf)
		}
		h.checkPerson(t, got, w, u, pulled.Users[i].ID)
	}
}

// checkPerson checks what a look-up shows of one person.
func (h Harness) checkPerson(t *testing.T, got *directory.Snapshot, w World, u User, id string) {
	t.Helper()
	for _, v := range violations(got, !h.NoNesting) {
		if !strings.HasPrefix(v, "coverage is ") {
			t.Error(v)
		}
	}
	if len(got.Users) != 1 || got.Users[0].ID != id {
		t.Errorf("users %+v, want only %s", got.Users, id)
		return
	}
	p := &got.Users[0]
	if !p.GroupsKnown || !p.StatusKnown && !h.NoDisabled || p.Disabled != u.Disabled {
		t.Errorf("user %+v: want groups and status known, disabled %v", p, u.Disabled)
	}
	want := userLine(h.userKey(u.ID, u.Username), u.Email, u.Username, u.Name, u.Disabled, u.Attributes)
	if line := userLine(h.userKey(p.ID, p.Username), p.Email, p.Username, p.Name, p.Disabled, p.Attributes); line != want {
		t.Errorf("user is %s, want %s", line, want)
	}
	if got.UsersListed || got.GroupsListed {
		t.Error("a look-up claims a whole list")
	}
	wanted, names := []string{}, []string{}
	for _, g := range w.groupsOf(u.ID) {
		wanted = append(wanted, h.groupKey(g.ID, g.Name)+" "+g.Name+" "+g.Description)
	}
	for i := range got.Groups {
		g := &got.Groups[i]
		if g.MembersKnown || !slices.Contains(g.Members, 0) {
			t.Errorf("group %+v: want the user in it, and its other members unknown", g)
		}
		if !g.Unlisted { // Others are shown for what they contain, and selected by no rule.
			names = append(names, h.groupKey(g.ID, g.Name)+" "+g.Name+" "+g.Description)
		}
	}
	slices.Sort(wanted)
	slices.Sort(names)
	if diff := cmp.Diff(wanted, names); diff != "" {
		t.Errorf("groups of %s differ (-want +got):\n%s", u.Username, diff)
	}
}

func (h Harness) testNobody(t *testing.T) {
	l := h.lookUp(t, h.Open(t, h.fit(company())))
	for _, who := range []directory.Person{
		{},
		{ID: uid(777)},
		{Email: "nobody@example.org"},
		{Username: "nobody"},
		{Username: "*"},
		{Username: "user000*"},
		{Email: "*@example.org"},
		{ID: "*"},
		{Username: ")(uid=user0001"},
	} {
		h.testNothing(t, l, who)
	}
}

// testNothing checks a look-up that must cover nothing, without an error.
func (h Harness) testNothing(t *testing.T, l providers.LookUp, who directory.Person) {
	t.Helper()
	got, err := l.LookUp(t.Context(), who)
	if err != nil || got == nil {
		t.Errorf("LookUp(%+v): %v", who, err)
		return
	}
	if got.Coverage() != directory.None || got.Reason == "" || len(got.Users) > 0 || len(got.Groups) > 0 {
		t.Errorf("LookUp(%+v) = %+v, want nothing covered, with a reason", who, got)
	}
}

func (h Harness) testLookUpCanceled(t *testing.T) {
	l := h.lookUp(t, h.Open(t, h.fit(company())))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := l.LookUp(ctx, directory.Person{Username: "user0001"})
	if fault.KindOf(err) != fault.Canceled || got == nil || got.Coverage() != directory.None {
		t.Errorf("LookUp with an ended context: %+v, error %v", got, err)
	}
}
