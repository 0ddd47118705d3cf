package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"groupsyncd/app"
	"groupsyncd/config"
	"groupsyncd/internal/pseudonym"
)

func TestABundledConfigurationNamesNobodyAndNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "groupsyncd.yaml")
	text := `
state: /srv/wayne-enterprises/groupsyncd
sources:
  wayne: {type: ldap, url: "ldaps://ldap.gotham.example.net", bind: {dn: "cn=alfred,dc=gotham", password: "file:secrets/batcave"}, users: {base: "ou=heroes,dc=gotham"}, groups: {base: "ou=teams,dc=gotham"}, email_domains: [gotham.example.net]}
  castle: {type: keycloak, url: "https://kc.gotham.example.net", realm: darkrealm, client_id: bruce-client, client_secret: "env:BATMOBILE"}
  skyline: {type: entra, tenant: "8f1c2d3e-4b5a-6978-8796-a5b4c3d2e1f0", client_id: "0a1b2c3d-0000-1111-2222-333344445555", client_secret: "credential:robin"}
targets:
  chat: {url: "https://chat.gotham.example.net", api_key: "file:secrets/penguin", protect: [bruce@gotham.example.net], accounts: {authority: [wayne], role: {admin: [{from: wayne, match: {dn: "cn=justice,ou=teams,dc=gotham"}}]}}}
rules:
  - {name: joker, from: wayne, match: "riddler-*", except: ["riddler-secret"], to: 'Harvey {{ .Name }}', where: {}, description: "Two-Face"}
`
	text = strings.Replace(text, ", where: {}", "", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := app.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	words := vocabulary()
	names, err := pseudonym.New(words, namesIn(cfg, words))
	if err != nil {
		t.Fatal(err)
	}
	b, err := config.Show(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := yaml.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	out, err := yaml.Dump(names.Tree(tree))
	if err != nil {
		t.Fatal(err)
	}
	lower := strings.ToLower(string(out) + names.Text("wayne: bruce@gotham.example.net of riddler-x at ldap.gotham.example.net is not in Harvey, see /srv/wayne-enterprises"))
	for _, name := range []string{"wayne", "gotham", "alfred", "heroes", "castle", "skyline", "darkrealm", "bruce", "batcave", "batmobile", "8f1c2d3e", "a5b4c3d2e1f0", "0a1b2c3d", "333344445555", "robin", "penguin", "justice", "joker", "riddler", "harvey", "two-face", "example.net"} {
		if strings.Contains(lower, name) {
			t.Errorf("%s is still there:\n%s", name, lower)
		}
	}
	for _, word := range []string{"type: ldap", "type: keycloak", "mode: apply", "max_people", "disabled: pending"} {
		if !strings.Contains(lower, word) {
			t.Errorf("%s is gone:\n%s", word, lower)
		}
	}
}

func TestABundleHasThePagesOfTheDaemon(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.RequestURI() {
		case "/livez":
			_, _ = io.WriteString(w, "ok\n")
		case "/metrics":
			_, _ = io.WriteString(w, "groupsyncd_target_memberships{target=\"gotham\"} 13\n")
		case "/readyz?verbose":
			_, _ = io.WriteString(w, "[+]state ok\n[ ]source gotham: last complete read 5m0s ago\n")
		}
	}))
	t.Cleanup(web.Close)
	file := healthConfig(t, `server: {admin: {listen: "`+web.Listener.Addr().String()+`"}}`)
	var errs bytes.Buffer
	c := &command{ctx: t.Context(), Streams: Streams{Out: io.Discard, Err: &errs}, world: world{now: time.Now}, config: file}
	got := map[string]string{}
	for _, f := range c.gather() {
		got[f.name] = string(f.data)
	}
	if !strings.Contains(got["metrics.txt"], `groupsyncd_target_memberships{target="~`) || !strings.HasSuffix(got["metrics.txt"], "} 13\n") {
		t.Errorf("%q", got["metrics.txt"])
	}
	if h := got["health.txt"]; !strings.Contains(h, "last complete read 5m0s ago") || strings.Contains(h, "gotham") {
		t.Errorf("%q", h)
	}
	if errs.Len() != 0 {
		t.Errorf("%s", errs.String())
	}
}
