package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"groupsyncd/config"
)

const public = "server: {public: {listen: \"127.0.0.1:8422\"}}\n"

func TestWebhooksNeedAListener(t *testing.T) {
	t.Parallel()
	hooks := "webhooks: {login: {type: standard, secret: file:hook}}\n"
	want := `groupsyncd.yaml:5:11: webhooks: there is no listener for them
    hint: name one, such as: server: {public: {listen: "localhost:8422"}}`
	if got := problems(t, smallest+hooks).Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	c := load(t, smallest+public+hooks)
	if c.Webhook("login") == nil || c.Webhook("Login") != nil || c.Webhook("login").Tolerance.Std() != 5*time.Minute {
		t.Errorf("webhooks %+v", c.Webhooks)
	}
	if got := load(t, smallest).Server.Public.Listen; got != "" {
		t.Errorf("without a word of it there is a listener at %s", got)
	}
}

func TestATokenForAnAddressNeedsTheAddress(t *testing.T) {
	t.Parallel()
	hooks := "webhooks: {kc: {type: keycloak, source: list}}\n"
	text := strings.Replace(smallest, "sources: {", "sources: {list: {type: file, path: people.yaml}, ", 1)
	got := problems(t, text+public+hooks).Error()
	if !strings.HasPrefix(got, "groupsyncd.yaml:5:10: server.public.url: is missing\n    hint: what comes to the webhook kc is signed for its address") {
		t.Error(got)
	}
	load(t, text+strings.Replace(public, "listen:", "url: http://localhost/, listen:", 1)+hooks)
}

func TestTwoWebhooksOfOneNameAreRefused(t *testing.T) {
	t.Parallel()
	got := problems(t, smallest+public+"webhooks:\n  login: {type: standard, secret: file:a}\n  login: {type: standard, secret: file:b}\n").Error()
	if !strings.HasPrefix(got, "groupsyncd.yaml:8:3: ") {
		t.Errorf("got %s", got)
	}
}

func TestAnOpenListenerWithoutEncryptionIsWarnedOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`listen: "127.0.0.1:8422"`:                                           false,
		`listen: "[::1]:8422"`:                                               false,
		`listen: "localhost:8422"`:                                           false,
		`listen: ":8422"`:                                                    true,
		`listen: "0.0.0.0:8422"`:                                             true,
		`listen: "groups.example.org:8422"`:                                  true,
		`listen: ":8422", url: "http://groups.example.org"`:                  true,
		`listen: ":8422", url: "https://groups.example.org"`:                 false,
		`listen: ":8422", tls: {cert: a, key: b}`:                            false,
		`listen: "", url: "http://groups.example.org"`:                       false,
		`listen: "127.0.0.1:8422", url: "http://groups.example.org:8422/in"`: false,
	} {
		warnings := load(t, smallest+"server: {public: {"+text+"}}\n").Warnings()
		if got := len(warnings) > 0; got != want || want && !strings.HasPrefix(warnings.Error(), "groupsyncd.yaml:5:27: server.public.listen: ") {
			t.Errorf("%s: warnings %v", text, warnings)
		}
	}
}

// certificate writes a certificate with its key and gives their names.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestSecretsAndCertificatesThatCannotServeAreReportedWhereTheyStand(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.Dir = t.TempDir()
	certificate(t, opts.Dir)
	for name, text := range map[string]string{"good": "0123456789abcdef\n", "short": "0123456789abcde"} {
		if err := os.WriteFile(filepath.Join(opts.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load([]byte(smallest+`server:
  public:
    listen: 127.0.0.1:0
    tls: {cert: good, key: key.pem}
webhooks:
  one: {type: standard, secret: file:good}
  two: {type: standard, secret: file:missing}
  three: {type: standard, secret: [file:good, file:short]}
`), opts)
	if err != nil {
		t.Fatal(err)
	}
	want := `groupsyncd.yaml:8:10: server.public.tls: read certificate at DIR/good: tls: failed to find any PEM data in certificate input
    hint: name the files of a certificate and of its key, as PEM
groupsyncd.yaml:11:33: webhooks.two.secret: secret file DIR/missing does not exist
    hint: write the secret into that file, and chmod 600 it
groupsyncd.yaml:12:47: webhooks.three.secret: the secret is shorter than 16 characters
    hint: make one with: openssl rand -hex 32`
	if got := strings.ReplaceAll(c.CheckPublic().Error(), opts.Dir, "DIR"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if all := c.CheckSecrets().Error(); strings.Count(all, "webhooks.") != 2 || strings.Count(all, "public.tls") != 1 || !strings.Contains(all, "targets.chat.api_key") {
		t.Errorf("all secrets:\n%s", all)
	}
}

func TestACertificateIsLoadedWhenItsKeyIsKeptFromOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, key := certificate(t, dir)
	opts := options()
	opts.Dir = dir
	c, err := config.Load([]byte(smallest+"server: {public: {listen: \"127.0.0.1:0\", tls: {cert: cert.pem, key: key.pem}}}\n"), opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Server.Public.TLS.Load(); err != nil {
		t.Error(err)
	}
	if problems := c.CheckPublic(); len(problems) > 0 {
		t.Error(problems)
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Server.Public.TLS.Load(); err == nil || !strings.Contains(err.Error(), "can be used by everybody") {
		t.Errorf("a key that others may read gave %v", err)
	}
}
