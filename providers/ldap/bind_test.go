package ldap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/scalar"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap/ldaptest"
)

// ours makes a client certificate with its key, and the pool of those who trust it.
func ours(t *testing.T) (cert, key scalar.Path, trust *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "groupsyncd"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = scalar.Path(filepath.Join(dir, "cert.pem")), scalar.Path(filepath.Join(dir, "key.pem"))
	write(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
	write(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600)
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	trust = x509.NewCertPool()
	trust.AddCert(parsed)
	return cert, key, trust
}

func write(t *testing.T, path scalar.Path, text []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(string(path), text, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(string(path), mode); err != nil {
		t.Fatal(err)
	}
}

func TestExternalBindByACertificate(t *testing.T) {
	t.Parallel()
	cert, key, trust := ours(t)
	_, otherKey, _ := ours(t)
	otherCert, itsKey, _ := ours(t)
	open644 := scalar.Path(filepath.Join(t.TempDir(), "key.pem"))
	raw, err := os.ReadFile(string(key))
	if err != nil {
		t.Fatal(err)
	}
	write(t, open644, raw, 0o644)
	server, ca := certificate(t, time.Now().AddDate(1, 0, 0), "x", net.IPv4(127, 0, 0, 1))
	for _, c := range []struct {
		name      string
		cert, key scalar.Path
		kind      fault.Kind
		why, hint string
	}{
		{"known", cert, key, 0, "", ""},
		{"of an authority that the server does not trust", otherCert, itsKey, fault.Auth, "remote error: tls:", "cert_file"},
		{"with the key of another", cert, otherKey, fault.Invalid, "private key does not match", "key_file holds"},
		{"key that everybody may read", cert, open644, fault.Invalid, "chmod 600", "others may have read it"},
		{"no such certificate", "/nonexistent.pem", key, fault.Invalid, "read cert_file", "PEM"},
		{"no such key", cert, "/nonexistent.pem", fault.Invalid, "read key_file", "chmod 600"},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for _, start := range []bool{false, true} {
				name := c.name + ", " + tls.VersionName(version) + map[bool]string{false: ", ldaps", true: ", StartTLS"}[start]
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					o := options()
					o.External = true
					o.TLS = server.Clone()
					o.TLS.ClientAuth, o.TLS.ClientCAs, o.TLS.MaxVersion = tls.RequireAndVerifyClientCert, trust, version
					s, plain := serve(t, o, person(1))
					ldaps, err := s.StartTLS("127.0.0.1:0", o.TLS)
					if err != nil {
						t.Fatal(err)
					}
					config := configure(t, RFC2307bis, ldaps)
					if start {
						config.URL, config.StartTLS = List{plain}, true
					}
					config.Bind, config.CAFile, config.CertFile, config.KeyFile = Bind{External: true}, ca, c.cert, c.key
					snapshot, err := open(t, config).Pull(t.Context(), nil)
					if fault.KindOf(err) != c.kind || c.kind == 0 && len(snapshot.Users) != 1 {
						t.Fatalf("error %v (%s)", err, fault.KindOf(err))
					}
					if c.kind != 0 && (!strings.Contains(err.Error(), c.why) || !strings.Contains(fault.HintOf(err), c.hint)) {
						t.Errorf("error %v, hint %q", err, fault.HintOf(err))
					}
				})
			}
		}
	}
}

// TestAPasswordThatChangesUnderTheBindIsReadAgainOnce has a server that sees the file
// replaced while it refuses the old password.
func TestAPasswordThatChangesUnderTheBindIsReadAgainOnce(t *testing.T) {
	t.Parallel()
	path := scalar.Path(filepath.Join(t.TempDir(), "password"))
	write(t, path, []byte("old"), 0o600)
	passwords := make(chan string, 4)
	url := speak(t, func(request *ber.Packet) (ber.Tag, uint16) {
		if request.Tag != ldap.ApplicationBindRequest {
			return ldap.ApplicationExtendedResponse, ldap.LDAPResultProtocolError
		}
		got := request.Children[2].Data.String()
		passwords <- got
		if got == "new" {
			return ldap.ApplicationBindResponse, ldap.LDAPResultSuccess
		}
		if got == "old" {
			write(t, path, []byte("new"), 0o600)
		}
		return ldap.ApplicationBindResponse, ldap.LDAPResultInvalidCredentials
	})
	config := configure(t, RFC2307bis, url)
	if err := config.Bind.Password.UnmarshalText([]byte("file:" + string(path))); err != nil {
		t.Fatal(err)
	}
	made, err := open(t, config).connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made.close()
	write(t, path, []byte("wrong"), 0o600)
	if _, err := open(t, config).connect(t.Context()); fault.KindOf(err) != fault.Auth {
		t.Errorf("with a wrong password: %v", err)
	}
	close(passwords)
	var all []string
	for p := range passwords {
		all = append(all, p)
	}
	if got := strings.Join(all, " "); got != "old new wrong" {
		t.Errorf("tried %q", got)
	}
}

// speak is a server that answers every request with a code only.
func speak(t *testing.T, answer func(request *ber.Packet) (ber.Tag, uint16)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	serveOne := func(c net.Conn) {
		defer func() { _ = c.Close() }()
		for {
			message, err := ber.ReadPacket(c)
			if err != nil || len(message.Children) < 2 || message.Children[1].Tag == ldap.ApplicationUnbindRequest {
				return
			}
			tag, code := answer(message.Children[1])
			response := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
			response.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(code), ""))
			response.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
			response.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
			reply := ber.NewSequence("")
			reply.AppendChild(message.Children[0])
			reply.AppendChild(response)
			if _, err := io.Copy(c, strings.NewReader(string(reply.Bytes()))); err != nil {
				return
			}
		}
	}
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serveOne(c)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return "ldap://" + l.Addr().String()
}

func TestAnEmptyPasswordIsNeverSent(t *testing.T) {
	t.Parallel()
	server, url := serve(t, options(), person(1))
	for _, text := range []string{"", "\n", "\r\n"} {
		path := scalar.Path(filepath.Join(t.TempDir(), "password"))
		write(t, path, []byte(text), 0o600)
		config := configure(t, RFC2307bis, url)
		if err := config.Bind.Password.UnmarshalText([]byte("file:" + string(path))); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, config).Pull(t.Context(), nil); fault.KindOf(err) != fault.Invalid {
			t.Errorf("with %q: %v", text, err)
		}
	}
	if binds, _ := server.Counts(); binds != 0 {
		t.Errorf("%d binds were sent", binds)
	}
}

// TestABindThatProvesNothingIsRefused is about servers that say success and go on as
// for anybody: an anonymous reader's part of a directory looks like all of it.
func TestABindThatProvesNothingIsRefused(t *testing.T) {
	t.Parallel()
	o := options()
	o.Nobody = true
	_, url := serve(t, o, person(1))
	_, err := open(t, configure(t, RFC2307bis, url)).Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Auth || !strings.Contains(err.Error(), "sees us as nobody") {
		t.Errorf("error %v", err)
	}
	o.NoWhoAmI = true
	_, url = serve(t, o, person(1))
	if snapshot, err := open(t, configure(t, RFC2307bis, url)).Pull(t.Context(), nil); err != nil || len(snapshot.Users) != 1 {
		t.Errorf("a server without WhoAmI: %v", err)
	}
	anonymous := configure(t, RFC2307bis, url)
	anonymous.Bind = Bind{}
	o = ldaptest.Options{Nobody: true}
	_, url = serve(t, o, person(1))
	anonymous.URL = List{url}
	if _, err := open(t, anonymous).Pull(t.Context(), nil); err != nil {
		t.Errorf("anonymously, as configured: %v", err)
	}
}

func TestAServerThatIsBusyLeavesItToTheNext(t *testing.T) {
	t.Parallel()
	_, good := serve(t, options(), person(1))
	for _, c := range []uint16{ldap.LDAPResultBusy, ldap.LDAPResultUnavailable} {
		for _, when := range []ber.Tag{ldap.ApplicationBindRequest, ldap.ApplicationExtendedRequest} {
			bad := speak(t, func(request *ber.Packet) (ber.Tag, uint16) {
				if request.Tag != when {
					return request.Tag + 1, ldap.LDAPResultSuccess
				}
				return request.Tag + 1, c
			})
			config := configure(t, RFC2307bis, bad)
			config.URL = append(config.URL, good)
			if snapshot, err := open(t, config).Pull(t.Context(), nil); err != nil || len(snapshot.Users) != 1 {
				t.Errorf("code %d at request %d: %v", c, when, err)
			}
		}
	}
}

func TestAddressesOfIPv6(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"ldap://[::1]": "[::1]:389", "ldaps://[2001:db8::1]:1636/": "[2001:db8::1]:1636", "ldaps://[fe80::1%25eth0]": "[fe80::1%eth0]:636"} {
		if s, err := parseServer(text); err != nil || s.addr != want {
			t.Errorf("%s: %+v, %v", text, s, err)
		}
	}
	config, ca := certificate(t, time.Now().AddDate(1, 0, 0), "x", net.IPv6loopback)
	s, _ := serve(t, options(), person(1))
	url, err := s.StartTLS("[::1]:0", config)
	if err != nil {
		t.Log("this machine has no IPv6:", err)
		return
	}
	c := configure(t, RFC2307bis, url)
	c.CAFile = ca
	if snapshot, err := open(t, c).Pull(t.Context(), nil); err != nil || len(snapshot.Users) != 1 {
		t.Errorf("Pull at %s: %v", url, err)
	}
}

func TestTLSIsAtLeast12(t *testing.T) {
	t.Parallel()
	server, ca := certificate(t, time.Now().AddDate(1, 0, 0), "x", net.IPv4(127, 0, 0, 1))
	server.MinVersion, server.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	_, ldaps := secure(t, server)
	config := configure(t, RFC2307bis, ldaps)
	config.CAFile = ca
	_, err := open(t, config).Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(fault.HintOf(err), "TLS 1.2") {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
}

func TestTheEndOfOurCertificateIsKnownWithoutAConnection(t *testing.T) {
	t.Parallel()
	cert, key, _ := ours(t)
	c := configure(t, RFC2307, "ldaps://127.0.0.1:1")
	s := open(t, c)
	if got := s.Expiries(); got != nil {
		t.Errorf("without a certificate: %v", got)
	}
	c.CertFile, c.KeyFile = cert, key
	s = open(t, c)
	if got := s.Expiries(); len(got) != 1 || got[0].Credential != providers.ClientCertificate || time.Until(got[0].At) > time.Hour || time.Until(got[0].At) < 50*time.Minute {
		t.Errorf("our certificate: %v", got)
	}
	write(t, cert, []byte("damaged"), 0o644)
	if got := s.Expiries(); got != nil {
		t.Errorf("a damaged one: %v", got)
	}
}
