package ldap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/scalar"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap/ldaptest"
)

// certificate makes a self-signed one for a name and gives it with its PEM file.
func certificate(t *testing.T, until time.Time, name string, ips ...net.IP) (*tls.Config, scalar.Path) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until,
		DNSNames: []string{name}, IPAddresses: ips, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, scalar.Path(path)
}

// secure starts a server that offers StartTLS and gives its ldaps address too.
func secure(t *testing.T, config *tls.Config) (plain, ldaps string) {
	t.Helper()
	o := options()
	o.TLS = config
	s, plain := serve(t, o, person(1))
	ldaps, err := s.StartTLS("127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	return plain, ldaps
}

func TestTLSIsVerifiedAgainstTheCAFileAndTheName(t *testing.T) {
	t.Parallel()
	year := time.Now().AddDate(1, 0, 0)
	good, ca := certificate(t, year, "ldap.example.org", net.IPv4(127, 0, 0, 1))
	other, otherCA := certificate(t, year, "other.example.org")
	expired, expiredCA := certificate(t, time.Now().Add(-time.Hour), "x", net.IPv4(127, 0, 0, 1))
	for _, c := range []struct {
		name string
		tls  *tls.Config
		ca   scalar.Path
		kind fault.Kind
		hint string
	}{
		{"known authority and name", good, ca, 0, ""},
		{"unknown authority", good, "", fault.Unavailable, "set ca_file"},
		{"another authority", good, otherCA, fault.Unavailable, "set ca_file"},
		{"another name", other, otherCA, fault.Unavailable, "write the name in url"},
		{"expired", expired, expiredCA, fault.Unavailable, "renew"},
		{"missing ca_file", good, "/nonexistent/ca.pem", fault.Invalid, "ca_file"},
	} {
		for _, start := range []bool{false, true} {
			t.Run(c.name+map[bool]string{false: ", ldaps", true: ", StartTLS"}[start], func(t *testing.T) {
				t.Parallel()
				plain, ldaps := secure(t, c.tls)
				config := configure(t, RFC2307bis, ldaps)
				if start {
					config.URL, config.StartTLS = List{plain}, true
				}
				config.CAFile = c.ca
				snapshot, err := open(t, config).Pull(t.Context(), nil)
				if fault.KindOf(err) != c.kind || !strings.Contains(fault.HintOf(err), c.hint) || (c.kind == 0) != (snapshot.Coverage() == directory.Full) {
					t.Errorf("error %v, hint %q", err, fault.HintOf(err))
				}
			})
		}
	}
}

func TestNothingIsSentInClearWhenStartTLSIsRefused(t *testing.T) {
	t.Parallel()
	server, url := serve(t, options(), person(1))
	c := configure(t, RFC2307bis, url)
	c.StartTLS = true
	_, err := open(t, c).Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(fault.HintOf(err), "StartTLS") {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
	if binds, searches := server.Counts(); binds+searches != 0 {
		t.Errorf("%d binds and %d searches went out in clear", binds, searches)
	}
}

func TestServersAreTriedInOrder(t *testing.T) {
	t.Parallel()
	_, url := serve(t, options(), person(1))
	c := configure(t, RFC2307bis, "ldap://127.0.0.1:1")
	c.URL = append(c.URL, url)
	if snapshot, err := open(t, c).Pull(t.Context(), nil); err != nil || len(snapshot.Users) != 1 {
		t.Errorf("Pull: %v", err)
	}
	c.URL = List{"ldap://127.0.0.1:1", "ldap://127.0.0.1:2"}
	_, err := open(t, c).Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "127.0.0.1:1") || !strings.Contains(err.Error(), "127.0.0.1:2") {
		t.Errorf("error %v", err)
	}
}

func TestARefusedPasswordIsTriedOnce(t *testing.T) {
	t.Parallel()
	first, url1 := serve(t, options())
	second, url2 := serve(t, options())
	c := configure(t, RFC2307bis, url1)
	c.URL = append(c.URL, url2)
	c.Bind.Password = secretFile(t, "wrong")
	_, err := open(t, c).Pull(t.Context(), nil)
	binds1, _ := first.Counts()
	binds2, _ := second.Counts()
	if fault.KindOf(err) != fault.Auth || binds1 != 1 || binds2 != 0 {
		t.Errorf("error %v after %d and %d binds", err, binds1, binds2)
	}
	_, err = open(t, c).LookUp(t.Context(), directory.Person{Username: "u1"})
	binds1, _ = first.Counts()
	binds2, _ = second.Counts()
	if fault.KindOf(err) != fault.Auth || binds1 != 2 || binds2 != 0 {
		t.Errorf("look-up: error %v after %d and %d binds", err, binds1, binds2)
	}
}

func TestARotatedPasswordIsUsed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "password")
	write := func(s string) {
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old")
	_, url := serve(t, options(), person(1))
	c := configure(t, RFC2307bis, url)
	if err := c.Bind.Password.UnmarshalText([]byte("file:" + path)); err != nil {
		t.Fatal(err)
	}
	s := open(t, c)
	if _, err := s.Pull(t.Context(), nil); fault.KindOf(err) != fault.Auth {
		t.Errorf("with the old password: %v", err)
	}
	write(password)
	if _, err := s.Pull(t.Context(), nil); err != nil {
		t.Errorf("with the new password: %v", err)
	}
}

func TestExternalBindOverASocket(t *testing.T) {
	t.Parallel()
	o := options()
	o.External = true
	server, _ := serve(t, o, person(1))
	dir, err := os.MkdirTemp("", "ldapi") //nolint:usetesting // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	url, err := server.StartUnix(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	c := configure(t, RFC2307bis, url)
	c.Bind = Bind{External: true}
	if snapshot, err := open(t, c).Pull(t.Context(), nil); err != nil || len(snapshot.Users) != 1 {
		t.Errorf("Pull: %v", err)
	}
}

func TestErrorsSayWhatWhereWhyAndWhatToDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(*Config)
		kind fault.Kind
		op   string
		why  string
		hint string
	}{
		{"wrong users base", func(c *Config) { c.Users.Base = List{"ou=persons," + suffix} }, fault.Invalid, "read users at ldap://", `ou=persons`, "users.base"},
		{"wrong groups base", func(c *Config) { c.Groups.Base = List{"ou=teams," + suffix} }, fault.Invalid, "read groups at ldap://", "code 32", "groups.base"},
		{"wrong password", func(c *Config) { c.Bind.Password = secretFile(t, "x") }, fault.Auth, "bind at ldap://", "invalid credentials (code 49)", "bind.password"},
		{"anonymous", func(c *Config) { c.Bind = Bind{} }, fault.Auth, "read users at ldap://", "code 50", "bind.dn"},
		{"refused", func(c *Config) { c.URL = List{"ldap://127.0.0.1:1"} }, fault.Unavailable, "connect at ldap://127.0.0.1:1: connection refused", "", "running"},
		{"no TLS there", func(c *Config) { c.URL = List{strings.Replace(c.URL[0], "ldap:", "ldaps:", 1)} }, fault.Unavailable, "connect at ldaps://", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, url := serve(t, options(), person(1), group("cn=a,"+groups, userDN(1)))
			config := configure(t, RFC2307bis, url)
			c.edit(config)
			s := open(t, config)
			s.dial = 2 * time.Second
			_, err := s.Pull(t.Context(), nil)
			if err == nil || fault.KindOf(err) != c.kind || !strings.HasPrefix(err.Error(), c.op) || !strings.Contains(err.Error(), c.why) || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("error %v (%s), hint %q", err, fault.KindOf(err), fault.HintOf(err))
			}
			levels := map[providers.Level]int{}
			for _, f := range s.Check(t.Context()) {
				levels[f.Level]++
			}
			if levels[providers.Failed] == 0 {
				t.Errorf("doctor finds nothing: %v", levels)
			}
		})
	}
}

func TestDoctorWarnsOfWhatWillFailLater(t *testing.T) {
	t.Parallel()
	config, ca := certificate(t, time.Now().AddDate(0, 0, 3), "x", net.IPv4(127, 0, 0, 1))
	_, ldaps := secure(t, config)
	c := configure(t, RFC2307bis, ldaps)
	c.CAFile, c.Users.Email = ca, "email"
	var warnings []string
	for _, f := range open(t, c).Check(t.Context()) {
		if f.Level == providers.Failed {
			t.Errorf("failed: %+v", f)
		}
		if f.Level == providers.Warning && f.Remedy != "" {
			warnings = append(warnings, f.Check)
		}
	}
	if got := strings.Join(warnings, " "); got != "certificate users.disabled users.base groups.base users.email" {
		t.Errorf("warnings for %q", got)
	}
}

func TestALookUpThatCannotSeeAllGroupsCoversNothing(t *testing.T) {
	t.Parallel()
	server, url := serve(t, options(), person(1), group("cn=a,"+groups, userDN(1)))
	for _, f := range []ldaptest.Fault{{Cut: -1}, {Code: 4}, {NoControl: true}, {References: []string{"ldap://other/dc=x"}}} {
		server.SetFault(func(q ldaptest.Search) ldaptest.Fault {
			if q.Base == groups {
				return f
			}
			return ldaptest.Fault{}
		})
		one, err := open(t, configure(t, RFC2307bis, url)).LookUp(t.Context(), directory.Person{Username: "u1"})
		if err == nil || one.Coverage() != directory.None || one.Reason == "" {
			t.Errorf("with %+v: %+v, %v", f, one, err)
		}
	}
}

// OpenLDAP closes an anonymous connection on which 100 requests wait.
func TestAnAnonymousConnectionHasFewLookUpsUnderWay(t *testing.T) {
	t.Parallel()
	c := configure(t, RFC2307bis, "ldap://127.0.0.1:1")
	if o := open(t, c).bounds(); o.Window != 0 || o.Timeout != requestTimeout {
		t.Errorf("with a bind the bounds are %+v", o)
	}
	c.Bind = Bind{}
	if o := open(t, c).bounds(); o.Window < 1 || o.Window >= 100 {
		t.Errorf("without a bind the bounds are %+v", o)
	}
}

func TestTheEndOfTheServersCertificateIsNoted(t *testing.T) {
	t.Parallel()
	until := time.Now().AddDate(0, 1, 0).Truncate(time.Second)
	config, ca := certificate(t, until, "ldap.example.org", net.IPv4(127, 0, 0, 1))
	plain, ldaps := secure(t, config)
	for name, url := range map[string]string{"ldaps": ldaps, "StartTLS": plain} {
		c := configure(t, RFC2307bis, url)
		c.CAFile, c.StartTLS = ca, url == plain
		m := &httpx.Meter{}
		source, err := c.Open(providers.Options{Name: "corp", Meter: m})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := source.Pull(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if got := m.Counts(); !got.Certificate.Equal(until) || got.HTTP {
			t.Errorf("%s: %+v", name, got)
		}
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	}
}
