//go:build peers

// Package e2e runs the binary between a real OpenLDAP and a real Open WebUI.
package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"groupsyncd/sync/run"
	"groupsyncd/test/peers/peer"
)

// world is a directory, an Open WebUI, and the binary between them.
type world struct {
	t      *testing.T
	dir    string
	binary string
	slapd  *peer.Slapd
	chat   *peer.OpenWebUI
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
	w := &world{t: t, dir: t.TempDir(), binary: peer.Binary(t), slapd: slapd, chat: chat, ldapURL: slapd.URL,
		usersFilter: "(objectClass=inetOrgPerson)", groupsBase: `"ou=groups,dc=example,dc=test"`,
		chatURL: chat.URL, passwordFile: slapd.PasswordFile, admin: `{listen: ""}`}
	w.configure()
	return w
}

func (w *world) configure() {
	w.t.Helper()
	text := fmt.Sprintf(`state: state
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
`, w.ldapURL, w.slapd.BindDN, w.passwordFile, w.usersFilter, w.groupsBase, w.chatURL, w.chat.KeyFile, w.admin)
	if err := os.WriteFile(filepath.Join(w.dir, "groupsyncd.yaml"), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// result is one run of the binary.
type result struct {
	code   int
	out    string
	report run.Report
	wall   time.Duration
	cpu    time.Duration
	// rss is the peak of the memory in bytes, 0 when it is not known.
	rss int64
}

// command runs the binary and waits for it.
func (w *world) command(args ...string) *result {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), w.binary, args...)
	cmd.Dir = w.dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	begun := time.Now()
	out, err := cmd.Output()
	r := &result{out: string(out), wall: time.Since(begun), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	// A child begins with the peak of its parent, so a peak not above ours is ours.
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		w.t.Fatal(err)
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && usage.Maxrss > own.Maxrss {
		r.rss = usage.Maxrss * 1024
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		r.code = exit.ExitCode()
	} else if err != nil {
		w.t.Fatalf("groupsyncd %s: %v", strings.Join(args, " "), err)
	}
	if s := stderr.String(); s != "" {
		w.t.Logf("groupsyncd %s: %s", strings.Join(args, " "), s)
	}
	return r
}

// sync runs a sync that must end with the code, and gives its report.
func (w *world) sync(code int, args ...string) *result {
	w.t.Helper()
	r := w.command(append([]string{"sync", "-o", "json"}, args...)...)
	if r.code != code {
		w.t.Fatalf("groupsyncd sync ended with %d instead of %d:\n%.3000s", r.code, code, r.out)
	}
	if err := json.Unmarshal([]byte(r.out), &r.report); err != nil {
		w.t.Fatalf("the report is not JSON: %v\n%.1000s", err, r.out)
	}
	w.t.Logf("sync: %s, cpu %s, peak %d MB, %d requests, %d writes, %+v", r.wall.Round(time.Millisecond), r.cpu.Round(time.Millisecond),
		r.rss>>20, r.target().Requests, r.target().Writes, r.target().Summary)
	return r
}

func (r *result) target() *run.TargetReport {
	if len(r.report.Targets) == 0 {
		return &run.TargetReport{}
	}
	return &r.report.Targets[0]
}

// call asks Open WebUI directly, as an administrator's browser would.
func (w *world) call(method, path, body string, into any) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.chat.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.chat.Key(w.t))
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s %s: %s", method, path, resp.Status)
	}
	if into != nil {
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			w.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
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
