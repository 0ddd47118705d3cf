package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// crew signs people in: p0 … in the group of their number modulo 3.
func crew(o *op, target *chat, n int) {
	for i := range n {
		id := fmt.Sprintf("p%d", i)
		target.signIn("acc-"+id, id, o.sign(o.claims().with(c{"sub": id, "email": id + "@example.org", "groups": []string{"all", fmt.Sprintf("g%d", i%3)}})), "")
	}
}

func TestASweepReadsEverybody(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	crew(o, target, 10)
	target.signIn("acc-thin", "thin", o.sign(o.claims().with(c{"sub": "thin", "groups": nil})), "")
	target.accounts = append(target.accounts, providers.SignedIn{Account: "acc-none", Subject: "none"})
	target.signIn("acc-twice", "p0", o.sign(o.claims().with(c{"sub": "p0", "iat": time.Now().Add(-time.Hour).Unix(), "groups": []string{"older"}})), "")
	var seen []int
	got, err := o.open(t, target).Pull(t.Context(), func(_ string, done int) { seen = append(seen, done) })
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Users) != 10 || got.UsersListed || got.GroupsListed || got.Coverage() != directory.Partial || len(got.Groups) != 4 {
		t.Errorf("%d users, %d groups, coverage %s", len(got.Users), len(got.Groups), got.Coverage())
	}
	for _, part := range []string{"10 of 13 accounts", "1: no sign-in session is stored", "1: the token has no claim groups"} {
		if !strings.Contains(got.Reason, part) {
			t.Errorf("reason %q lacks %q", got.Reason, part)
		}
	}
	for _, u := range got.Users {
		if !u.GroupsKnown || u.StatusKnown || u.AsOf.IsZero() || u.AsOf.After(got.AsOf) {
			t.Errorf("user %+v", u)
		}
	}
	for _, g := range got.Groups {
		if g.MembersKnown || !slices.IsSorted(g.Members) || g.ID == "all" && len(g.Members) != 10 || g.ID == "g0" && len(g.Members) != 4 {
			t.Errorf("group %+v", g)
		}
	}
	if !slices.IsSorted(seen) || len(seen) < 2 || seen[len(seen)-1] != 13 {
		t.Errorf("progress %v", seen)
	}
	if o.count(wellKnown) != 1 || o.count("/keys") != 1 {
		t.Errorf("the provider was asked %d and %d times", o.count(wellKnown), o.count("/keys"))
	}
}

func TestNobodyHasSignedIn(t *testing.T) {
	t.Parallel()
	got, err := newOP(t).open(t, newChat()).Pull(t.Context(), nil)
	if err != nil || got.Coverage() != directory.None || got.Reason == "" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOneBadAccountDoesNotEndASweep(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	crew(o, target, 10)
	target.broken["acc-p3"] = fault.New(fault.Unavailable, "read sessions", "chat", errors.New("oops"), "look")
	got, err := o.open(t, target).Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "1 accounts could not be read") || fault.HintOf(err) != "look" {
		t.Errorf("error %v", err)
	}
	if len(got.Users) != 9 || slices.ContainsFunc(got.Users, func(u directory.User) bool { return u.ID == "p3" }) || got.Reason == "" {
		t.Errorf("%d users, reason %q", len(got.Users), got.Reason)
	}
}

func TestATargetThatFailsIsLeftAlone(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	crew(o, target, 50)
	for i := 5; i < 50; i++ {
		target.broken[fmt.Sprintf("acc-p%d", i)] = fault.New(fault.Unavailable, "read sessions", "chat", errors.New("down"), "")
	}
	got, err := o.open(t, target).Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Unavailable || len(got.Users) != 5 || len(target.asked) != 5+maxInARow {
		t.Errorf("%v, %d users after %d requests", err, len(got.Users), len(target.asked))
	}
}

func TestAListOfAccountsThatBreaksOffIsAnError(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	crew(o, target, 5)
	target.listing = fault.New(fault.Incomplete, "list accounts", "chat", errors.New("cut"), "")
	got, err := o.open(t, target).Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Incomplete || got.Coverage() != directory.None || len(target.asked) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestASweepCanBeStopped(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	crew(o, target, 30)
	s := o.open(t, target)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	target.before = func(account string) {
		if account == "acc-p7" {
			cancel()
		}
	}
	got, err := s.Pull(ctx, nil)
	if fault.KindOf(err) != fault.Canceled || len(got.Users) != 7 || len(target.asked) != 8 {
		t.Errorf("%v, %d users after %d requests", err, len(got.Users), len(target.asked))
	}
	target.before = func(account string) {
		if account == "acc-p7" {
			_ = s.Close()
		}
	}
	got, err = s.Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Canceled || !errors.Is(err, errClosed) || len(got.Users) != 7 {
		t.Errorf("closed within: %v, %d users", err, len(got.Users))
	}
	got, err = s.Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Canceled || got.Coverage() != directory.None {
		t.Errorf("closed before: %+v, %v", got, err)
	}
}

// TestASweepIsSlow: 20 accounts a second, whatever the target could do.
func TestASweepIsSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := pace{every: time.Second / defaultSweepRate}
		began := time.Now()
		for range 101 {
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("101 steps took %s", took)
		}
		time.Sleep(time.Minute)
		began = time.Now()
		for range 21 {
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("after a pause, 21 steps took %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := p.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait that is cut: %v", err)
		}
	})
}

func TestALookUpDoesNotWaitForASweep(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	crew(o, target, 3)
	s := o.open(t, target, func(cfg *Config) { cfg.SweepRate = 1 })
	looked := make(chan struct{})
	target.before = func(account string) {
		if account != "acc-p0" {
			return
		}
		target.mu.Lock()
		target.before = nil
		target.mu.Unlock()
		wantGroups(t, lookUp(t, s, directory.Person{Account: "acc-p2"}), "all", "g2")
		close(looked)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = s.Pull(ctx, nil)
	}()
	<-looked
	cancel()
	<-done
}
