package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// Verify checks a token that somebody handed in, and keeps nothing.
func (s *source) Verify(ctx context.Context, use providers.TokenUse, raw string) (*providers.Verified, error) {
	if !slices.Contains([]providers.TokenUse{providers.IDToken, providers.LogoutToken, providers.RequestToken}, use) {
		return nil, fault.New(fault.Invalid, "verify token", s.config.Issuer, errors.New("tokens of that use are not known"), "")
	}
	ctx, end, err := s.begin(ctx, "verify token")
	defer end()
	if err != nil {
		return nil, err
	}
	t, err := s.check(ctx, use, raw)
	if err != nil {
		return nil, err
	}
	out := &providers.Verified{Subject: t.subject, ID: t.id, IssuedAt: t.issued, Expires: t.expires}
	if err := json.Unmarshal(t.payload, &out.Claims); err != nil {
		return nil, fault.New(fault.Auth, "verify token", s.config.Issuer, errors.New("its claims are no JSON object"), "")
	}
	return out, nil
}

func (s *source) check(ctx context.Context, use providers.TokenUse, raw string) (*token, error) {
	if _, ok := look(raw); !ok {
		// What is no token is no reason to ask anybody anything.
		v := &verifier{issuer: s.config.Issuer}
		return nil, v.refused("send the token as the provider issued it: three parts with dots between them", "it is no signed token (JWT)")
	}
	v, _, err := s.verifier(ctx)
	switch {
	case err != nil && ctx.Err() == nil && !fault.KindOf(err).Retryable():
		// That the provider is not what issuer says is no mistake of the token.
		return nil, later(s.config.Issuer, err, fault.HintOf(err), fault.AfterOf(err))
	case err != nil:
		return nil, err
	}
	return v.verify(ctx, use, raw)
}

// TakeToken verifies an ID token and keeps what it says for a look-up.
func (s *source) TakeToken(ctx context.Context, raw string) (directory.Person, error) {
	ctx, end, err := s.begin(ctx, "take token")
	defer end()
	if err != nil {
		return directory.Person{}, err
	}
	t, err := s.check(ctx, providers.IDToken, raw)
	if err != nil {
		return directory.Person{}, err
	}
	got := readGroups([]map[string]any{t.claims}, s.groups, s.config.Separator, s.config.AbsentClaim == AbsentEmpty)
	p := s.proved(t, s.now(), got)
	if !s.kept.put(p, got, len(t.payload)) {
		f := fault.New(fault.Throttled, "take token", "source "+s.name, errors.New("too many tokens wait for their people to be looked at"), "send it again a little later")
		f.After = time.Minute
		return directory.Person{}, f
	}
	return directory.Person{ID: p.user.ID, Email: p.user.Email, Username: p.user.Username}, nil
}

// The bounds of what is kept of posted tokens.
const (
	keptFor   = 10 * time.Minute
	maxKept   = 10_000
	maxMemory = 32 << 20
)

// kept is what posted tokens said, by subject, until somebody looks. It outlives the first
// look for the rest of its minutes, so that a run that failed can be made again; what was
// looked at gives way first. Safe for use by several goroutines.
type kept struct {
	now func() time.Time

	mu     sync.Mutex
	people map[string]*waiting
	bytes  int
}

// waiting is what one token said. person covers something only if why is empty.
type waiting struct {
	person *person
	why    string
	since  time.Time
	bytes  int
	looked bool
}

func newKept(now func() time.Time) *kept { return &kept{now: now, people: map[string]*waiting{}} }

// put keeps what a token said, unless a newer one is there. False: there is no room.
func (k *kept) put(p *person, got reading, bytes int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	before := k.people[p.user.ID]
	if before != nil && before.person.user.AsOf.After(p.user.AsOf) && now.Sub(before.since) < keptFor {
		before.looked = false
		return true
	}
	if before != nil {
		k.drop(p.user.ID)
	}
	if !k.room(bytes) {
		k.sweep(func(w *waiting) bool { return now.Sub(w.since) >= keptFor })
	}
	if !k.room(bytes) {
		k.sweep(func(w *waiting) bool { return w.looked })
	}
	if !k.room(bytes) {
		return false
	}
	w := &waiting{person: p, since: now, bytes: bytes}
	if got.state != explicit {
		w.why = got.why
	}
	k.people[p.user.ID] = w
	k.bytes += bytes
	return true
}

func (k *kept) room(bytes int) bool { return len(k.people) < maxKept && k.bytes+bytes <= maxMemory }

func (k *kept) drop(id string) {
	k.bytes -= k.people[id].bytes
	delete(k.people, id)
}

func (k *kept) sweep(over func(*waiting) bool) {
	for id, w := range k.people {
		if over(w) {
			k.drop(id)
		}
	}
}

// take gives what is kept of a person, found by subject, else by mail address if exactly
// one has it.
func (k *kept) take(who directory.Person) (*person, string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w := k.people[who.ID]
	if who.ID == "" && who.Email != "" {
		if w = k.byMail(directory.FoldEmail(who.Email)); w == nil {
			return nil, "no token of exactly one person with that mail address was posted a short time ago"
		}
	}
	switch {
	case w == nil || k.now().Sub(w.since) >= keptFor:
		return nil, "no token of that person was posted a short time ago"
	case w.why != "":
		w.looked = true
		return nil, w.why
	}
	w.looked = true
	return w.person, ""
}

func (k *kept) byMail(mail string) *waiting {
	var found *waiting
	for _, w := range k.people {
		if w.person.user.Email != "" && directory.FoldEmail(w.person.user.Email) == mail && k.now().Sub(w.since) < keptFor {
			if found != nil {
				return nil
			}
			found = w
		}
	}
	return found
}

func (k *kept) clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.people)
	k.bytes = 0
}
