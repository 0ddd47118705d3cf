package hooks

import (
	"context"
	"errors"
	"slices"

	"groupsyncd/internal/secret"
)

// google are the notifications of a channel on the users of Google Workspace. They are
// not signed: the token of the channel is the secret.
type google struct{ o Options }

var (
	errChannelToken = errors.New("the header X-Goog-Channel-Token is missing or is not the secret")
	errChannel      = errors.New("it needs the headers X-Goog-Channel-ID, X-Goog-Message-Number and X-Goog-Resource-State, each once")
)

// Handshake: the first message of a channel is a notification like others.
func (*google) Handshake(*Request, []secret.Value) (Answer, bool) { return Answer{}, false }

// Verify compares the token. The messages of a channel are numbered; a channel lives for
// two days at most.
func (*google) Verify(_ context.Context, r *Request, secrets []secret.Value) (Proof, error) {
	token, ok := one(r.Header, "X-Goog-Channel-Token")
	if !ok || !isSecret(token, secrets) {
		return Proof{}, errChannelToken
	}
	channel, hasChannel := one(r.Header, "X-Goog-Channel-Id")
	number, hasNumber := one(r.Header, "X-Goog-Message-Number")
	if _, hasState := one(r.Header, "X-Goog-Resource-State"); !hasChannel || !hasNumber || !hasState {
		return Proof{}, errChannel
	}
	return Proof{ID: digest("google", channel, number), Keep: 2 * day}, nil
}

// Read gives the person who changed.
func (d *google) Read(r *Request, _ Proof) ([]Hint, error) {
	state := r.Header.Get("X-Goog-Resource-State")
	if !slices.Contains([]string{"add", "delete", "makeAdmin", "undelete", "update"}, state) {
		return nil, nil
	}
	// A change without a word of whom it concerns may concern anybody.
	if len(r.Body) == 0 {
		return []Hint{{All: true}}, nil
	}
	var body struct {
		ID    text `json:"id"`
		Email text `json:"primaryEmail"`
	}
	if err := decode(r.Body, &body); err != nil {
		return nil, err
	}
	if hints := d.o.person(body.ID.v, body.Email.v, ""); hints != nil {
		return hints, nil
	}
	return nil, errNobody
}
