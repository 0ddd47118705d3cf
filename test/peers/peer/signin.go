package peer

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Browser is what one person signs in with. It keeps cookies, and sends those that are for
// TLS only to our servers on loopback too, which have none.
type Browser struct {
	jar *cookiejar.Jar
}

// NewBrowser gives a browser that nobody has signed in with.
func NewBrowser(tb testing.TB) *Browser {
	tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return &Browser{jar: jar}
}

// Session is somebody signed in to Open WebUI.
type Session struct {
	// Token is that of Open WebUI.
	Token string
	// Began is when the browser sent the request whose answer was the token.
	Began, Ended time.Time
}

// SignIn signs somebody in to an Open WebUI by its OIDC provider, as a browser does: follow
// every redirect, fill the provider's form when it shows one, take the cookie.
func (b *Browser) SignIn(tb testing.TB, chat, username string) Session {
	tb.Helper()
	s, err := b.signIn(tb.Context(), chat, username)
	if err != nil {
		tb.Fatalf("%s cannot sign in: %v", username, err)
	}
	return s
}

func (b *Browser) signIn(ctx context.Context, chat, username string) (Session, error) {
	p, err := b.open(ctx, http.MethodGet, chat+"/oauth/oidc/login", "")
	if err != nil {
		return Session{}, err
	}
	if p.token == "" {
		// Who is signed in at the provider already sees no form.
		if p, err = b.submit(ctx, p, url.Values{"username": {username}, "password": {Password}}); err != nil {
			return Session{}, err
		}
	}
	if p.token == "" {
		return Session{}, fmt.Errorf("the way ended at %s: %.500s", p.address.Redacted(), p.text)
	}
	return Session{Token: p.token, Began: p.began, Ended: p.ended}, nil
}

// action is where the first form of a page leads, and hidden what it sends unseen, as
// Keycloak and oidc-provider write them.
var (
	action = regexp.MustCompile(`(?s)<form[^>]*\saction="([^"]*)"`)
	hidden = regexp.MustCompile(`<input type="hidden"[^>]*\sname="([^"]*)"[^>]*\svalue="([^"]*)"`)
)

// submit sends the first form of a page with those fields.
func (b *Browser) submit(ctx context.Context, p *page, fields url.Values) (*page, error) {
	found := action.FindStringSubmatch(p.text)
	if found == nil {
		return nil, fmt.Errorf("no form at %s: %.500s", p.address.Redacted(), p.text)
	}
	to, err := p.address.Parse(html.UnescapeString(found[1]))
	if err != nil {
		return nil, err
	}
	for _, h := range hidden.FindAllStringSubmatch(p.text, -1) {
		fields.Set(html.UnescapeString(h[1]), html.UnescapeString(h[2]))
	}
	return b.open(ctx, http.MethodPost, to.String(), fields.Encode())
}

// callback is where providers send people back to Open WebUI.
const callback = "/oauth/oidc/callback"

// page is where a browser arrives.
type page struct {
	address *url.URL
	text    string
	// token is that of Open WebUI when it gave one on the way, in the answer to a request
	// between these times.
	token        string
	began, ended time.Time
}

// open follows redirects until a page, or until Open WebUI has given its token.
func (b *Browser) open(ctx context.Context, method, address, body string) (*page, error) {
	for range 20 {
		began := time.Now()
		resp, err := b.one(ctx, method, address, body)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			return nil, err
		}
		p := &page{address: resp.Request.URL, text: string(text), began: began, ended: time.Now()}
		for _, c := range resp.Cookies() {
			if c.Name == "token" && c.Value != "" && strings.HasSuffix(p.address.Path, callback) {
				p.token = c.Value
			}
		}
		next := resp.Header.Get("Location")
		if p.token != "" || next == "" {
			return p, nil
		}
		to, err := p.address.Parse(next)
		if err != nil {
			return nil, err
		}
		method, address, body = http.MethodGet, to.String(), ""
	}
	return nil, errors.New("too many redirects")
}

func (b *Browser) one(ctx context.Context, method, address, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	// The jar gives what is for TLS only when the address has it.
	as := *req.URL
	as.Scheme = "https"
	for _, c := range b.jar.Cookies(&as) {
		req.AddCookie(c)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Request = req
	b.jar.SetCookies(&as, resp.Cookies())
	return resp, nil
}
