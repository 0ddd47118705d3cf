package oidc

import (
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
)

const accessCanary = "access-canary-91c3"

// signIn signs in everybody of a world.
func signIn(o *op, w providertest.World) *chat {
	target := newChat()
	in := map[string][]map[string]string{}
	for _, g := range w.Groups {
		for _, id := range g.Members {
			in[id] = append(in[id], map[string]string{"id": g.ID, "name": g.Name})
		}
	}
	for _, u := range w.Users {
		groups := append([]map[string]string{}, in[u.ID]...)
		claims := o.claims().with(c{"sub": u.ID, "email": u.Email, "preferred_username": u.Username, "name": u.Name, "groups": groups})
		if list := u.Attributes["department"]; len(list) > 0 {
			claims["department"] = list
		}
		target.signIn("acc-"+u.ID, u.ID, o.sign(claims), accessCanary)
		target.accounts[len(target.accounts)-1].Email = u.Email
	}
	return target
}

// hurry takes the pace out of a sweep.
func hurry(s *source) *source {
	s.config.SweepRate = int(time.Second)
	return s
}

func attributes(cfg *Config) { cfg.Claims.Attributes = map[string]string{"department": "department"} }

// TestConformance is the suite that every source passes, as far as it is about single
// people: nobody is disabled by a token, and groups nobody is in are in no token.
func TestConformance(t *testing.T) {
	t.Parallel()
	h := providertest.Harness{
		Open: func(t testing.TB, w providertest.World) providers.Source {
			o := newOP(t)
			return hurry(o.open(t, signIn(o, w), attributes))
		},
		Single: true, Secret: accessCanary,
		NoDisabled: true, NoNesting: true, NoEmptyGroups: true, NoDescription: true, NoUnresolved: true, NoSameEmail: true,
	}
	for _, f := range faults() {
		h.Faults = append(h.Faults, providertest.Fault{Name: f.name, Kinds: append([]fault.Kind{fault.Unavailable}, f.kinds...), Open: func(t testing.TB, w providertest.World) providers.Source {
			o := newOP(t)
			target := signIn(o, providertest.World{Users: w.Users[:3], Groups: w.Groups})
			f.breaks(o)
			return openWith(t, o.config(attributes), providers.Options{Sessions: target, Timeout: f.within()})
		}})
	}
	for name, breaks := range map[string]func(*chat){
		"the target's list is cut": func(target *chat) {
			target.listing = fault.Errorf(fault.Incomplete, "list accounts", "chat", "the list broke off")
		},
		"the target refuses us": func(target *chat) {
			target.listing = fault.Errorf(fault.Auth, "list accounts", "chat", "the key is refused")
		},
	} {
		h.Faults = append(h.Faults, providertest.Fault{Name: name, Kinds: []fault.Kind{fault.Incomplete, fault.Auth}, PullOnly: true, Open: func(t testing.TB, w providertest.World) providers.Source {
			o := newOP(t)
			target := signIn(o, w)
			breaks(target)
			return hurry(o.open(t, target, attributes))
		}})
	}
	h.Faults = append(h.Faults, providertest.Fault{Name: "accounts that cannot be read", Kinds: []fault.Kind{fault.Unavailable}, Partial: true, Open: func(t testing.TB, w providertest.World) providers.Source {
		o := newOP(t)
		target := signIn(o, w)
		for i, u := range w.Users {
			if i%3 == 0 {
				target.broken["acc-"+u.ID] = fault.Errorf(fault.Unavailable, "read sessions", "chat", "no answer")
			}
		}
		return hurry(o.open(t, target, attributes))
	}})
	providertest.Run(t, h)
}
