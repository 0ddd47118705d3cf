//go:build peers

// Package binds proves the ways to bind, and what doctor says, against real servers.
package binds

import (
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	ldapclient "github.com/go-ldap/ldap/v3"
	"go.yaml.in/yaml/v4"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

func company(t *testing.T) *ldif.Company {
	t.Helper()
	c, err := ldif.New(ldif.Options{Users: 60, Groups: 8, Memberships: 120, Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T, text string) providers.Source {
	t.Helper()
	config := ldap.Type().New()
	if err := yaml.Unmarshal([]byte(text), config); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, p := range config.Check() {
		t.Fatalf("%s: %s\n%s", strings.Join(p.Path, "."), p.Message, text)
	}
	s, err := config.Open(providers.Options{Name: "corp", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// pull reads everything and gives the findings of doctor.
func pull(t *testing.T, text string, users int) []providers.Finding {
	t.Helper()
	s := open(t, text)
	snapshot, err := s.Pull(t.Context(), nil)
	if err != nil || snapshot.Coverage() != directory.Full || len(snapshot.Users) != users {
		t.Fatalf("%d users, coverage %s, %v (%s)\n%s", len(snapshot.Users), snapshot.Coverage(), err, fault.HintOf(err), text)
	}
	checker, ok := s.(providers.Checker)
	if !ok {
		t.Fatal("doctor cannot look at it")
	}
	return checker.Check(t.Context())
}

// refused reads with a source that must not be let in.
func refused(t *testing.T, text string, kind fault.Kind, why, hint string) {
	t.Helper()
	snapshot, err := open(t, text).Pull(t.Context(), nil)
	if fault.KindOf(err) != kind || !strings.Contains(err.Error(), why) || !strings.Contains(fault.HintOf(err), hint) || snapshot.Coverage() != directory.None {
		t.Errorf("error %v (%s), hint %q, want %s, %q, %q", err, fault.KindOf(err), fault.HintOf(err), kind, why, hint)
	}
}

func finds(t *testing.T, list []providers.Finding, level providers.Level, check, text string) {
	t.Helper()
	var all strings.Builder
	for _, f := range list {
		if f.Level == level && f.Check == check && strings.Contains(f.Message, text) {
			return
		}
		fmt.Fprintf(&all, "%s %s: %s | %s\n", f.Level, f.Check, f.Message, f.Remedy)
	}
	t.Errorf("no %s of %s with %q in\n%s", level, check, text, all.String())
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWaysIntoOpenLDAP(t *testing.T) {
	t.Parallel()
	c := company(t)
	s := peer.StartSlapd(t, c, peer.SlapdOptions{TLS: true, LDAPI: true, PPolicy: true})
	bases := fmt.Sprintf("users: {base: %q}\ngroups: {base: %q}\n", ldif.People, ldif.Groups)
	simple := fmt.Sprintf("bind: {dn: %q, password: %q}\n", s.BindDN, "file:"+s.PasswordFile)
	ca := fmt.Sprintf("ca_file: %q\n", s.CAFile)
	certificate := fmt.Sprintf("cert_file: %q\nkey_file: %q\nbind: {external: true}\n", s.ClientCertFile, s.ClientKeyFile)
	for name, text := range map[string]string{
		"simple, in clear on this machine": "url: " + s.URL + "\n" + simple,
		"simple, StartTLS":                 "url: " + s.URL + "\nstart_tls: true\n" + ca + simple,
		"simple, ldaps":                    "url: " + s.TLSURL + "\n" + ca + simple,
		"process on a socket":              "url: ldapi://" + url.PathEscape(s.Socket) + "\nbind: {external: true}\n",
		"certificate, StartTLS":            "url: " + s.URL + "\nstart_tls: true\n" + ca + certificate,
		"certificate, ldaps":               "url: " + s.TLSURL + "\n" + ca + certificate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list := pull(t, text+bases, len(c.Users))
			finds(t, list, providers.OK, "bind", "knows us as dn:"+s.BindDN)
			finds(t, list, providers.OK, "layout", "auto chose openldap")
			finds(t, list, providers.OK, "read", "read completely")
			finds(t, list, providers.OK, "changes", "syncrepl")
			for _, f := range list {
				if f.Level == providers.Failed {
					t.Errorf("failed: %+v", f)
				}
			}
		})
	}
	t.Run("a certificate is no account without a bind", func(t *testing.T) {
		t.Parallel()
		text := strings.Replace("url: "+s.TLSURL+"\n"+ca+certificate, "bind: {external: true}\n", "", 1)
		refused(t, text+bases, fault.Invalid, "no such object", "may see it")
	})
	t.Run("nobody trusts the server", func(t *testing.T) {
		t.Parallel()
		refused(t, "url: "+s.TLSURL+"\n"+simple+bases, fault.Unavailable, "unknown authority", "set ca_file")
	})
}

func TestARotatedPasswordOfOpenLDAP(t *testing.T) {
	t.Parallel()
	c := company(t)
	s := peer.StartSlapd(t, c, peer.SlapdOptions{})
	file := filepath.Join(t.TempDir(), "password")
	old, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(old))
	source := open(t, fmt.Sprintf("url: %s\nbind: {dn: %q, password: %q}\nusers: {base: %q}\ngroups: {base: %q}\n", s.URL, s.BindDN, "file:"+file, ldif.People, ldif.Groups))
	look := func(kind fault.Kind) {
		t.Helper()
		if _, err := source.Pull(t.Context(), nil); fault.KindOf(err) != kind {
			t.Fatalf("error %v, want %s", err, kind)
		}
	}
	look(0)
	change := ldapclient.NewModifyRequest(s.BindDN, nil)
	change.Replace("userPassword", []string{"another-one-4711"})
	if err := s.Admin(t).Modify(change); err != nil {
		t.Fatal(err)
	}
	look(fault.Auth)
	write(t, file, "another-one-4711\n")
	look(0)
}

func TestWaysIntoSamba(t *testing.T) {
	t.Parallel()
	c := company(t)
	for _, over := range []bool{false, true} {
		t.Run(fmt.Sprintf("SASL over TLS %v", over), func(t *testing.T) {
			t.Parallel()
			s := peer.StartSamba(t, c, peer.SambaOptions{KDC: true, SASLOverTLS: over})
			keytab, conf := kerberos(t, s)
			bases := fmt.Sprintf("users: {base: %q}\ngroups: {base: %q}\n", ldif.ADPeople, ldif.ADGroups)
			ca := fmt.Sprintf("ca_file: %q\n", s.CAFile)
			simple := fmt.Sprintf("bind: {dn: %q, password: %q}\n", s.BindDN, "file:"+s.PasswordFile)
			gssapi := fmt.Sprintf("bind: {gssapi: {principal: reader@AD.TEST, keytab: %q, krb5_conf: %q, service: ldap/dc1.ad.test}}\n", keytab, conf)
			// The server refuses what would cross a network in clear, on loopback too.
			refused(t, "url: "+s.PlainURL+"\n"+simple+bases, fault.Auth, "code 8", "write ldaps://")
			ways := map[string]string{"simple, ldaps": "url: " + s.URL + "\n" + ca + simple, "simple, StartTLS": "url: " + s.PlainURL + "\nstart_tls: true\n" + ca + simple}
			kerberos := map[string]string{"Kerberos, ldaps": "url: " + s.URL + "\n" + ca + gssapi, "Kerberos, StartTLS": "url: " + s.PlainURL + "\nstart_tls: true\n" + ca + gssapi}
			for name, text := range kerberos {
				if over {
					ways[name] = text
					continue
				}
				refused(t, text+bases, fault.Auth, "Sign or Seal are required", "allow_sasl_over_tls")
			}
			for name, text := range ways {
				list := pull(t, text+bases, len(c.Users))
				finds(t, list, providers.OK, "layout", "auto chose ad")
				finds(t, list, providers.OK, "clock", "agrees with ours")
				finds(t, list, providers.OK, "read", "read completely")
				finds(t, list, providers.OK, "changes", "DirSync")
				t.Log(name)
			}
			if over {
				wrong := strings.Replace(gssapi, "dc1.ad.test", "dc2.ad.test", 1)
				refused(t, "url: "+s.URL+"\n"+ca+wrong+bases, fault.Invalid, "no server is called ldap/dc2.ad.test", "bind.gssapi.service")
				wrong = strings.Replace(gssapi, "reader@", "nobody@", 1)
				refused(t, "url: "+s.URL+"\n"+ca+wrong+bases, fault.Auth, "KDC_ERR_C_PRINCIPAL_UNKNOWN", "bind.gssapi.principal")
			}
		})
	}
}

// kerberos gives the server its name in Kerberos, and the reader a keytab.
func kerberos(t *testing.T, s *peer.Samba) (keytab, conf string) {
	t.Helper()
	s.Stop(t)
	dir := t.TempDir()
	keytab, conf = filepath.Join(dir, "reader.keytab"), filepath.Join(dir, "krb5.conf")
	for _, args := range [][]string{
		{"spn", "add", "ldap/dc1.ad.test", "DC1$", "-H", filepath.Join(s.Dir, "private", "sam.ldb")},
		{"domain", "exportkeytab", keytab, "--principal=reader@AD.TEST"},
	} {
		args = append(args, "--configfile="+filepath.Join(s.Dir, "smb.conf"))
		if out, err := exec.CommandContext(t.Context(), "samba-tool", args...).CombinedOutput(); err != nil {
			t.Fatalf("samba-tool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	write(t, conf, "[libdefaults]\n default_realm = AD.TEST\n[realms]\n AD.TEST = {\n  kdc = "+s.Address+":88\n }\n")
	s.Start(t)
	return keytab, conf
}
