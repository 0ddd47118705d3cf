package oidc

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"groupsyncd/providers"
)

// judge checks the claims of a token whose signature is right. What it refuses it may
// show, because the provider has signed it.
func (v *verifier) judge(use providers.TokenUse, payload []byte) (*token, error) {
	claims, err := decode(payload)
	if err != nil {
		return nil, v.refused("", "its claims are no JSON object")
	}
	t := &token{subject: text(claims, "sub"), id: text(claims, "jti"), claims: claims, payload: payload}
	if iss := text(claims, "iss"); !v.issued(iss) {
		return nil, v.refused("issuer must be what the tokens name, to the letter", "it was issued by %s", shown(iss))
	}
	if err := v.judgeAudience(use, claims); err != nil {
		return nil, err
	}
	if err := v.judgeTimes(use, t); err != nil {
		return nil, err
	}
	if err := v.judgeSubject(use, t); err != nil {
		return nil, err
	}
	if use == providers.LogoutToken || use == providers.RequestToken {
		// A token that counts once needs a name (Back-Channel Logout 1.0, section 2.4).
		if t.id == "" || proper(t.id) != nil {
			return nil, v.refused("", "it has no jti, by which a second use would be noticed")
		}
		return t, nil
	}
	if _, there := claims["events"]; there {
		// RFC 8417, section 4.1: what has events is a security event and no ID token.
		return nil, v.refused("", "it says that something happened, and is no ID token")
	}
	return t, nil
}

// judgeAudience checks for whom the token is (Core 1.0, section 3.1.3.7, steps 3 to 5).
// Who is called with a request token only the one who was called can tell.
func (v *verifier) judgeAudience(use providers.TokenUse, claims map[string]any) error {
	list := audiences(claims)
	if use == providers.RequestToken {
		if len(list) == 0 {
			return v.refused("", "it has no audience")
		}
		return nil
	}
	const hint = "audience is the client id under which Open WebUI signs people in"
	if !slices.Contains(list, v.audience) {
		var names []string
		for _, a := range list[:min(len(list), 3)] {
			names = append(names, shown(a))
		}
		if len(names) == 0 {
			return v.refused(hint, "it has no audience")
		}
		return v.refused(hint, "it is for %s and not for %q", strings.Join(names, ", "), v.audience)
	}
	party, there := claims["azp"]
	switch {
	case use == providers.LogoutToken:
	case there && party != v.audience:
		return v.refused(hint, "another client asked for it (azp)")
	case !there && len(list) > 1:
		return v.refused(hint, "it is for several audiences and does not say who asked for it (azp)")
	}
	return nil
}

// judgeTimes checks iat, exp and nbf. go-oidc looks at no iat, and without an end at none
// of them.
func (v *verifier) judgeTimes(use providers.TokenUse, t *token) error {
	const hint = "compare the clocks of the provider and of this machine"
	now := v.now()
	var ok bool
	if t.issued, ok = moment(t.claims, "iat"); !ok {
		return v.refused("", "it does not say when it was issued (iat)")
	}
	if t.expires, ok = moment(t.claims, "exp"); !ok {
		return v.refused("", "it does not say when it ends (exp)")
	}
	if _, there := t.claims["nbf"]; there {
		from, ok := moment(t.claims, "nbf")
		if !ok || from.After(now.Add(leeway)) {
			return v.refused(hint, "it is not valid yet (nbf)")
		}
	}
	switch {
	case t.issued.After(now.Add(leeway)):
		return v.refused(hint, "it was issued %s from now", t.issued.Sub(now).Round(time.Second))
	case use != storedToken && !t.expires.After(now):
		return v.refused("send tokens as soon as they are issued; "+hint, "it ended %s ago", now.Sub(t.expires).Round(time.Second))
	case (use == providers.LogoutToken || use == providers.RequestToken) && t.issued.Before(now.Add(-oneTime)):
		return v.refused(hint, "it was issued %s ago, and counts for %s", now.Sub(t.issued).Round(time.Second), oneTime)
	}
	return nil
}

// judgeSubject checks sub. A logout token may name a session in its place, and a request
// token is about nobody.
func (v *verifier) judgeSubject(use providers.TokenUse, t *token) error {
	_, there := t.claims["sub"]
	if !there && use != providers.IDToken && use != storedToken {
		return nil
	}
	if why := badSubject(t.subject); why != "" {
		return v.refused("", "its subject (sub) %s", why)
	}
	return nil
}

func badSubject(sub string) string {
	switch {
	case strings.TrimSpace(sub) == "":
		return "is missing or empty"
	case len(sub) > maxSubject:
		return fmt.Sprintf("is longer than %d bytes", maxSubject)
	case proper(sub) != nil, strings.ContainsFunc(sub, unicode.IsControl):
		return "has a character that no subject has"
	}
	return ""
}
