package hooks

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"groupsyncd/internal/secret"
)

// okta are the event hooks of Okta. They are not signed: a header has the secret.
type okta struct{ o Options }

// maxChallenge bounds what a handshake repeats.
const maxChallenge = 1024

// Handshake repeats the challenge by which Okta makes sure that we want its events. It
// sends the secret along, so nobody else is answered.
func (*okta) Handshake(r *Request, secrets []secret.Value) (Answer, bool) {
	challenge, ok := one(r.Header, "X-Okta-Verification-Challenge")
	if r.Method != http.MethodGet || !ok || len(challenge) > maxChallenge || !authorized(r, secrets) {
		return Answer{}, false
	}
	body, err := json.Marshal(map[string]string{"verification": challenge})
	return Answer{Status: http.StatusOK, Type: "application/json", Body: body}, err == nil
}

// Verify compares the header. Each delivery has an id in its body.
func (*okta) Verify(_ context.Context, r *Request, secrets []secret.Value) (Proof, error) {
	if !authorized(r, secrets) {
		return Proof{}, errAuth
	}
	return Proof{ID: digest("body", string(r.Body)), Keep: day}, nil
}

// oktaPerson is an actor or a target, which may be something else than a person.
type oktaPerson struct {
	ID    text `json:"id"`
	Type  text `json:"type"`
	Login text `json:"alternateId"`
}

// Read goes through the batch.
func (d *okta) Read(r *Request, _ Proof) ([]Hint, error) {
	var body struct {
		Data struct {
			Events []loose[oktaEvent] `json:"events"`
		} `json:"data"`
	}
	if err := decode(r.Body, &body); err != nil {
		return nil, err
	}
	if body.Data.Events == nil {
		return nil, errBody
	}
	var hints []Hint
	for i := range body.Data.Events {
		hints = append(hints, d.event(&body.Data.Events[i].v)...)
	}
	return hints, nil
}

// oktaEvent is what an event of the system log has for us.
type oktaEvent struct {
	Type    text              `json:"eventType"`
	Actor   loose[oktaPerson] `json:"actor"`
	Outcome loose[struct {
		Result text `json:"result"`
	}] `json:"outcome"`
	Targets loose[[]loose[oktaPerson]] `json:"target"`
}

// event gives whom one event is about: who signed in, or who was changed. Failed sign-ins
// are no reason to do anything, and anybody can make them.
func (d *okta) event(e *oktaEvent) []Hint {
	kind, result := e.Type.v, e.Outcome.v.Result.v
	under := func(prefix string) bool { return strings.HasPrefix(kind, prefix) }
	switch {
	case result == "FAILURE" || result == "DENY":
		return nil
	case kind == "user.session.start", kind == "user.authentication.sso":
		return d.of(&e.Actor.v)
	case under("group.lifecycle."), under("group.profile."):
		return []Hint{{All: true}}
	case under("group.user_membership."), under("user.lifecycle."), under("user.account."):
		var hints []Hint
		for i := range e.Targets.v {
			hints = append(hints, d.of(&e.Targets.v[i].v)...)
		}
		return hints
	}
	return nil
}

// of gives the hint for a person. Okta writes unknown where it has no login.
func (d *okta) of(p *oktaPerson) []Hint {
	if p.Type.v != "User" {
		return nil
	}
	login := p.Login.v
	switch {
	case login == "unknown":
		return d.o.person(p.ID.v, "", "")
	case strings.Contains(login, "@"):
		return d.o.person(p.ID.v, login, "")
	}
	return d.o.person(p.ID.v, "", login)
}
