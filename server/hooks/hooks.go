// Package hooks knows the dialects of webhooks: how each sender proves who it is, and
// whom what it sends is about.
//
// Each dialect is a file. A dialect keeps nothing, starts nothing and calls nobody but
// the sources that verify tokens: listening, limits, replays and what becomes of a hint
// are the business of package server. What a body says is only a hint of whom to look
// at; the truth is read again from where it is kept.
package hooks

import (
	"context"
	"net/http"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// Dialect is how one kind of sender speaks. It is safe for use by several goroutines.
type Dialect interface {
	// Handshake answers a request by which a sender makes sure that we are who it means,
	// before it sends anything; ok is false for any other request.
	Handshake(r *Request) (answer Answer, ok bool)
	// Verify says whether the request is from who it claims, from its headers, path and
	// raw body alone. Secrets are all that are in force, at least one where the dialect
	// has any. The error says in words what is wrong, and holds nothing that was sent.
	Verify(ctx context.Context, r *Request, secrets []secret.Value) (Proof, error)
	// Read says what a verified request is about. No hint and no error: nothing that
	// concerns us. The error is about a body that is not of this dialect.
	Read(r *Request, p Proof) ([]Hint, error)
}

// Request is what was sent to one webhook.
type Request struct {
	Method string
	Header http.Header
	// Query are the parameters of the address.
	Query map[string][]string
	// Tail is what stands behind the name of the webhook in the path, without a slash.
	Tail string
	// Body is complete.
	Body []byte
	// At is when it came; URL the address at which we are reached, empty where it is not
	// configured.
	At  time.Time
	URL string
}

// Answer is what a handshake gets.
type Answer struct {
	Status int
	// Type is the content type of Body.
	Type string
	Body []byte
}

// Proof is what Verify found out.
type Proof struct {
	// ID tells this delivery from every other of the same webhook: what the sender calls
	// it, or a hash. One that was seen before is a replay. Empty: deliveries of this
	// dialect cannot be told apart.
	ID string
	// Keep is how long the ID must be remembered.
	Keep time.Duration
	// Claims are those of a token that was verified; nil: there is none.
	Claims *providers.Verified
}

// Hint says whom to look at. Exactly one of Person, Account, Token and All is set.
type Hint struct {
	// Person is somebody in the webhook's source, or in any where it names none.
	Person directory.Person
	// Account is an account of the webhook's target.
	Account string
	// Token is an ID token for the webhook's source.
	Token secret.Value
	// All says that something changed that concerns more than one person.
	All bool
}

// Options are what a dialect is made of.
type Options struct {
	// Now is the clock of everything that has a time.
	Now func() time.Time
	// Tolerance is how far the time of a signed request may be from ours.
	Tolerance time.Duration
	// Tokens verifies tokens of the webhook's source; nil where it cannot.
	Tokens providers.Tokens
	// TokensOnly says that the people of the source come from posted tokens.
	TokensOnly bool
}
