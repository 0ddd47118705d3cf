package hooks_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"groupsyncd/server/hooks"
)

// each runs a test for every sample.
func each(t *testing.T, test func(*testing.T, *sample, hooks.Dialect)) {
	t.Helper()
	for _, s := range samples() {
		name := s.kind
		if s.options.Tokens != nil {
			name += " by token"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, &s, open(t, s.kind, s.options))
		})
	}
}

// TestGoodRequestIsTaken: and says whom to look at.
func TestGoodRequestIsTaken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sample, d hooks.Dialect) {
		r := s.request(newSecret)
		p, err := d.Verify(t.Context(), r, s.inForce(newSecret))
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Read(r, p)
		if err != nil || !reflect.DeepEqual(got, s.want) {
			t.Fatalf("hints are %+v, %v", got, err)
		}
		if answer, ok := d.Handshake(r, s.inForce(newSecret)); ok {
			t.Errorf("it is taken for a handshake: %+v", answer)
		}
	})
}

// TestWrongSecretIsRefused: and so is none at all, or an empty one that would fit.
func TestWrongSecretIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sample, d hooks.Dialect) {
		refused(t, d, s.request(otherSecret), s.inForce(newSecret, oldSecret), "")
		if s.options.Tokens != nil {
			return
		}
		if s.kind == "keycloak" {
			refused(t, d, s.request(""), secrets(""), "neither a secret")
			return
		}
		refused(t, d, s.request(newSecret), nil, "has no secret")
		for _, empty := range []string{"", " "} {
			refused(t, d, s.request(empty), secrets(empty), "has no secret")
		}
	})
}

// TestBothSecretsAreTakenWhileOneReplacesTheOther: senders change one after the other.
func TestBothSecretsAreTakenWhileOneReplacesTheOther(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sample, d hooks.Dialect) {
		for _, used := range []string{oldSecret, newSecret} {
			if _, err := d.Verify(t.Context(), s.request(used), s.inForce(oldSecret, newSecret)); err != nil {
				t.Errorf("%s: %v", used, err)
			}
		}
		if s.options.Tokens == nil {
			refused(t, d, s.request(oldSecret), secrets(newSecret), "")
		}
	})
}

// TestAnyChangedByteIsRefused: where the sender signs what it sends.
func TestAnyChangedByteIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sample, d hooks.Dialect) {
		r := s.request(newSecret)
		for i := range r.Body {
			if !s.signed {
				break
			}
			changed := clone(r)
			changed.Body[i] ^= 1
			refused(t, d, changed, s.inForce(newSecret), "")
		}
		for _, key := range s.headers {
			// What says how to read a body, or which state it is in, is not secret.
			if key == "Content-Type" || key == "X-Goog-Resource-State" || key == "X-Goog-Channel-ID" || key == "X-Goog-Message-Number" {
				continue
			}
			value := r.Header.Get(key)
			for i := range value {
				changed := clone(r)
				changed.Header.Set(key, value[:i]+string(value[i]^2)+value[i+1:])
				// A scheme and hexadecimal may be written in capitals, which are 0x20 away.
				refused(t, d, changed, s.inForce(newSecret), "")
			}
		}
	})
}

// TestMissingHeaderIsRefused: nothing is proved without it. Of two values, somebody
// between could have taken the other one.
func TestMissingHeaderIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sample, d hooks.Dialect) {
		for _, key := range s.headers {
			without := s.request(newSecret)
			without.Header.Del(key)
			refused(t, d, without, s.inForce(newSecret), "")
			twice := s.request(newSecret)
			twice.Header.Add(key, twice.Header.Get(key))
			refused(t, d, twice, s.inForce(newSecret), "")
		}
	})
}

// TestWrongMethodIsRefused: whatever else is right.
func TestWrongMethodIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sample, d hooks.Dialect) {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodHead, ""} {
			r := s.request(newSecret)
			r.Method = method
			refused(t, d, r, s.inForce(newSecret), "POST")
		}
	})
}

// TestHugeBodyIsRefused: before anything is computed over it.
func TestHugeBodyIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sample, d hooks.Dialect) {
		r := s.request(newSecret)
		r.Body = []byte(strings.Repeat(" ", hooks.MaxBody+1))
		refused(t, d, r, s.inForce(newSecret), "too long")
	})
}

// TestDeliveryIsKnownAgain: the same one by the same ID, for as long as it could be sent
// again; where nothing tells deliveries apart, none is taken for another.
func TestDeliveryIsKnownAgain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sample, d hooks.Dialect) {
		r := s.request(newSecret)
		first, err := d.Verify(t.Context(), r, s.inForce(newSecret))
		if err != nil {
			t.Fatal(err)
		}
		again, err := d.Verify(t.Context(), clone(r), s.inForce(oldSecret, newSecret))
		if err != nil || again.ID != first.ID {
			t.Errorf("it is %q and then %q, %v", first.ID, again.ID, err)
		}
		if !s.apart {
			if first.ID != "" {
				t.Errorf("nothing tells it apart, but it is %q", first.ID)
			}
			return
		}
		if len(first.ID) != 32 || first.Keep <= 0 {
			t.Errorf("it is known as %q for %v", first.ID, first.Keep)
		}
		// Capitals where they mean the same make no other delivery.
		if key := "X-Keycloak-Signature"; r.Header.Get(key) != "" {
			r.Header.Set(key, strings.ToUpper(r.Header.Get(key)))
			if loud, err := d.Verify(t.Context(), r, s.inForce(newSecret)); err != nil || loud.ID != first.ID {
				t.Errorf("in capitals it is %q, %v", loud.ID, err)
			}
		}
	})
}

// TestWrongHandshakeIsRefused: no dialect answers one that is not its own, and none
// without what it asks for.
func TestWrongHandshakeIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sample, d hooks.Dialect) {
		for name, r := range map[string]*hooks.Request{
			"Okta's":  {Method: http.MethodGet, Header: http.Header{"X-Okta-Verification-Challenge": {"abc"}, "Authorization": {otherSecret}}},
			"nobody":  {Method: http.MethodGet, Header: http.Header{"X-Okta-Verification-Challenge": {"abc"}}},
			"Graph's": {Method: http.MethodGet, Query: map[string][]string{"validationToken": {"abc"}}},
			"empty":   {Method: http.MethodPost, Query: map[string][]string{"validationToken": {""}}},
		} {
			if answer, ok := d.Handshake(r, s.inForce(newSecret)); ok {
				t.Errorf("%s: %+v", name, answer)
			}
			if _, err := d.Verify(t.Context(), r, s.inForce(newSecret)); err == nil {
				t.Errorf("%s is taken for a delivery", name)
			}
		}
	})
}

// TestOtherBodyIsUnreadable: proof of who sent it is no proof that it says anything.
func TestOtherBodyIsUnreadable(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sample, d hooks.Dialect) {
		r := s.request(newSecret)
		for _, body := range []string{"", "null", "[]", "17", `"text"`, "{}", "{", `{"a":` + strings.Repeat("[", 20000), "canary \xff", loginEvent + "x"} {
			r.Body = []byte(body)
			got, err := d.Read(r, hooks.Proof{})
			if s.kind == "google" && body == "" {
				continue
			}
			if err == nil || got != nil {
				t.Errorf("%.20q is read as %+v", body, got)
				continue
			}
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "17") {
				t.Errorf("the error repeats the body: %v", err)
			}
		}
	})
}
