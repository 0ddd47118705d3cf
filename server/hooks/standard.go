package hooks

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"groupsyncd/internal/secret"
)

// standard is Standard Webhooks 1.0.0: the id, the time and the body are signed together.
// A secret is whsec_ and base64, or any text; whpk_ and base64 is the public key of a
// sender that signs with ed25519.
type standard struct{ o Options }

// maxSignatures bounds how many signatures of one request are tried.
const maxSignatures = 16

var (
	errStandard = errors.New("it needs the headers webhook-id, webhook-timestamp and webhook-signature, each once")
	errStamp    = errors.New("webhook-timestamp is no time in seconds")
	errOld      = errors.New("webhook-timestamp is too far from our clock")
)

// Handshake: there is none.
func (*standard) Handshake(*Request, []secret.Value) (Answer, bool) { return Answer{}, false }

// Verify looks for a signature that fits, of those made with any secret in force.
func (d *standard) Verify(_ context.Context, r *Request, secrets []secret.Value) (Proof, error) {
	id, hasID := one(r.Header, "Webhook-Id")
	stamp, hasTime := one(r.Header, "Webhook-Timestamp")
	signatures, signed := one(r.Header, "Webhook-Signature")
	if !hasID || !hasTime || !signed {
		return Proof{}, errStandard
	}
	// The year 9999 has 12 digits; longer numbers wrap around.
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || len(stamp) > 12 {
		return Proof{}, errStamp
	}
	if r.At.Sub(time.Unix(seconds, 0)).Abs() > d.o.Tolerance {
		return Proof{}, errOld
	}
	if !fits([]byte(id+"."+stamp+"."), r.Body, signatures, secrets) {
		return Proof{}, errSignature
	}
	// It is in time for at most this long after it first could be.
	return Proof{ID: digest("id", id), Keep: 2*d.o.Tolerance + time.Second}, nil
}

// fits says whether one of the signatures was made with one of the secrets. However many
// there are, a body is gone through once for each shared secret of ours.
func fits(head, body []byte, signatures string, secrets []secret.Value) bool {
	var publics []ed25519.PublicKey
	var macs [][]byte
	for _, value := range secrets {
		public, keys := keysOf(value.Reveal())
		if len(public) == ed25519.PublicKeySize {
			publics = append(publics, public)
		}
		for _, key := range keys {
			mac := hmac.New(sha256.New, key)
			mac.Write(head)
			mac.Write(body)
			macs = append(macs, mac.Sum(nil))
		}
	}
	list := strings.Fields(signatures)
	found := false
	for _, s := range list[:min(len(list), maxSignatures)] {
		version, code, _ := strings.Cut(s, ",")
		signature, err := base64.StdEncoding.DecodeString(code)
		switch {
		case err != nil:
		case version == "v1":
			for _, mac := range macs {
				found = hmac.Equal(mac, signature) || found
			}
		case version == "v1a" && len(signature) == ed25519.SignatureSize:
			for _, public := range publics {
				found = ed25519.Verify(public, slices.Concat(head, body), signature) || found
			}
		}
	}
	return found
}

// keysOf reads a secret. Each prefix has one meaning. Without any, the text is the key;
// and what it encodes is one too, as the libraries of the specification have it.
func keysOf(s string) (public ed25519.PublicKey, keys [][]byte) {
	if code, is := strings.CutPrefix(s, "whpk_"); is {
		key, err := base64.StdEncoding.DecodeString(code)
		if err != nil {
			return nil, nil
		}
		return key, nil
	}
	if strings.HasPrefix(s, "whsk_") {
		return nil, nil
	}
	code, prefixed := strings.CutPrefix(s, "whsec_")
	if !prefixed {
		keys = append(keys, []byte(s))
	}
	if key, err := base64.StdEncoding.DecodeString(code); err == nil && len(key) > 0 {
		keys = append(keys, key)
	}
	return nil, keys
}

// Read gives the person that the body names, or the token that it carries where the
// people of the source come from tokens.
func (d *standard) Read(r *Request, _ Proof) ([]Hint, error) {
	var body struct {
		Data struct {
			User  text `json:"user"`
			Token text `json:"id_token"`
		} `json:"data"`
	}
	if err := decode(r.Body, &body); err != nil {
		return nil, err
	}
	user, token := body.Data.User.v, body.Data.Token.v
	switch {
	case d.o.TokensOnly && token != "" && len(token) <= maxToken:
		return []Hint{{Token: secret.New(token)}}, nil
	case !d.o.TokensOnly && named(user):
		return []Hint{{Who: user}}, nil
	}
	return nil, errNobody
}
