//go:build peers

// Package browser looks at the status page with a real Chromium, as people do: at two widths,
// light and dark, with the keyboard alone and without JavaScript.
package browser

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"groupsyncd/sync/run"
	"groupsyncd/target/openwebui/openwebuitest"
	"groupsyncd/test/peers/peer"
)

func TestMain(m *testing.M) { peer.Main(m) }

const (
	aliceToken = "canary-alice-0123456789"
	readToken  = "canary-reader-0123456789"
)

// world is a company with two directories, one that is down, an Open WebUI, and the daemon.
type world struct {
	*peer.Program
	*testing.T
	chat *openwebuitest.Server
	// base is where the page is.
	base   string
	people []string
}

// staff has names as companies do.
func staff() []string {
	first := []string{"Ana", "Bo", "Chloé", "Dmitri", "Emre", "Fatima", "Grace", "Hiro", "Ines", "Jonas", "Kofi", "Lea", "Mateo", "Noor", "Olga", "Piotr", "Quinn", "Rosa", "Søren", "Tomás"}
	last := []string{"Alvarez", "Bergmann", "Costa"}
	var out []string
	for _, l := range last {
		for _, f := range first {
			out = append(out, f+" "+l)
		}
	}
	return out
}

var plain = strings.NewReplacer("é", "e", "ø", "o", "á", "a", " ", ".")

func mail(name string) string { return strings.ToLower(plain.Replace(name)) + "@example.org" }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Program: peer.NewProgram(t), T: t, chat: openwebuitest.NewTest(t, openwebuitest.Options{}), people: staff()}
	for _, p := range w.people[:52] {
		w.chat.AddAccount(openwebuitest.Account{Email: mail(p), Name: p})
	}
	w.Write(t, "key", w.chat.Key)
	w.Write(t, "alice", aliceToken)
	w.Write(t, "reader", readToken)
	w.Write(t, "ldap", "canary-ldap-password")
	w.groups(len(w.people))
	w.Write(t, "projects.yaml", w.file(map[string][]string{"prj-atlas": w.people[:9], "prj-borealis": w.people[5:19], "prj-comet": w.people[20:26], "archive": w.people[40:44]}))
	admin := peer.FreeAddr(t)
	w.base = "http://" + admin
	w.configure(admin)
	w.Sync(t, run.ExitSource)
	return w
}

// groups writes the directory of departments; sales and support have as many people as are
// given, at most all.
func (w *world) groups(most int) {
	w.Helper()
	part := func(from, to int) []string { return w.people[min(from, most):min(to, most)] }
	w.Write(w.T, "company.yaml", w.file(map[string][]string{"dep-engineering": w.people[:12], "dep-design": w.people[8:14], "dep-finance": w.people[12:18],
		"dep-support": part(18, 40), "dep-sales": part(30, 58)}))
}

// file writes people and groups as a source of type file reads them.
func (w *world) file(groups map[string][]string) string {
	var b strings.Builder
	b.WriteString("users:\n")
	for i, p := range w.people {
		fmt.Fprintf(&b, "  - {id: %q, username: %q, email: %q, name: %q}\n", fmt.Sprintf("u%03d", i), strings.TrimSuffix(mail(p), "@example.org"), mail(p), p)
	}
	b.WriteString("groups:\n")
	for _, g := range slices.Sorted(keys(groups)) {
		var ids []string
		for _, p := range groups[g] {
			ids = append(ids, fmt.Sprintf("u%03d", slices.Index(w.people, p)))
		}
		fmt.Fprintf(&b, "  - {id: %s, name: %s, members: [%s]}\n", g, g, strings.Join(ids, ", "))
	}
	return b.String()
}

func keys(m map[string][]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (w *world) configure(admin string) {
	w.Configure(w.T, fmt.Sprintf(`state: state
server: {admin: {listen: %q, readers: {grafana: file:reader}, approvers: {alice: file:alice}}}
sources:
  company: {type: file, path: company.yaml, schedule: every 15m}
  projects: {type: file, path: projects.yaml, schedule: every 1h}
  legacy:
    type: ldap
    url: ldap://127.0.0.1:9
    bind: {dn: "cn=sync,dc=example,dc=org", password: file:ldap}
    users: {base: "ou=people,dc=example,dc=org"}
    groups: {base: "ou=groups,dc=example,dc=org"}
    schedule: every 30m
targets:
  chat:
    type: openwebui
    url: %s
    api_key: file:key
rules:
  - name: departments
    from: company
    match: "dep-*"
    to: '{{ .Name | trimPrefix "dep-" | title }}'
    permissions: [researcher]
  - name: projects
    from: projects
    match: "prj-*"
    to: 'Project {{ .Name | trimPrefix "prj-" | title }}'
  - name: makers
    from: company
    match: ["dep-engineering", "dep-design"]
    to: Makers
    merge: true
permission_sets:
  researcher: {workspace: {models: true, knowledge: true}, features: {web_search: true}}
`, admin, w.chat.URL))
}

// trouble makes people leave, so that the guard holds it: nobody is left in support, and few
// in sales.
func (w *world) trouble() {
	w.Helper()
	w.groups(18)
	w.Program.Run(w.T, "sync")
}

// serve starts the daemon.
func (w *world) serve() (stop func()) {
	return w.Program.Serve(w.T, strings.TrimPrefix(w.base, "http://"))
}
