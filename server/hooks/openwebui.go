package hooks

import (
	"context"
	"encoding/json"
	"errors"

	"groupsyncd/internal/secret"
)

// openwebui are the event webhooks of Open WebUI 0.10 and later, and the sign-up webhook
// of earlier versions. Neither is signed: the secret is the end of the address.
type openwebui struct{}

var errTail = errors.New("the end of the address is not the secret")

// Handshake: there is none.
func (openwebui) Handshake(*Request, []secret.Value) (Answer, bool) { return Answer{}, false }

// Verify compares the end of the address. Every event has an id of its own in its body,
// so an equal body is the same event.
func (openwebui) Verify(_ context.Context, r *Request, secrets []secret.Value) (Proof, error) {
	if !isSecret(r.Tail, secrets) {
		return Proof{}, errTail
	}
	return Proof{ID: digest("body", string(r.Body)), Keep: day}, nil
}

// Read gives the account that signed in or was created. What we do to groups comes back
// as events too, and leads to nothing.
func (openwebui) Read(r *Request, _ Proof) ([]Hint, error) {
	var body struct {
		Event   text `json:"event"`
		Action  text `json:"action"`
		Subject loose[struct {
			Type text `json:"type"`
			ID   text `json:"id"`
		}] `json:"subject"`
		User json.RawMessage `json:"user"`
	}
	if err := decode(r.Body, &body); err != nil {
		return nil, err
	}
	event, subject := body.Event.v, body.Subject.v
	switch {
	case event == "new_user", event == "" && body.Action.v == "signup":
		return signedUp(body.User)
	case event == "":
		return nil, errBody
	case event != "auth.login" && event != "auth.signup" && event != "user.created":
		return nil, nil
	case subject.Type.v != "user" || !named(subject.ID.v):
		return nil, errNobody
	}
	return []Hint{{Account: subject.ID.v}}, nil
}

// signedUp gives whom a sign-up of before 0.10 is about. Anybody on the internet may sign
// up, so it never stands for more than that one person.
func signedUp(user json.RawMessage) ([]Hint, error) {
	// Some versions write the person as JSON inside of a text.
	var inner string
	if json.Unmarshal(user, &inner) == nil {
		user = []byte(inner)
	}
	var who struct {
		ID    text `json:"id"`
		Email text `json:"email"`
	}
	switch {
	case decode(user, &who) != nil:
		return nil, errNobody
	case named(who.ID.v):
		return []Hint{{Account: who.ID.v}}, nil
	case named(who.Email.v):
		return []Hint{{Who: who.Email.v}}, nil
	}
	return nil, errNobody
}
