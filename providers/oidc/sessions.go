package oidc

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// maxSessions is how many stored tokens of one account are verified at most. Each sign-in
// stores one; the newest that is right is enough.
const maxSessions = 20

// find reads the newest token of one person from the sign-in sessions. Without a person
// the text says why there is nothing to show.
func (s *source) find(ctx context.Context, who directory.Person, asOf time.Time) (*person, string, error) {
	if who.ID == "" && who.Account == "" && who.Email == "" {
		return nil, "sign-in sessions are found by account, subject or mail address only", nil
	}
	inside, err := s.insideTarget(ctx)
	if err != nil {
		return nil, "", err
	}
	account := who.Account
	if account == "" {
		by := directory.Person{ID: who.ID}
		if who.ID == "" {
			by = directory.Person{Email: who.Email}
		}
		found, err := s.sessions.Find(ctx, inside, by)
		switch {
		case fault.KindOf(err) == fault.NotFound:
			return nil, "nobody of that kind has signed in", nil
		case err != nil:
			return nil, "", err
		}
		account = found.Account
	}
	v, d, err := s.verifier(ctx)
	if err != nil {
		return nil, "", err
	}
	return s.account(ctx, reader{v, d, inside}, account, who.ID, asOf)
}

// insideTarget gives the name of the OAuth provider inside the target.
func (s *source) insideTarget(ctx context.Context) (string, error) {
	s.mu.Lock()
	known := s.inside
	s.mu.Unlock()
	if known != "" {
		return known, nil
	}
	names, err := s.sessions.Providers(ctx)
	if err != nil {
		return "", err
	}
	switch len(names) {
	case 0:
		return "", fault.New(fault.Invalid, "find the OAuth provider", "target "+s.config.Target, fmt.Errorf("nobody can sign in there by OAuth"),
			"set up sign-in by OpenID Connect in Open WebUI, or name the provider in the key provider of the source "+s.name)
	case 1:
	default:
		return "", fault.New(fault.Invalid, "find the OAuth provider", "target "+s.config.Target, fmt.Errorf("people sign in there by several: %s", strings.Join(names, ", ")),
			"write the one of this issuer as provider of the source "+s.name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inside = names[0]
	return names[0], nil
}

// reader is what reading the sessions of accounts needs.
type reader struct {
	v      *verifier
	d      *description
	inside string
}

// stored is a session with what its token says before it is verified.
type stored struct {
	providers.SignInSession
	issued time.Time
}

// account reads the newest token among the sessions of an account: the one with the latest
// iat, which need not be that of the newest session, because Open WebUI exchanges the
// tokens of a session that is in use. subject, where it is given, must be that of the
// token.
func (s *source) account(ctx context.Context, r reader, account, subject string, asOf time.Time) (*person, string, error) {
	list, err := s.sessions.Of(ctx, r.inside, account)
	if err != nil {
		return nil, "", err
	}
	if len(list) == 0 {
		return nil, "no sign-in session is stored", nil
	}
	var tokens []stored
	for _, one := range list {
		if g, ok := look(one.IDToken.Reveal()); ok {
			issued, _ := moment(g.claims, "iat")
			tokens = append(tokens, stored{one, issued})
		}
	}
	if len(tokens) == 0 {
		return nil, "no stored sign-in session has a signed ID token", nil
	}
	slices.SortStableFunc(tokens, func(a, b stored) int { return b.issued.Compare(a.issued) })
	reason := ""
	for _, one := range tokens[:min(len(tokens), maxSessions)] {
		t, err := r.v.verify(ctx, storedToken, one.IDToken.Reveal())
		switch {
		case fault.KindOf(err) == fault.Auth:
			if reason == "" {
				reason = "the ID token of the newest sign-in session does not count: " + why(err)
			}
			continue
		case err != nil:
			return nil, "", err
		case subject != "" && t.subject != subject:
			return nil, "the account has signed in as somebody else since", nil
		}
		return s.read(ctx, r, t, access(one, list), asOf)
	}
	return nil, reason, nil
}

// access gives an access token that is alive: that of the session, else the one that lives
// longest. Whose it is userinfo says.
func access(one stored, all []providers.SignInSession) secret.Value {
	if one.AccessToken.Reveal() != "" {
		return one.AccessToken
	}
	var best providers.SignInSession
	for _, other := range all {
		if other.AccessToken.Reveal() != "" && (best.AccessToken.Reveal() == "" || other.Expires.After(best.Expires)) {
			best = other
		}
	}
	return best.AccessToken
}

// read makes a person of a verified token, and asks userinfo for groups that it lacks.
func (s *source) read(ctx context.Context, r reader, t *token, living secret.Value, asOf time.Time) (*person, string, error) {
	asks := s.config.UserInfo == Auto && r.d.userinfo != nil
	signed := []map[string]any{t.claims}
	got := readGroups(signed, s.groups, s.config.Separator, s.config.AbsentClaim == AbsentEmpty && !asks)
	if got.state == explicit {
		return s.proved(t, asOf, got), "", nil
	}
	if got.state != absent || !asks {
		return nil, got.why, nil
	}
	if living.Reveal() == "" {
		return nil, got.why + ", and without a living access token userinfo cannot be asked", nil
	}
	claims, reason, err := s.userinfo(ctx, r, living, t.subject)
	if err != nil || reason != "" {
		return nil, got.why + ", and " + reason, err
	}
	got = readGroups(append([]map[string]any{claims}, signed...), s.groups, s.config.Separator, s.config.AbsentClaim == AbsentEmpty)
	if got.state != explicit {
		return nil, "in the ID token and in userinfo: " + got.why, nil
	}
	p := s.proved(t, asOf, got)
	p.user = s.describe(t.subject, united(t.claims, claims), p.user.AsOf)
	if got.last == 0 {
		p.user.AsOf = asOf // all of it is what userinfo says now
	}
	return p, "", nil
}

// united adds to the claims of a token those that only userinfo has. What says whether an
// address was verified goes with the address.
func united(signed, asked map[string]any) map[string]any {
	out := make(map[string]any, len(signed)+len(asked))
	maps.Copy(out, asked)
	if _, there := signed["email"]; there {
		delete(out, "email_verified")
	}
	maps.Copy(out, signed)
	return out
}

// proved makes a person of a token with an explicit claim. What it says was so when it was
// issued, and never later than it came to us, whatever the provider's clock shows.
func (s *source) proved(t *token, arrived time.Time, got reading) *person {
	asOf := t.issued
	if asOf.After(arrived) {
		asOf = arrived
	}
	return &person{user: s.describe(t.subject, t.claims, asOf), groups: got.groups}
}
