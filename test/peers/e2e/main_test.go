//go:build peers

// Package e2e runs the binary between a real OpenLDAP and a real Open WebUI.
package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/test/peers/peer"
)

func TestMain(m *testing.M) { peer.Main(m) }

// world is a directory, an Open WebUI, and the binary between them.
type world struct {
	*peer.Program
	t     *testing.T
	slapd *peer.Slapd
	chat  *peer.OpenWebUI
	// ldapURL is where the binary finds the directory: it may lead through a proxy.
	ldapURL     string
	usersFilter string
	groupsBase  string
	// chatURL is where the binary finds Open WebUI, passwordFile the password of its
	// account in the directory, admin the admin listener of the daemon.
	chatURL, passwordFile, admin string
}

func newWorld(t *testing.T, slapd *peer.Slapd, chat *peer.OpenWebUI) *world {
	t.Helper()
	w := &world{Program: peer.NewProgram(t), t: t, slapd: slapd, chat: chat, ldapURL: slapd.URL,
		usersFilter: "(objectClass=inetOrgPerson)", groupsBase: `"ou=groups,dc=example,dc=test"`,
		chatURL: chat.URL, passwordFile: slapd.PasswordFile, admin: `{listen: ""}`}
	w.configure()
	return w
}

func (w *world) configure() {
	w.t.Helper()
	w.Configure(w.t, fmt.Sprintf(`state: state
sources:
  corp:
    type: ldap
    url: %s
    bind: {dn: %q, password: "file:%s"}
    users: {base: "ou=people,dc=example,dc=test", filter: %q}
    groups: {base: [%s]}
targets:
  chat:
    type: openwebui
    url: %s
    api_key: "file:%s"
rules:
  - name: all
    match: "*"
server: {admin: %s}
`, w.ldapURL, w.slapd.BindDN, w.passwordFile, w.usersFilter, w.groupsBase, w.chatURL, w.chat.KeyFile, w.admin))
}

// command runs the binary and waits for it.
func (w *world) command(args ...string) *peer.Result {
	w.t.Helper()
	return w.shown(w.Run(w.t, args...), args...)
}

// must runs a command that must end with a code.
func (w *world) must(code int, args ...string) *peer.Result {
	w.t.Helper()
	return w.shown(w.Must(w.t, code, args...), args...)
}

func (w *world) shown(r *peer.Result, args ...string) *peer.Result {
	if r.Logs != "" {
		w.t.Logf("groupsyncd %s: %s", strings.Join(args, " "), r.Logs)
	}
	return r
}

// sync runs a sync that must end with the code, and gives its report.
func (w *world) sync(code int, args ...string) *peer.Result {
	w.t.Helper()
	r := w.shown(w.Sync(w.t, code, args...), "sync")
	w.t.Logf("sync: %s, cpu %s, peak %d MB, %d requests, %d writes, %+v", r.Wall.Round(time.Millisecond), r.CPU.Round(time.Millisecond),
		r.RSS>>20, r.Target().Requests, r.Target().Writes, r.Target().Summary)
	return r
}

// call asks Open WebUI directly, as an administrator's browser would.
func (w *world) call(method, path, body string, into any) {
	w.t.Helper()
	if into == nil {
		into = new(any)
	}
	w.chat.Call(w.t, w.chat.Key(w.t), method, path, body, into)
}

// group is a group as Open WebUI shows it, with mail addresses for members.
type group struct {
	id      string
	members []string
}

// groups reads every group and its members from Open WebUI itself.
func (w *world) groups() map[string]group {
	w.t.Helper()
	var users struct {
		Users []struct{ ID, Email string } `json:"users"`
	}
	w.call(http.MethodGet, "/api/v1/users/all", "", &users)
	mail := map[string]string{}
	for _, u := range users.Users {
		mail[u.ID] = u.Email
	}
	var list []struct{ ID, Name string }
	w.call(http.MethodGet, "/api/v1/groups/", "", &list)
	out := map[string]group{}
	for _, g := range list {
		var export struct {
			UserIDs []string `json:"user_ids"`
		}
		w.call(http.MethodGet, "/api/v1/groups/id/"+g.ID+"/export", "", &export)
		found := group{id: g.ID}
		for _, id := range export.UserIDs {
			found.members = append(found.members, mail[id])
		}
		slices.Sort(found.members)
		out[g.Name] = found
	}
	return out
}

// account gives the id of an account by its mail address.
func (w *world) account(mail string) string {
	w.t.Helper()
	var page struct {
		Users []struct{ ID, Email string } `json:"users"`
	}
	w.call(http.MethodGet, "/api/v1/users/?page=1&query="+mail, "", &page)
	for _, u := range page.Users {
		if u.Email == mail {
			return u.ID
		}
	}
	w.t.Fatalf("no account has the mail address %s", mail)
	return ""
}
