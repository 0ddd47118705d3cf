package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"groupsyncd/internal/secret"
)

// graph are the change and lifecycle notifications of Microsoft Graph. Each repeats the
// clientState of its subscription, which is the secret.
type graph struct{ o Options }

// maxValidation bounds the token that a handshake repeats.
const maxValidation = 4096

var errClientState = errors.New("the clientState of a notification is missing or is not the secret")

// Handshake repeats the token by which Graph makes sure of our address, before it has a
// clientState to send. It is text to whoever asks, and nothing else.
func (*graph) Handshake(r *Request, _ []secret.Value) (Answer, bool) {
	tokens := r.Query["validationToken"]
	if r.Method != http.MethodPost || len(tokens) != 1 {
		return Answer{}, false
	}
	token := tokens[0]
	if token == "" || len(token) > maxValidation || !utf8.ValidString(token) || strings.ContainsFunc(token, unicode.IsControl) {
		return Answer{}, false
	}
	return Answer{Status: http.StatusOK, Type: "text/plain; charset=utf-8", Body: []byte(token)}, true
}

// notification is one of those in a body. Encrypted content is left alone: the truth is
// read again.
type notification struct {
	State     text `json:"clientState"`
	ID        text `json:"id"`
	Lifecycle text `json:"lifecycleEvent"`
	Resource  text `json:"resource"`
	Data      loose[struct {
		ID text `json:"id"`
	}] `json:"resourceData"`
}

// batch are the notifications of one body.
type batch []loose[notification]

// UnmarshalJSON reads no more than a body of Graph has room for. It comes before anything
// is proved, so a body of nothing but brackets must not become megabytes.
func (b *batch) UnmarshalJSON(text []byte) error {
	*b = nil
	d := json.NewDecoder(bytes.NewReader(text))
	if start, err := d.Token(); err != nil || start != json.Delim('[') {
		return errBody
	}
	for d.More() {
		var n loose[notification]
		if err := d.Decode(&n); err != nil || len(*b) == maxHints {
			return errBody
		}
		*b = append(*b, n)
	}
	return nil
}

func notifications(r *Request) (batch, error) {
	var body struct {
		Value batch `json:"value"`
	}
	if err := decode(r.Body, &body); err != nil {
		return nil, err
	}
	if len(body.Value) == 0 {
		return nil, errBody
	}
	return body.Value, nil
}

// Verify compares the clientState of all notifications. Two changes of one person may be
// equal to the byte, so only an id in every notification tells deliveries apart.
func (*graph) Verify(_ context.Context, r *Request, secrets []secret.Value) (Proof, error) {
	list, err := notifications(r)
	if err != nil {
		return Proof{}, err
	}
	good, ids := true, []string{"graph"}
	for i := range list {
		n := &list[i].v
		good = isSecret(n.State.v, secrets) && good
		if n.ID.v != "" {
			ids = append(ids, n.ID.v)
		}
	}
	switch {
	case !good:
		return Proof{}, errClientState
	case len(ids) <= len(list):
		return Proof{}, nil
	}
	return Proof{ID: digest(ids...), Keep: day}, nil
}

// Read gives the people who changed. A group that changed, and a subscription that misses
// something or ends, concern everybody.
func (d *graph) Read(r *Request, _ Proof) ([]Hint, error) {
	list, err := notifications(r)
	if err != nil {
		return nil, err
	}
	var hints []Hint
	for i := range list {
		n := &list[i].v
		kind, id := resource(n.Resource.v)
		if id == "" {
			id = n.Data.v.ID.v
		}
		switch {
		case n.Lifecycle.v != "", kind == "groups":
			hints = append(hints, Hint{All: true})
		case kind == "users":
			hints = append(hints, d.o.person(id, "", "")...)
		}
	}
	return hints, nil
}

// resource reads Users/ID and Users('ID').
func resource(s string) (kind, id string) {
	s = strings.TrimPrefix(s, "/")
	if at := strings.IndexAny(s, "/("); at >= 0 {
		kind, id = s[:at], strings.Trim(s[at+1:], "')")
		id, _, _ = strings.Cut(id, "/")
		return strings.ToLower(kind), id
	}
	return strings.ToLower(s), ""
}
