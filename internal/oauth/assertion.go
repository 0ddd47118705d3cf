package oauth

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
)

const (
	// backdate is how much earlier than now an assertion claims to be made, for servers whose
	// clock is a little behind ours.
	backdate = 10 * time.Second
	// assertionLife is how long a client's assertion is good, from the time it claims.
	assertionLife = 5 * time.Minute
	// grantLife is that of a service account's, as long as Google's own libraries have it.
	grantLife = time.Hour
)

// assertion signs who we are, for one request.
func (k *Key) assertion(clientID, tokenURL string, now time.Time) (secret.Value, error) {
	text, err := k.Ref.Read()
	if err != nil {
		return secret.Value{}, fmt.Errorf("read the private key: %w", err)
	}
	l, err := parseKey(text.Reveal())
	if err != nil {
		return secret.Value{}, fmt.Errorf("private key %s: %w", k.Ref, err)
	}
	alg, err := choose(l.key, cmp.Or(k.Algorithm, l.algorithm))
	if err != nil {
		return secret.Value{}, fault.New(fault.Invalid, "", "", fmt.Errorf("private key %s: %w", k.Ref, err), "RS256 and PS256 need an RSA key, ES256 one on P-256, EdDSA one of Ed25519")
	}
	header := map[jose.HeaderKey]any{}
	if id := cmp.Or(k.ID, l.id); id != "" {
		header["kid"] = id
	}
	if k.Certificate != "" {
		if header["x5t#S256"], err = thumbprint(string(k.Certificate), l.key); err != nil {
			return secret.Value{}, err
		}
	}
	issued := now.Add(-backdate)
	return sign(l.key, alg, header, map[string]any{
		"iss": clientID, "sub": clientID, "aud": cmp.Or(k.Audience, tokenURL), "jti": rand.Text(),
		"iat": issued.Unix(), "nbf": issued.Unix(), "exp": issued.Add(assertionLife).Unix(),
	})
}

// sign makes a JWT.
func sign(key crypto.Signer, alg jose.SignatureAlgorithm, header map[jose.HeaderKey]any, claims map[string]any) (secret.Value, error) {
	o := (&jose.SignerOptions{}).WithType("JWT")
	for name, value := range header {
		o = o.WithHeader(name, value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	if err != nil {
		return secret.Value{}, fmt.Errorf("sign with %s: %w", alg, err)
	}
	text, err := compact(signer, claims)
	return secret.New(text), err
}

func compact(signer jose.Signer, claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode the claims: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return jws.CompactSerialize()
}

// account is a service account of Google.
type account struct {
	Type     string `json:"type"`
	Email    string `json:"client_email"`
	Key      string `json:"private_key"`
	KeyID    string `json:"private_key_id"`
	TokenURI string `json:"token_uri"`

	key      crypto.Signer
	tokenURL string
}

// read gives the account as it is in the credentials now. configured is the token URL of the
// options, which may be empty.
func (g *Grant) read(configured string) (*account, error) {
	const download = "take the JSON file that the console of Google Cloud makes under Keys of the service account"
	text, err := g.Credentials.Read()
	if err != nil {
		return nil, fmt.Errorf("read the credentials: %w", err)
	}
	var a account
	switch err := json.Unmarshal([]byte(text.Reveal()), &a); {
	case err != nil: // The parser's error may repeat a part.
		return nil, unusable(download, "credentials %s: they are not JSON", g.Credentials)
	case a.Type != "service_account":
		return nil, unusable(download, "credentials %s: they are not those of a service account", g.Credentials)
	case a.Email == "" || a.Key == "":
		return nil, unusable(download, "credentials %s: client_email or private_key is missing", g.Credentials)
	}
	l, err := parseKey(a.Key)
	if err != nil {
		return nil, fmt.Errorf("credentials %s: %w", g.Credentials, err)
	}
	a.key = l.key
	if a.tokenURL, err = tokenURI(a.TokenURI, configured); err != nil {
		return nil, unusable(download, "credentials %s: %w", g.Credentials, err)
	}
	return &a, nil
}

// tokenURI decides where a service account's assertion goes: a file that somebody exchanged
// must not lead it to them.
func tokenURI(said, configured string) (string, error) {
	if said == "" || said == configured {
		if configured == "" {
			return "", errors.New("token_uri is missing")
		}
		return configured, nil
	}
	u, err := url.Parse(said)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Port() != "" || u.Hostname() != "googleapis.com" && !strings.HasSuffix(u.Hostname(), ".googleapis.com") {
		return "", errors.New("token_uri does not lead to googleapis.com over https")
	}
	return cmp.Or(configured, said), nil
}

// assertion signs that the account acts for a person.
func (a *account) assertion(subject string, scopes []string, now time.Time) (secret.Value, error) {
	issued := now.Add(-backdate)
	claims := map[string]any{
		"iss": a.Email, "aud": a.tokenURL, "scope": strings.Join(scopes, " "),
		"iat": issued.Unix(), "exp": issued.Add(grantLife).Unix(),
	}
	if subject != "" {
		claims["sub"] = subject
	}
	alg, err := choose(a.key, "")
	if err != nil {
		return secret.Value{}, err
	}
	header := map[jose.HeaderKey]any{}
	if a.KeyID != "" {
		header["kid"] = a.KeyID
	}
	return sign(a.key, alg, header, claims)
}
