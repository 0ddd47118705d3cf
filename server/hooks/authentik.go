package hooks

import (
	"context"
	"slices"

	"groupsyncd/internal/secret"
)

// authentik are the webhook transports of authentik. They are not signed: a header
// mapping adds the secret.
type authentik struct{ o Options }

// Handshake: there is none.
func (*authentik) Handshake(*Request, []secret.Value) (Answer, bool) { return Answer{}, false }

// Verify compares the header. The bodies have neither id nor time: two sign-ins of one
// person are equal, so no delivery is dropped as a repeated one.
func (*authentik) Verify(_ context.Context, r *Request, secrets []secret.Value) (Proof, error) {
	if !authorized(r, secrets) {
		return Proof{}, errAuth
	}
	return Proof{}, nil
}

// authentikEvent is an event as a body mapping may send it.
type authentikEvent struct {
	Action text `json:"action"`
	// User is who did it.
	User loose[struct {
		Email    text `json:"email"`
		Username text `json:"username"`
	}] `json:"user"`
	Context loose[struct {
		Model loose[struct {
			Name text `json:"model_name"`
		}] `json:"model"`
	}] `json:"context"`
}

// Read gives who did what is notified of, out of the body that authentik sends by
// default, an event, or a body with an event in it. The user_email of the default body
// is who gets the notice, an administrator as a rule, and says nothing.
func (d *authentik) Read(r *Request, _ Proof) ([]Hint, error) {
	var body struct {
		authentikEvent
		Event    loose[*authentikEvent] `json:"event"`
		Email    text                   `json:"event_user_email"`
		Username text                   `json:"event_user_username"`
	}
	if err := decode(r.Body, &body); err != nil {
		return nil, err
	}
	e := &body.authentikEvent
	if body.Event.v != nil {
		e = body.Event.v
	}
	if slices.Contains([]string{"model_created", "model_updated", "model_deleted"}, e.Action.v) {
		// Who did it is not who was changed, and a model has no name that we know.
		if name := e.Context.v.Model.v.Name.v; name == "user" || name == "group" {
			return []Hint{{All: true}}, nil
		}
		return nil, nil
	}
	if hints := d.o.person("", body.Email.v, body.Username.v); hints != nil {
		return hints, nil
	}
	if hints := d.o.person("", e.User.v.Email.v, e.User.v.Username.v); hints != nil {
		return hints, nil
	}
	return nil, errNobody
}
