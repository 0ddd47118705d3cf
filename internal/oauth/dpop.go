package oauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// prover shows at each request that we hold the key to which a token is bound (RFC 9449).
type prover struct {
	signer jose.Signer

	mu sync.Mutex
	// nonces are those that servers gave, by server. The token endpoint has its own beside
	// those of the API, even on the same host.
	nonces map[string]string
}

// newProver makes a key that ends with the process.
func newProver() (*prover, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key for DPoP: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	if err != nil {
		return nil, fmt.Errorf("prepare DPoP: %w", err)
	}
	return &prover{signer: signer, nonces: map[string]string{}}, nil
}

// proof makes the value of the header DPoP; token is empty at the token endpoint.
func (p *prover) proof(method string, u *url.URL, server, token string, now time.Time) (string, error) {
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": u.Scheme + "://" + u.Host + u.EscapedPath(), "iat": now.Unix()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	p.mu.Lock()
	if nonce := p.nonces[server]; nonce != "" {
		claims["nonce"] = nonce
	}
	p.mu.Unlock()
	return compact(p.signer, claims)
}

const (
	// maxServers bounds the nonces; a source asks one or two servers.
	maxServers = 16
	maxNonce   = 1024
)

// learn keeps the nonce of an answer for the next proof.
func (p *prover) learn(server string, h http.Header) {
	nonce := h.Get("DPoP-Nonce")
	if nonce == "" || len(nonce) > maxNonce {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.nonces[server] == "" && len(p.nonces) >= maxServers {
		clear(p.nonces)
	}
	p.nonces[server] = nonce
}

// wantsNonce reports whether a server asks for the request once more, with its nonce.
func wantsNonce(h http.Header) bool {
	return h.Get("DPoP-Nonce") != "" && strings.Contains(strings.Join(h.Values("WWW-Authenticate"), ","), "use_dpop_nonce")
}

// proving gives the prover, or nil while tokens are not bound.
func (c *Client) proving() *prover {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.prover
}

// bind switches DPoP on.
func (c *Client) bind() error {
	p, err := newProver()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.prover == nil {
		c.prover = p
	}
	return nil
}

// proving carries requests to the token endpoint, with a proof where DPoP is on.
type proving struct{ c *Client }

// RoundTrip sends one request for a token.
func (t *proving) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "groupsyncd")
	p := t.c.proving()
	if p == nil {
		return t.c.o.Transport.RoundTrip(req)
	}
	proof, err := p.proof(req.Method, req.URL, "", "", t.c.o.Now())
	if err != nil {
		return nil, err
	}
	req.Header.Set("DPoP", proof)
	resp, err := t.c.o.Transport.RoundTrip(req)
	if err == nil {
		p.learn("", resp.Header)
	}
	return resp, err
}

// Transport gives a transport for requests to the API that carry our tokens: it adds a proof
// to those whose token is bound to our key, and leaves the others as they are.
func (c *Client) Transport(base http.RoundTripper) http.RoundTripper {
	return &bound{c: c, base: base}
}

type bound struct {
	c    *Client
	base http.RoundTripper
}

// CloseIdleConnections drops those of the transport below.
func (t *bound) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// RoundTrip sends a request, once more where the server asks for a nonce.
func (t *bound) RoundTrip(req *http.Request) (*http.Response, error) {
	access, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	if !ok || !t.c.bound(access) {
		return t.base.RoundTrip(req)
	}
	p := t.c.proving()
	resp, err := t.send(p, req, access)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || !wantsNonce(resp.Header) || req.Body != nil && req.GetBody == nil {
		return resp, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	_ = resp.Body.Close()
	again := req.Clone(req.Context())
	if req.GetBody != nil {
		if again.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	}
	return t.send(p, again, access)
}

func (t *bound) send(p *prover, req *http.Request, access string) (*http.Response, error) {
	server := req.URL.Scheme + "://" + req.URL.Host
	proof, err := p.proof(req.Method, req.URL, server, access, t.c.o.Now())
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "DPoP "+access)
	req.Header.Set("DPoP", proof)
	resp, err := t.base.RoundTrip(req)
	if err == nil {
		p.learn(server, resp.Header)
	}
	return resp, err
}
