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
	"strconv"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// Dialect is how one kind of sender speaks. It is safe for use by several goroutines.
type Dialect interface {
	// Handshake answers a request by which a sender makes sure that we are who it means,
	// before it sends anything; ok is false for any other request, and for one that does
	// not prove what the dialect asks for: Verify says what is wrong with it.
	Handshake(r *Request, secrets []secret.Value) (answer Answer, ok bool)
	// Verify says whether the request is from who it claims, from its headers, path and
	// raw body alone. Secrets are all that are in force, several while one replaces
	// another; a dialect that needs one refuses everything without. The error says in
	// words what is wrong, and holds nothing that was sent. One that is fault.Unavailable
	// says that it could not be found out: the sender is to try again.
	Verify(ctx context.Context, r *Request, secrets []secret.Value) (Proof, error)
	// Read says what a verified request is about. No hint and no error: nothing that
	// concerns us. The error is about a body that is not of this dialect.
	Read(r *Request, p Proof) ([]Hint, error)
}

// MaxBody is how long a body may be.
const MaxBody = 256 << 10

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
	// At is when it came.
	At time.Time
	// URL is the address of this webhook as its sender knows it, from server.public.url to
	// its name; empty where that is not configured.
	URL string
}

// Answer is what a handshake gets.
type Answer struct {
	Status int
	// Type is the content type of Body.
	Type string
	Body []byte
}

// Write sends the answer, so that no browser takes it for a page and no cache keeps it.
func (a *Answer) Write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", a.Type)
	h.Set("Content-Length", strconv.Itoa(len(a.Body)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(a.Status)
	// A sender that has gone away is told nothing more.
	_, _ = w.Write(a.Body)
}

// Proof is what Verify found out.
type Proof struct {
	// ID tells this delivery from every other of the same webhook. It is a hash, 32
	// characters long. One that was seen before is a replay. Empty: nothing tells this
	// delivery from another, so it must not be dropped as one that is known.
	ID string
	// Keep is how long the ID must be remembered.
	Keep time.Duration
	// Claims are those of a token that was verified; nil: there is none.
	Claims *providers.Verified
}

// Hint says whom to look at. Exactly one of Person, Who, Account, Token and All is set.
type Hint struct {
	// Person is somebody in the webhook's source, or in any where it names none. ID is set
	// only where it can mean something there.
	Person directory.Person
	// Who is the same in a form that people write: a mail address, user name or id.
	Who string
	// Account is an account of the webhook's target.
	Account string
	// Token is an ID token for the webhook's source.
	Token secret.Value
	// All says that something changed that concerns more than one person.
	All bool
}

// Options are what a dialect is made of.
type Options struct {
	// Source is the type of the webhook's source, as the configuration calls it; empty
	// where it names none.
	Source string
	// Tolerance is how far the time of a signed request may be from ours; 0 means 5 minutes.
	Tolerance time.Duration
	// Tokens verifies tokens of the webhook's source; nil where it cannot.
	Tokens providers.Tokens
	// TokensOnly says that the people of the source come from posted tokens.
	TokensOnly bool

	// ids says that the ids that the sender uses are those of the source.
	ids bool
}
