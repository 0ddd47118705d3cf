package oidc

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

func TestAPostedTokenIsKeptForItsLookUp(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	s := o.open(t, nil, webhook)
	wantNothing(t, lookUp(t, s, directory.Person{ID: "ann"}), "posted")
	who, err := s.TakeToken(t.Context(), o.sign(o.claims()))
	if err != nil || who != (directory.Person{ID: "ann", Email: "ann@example.org", Username: "ann"}) {
		t.Fatalf("%+v, %v", who, err)
	}
	for range 2 { // a run that failed is made again
		wantGroups(t, lookUp(t, s, who), "staff")
	}
	wantGroups(t, lookUp(t, s, directory.Person{Email: "ANN@example.org"}), "staff")
	for _, other := range []directory.Person{{ID: "bob"}, {Email: "bob@example.org"}, {Username: "ann"}, {Account: "acc-1"}, {}} {
		wantNothing(t, lookUp(t, s, other), "posted")
	}
	got, err := s.Pull(t.Context(), nil)
	if err != nil || got.Coverage() != directory.None || got.Reason == "" || len(got.Users) != 0 {
		t.Errorf("Pull: %+v, %v", got, err)
	}
}

func TestVerifyKeepsNothing(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	s := o.open(t, nil, webhook)
	if _, err := s.Verify(t.Context(), providers.IDToken, o.sign(o.claims())); err != nil {
		t.Fatal(err)
	}
	wantNothing(t, lookUp(t, s, directory.Person{ID: "ann"}), "posted")
}

func TestTheNewerOfTwoPostedTokensIsKept(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	now := time.Now()
	old := o.sign(o.claims().with(c{"iat": now.Add(-2 * time.Minute).Unix(), "groups": []string{"old"}}))
	young := o.sign(o.claims().with(c{"iat": now.Add(-time.Minute).Unix(), "groups": []string{"young"}}))
	for _, order := range [][]string{{old, young}, {young, old}} {
		s := o.open(t, nil, webhook)
		for _, raw := range order {
			if _, err := s.TakeToken(t.Context(), raw); err != nil {
				t.Fatal(err)
			}
		}
		wantGroups(t, lookUp(t, s, directory.Person{ID: "ann"}), "young")
	}
}

func TestAPostedTokenThatProvesNothingSaysWhy(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	for _, c := range []struct {
		change c
		empty  bool
		why    string
	}{
		{c{"groups": nil}, false, "no claim groups"},
		{c{"groups": nil}, true, ""},
		{c{"groups": 7}, true, "a number"},
		{c{"groups": nil, "hasgroups": true}, true, "entra"},
	} {
		s := o.open(t, nil, webhook, func(cfg *Config) {
			if c.empty {
				cfg.AbsentClaim = AbsentEmpty
			}
		})
		who, err := s.TakeToken(t.Context(), o.sign(o.claims().with(c.change)))
		if err != nil || who.ID != "ann" {
			t.Fatalf("%+v, %v", who, err)
		}
		got := lookUp(t, s, who)
		if c.why == "" {
			wantGroups(t, got)
		} else {
			wantNothing(t, got, c.why)
		}
	}
}

func TestPostedTokensAreForgottenAfterMinutes(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	at := newClock()
	s := openWith(t, o.config(webhook), providers.Options{Now: at.now})
	if _, err := s.TakeToken(t.Context(), o.sign(o.claims().with(c{"exp": time.Now().Add(time.Hour).Unix()}))); err != nil {
		t.Fatal(err)
	}
	at.forward(keptFor - time.Second)
	wantGroups(t, lookUp(t, s, directory.Person{ID: "ann"}), "staff")
	at.forward(time.Second)
	wantNothing(t, lookUp(t, s, directory.Person{ID: "ann"}), "posted")
	wantNothing(t, lookUp(t, s, directory.Person{Email: "ann@example.org"}), "posted")
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	t.Parallel()
	at := newClock()
	k := newKept(at.now)
	put := func(id string, bytes int) bool {
		return k.put(&person{user: directory.User{ID: id, AsOf: at.now()}}, reading{state: explicit}, bytes)
	}
	for i := range maxKept {
		if !put(fmt.Sprint(i), 100) {
			t.Fatalf("no room for person %d", i)
		}
	}
	if put("one more", 100) {
		t.Error("there is room without end")
	}
	if !put("7", 100) {
		t.Error("no room for somebody who is there")
	}
	for i := range 10 { // whom somebody has looked at gives way
		if p, why := k.take(directory.Person{ID: fmt.Sprint(i)}); p == nil {
			t.Fatal(why)
		}
	}
	if !put("one more", 100) || len(k.people) != maxKept-9 {
		t.Errorf("%d people are kept", len(k.people))
	}
	at.forward(keptFor)
	if !put("large", maxMemory) || len(k.people) > maxKept || k.bytes > maxMemory {
		t.Errorf("after a time: %d people, %d bytes", len(k.people), k.bytes)
	}
	if put("small", 1) {
		t.Error("there is memory without end")
	}
	k.clear()
	if k.bytes != 0 || !put("small", 1) {
		t.Errorf("cleared, and %d bytes are left", k.bytes)
	}
}

func TestAFullStoreAsksToComeBack(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	s := o.open(t, nil, webhook)
	s.kept.bytes = maxMemory
	_, err := s.TakeToken(t.Context(), o.sign(o.claims()))
	if fault.KindOf(err) != fault.Throttled || fault.AfterOf(err) == 0 {
		t.Errorf("%v, after %s", err, fault.AfterOf(err))
	}
}

func TestTokensAreTakenAtOnce(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	s := o.open(t, nil, webhook)
	var wg sync.WaitGroup
	for i := range 40 {
		raw := o.sign(o.claims().with(c{"sub": fmt.Sprintf("p%d", i%10), "email": fmt.Sprintf("p%d@example.org", i%10)}))
		wg.Go(func() {
			who, err := s.TakeToken(t.Context(), raw)
			if err != nil {
				t.Error(err)
				return
			}
			got, err := s.LookUp(t.Context(), who)
			if err != nil || len(got.Users) != 1 || got.Users[0].ID != who.ID {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	wg.Wait()
	if n := o.count("/keys"); n != 1 {
		t.Errorf("keys were fetched %d times", n)
	}
}

// TestTwoPeopleWithOneAddressAreNobody: an address that two tokens claim leads to neither.
func TestTwoPeopleWithOneAddressAreNobody(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	s := o.open(t, nil, webhook)
	for _, sub := range []string{"ann", "bob"} {
		if _, err := s.TakeToken(t.Context(), o.sign(o.claims().with(c{"sub": sub}))); err != nil {
			t.Fatal(err)
		}
	}
	wantNothing(t, lookUp(t, s, directory.Person{Email: "ann@example.org"}), "exactly one")
}

// TestGarbageAsksNobody: what is no token of this issuer costs no request.
func TestGarbageAsksNobody(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	o.answer(wellKnown, status(503, "text/plain", "down"))
	s := openWith(t, o.config(webhook), providers.Options{Now: newClock().now})
	for range 100 {
		if _, err := s.TakeToken(t.Context(), strings.Repeat("x", 100)); fault.KindOf(err) != fault.Auth {
			t.Fatal(err)
		}
	}
	if n := o.count(wellKnown); n != 0 {
		t.Errorf("the provider was asked %d times", n)
	}
	for range 100 {
		if _, err := s.TakeToken(t.Context(), o.sign(o.claims())); fault.KindOf(err) != fault.Unavailable || fault.AfterOf(err) < 0 {
			t.Fatal(err)
		}
	}
	if n := o.count(wellKnown); n > 2 {
		t.Errorf("a provider that is down was asked %d times", n)
	}
}
