package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	jose "github.com/go-jose/go-jose/v4"

	"groupsyncd/internal/fault"
)

// algorithm is a signature, and the keys that can make it. The first that fits a key is its
// usual one.
type algorithm struct {
	name jose.SignatureAlgorithm
	fits func(crypto.Signer) bool
}

func algorithms() []algorithm {
	isRSA := func(k crypto.Signer) bool { _, ok := k.(*rsa.PrivateKey); return ok }
	on := func(curve elliptic.Curve) func(crypto.Signer) bool {
		return func(k crypto.Signer) bool { e, ok := k.(*ecdsa.PrivateKey); return ok && e.Curve == curve }
	}
	return []algorithm{
		{jose.RS256, isRSA}, {jose.RS384, isRSA}, {jose.RS512, isRSA}, {jose.PS256, isRSA}, {jose.PS384, isRSA}, {jose.PS512, isRSA},
		{jose.ES256, on(elliptic.P256())}, {jose.ES384, on(elliptic.P384())}, {jose.ES512, on(elliptic.P521())},
		{jose.EdDSA, func(k crypto.Signer) bool { _, ok := k.(ed25519.PrivateKey); return ok }},
	}
}

// choose gives the algorithm for a key; wanted may be empty.
func choose(key crypto.Signer, wanted string) (jose.SignatureAlgorithm, error) {
	for _, a := range algorithms() {
		if a.fits(key) && (wanted == "" || string(a.name) == wanted) {
			return a.name, nil
		}
	}
	if wanted == "" {
		return "", errors.New("the key is of a kind that nobody signs with")
	}
	return "", fmt.Errorf("the key cannot sign with %s", wanted)
}

// loaded is a private key and what its file says of it.
type loaded struct {
	key           crypto.Signer
	id, algorithm string
}

func unusable(hint, format string, args ...any) error {
	return fault.New(fault.Invalid, "", "", fmt.Errorf(format, args...), hint)
}

// parseKey reads a private key as PEM or as a JWK. Its errors never hold a part of it.
func parseKey(text string) (loaded, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{") {
		return parseJWK([]byte(text))
	}
	other := "nothing that begins with -----BEGIN"
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return loaded{}, unusable("the file needs a private key: -----BEGIN PRIVATE KEY-----, or a JWK", "it holds %s, and no private key", other)
		}
		switch kind := block.Type; {
		case kind == "ENCRYPTED PRIVATE KEY", strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
			return loaded{}, unusable("take the password away, and protect the file: openssl pkey -in FILE -out NEW && chmod 600 NEW", "the private key is encrypted with a password")
		case kind == "OPENSSH PRIVATE KEY":
			return loaded{}, unusable("convert a copy of it: ssh-keygen -p -m PKCS8 -N '' -f COPY", "the key is in the form of OpenSSH")
		case kind == "PUBLIC KEY", kind == "RSA PUBLIC KEY":
			other = "a public key"
		case kind == "CERTIFICATE":
			other = "a certificate"
		case strings.HasSuffix(kind, "PRIVATE KEY"):
			return fromDER(block.Bytes)
		}
	}
}

func fromDER(der []byte) (loaded, error) {
	var key any
	var err error
	if key, err = x509.ParsePKCS8PrivateKey(der); err != nil {
		if key, err = x509.ParsePKCS1PrivateKey(der); err != nil {
			if key, err = x509.ParseECPrivateKey(der); err != nil {
				return loaded{}, unusable("make a new one: openssl genrsa -out FILE 2048", "the private key is damaged, or of a kind that is not known")
			}
		}
	}
	return strong(key, "", "")
}

func parseJWK(text []byte) (loaded, error) {
	var k jose.JSONWebKey
	if err := k.UnmarshalJSON(text); err != nil || !k.Valid() {
		return loaded{}, unusable("the file needs one private key as JSON, with kty", "it is no key as JSON (JWK)")
	}
	if k.IsPublic() {
		return loaded{}, unusable("take the JWK with the member d, which the provider shows only once", "it is a public key, not the private one")
	}
	return strong(k.Key, k.KeyID, k.Algorithm)
}

// strong refuses keys that are too small to protect anything.
func strong(key any, id, alg string) (loaded, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return loaded{}, unusable("take an RSA, EC or Ed25519 key", "it is not a key for signatures")
	}
	if r, ok := key.(*rsa.PrivateKey); ok && r.N.BitLen() < 2048 {
		return loaded{}, unusable("make a new one: openssl genrsa -out FILE 2048", "the RSA key has %d bits, and needs 2048 or more", r.N.BitLen())
	}
	return loaded{signer, id, alg}, nil
}

// thumbprint reads the certificate of a key and gives its x5t#S256.
func thumbprint(file string, key crypto.Signer) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", unusable("check the path and that the file can be read", "read the certificate: %w", err)
	}
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return "", unusable("the file needs a block of -----BEGIN CERTIFICATE-----", "there is no certificate in %s", file)
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return "", unusable("export it again as PEM", "the certificate in %s is damaged", file)
		}
		public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		if !ok || !public.Equal(key.Public()) {
			return "", unusable("take the certificate that was made for this key, as the first in the file", "the certificate in %s is not that of the private key", file)
		}
		sum := sha256.Sum256(cert.Raw)
		return base64.RawURLEncoding.EncodeToString(sum[:]), nil
	}
}
