package entra_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/providers/entra"
	"groupsyncd/providers/entra/entratest"
)

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func ref(t *testing.T, text string) secret.Ref {
	t.Helper()
	r, err := secret.Parse("file:" + file(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// pair gives a private key and a certificate that ends then.
func pair(t *testing.T, ends time.Time) (key, certificate string) {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "groupsyncd"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestEveryKindOfCredentialGetsAToken(t *testing.T) {
	t.Parallel()
	key, certificate := pair(t, time.Now().Add(90*24*time.Hour))
	encode := base64.RawURLEncoding.EncodeToString
	federated := encode([]byte(`{"alg":"RS256"}`)) + "." + encode([]byte(`{"iss":"https://k8s.example.org","sub":"`+entratest.ClientID+`"}`)) + ".c2ln"
	for name, change := range map[string]func(c *entra.Config){
		"secret":      func(*entra.Config) {},
		"certificate": func(c *entra.Config) { c.PrivateKey, c.Certificate = ref(t, key), scalar.Path(file(t, certificate)) },
		"federated":   func(c *entra.Config) { c.FederatedToken = ref(t, federated) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := entratest.New(t, office())
			source := open(t, s, func(c *entra.Config) {
				if name != "secret" {
					c.ClientSecret = secret.Ref{}
				}
				change(c)
			})
			if got, err := source.Pull(t.Context(), nil); err != nil || len(got.Users) != 4 {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(t *testing.T, c *entra.Config)
		grant  []string
		want   string
	}{
		"wrong secret":           {change: func(t *testing.T, c *entra.Config) { c.ClientSecret = ref(t, "secret-id") }, want: "not its Secret ID"},
		"expired secret":         {change: func(t *testing.T, c *entra.Config) { c.ClientSecret = ref(t, entratest.Secret+"-expired") }, want: "has expired"},
		"unknown application":    {change: func(_ *testing.T, c *entra.Config) { c.ClientID = "nobody" }, want: "no application with this client_id"},
		"unknown tenant":         {change: func(_ *testing.T, c *entra.Config) { c.Tenant = "elsewhere.example" }, want: "no such tenant"},
		"no right to users":      {grant: []string{"GroupMember.Read.All"}, want: "User.Read.All"},
		"no right to groups":     {grant: []string{"User.Read.All"}, want: "GroupMember.Read.All"},
		"no right to assignment": {change: func(_ *testing.T, c *entra.Config) { c.AssignedTo = rid(10) }, grant: []string{"User.Read.All", "GroupMember.Read.All"}, want: "Application.Read.All"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := entratest.Start(t, office(), entratest.Options{Granted: c.grant})
			source := open(t, s, func(cfg *entra.Config) {
				if c.change != nil {
					c.change(t, cfg)
				}
			})
			_, err := source.Pull(t.Context(), nil)
			if k := fault.KindOf(err); k != fault.Auth && k != fault.Invalid || !strings.Contains(fault.HintOf(err), c.want) {
				t.Errorf("%v (%s): hint %q", err, k, fault.HintOf(err))
			}
			doctor, _ := source.(providers.Checker)
			said := ""
			for _, f := range doctor.Check(t.Context()) {
				if f.Level == providers.Failed {
					said += f.Check + " " + f.Message + " " + f.Remedy + "\n"
				}
			}
			if !strings.Contains(said, c.want) || strings.Contains(said, entratest.Secret) {
				t.Errorf("doctor: %s", said)
			}
		})
	}
}

func TestDoctorSpeaksOfWhatEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		left  time.Duration
		level providers.Level
	}{"in a year": {365 * 24 * time.Hour, providers.OK}, "soon": {10 * 24 * time.Hour, providers.Warning}} {
		t.Run("secret ends "+name, func(t *testing.T) {
			t.Parallel()
			s := entratest.New(t, office())
			s.SecretEnds(time.Now().Add(c.left))
			expect(t, open(t, s, nil), "client secret", c.level, time.Now().Add(c.left).UTC().Format(time.DateOnly))
		})
		t.Run("certificate ends "+name, func(t *testing.T) {
			t.Parallel()
			key, certificate := pair(t, time.Now().Add(c.left))
			expect(t, open(t, entratest.New(t, office()), func(cfg *entra.Config) {
				cfg.ClientSecret, cfg.PrivateKey, cfg.Certificate = secret.Ref{}, ref(t, key), scalar.Path(file(t, certificate))
			}), "certificate", c.level, time.Now().Add(c.left).UTC().Format(time.DateOnly))
		})
	}
	key, certificate := pair(t, time.Now().Add(-time.Hour))
	expect(t, open(t, entratest.New(t, office()), func(cfg *entra.Config) {
		cfg.ClientSecret, cfg.PrivateKey, cfg.Certificate = secret.Ref{}, ref(t, key), scalar.Path(file(t, certificate))
	}), "certificate", providers.Failed, "expired")
}

// expect looks for one finding of doctor.
func expect(t *testing.T, s providers.Source, check string, level providers.Level, text string) {
	t.Helper()
	doctor, _ := s.(providers.Checker)
	var all []string
	for _, f := range doctor.Check(t.Context()) {
		if f.Check == check && f.Level == level && strings.Contains(f.Message+f.Remedy, text) {
			return
		}
		all = append(all, fmt.Sprintf("%+v", f))
	}
	t.Errorf("no finding %s %s with %q:\n%s", level, check, text, strings.Join(all, "\n"))
}

func TestDoctorNamesWhatIsOdd(t *testing.T) {
	t.Parallel()
	s := entratest.New(t, office())
	s.PutGroup(gid(2), "finance", "", "HiddenMembership")
	s.SetApplication(assigned(entratest.Assignment{Role: rid(20), Type: "User", Principal: uid(1)}))
	source := func(change func(c *entra.Config)) providers.Source { return open(t, s, change) }
	expect(t, source(nil), "permission Member.Read.Hidden", providers.OK, "granted")
	expect(t, source(func(c *entra.Config) { c.AssignedTo = rid(10) }), "assigned_to", providers.Warning, "include: [app_roles]")
	expect(t, source(func(c *entra.Config) { c.AssignedTo, c.Include = rid(10), []string{entra.AppRoles} }), "assigned_to", providers.OK, "1 people")
	expect(t, source(func(c *entra.Config) { c.AssignedTo = "Nothing" }), "assigned_to", providers.Failed, "Object ID")
	s.Grant("GroupMember.Read.All", "User.Read.All")
	expect(t, source(nil), "permission Member.Read.Hidden", providers.Warning, "finance")
	expect(t, source(nil), "client secret", providers.OK, "Application.Read.All")
	empty := entratest.New(t, office())
	for _, u := range office().Users {
		u.Email = ""
		empty.PutUser(u, "Member")
	}
	expect(t, open(t, empty, nil), "users", providers.Warning, "userPrincipalName")
}

func TestTheEndOfTheCertificateIsKnownWithoutARequest(t *testing.T) {
	t.Parallel()
	ends := time.Now().Add(20 * 24 * time.Hour).Truncate(time.Second)
	key, certificate := pair(t, ends)
	s := entratest.New(t, office())
	able := func(change func(c *entra.Config)) []providers.Expiry {
		return open(t, s, change).(providers.Expiring).Expiries()
	}
	if got := able(func(c *entra.Config) {
		c.ClientSecret, c.PrivateKey, c.Certificate = secret.Ref{}, ref(t, key), scalar.Path(file(t, certificate))
	}); len(got) != 1 || !got[0].At.Equal(ends) || got[0].Credential != providers.ClientCertificate {
		t.Errorf("a certificate: %v", got)
	}
	if got := able(func(c *entra.Config) {
		c.ClientSecret, c.PrivateKey, c.Certificate = secret.Ref{}, ref(t, key), scalar.Path(file(t, "damaged"))
	}); got != nil {
		t.Errorf("a damaged one: %v", got)
	}
	if got := able(func(*entra.Config) {}); got != nil {
		t.Errorf("a secret: %v", got)
	}
}
