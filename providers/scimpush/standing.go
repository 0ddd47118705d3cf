package scimpush

import (
	"context"
	"errors"
	"fmt"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// What a store proves depends on its generation. The first begins empty: what comes is shown
// person by person, and nothing follows from who is not there yet. Any other begins in doubt,
// because the provider may know better than what is held: the users and groups that are held
// keep their ids, count for nothing until the provider brings them again, and groups have no
// members. A generation is complete when nothing was written for a while although somebody
// listened, and, after a doubt, nine tenths of what there was before are there again; or when
// a person says so.

// enoughOf is how many tenths of what there was must be there again.
const enoughOf = 9

var _ providers.Provisioned = (*Source)(nil)

// doubted reports whether a generation began in doubt.
func (h *head) doubted() bool { return h.Generation > 1 }

// again reports whether enough is there of what the generation before held.
func (c counts) again(former counts) bool {
	return c.Users*10 >= former.Users*enoughOf && c.Groups*10 >= former.Groups*enoughOf && c.Members*10 >= former.Members*enoughOf
}

// quietSince gives since when nothing was written although the daemon listened; zero: nobody
// listens. Rest is how long that must still go on.
func (s *Source) quietSince(t *table) (since time.Time, rest time.Duration) {
	s.noticed.Lock()
	defer s.noticed.Unlock()
	latest := s.heard.since
	if latest.IsZero() {
		return latest, 0
	}
	for _, at := range []time.Time{t.head.Wrote, s.heard.tried} {
		if at.After(latest) {
			latest = at
		}
	}
	// A clock that was set forward, or a machine that slept, makes nobody quiet for longer.
	settled := s.config.SettledAfter.Std()
	return latest, settled - min(s.now().Sub(latest), time.Since(s.heard.stirred))
}

// settle makes a generation complete when its time has come. The lock is held for writing.
func (s *Source) settle(t *table) error {
	quiet, rest := s.quietSince(t)
	if !t.head.Settled.IsZero() || quiet.IsZero() || rest > 0 {
		return nil
	}
	if held := t.held(); held.Users == 0 || !held.again(t.head.Former) {
		return nil
	}
	return s.complete(t, "quiet")
}

func (s *Source) complete(t *table, by string) error {
	h := t.head
	h.Settled, h.By = s.now().UTC(), by
	return s.commit(&change{}, h)
}

// doubt begins a generation. The lock is held for writing.
func (s *Source) doubt(why string) error {
	t := s.table
	former := t.held()
	if t.head.Settled.IsZero() {
		// It never was complete, so what is to come again is what there was before it.
		f := t.head.Former
		former = counts{max(former.Users, f.Users), max(former.Groups, f.Groups), max(former.Members, f.Members)}
	}
	c := &change{}
	for _, g := range t.groups {
		for i := range g.chunks {
			c.remove(chunkKey(g.id, g.chunks[i].number))
		}
	}
	c.remove(providers.RestoredKey)
	c.after = append(c.after, func(t *table) {
		for _, g := range t.groups {
			g.chunks, g.size = nil, 0
		}
		t.members, t.restored = 0, false
	})
	s.begun = true
	return s.commit(c, head{Generation: t.head.Generation + 1, Since: s.now().UTC(), Why: why, Former: former, Product: t.head.Product})
}

// Doubt begins a generation because what is held may be long over.
func (s *Source) Doubt(why string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.current()
	if err != nil || s.begun || !t.older {
		return false, err
	}
	return true, s.doubt(why)
}

// Restart begins a generation because somebody wants it.
func (s *Source) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.current(); err != nil {
		return err
	}
	return s.doubt("somebody asked for it")
}

// Accept makes the generation complete because somebody says that it is.
func (s *Source) Accept() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.current()
	switch {
	case err != nil:
		return err
	case !t.head.Settled.IsZero():
		return fault.New(fault.Invalid, "accept", "source "+s.options.Name, errors.New("it counts as complete already"), "see how it stands with: groupsyncd status")
	case t.held().Users == 0:
		return fault.New(fault.Invalid, "accept", "source "+s.options.Name, errors.New("the provider has brought nobody yet"), "start provisioning at the provider first")
	}
	return s.complete(t, "accepted")
}

// Tokens says where the tokens are kept that let the provider in.
func (s *Source) Tokens() []secret.Ref { return s.config.Token }

// Standing says how the source stands.
func (s *Source) Standing() (*providers.Standing, error) {
	t, unlock, err := s.read()
	if err != nil {
		return nil, err
	}
	defer unlock()
	h, held := t.head, t.held()
	quiet, rest := s.quietSince(t)
	out := &providers.Standing{Generation: h.Generation, Since: h.Since, Why: h.Why, Complete: !h.Settled.IsZero(), By: h.By,
		Users: held.Users, Groups: held.Groups, Members: held.Members, FormerUsers: h.Former.Users, FormerGroups: h.Former.Groups, FormerMembers: h.Former.Members,
		Unresolved: t.unresolved(), QuietSince: quiet, LastRequest: s.lastRequest(h), Product: h.Product}
	if out.Complete {
		return out, nil
	}
	out.Waiting, out.Hint = s.waiting(t)
	if !out.QuietSince.IsZero() && held.Users > 0 && held.again(h.Former) {
		out.Settles = s.now().Add(rest)
	}
	return out, nil
}

// waiting says in words what a generation waits for, and what to do.
func (s *Source) waiting(t *table) (why, hint string) {
	name, h, held := s.options.Name, t.head, t.held()
	accept := "or, when everything is there: groupsyncd source accept " + name
	switch {
	case h.doubted() && !held.again(h.Former):
		return fmt.Sprintf("%s, and the provider has to bring everything again: %d of %d users, %d of %d groups, %d of %d memberships are there",
				h.Why, held.Users, h.Former.Users, held.Groups, h.Former.Groups, held.Members, h.Former.Members),
			"at Entra restart provisioning, at Okta push users and groups again; " + accept
	case held.Users == 0:
		return "the provider has brought nobody yet", "start provisioning at the provider, for " + s.prefix
	case s.listening().IsZero():
		return "only a daemon can tell that the provider has brought everything", "run groupsyncd serve; " + accept
	}
	return fmt.Sprintf("the provider has brought %d users and %d groups, and was not quiet for %s yet", held.Users, held.Groups, s.config.SettledAfter), "wait; " + accept
}

// waits makes the error of a read that covers less than everything.
func (s *Source) waits(t *table) error {
	why, hint := s.waiting(t)
	return fault.New(fault.Incomplete, "", "", fmt.Errorf("%w: %s", providers.ErrWaiting, why), hint)
}

// unresolved counts the references to whom or what was never brought.
func (t *table) unresolved() int {
	n := 0
	for _, g := range t.groups {
		g.each(func(m uint32) bool {
			if id := t.refs.ids[m]; t.byID[id] == nil && t.groupN[id] == nil {
				n++
			}
			return true
		})
	}
	return n
}

// Check says what is wrong, for doctor.
func (s *Source) Check(context.Context) []providers.Finding {
	var out []providers.Finding
	for _, ref := range s.config.Token {
		if _, err := ref.Read(); err != nil {
			out = append(out, providers.Finding{Level: providers.Failed, Check: "token", Message: err.Error(), Remedy: fault.HintOf(err)})
		}
	}
	if len(out) == 0 {
		out = append(out, providers.Finding{Level: providers.OK, Check: "token", Message: fmt.Sprintf("readable; the provider's address ends with %s", s.prefix)})
	}
	if _, empty := s.options.Pushed.(nothing); empty {
		return out
	}
	return append(out, s.checkStanding()...)
}

func (s *Source) checkStanding() []providers.Finding {
	st, err := s.Standing()
	if err != nil {
		return []providers.Finding{{Level: providers.Failed, Check: "provisioned", Message: err.Error(), Remedy: fault.HintOf(err)}}
	}
	return st.Findings()
}
