package hooks_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"groupsyncd/server/hooks"
)

// signed computes a signature by the words of the specification.
func signed(key, id, stamp, body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(strings.Join([]string{id, stamp, body}, ".")))
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// vector is what the libraries of Standard Webhooks are tested with.
func vector(signature string) *hooks.Request {
	return request(`{"test": 2432232314}`, "webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp", "1614265330", "webhook-signature", signature)
}

const (
	vectorSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	vectorKey       = "whpk_ZlN4eg7dSSqi0moX9hQUk3orrOouK3QVQSlJa248c/g="
	vectorSignedA   = "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="
	wrongSignature  = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
)

// TestStandardVectors: the published signatures are taken, in the company that they may
// have, and nothing else is.
func TestStandardVectors(t *testing.T) {
	t.Parallel()
	d := open(t, "standard", hooks.Options{})
	// made signs the request of the vector with any key.
	made := func(key string) string {
		return signed(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", `{"test": 2432232314}`)
	}
	public, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(vectorKey, "whpk_"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		signature, secret string
		good              bool
	}{
		"whsec":                           {vectorSignature, vectorSecret, true},
		"base64 without its prefix":       {vectorSignature, strings.TrimPrefix(vectorSecret, "whsec_"), true},
		"whpk":                            {vectorSignedA, vectorKey, true},
		"among others":                    {wrongSignature + " v2,x " + vectorSignature + " " + wrongSignature, vectorSecret, true},
		"whpk among others":               {wrongSignature + " v1a, " + vectorSignedA, vectorKey, true},
		"another signature":               {wrongSignature, vectorSecret, false},
		"another version":                 {strings.Replace(vectorSignature, "v1", "v2", 1), vectorSecret, false},
		"no version":                      {strings.TrimPrefix(vectorSignature, "v1,"), vectorSecret, false},
		"empty":                           {"v1,", vectorSecret, false},
		"only a space":                    {" ", vectorSecret, false},
		"no base64":                       {"v1,%%%", vectorSecret, false},
		"cut":                             {vectorSignature[:20], vectorSecret, false},
		"a secret that is no base64":      {vectorSignature, "whsec_%%%", false},
		"any text":                        {made("any text is a key"), "any text is a key", true},
		"an empty key":                    {made(""), "whsec_", false},
		"a public key is no shared key":   {made(string(public)), vectorKey, false},
		"nor is how it is written":        {made(vectorKey), vectorKey, false},
		"a private key verifies nothing":  {vectorSignedA, "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=", false},
		"v1 with a public key":            {strings.Replace(vectorSignedA, "v1a", "v1", 1), vectorKey, false},
		"v1a with a shared key":           {strings.Replace(vectorSignature, "v1", "v1a", 1), vectorSecret, false},
		"a public key that is cut":        {vectorSignedA, vectorKey[:20], false},
		"behind more than are looked at":  {strings.Repeat(wrongSignature+" ", 16) + vectorSignature, vectorSecret, false},
		"the last that is looked at":      {strings.Repeat(wrongSignature+" ", 15) + vectorSignature, vectorSecret, true},
		"with a secret that does not fit": {vectorSignature, "whsec_AAAAr8GKYqrTwjUPD8ILPZIo2LaLaSw=", false},
	} {
		_, err := d.Verify(t.Context(), vector(c.signature), secrets(otherSecret, c.secret))
		if (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStandardTimes: a time too far from ours is refused on both sides, and one that
// cannot be read too.
func TestStandardTimes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tolerance, off time.Duration
		good           bool
	}{
		{0, 0, true}, {0, -5 * time.Minute, true}, {0, 5 * time.Minute, true}, {0, -301 * time.Second, false}, {0, 301 * time.Second, false},
		{time.Minute, 61 * time.Second, false}, {time.Minute, -61 * time.Second, false}, {time.Minute, 60 * time.Second, true},
	} {
		d := open(t, "standard", hooks.Options{Tolerance: c.tolerance})
		r := vector(vectorSignature)
		r.At = now.Add(c.off)
		if c.good {
			p, err := d.Verify(t.Context(), r, secrets(vectorSecret))
			if err != nil {
				t.Errorf("%v: %v", c.off, err)
			}
			// Whenever it came first, it is in time for less than it is remembered.
			if tolerance := max(c.tolerance, time.Minute); p.Keep <= 2*tolerance || c.tolerance == 0 && p.Keep <= 10*time.Minute {
				t.Errorf("it is remembered for %v", p.Keep)
			}
			continue
		}
		refused(t, d, r, secrets(vectorSecret), "clock")
	}
	d := open(t, "standard", hooks.Options{})
	for _, stamp := range []string{"yesterday", "1614265330.5", "0x60", " 1614265330", "9223372036854775807", "-9223372036854775808", strconv.FormatInt(1614265330+1<<62, 10), "99999999999999999999"} {
		r := request(standardBody, "webhook-id", "a", "webhook-timestamp", stamp, "webhook-signature", signed("k", "a", stamp, standardBody))
		refused(t, d, r, secrets("k"), "webhook-timestamp")
	}
}

// TestStandardIDIsTheDelivery: another attempt has another time and signature, and is
// the same delivery; another id is another one.
func TestStandardIDIsTheDelivery(t *testing.T) {
	t.Parallel()
	d := open(t, "standard", hooks.Options{})
	ids := map[string]string{}
	for _, c := range []struct{ id, stamp string }{{"a", "1614265330"}, {"a", "1614265331"}, {"b", "1614265330"}} {
		r := request(standardBody, "webhook-id", c.id, "webhook-timestamp", c.stamp, "webhook-signature", signed("k", c.id, c.stamp, standardBody))
		p, err := d.Verify(t.Context(), r, secrets("k"))
		if err != nil {
			t.Fatal(err)
		}
		if known, ok := ids[c.id]; ok && known != p.ID {
			t.Errorf("%s is two deliveries", c.id)
		}
		ids[c.id] = p.ID
	}
	if ids["a"] == ids["b"] {
		t.Error("two deliveries are one")
	}
}

// TestStandardBodies: a person in any form that people write, or a token where the people
// of the source come from tokens.
func TestStandardBodies(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 513)
	for _, c := range []struct {
		only bool
		body string
		want []hooks.Hint
	}{
		{false, `{"data":{"user":"ada"}}`, []hooks.Hint{{Who: "ada"}}},
		{false, `{"type":"x","extra":{"deep":[1]},"data":{"user":"uid=ada,dc=x","other":2}}`, []hooks.Hint{{Who: "uid=ada,dc=x"}}},
		{false, `{"data":{"user":"ada","user":"bob"}}`, []hooks.Hint{{Who: "bob"}}},
		{false, `{"data":{"user":""}}`, nil},
		{false, `{"data":{"user":" ada"}}`, nil},
		{false, `{"data":{"user":"a\u0000da"}}`, nil},
		{false, `{"data":{"user":7}}`, nil},
		{false, `{"data":{"user":"` + long + `"}}`, nil},
		{false, `{"data":{"id_token":"a.b.c"}}`, nil},
		{true, `{"data":{"user":"ada"}}`, nil},
		{true, `{"data":{"id_token":"` + strings.Repeat("x", 64<<10+1) + `"}}`, nil},
	} {
		d := open(t, "standard", hooks.Options{TokensOnly: c.only})
		got, err := d.Read(request(c.body), hooks.Proof{})
		if !reflect.DeepEqual(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%.60s is read as %+v, %v", c.body, got, err)
		}
	}
	got, err := open(t, "standard", hooks.Options{TokensOnly: true}).Read(request(`{"data":{"user":"ada","id_token":"a.b.c"}}`), hooks.Proof{})
	if err != nil || len(got) != 1 || got[0].Token.Reveal() != "a.b.c" || got[0].Who != "" {
		t.Errorf("a token is read as %+v, %v", got, err)
	}
}
