// Package oauth gives access tokens for ourselves as a client (RFC 6749, section 4.4), to
// sources that ask APIs in their own name.
//
// The exchange is that of golang.org/x/oauth2; this package adds who we are (a secret, a
// key, a federated token, a service account of Google), tokens that are bound to a key
// (RFC 9449), one cache for all workers of a source, and errors that say what to do.
package oauth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
)

// Options are what a Client is made of. Exactly one of Secret, Key, Assertion and Grant says
// who we are.
type Options struct {
	// Name says for whom the tokens are, in errors and logs: "source corp". Place describes
	// the token endpoint; empty: its address.
	Name, Place string
	// TokenURL is where tokens are asked for. With Grant it may be empty: the credentials name it.
	TokenURL, ClientID string
	Scopes             []string
	// Params are further parameters of the request.
	Params url.Values

	// Secret is sent as client_secret_basic, or as client_secret_post with SecretInBody.
	Secret       secret.Ref
	SecretInBody bool
	// Key signs an assertion for each request (private_key_jwt, RFC 7523, section 2.2).
	Key *Key
	// Assertion is a token of somebody whom the server trusts, read anew for each request.
	Assertion secret.Ref
	// Grant exchanges an assertion of a service account (RFC 7523, section 2.1).
	Grant *Grant

	// DPoP binds tokens to a key of this process. A server that demands it switches it on.
	DPoP bool

	// Transport carries the requests; nil: httpx.NewTransport(nil).
	Transport http.RoundTripper
	Logger    *slog.Logger
	// Now is the clock of the cache and of assertions; nil: the real one.
	Now func() time.Time
}

// Key is the private key of a client.
type Key struct {
	// Ref holds PEM (PKCS #8, PKCS #1 or SEC 1) or a JWK, read anew for each request.
	Ref secret.Ref
	// ID is the kid; empty: that of a JWK, else none.
	ID string
	// Algorithm of the signature; empty: that of a JWK, else the usual one for the kind of key.
	Algorithm string
	// Audience of assertions; empty: the token URL.
	Audience string
	// Certificate is a PEM file whose SHA-256 thumbprint goes along as x5t#S256; may be empty.
	Certificate scalar.Path
}

// Grant is a service account of Google.
type Grant struct {
	// Credentials holds the JSON of a service account's key.
	Credentials secret.Ref
	// Subject is the person in whose name we act; empty: the service account itself.
	Subject string
}

// Client keeps an access token and exchanges it in time. Safe for use by several goroutines.
type Client struct {
	o    Options
	http *http.Client
	// busy is taken by the one who asks the server.
	busy chan struct{}

	mu sync.Mutex
	// known are the token in use, and the one before it, which may still be under way.
	known [2]token
	// refused are fingerprints of tokens that are not to be given again.
	refused [][32]byte
	// failed is why there is no token, and until when nobody asks again.
	failed error
	until  time.Time
	prover *prover // Set once DPoP is on.
}

// answerTime bounds one request for a token.
const answerTime = 30 * time.Second

// New makes a client; it reads no secret and opens no connection.
func New(o Options) (*Client, error) {
	if o.Transport == nil {
		o.Transport = httpx.NewTransport(nil)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := o.check(); err != nil {
		return nil, fault.New(fault.Invalid, "prepare access tokens", o.Name, err, "")
	}
	if o.Place == "" {
		o.Place = "token endpoint"
		if o.TokenURL != "" {
			o.Place += " " + o.TokenURL
		}
	}
	c := &Client{o: o, busy: make(chan struct{}, 1)}
	c.http = &http.Client{
		Transport: &proving{c: c}, Timeout: answerTime,
		// What we send is worth as much as a password: it goes where it is meant to go.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if o.DPoP {
		p, err := newProver()
		if err != nil {
			return nil, fault.New(fault.Invalid, "prepare access tokens", o.Name, err, "")
		}
		c.prover = p
	}
	return c, nil
}

// ours are parameters that Params does not set.
func ours() []string {
	return []string{"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "assertion", "scope"}
}

func (o *Options) check() error {
	ways := 0
	for _, given := range []bool{!o.Secret.IsZero(), o.Key != nil, !o.Assertion.IsZero(), o.Grant != nil} {
		if given {
			ways++
		}
	}
	switch {
	case ways == 0:
		return errors.New("neither a client secret nor a key says who we are")
	case ways > 1:
		return errors.New("only one of client secret, private key, federated token and service account can say who we are")
	case o.Grant == nil && o.ClientID == "":
		return errors.New("there is no client id")
	case o.Grant == nil || o.TokenURL != "":
		if _, err := parseTokenURL(o.TokenURL); err != nil {
			return err
		}
	}
	for name := range o.Params {
		if slices.Contains(ours(), name) {
			return fmt.Errorf("the parameter %s cannot be set", name)
		}
	}
	if o.Key != nil && o.Key.Algorithm != "" && !slices.ContainsFunc(algorithms(), func(a algorithm) bool { return string(a.name) == o.Key.Algorithm }) {
		return fmt.Errorf("the algorithm %q is not known: write RS256, PS256, ES256 or EdDSA", o.Key.Algorithm)
	}
	return nil
}

func parseTokenURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("the address of the token endpoint is not a URL") // The parser's error repeats it.
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, errors.New("the address of the token endpoint must begin with https:// or http:// and name a host")
	case u.User != nil || u.Fragment != "":
		return nil, errors.New("the address of the token endpoint must hold no user name, password or #")
	}
	return u, nil
}

// where names the place for errors.
func (c *Client) where() string {
	return strings.TrimSpace(c.o.Name + " (" + c.o.Place + ")")
}
