package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// answered is what a server says to one call.
type answered struct {
	status int
	body   []byte
}

// send makes one call and reads the answer, which redirects nobody.
func send(tb testing.TB, method, address, contentType, token string, body io.Reader) answered {
	tb.Helper()
	return sendWithin(tb, time.Minute, method, address, contentType, token, body)
}

// sendWithin is send for a call that may take another time.
func sendWithin(tb testing.TB, most time.Duration, method, address, contentType, token string, body io.Reader) answered {
	tb.Helper()
	// A cleanup makes calls too, when the context of the test has ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), most)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		tb.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatalf("%s %s: %v", method, address, err)
	}
	return answered{status: resp.StatusCode, body: text}
}

// call makes one call with a JSON body, or none, and decodes the answer into a pointer
// unless that is nil. Every answer but 200 to 204 fails the test.
func call(tb testing.TB, method, address, token string, body, into any) {
	tb.Helper()
	var reader io.Reader
	contentType := ""
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			tb.Fatal(err)
		}
		reader, contentType = bytes.NewReader(text), "application/json"
	}
	got := send(tb, method, address, contentType, token, reader)
	if got.status < http.StatusOK || got.status > http.StatusNoContent {
		tb.Fatalf("%s %s: %d: %.500s", method, address, got.status, got.body)
	}
	if into != nil {
		if err := json.Unmarshal(got.body, into); err != nil {
			tb.Fatalf("%s %s: %v: %.500s", method, address, err, got.body)
		}
	}
}

// Tokens are what a provider gives.
type Tokens struct {
	Access  string `json:"access_token"`
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
}

// tokens asks a token endpoint, which may refuse with 400.
func tokens(tb testing.TB, endpoint string, form url.Values) (Tokens, bool) {
	tb.Helper()
	got := send(tb, http.MethodPost, endpoint, "application/x-www-form-urlencoded", "", strings.NewReader(form.Encode()))
	if got.status == http.StatusBadRequest {
		return Tokens{}, false
	}
	var out Tokens
	if err := json.Unmarshal(got.body, &out); err != nil || got.status != http.StatusOK {
		tb.Fatalf("%s: %d: %.500s", endpoint, got.status, got.body)
	}
	return out, true
}
