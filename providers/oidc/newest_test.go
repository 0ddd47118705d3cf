package oidc

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"groupsyncd/directory"
	"groupsyncd/sync/replica"
)

// TestAnOlderTokenNeverWins reads tokens of one person in any order, from sessions and by
// sweeps, into a replica: what counts in the end is what the newest of them said.
func TestAnOlderTokenNeverWins(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	now := time.Now()
	type issued struct {
		ago    int // hours
		groups []string
	}
	rapid.Check(t, func(r *rapid.T) {
		tokens := rapid.SliceOfNDistinct(rapid.Custom(func(r *rapid.T) issued {
			return issued{rapid.IntRange(0, 100).Draw(r, "hours ago"), rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID[string]).Draw(r, "groups")}
		}), 1, 5, func(i issued) int { return i.ago }).Draw(r, "tokens")
		known := replica.New("sso")
		var newest *issued
		for i, one := range tokens {
			target := newChat()
			at := now.Add(-time.Duration(one.ago) * time.Hour)
			target.signIn("acc-1", "ann", o.sign(o.claims().with(c{"iat": at.Unix(), "exp": at.Add(time.Minute).Unix(), "groups": one.groups})), "")
			s, err := newSource(*o.config(), optionsFor(target), o.Client().Transport)
			if err != nil {
				r.Fatal(err)
			}
			var got *directory.Snapshot
			if rapid.Bool().Draw(r, "sweep") {
				got, err = s.Pull(t.Context(), nil)
			} else {
				got, err = s.LookUp(t.Context(), directory.Person{ID: "ann"})
			}
			if err != nil {
				r.Fatal(err)
			}
			known, _ = known.Merge(got, 0)
			if newest == nil || one.ago < newest.ago {
				newest = &tokens[i]
			}
		}
		want := slices.Sorted(slices.Values(newest.groups))
		if have := memberships(known, "ann"); !slices.Equal(have, want) {
			r.Fatalf("tokens %+v leave %q, want %q", tokens, have, want)
		}
	})
}

// TestOnlyAnExplicitClaimTakesAway: after a token that names groups, one that says nothing
// of them changes nothing, and an explicit empty one takes all of them away.
func TestOnlyAnExplicitClaimTakesAway(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	s := o.open(t, target)
	known := replica.New("sso")
	see := func(when string, change c, want ...string) {
		t.Helper()
		if change != nil {
			target.stored["acc-1"] = nil
			if len(change) > 0 {
				target.signIn("acc-1", "ann", o.sign(o.claims().with(change)), "")
			}
		}
		got, err := s.LookUp(t.Context(), directory.Person{Account: "acc-1"})
		if err != nil {
			t.Fatal(err)
		}
		known, _ = known.Merge(got, 0)
		if have := memberships(known, "ann"); !slices.Equal(have, want) {
			t.Errorf("%s: %q (%s), want %q", when, have, got.Reason, want)
		}
	}
	at := func(seconds int) int64 { return time.Now().Add(-time.Hour).Unix() + int64(seconds) }
	see("a first sign-in", c{"iat": at(0), "groups": []string{"a", "b"}}, "a", "b")
	see("no claim", c{"iat": at(1), "groups": nil}, "a", "b")
	see("null", c{"iat": at(2), "groups": null}, "a", "b")
	see("overage", c{"iat": at(3), "groups": nil, "hasgroups": true}, "a", "b")
	see("a shape nobody knows", c{"iat": at(4), "groups": map[string]any{}}, "a", "b")
	see("another client", c{"iat": at(5), "aud": "other"}, "a", "b")
	see("no session", c{}, "a", "b")
	see("an older sign-in", c{"iat": at(-10), "groups": []string{}}, "a", "b")
	see("moved to another group", c{"iat": at(6), "groups": []string{"b", "c"}}, "b", "c")
	see("none, said so", c{"iat": at(7), "groups": []string{}})
}

// memberships gives the ids of the groups that a replica has somebody in.
func memberships(r *replica.Replica, id string) []string {
	n, ok := r.User(id)
	if !ok {
		return nil
	}
	var out []string
	for i := range r.Groups() {
		if g := &r.Groups()[i]; slices.Contains(g.Members, n) {
			out = append(out, g.ID)
		}
	}
	slices.Sort(out)
	return out
}
