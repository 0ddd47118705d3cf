package hooks_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/server/hooks"
)

// thrown is a request in the words of a fuzzer.
type thrown struct {
	// prove has the request get the proof that it needs, so that its body is read.
	prove                       bool
	method, query, tail, header string
	body                        []byte
}

// request makes a request of it.
func (s *thrown) request() *hooks.Request {
	r := &hooks.Request{Method: s.method, Header: http.Header{}, Tail: s.tail, Body: s.body, At: now, URL: "https://sync.example.org/hooks/in"}
	for line := range strings.Lines(s.header) {
		if key, value, found := strings.Cut(strings.TrimSpace(line), ": "); found {
			r.Header.Add(key, value)
		}
	}
	r.Query, _ = url.ParseQuery(s.query)
	return r
}

// lenient takes any token that begins with good.
type lenient struct {
	tokens
	s *thrown
}

func (l *lenient) Verify(ctx context.Context, use providers.TokenUse, raw string) (*providers.Verified, error) {
	if !l.s.prove || !strings.HasPrefix(raw, "good") {
		return l.tokens.Verify(ctx, use, raw)
	}
	return &providers.Verified{ID: "j" + l.s.query, Subject: l.s.tail, Expires: now.Add(time.Duration(len(l.s.tail)) * time.Minute), Claims: map[string]any{
		"aud": "https://sync.example.org/hooks/in", "request_body_sha256": hexSum(string(l.s.body))}}, nil
}

// throw throws requests at a dialect. Prove gives a request its proof.
func throw(f *testing.F, kind, source string, prove func(r *hooks.Request)) {
	for _, s := range samples() {
		r := s.request(otherSecret)
		var header strings.Builder
		for key, values := range r.Header {
			header.WriteString(key + ": " + values[0] + "\n")
		}
		f.Add(true, r.Method, "validationToken=a+b", r.Tail, header.String(), r.Body)
		f.Add(false, r.Method, "", r.Tail, header.String(), r.Body)
	}
	f.Add(true, "POST", "", "x", "", []byte(`{"data":{"events":[{"eventType":"group.user_membership.add","target":[{"type":"User","id":"a"},{"type":"User","id":"b"}]}]}}`))
	f.Add(true, "POST", "", "", "", []byte(`{"type":"admin.GROUP_MEMBERSHIP-CREATE","resourcePath":"users/a/groups/b","details":{"username":"x"}}`))
	f.Add(true, "POST", "", "", "", []byte(`{"event":{"action":"model_updated","context":{"model":{"model_name":"group"}},"user":{"email":"a@b"}}}`))
	f.Add(true, "POST", "", "", "X-Goog-Resource-State: add", []byte(`{"value":[{"clientState":"`+otherSecret+`","lifecycleEvent":"missed"},{"resource":"Users('a')"}]}`))
	f.Add(true, "POST", "", "", "", []byte(`{"action":"signup","user":"{\"id\":\"a\"}"}`))
	f.Add(true, "GET", "", "", "X-Okta-Verification-Challenge: c", []byte(`logout_token=good`))
	f.Fuzz(func(t *testing.T, proved bool, method, query, tail, header string, body []byte) {
		s := &thrown{prove: proved, method: method, query: query, tail: tail, header: header, body: body}
		d := open(t, kind, hooks.Options{Source: source, Tokens: &lenient{s: s}, TokensOnly: len(query)%2 == 1})
		r, list := s.request(), secrets(oldSecret, newSecret)
		if kind == "logout" || kind == "keycloak" && len(tail)%2 == 1 {
			list = nil
		}
		if proved {
			prove(r)
		}
		catch(t, d, s, r, list)
	})
}

// catch checks what becomes of a thrown request.
func catch(t *testing.T, d hooks.Dialect, s *thrown, r *hooks.Request, list []secret.Value) {
	if answer, ok := d.Handshake(r, list); ok && (answer.Status != 200 || strings.Contains(answer.Type, "html") || len(answer.Body) > 8192) {
		t.Errorf("the handshake is answered %+v", answer)
	}
	p, err := d.Verify(t.Context(), r, list)
	if err != nil {
		silent(t, s, err)
		return
	}
	if !s.prove {
		t.Fatalf("it is taken without proof: %+v", r)
	}
	if r.Method != http.MethodPost || len(p.ID) != 32 && p.ID != "" || (p.ID == "") != (p.Keep == 0) || p.Keep < 0 || p.Keep > 49*time.Hour {
		t.Errorf("the proof is %+v", p)
	}
	hints, err := d.Read(r, p)
	if err != nil {
		silent(t, s, err)
		if hints != nil {
			t.Errorf("an error and %+v", hints)
		}
	}
	if len(hints) > 1000 {
		t.Errorf("%d hints", len(hints))
	}
	for _, h := range hints {
		set := 0
		for _, is := range []bool{h.Person != directory.Person{}, h.Who != "", h.Account != "", h.Token.Reveal() != "", h.All} {
			if is {
				set++
			}
		}
		if set != 1 || len(h.Who)+len(h.Account) > 512 || len(h.Person.ID) > 512 || len(h.Person.Email) > 512 || len(h.Person.Username) > 512 || h.Person.Account != "" {
			t.Errorf("the hint is %+v", h)
		}
	}
}

// silent makes sure that an error says nothing of what was sent or is secret. Words of
// our own may be sent too, the name of a header, say; texts as long as these are not ours.
func silent(t *testing.T, s *thrown, err error) {
	text := err.Error()
	for _, part := range append(strings.Split(s.header, ": "), string(s.body), s.tail, s.query, oldSecret, newSecret) {
		if (len(part) > 40 || strings.HasPrefix(part, "canary")) && strings.Contains(text, part) {
			t.Errorf("the error repeats %q: %s", part, text)
		}
	}
}

// FuzzStandard throws requests at a receiver of Standard Webhooks.
func FuzzStandard(f *testing.F) {
	throw(f, "standard", "oidc", func(r *hooks.Request) {
		r.Header.Set("Webhook-Id", "m")
		r.Header.Set("Webhook-Timestamp", "1614265330")
		r.Header.Set("Webhook-Signature", signed(oldSecret, "m", "1614265330", string(r.Body))+" "+r.Header.Get("Webhook-Signature"))
	})
}

// FuzzOpenWebUI throws requests at a receiver of events of Open WebUI.
func FuzzOpenWebUI(f *testing.F) {
	throw(f, "openwebui", "", func(r *hooks.Request) { r.Tail = newSecret })
}

// FuzzKeycloak throws requests at both receivers of events of Keycloak.
func FuzzKeycloak(f *testing.F) {
	throw(f, "keycloak", "ldap", func(r *hooks.Request) {
		r.Header.Set("X-Keycloak-Signature", hexMAC(newSecret, string(r.Body)))
		r.Header.Set("Authorization", "Bearer good")
	})
}

// FuzzOkta throws requests at a receiver of event hooks of Okta.
func FuzzOkta(f *testing.F) {
	throw(f, "okta", "okta", func(r *hooks.Request) { r.Header.Set("Authorization", newSecret) })
}

// FuzzAuthentik throws requests at a receiver of notifications of authentik.
func FuzzAuthentik(f *testing.F) {
	throw(f, "authentik", "ldap", func(r *hooks.Request) { r.Header.Set("Authorization", "Bearer "+oldSecret) })
}

// FuzzGraph throws requests at a receiver of notifications of Microsoft Graph, whose
// proof stands in the body.
func FuzzGraph(f *testing.F) {
	throw(f, "graph", "entra", func(r *hooks.Request) {
		r.Body = []byte(strings.ReplaceAll(string(r.Body), otherSecret, newSecret))
	})
}

// FuzzGoogle throws requests at a receiver of channels of Google.
func FuzzGoogle(f *testing.F) {
	throw(f, "google", "ldap", func(r *hooks.Request) {
		r.Header.Set("X-Goog-Channel-Token", newSecret)
		r.Header.Set("X-Goog-Channel-ID", "c")
		r.Header.Set("X-Goog-Message-Number", "1")
	})
}

// FuzzLogout throws requests at a receiver of back-channel logouts.
func FuzzLogout(f *testing.F) {
	throw(f, "logout", "oidc", func(r *hooks.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") })
}
