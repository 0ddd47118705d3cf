//go:build peers

// Package sso runs the binary where people sign in to a real Open WebUI through a real
// OpenID provider.
package sso

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"groupsyncd/sync/run"
	"groupsyncd/test/peers/peer"
)

// TestMain makes sure that the tests are run by the script that starts the servers.
func TestMain(m *testing.M) {
	if os.Getenv("GROUPSYNCD_TEST_BINARY") == "" {
		fmt.Fprintln(os.Stderr, "run these tests with test/peers/run: it builds the binary and installs the servers")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// world is an Open WebUI, the binary, and everything between them: what goes from one to
// the other passes a gate that writes down when.
type world struct {
	// t is that of the step, root that of everything.
	t, root     *testing.T
	dir, binary string
	chat        *peer.OpenWebUI
	// api is before Open WebUI, hooks before our public listener.
	api, hooks *gate
	// public and admin are our own listeners.
	public, admin string
	stop          func()
}

// shortDir gives a folder that ends with the test. That of the test has its name, which may
// leave too little for the path of the control socket: it has 107 bytes at most.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sso") //nolint:usetesting // for the length of its path, see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func newWorld(t *testing.T, chat *peer.OpenWebUI) *world {
	t.Helper()
	public := freeAddr(t)
	w := &world{
		t: t, root: t, dir: shortDir(t), binary: peer.Binary(t), chat: chat, public: public, admin: freeAddr(t), stop: func() {},
		api: newGate(t, chat.URL), hooks: newGate(t, "http://"+public),
	}
	w.write("hook", eventSecret)
	w.write("alice", "token-of-alice-0123456789abcdef")
	return w
}

// eventSecret is in the address that Open WebUI sends its events to.
const eventSecret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// events is the webhook that Open WebUI sends its events to.
const events = `  chat-events: {type: openwebui, secret: "file:hook", target: chat}`

// configure writes the configuration: the sources and the rules, how sign-ins are noticed
// without events, and the webhooks, if any.
func (w *world) configure(sources, rules, watch string, webhooks ...string) {
	w.t.Helper()
	public := ""
	if len(webhooks) > 0 {
		public = fmt.Sprintf("  public: {listen: %q, url: %q}\n", w.public, w.hooks.url)
		webhooks = append([]string{"webhooks:"}, webhooks...)
	}
	w.write("groupsyncd.yaml", fmt.Sprintf(`state: state
server:
%s  admin: {listen: %q, approvers: {alice: "file:alice"}}
sources:
%s
targets:
  chat: {type: openwebui, url: %q, api_key: "file:%s", watch: %s}
rules:
%s
permission_sets:
  researcher: {features: {api_keys: true}, workspace: {knowledge: true}}
%s
`, public, w.admin, sources, w.api.url, w.chat.KeyFile, watch, rules, strings.Join(webhooks, "\n")))
}

// result is one run of the binary.
type result struct {
	code      int
	out, logs string
}

// command runs the binary and waits for it.
func (w *world) command(args ...string) result {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), w.binary, args...)
	cmd.Dir = w.dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	r := result{out: string(out), logs: stderr.String()}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		r.code = exit.ExitCode()
	} else if err != nil {
		w.t.Fatalf("groupsyncd %s: %v", strings.Join(args, " "), err)
	}
	return r
}

// must runs a command that ends with the code.
func (w *world) must(code int, args ...string) result {
	w.t.Helper()
	r := w.command(args...)
	if r.code != code {
		w.t.Fatalf("groupsyncd %s ended with %d, not %d:\n%.3000s\n%.3000s", strings.Join(args, " "), r.code, code, r.out, r.logs)
	}
	return r
}

// sync runs a sync and gives its report.
func (w *world) sync(code int, args ...string) run.Report {
	w.t.Helper()
	r := w.must(code, append([]string{"sync", "-o", "json"}, args...)...)
	var report run.Report
	if err := json.Unmarshal([]byte(r.out), &report); err != nil {
		w.t.Fatalf("the report is not JSON: %v\n%.1000s", err, r.out)
	}
	return report
}

// daemon starts the daemon and waits until it is ready and has read everything once. It
// ends with the test, or before the next one.
func (w *world) daemon() {
	w.t.Helper()
	w.end()
	log, err := os.OpenFile(filepath.Join(w.dir, "daemon.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(w.binary, "serve")
	cmd.Dir, cmd.Stderr, cmd.Stdout = w.dir, log, log
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	t := w.root
	w.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		err := cmd.Wait()
		_ = log.Close()
		text := w.log()
		if err != nil || t.Failed() {
			t.Errorf("the daemon ended with %v:\n%s", err, text)
		}
		// The beginning of every JSON Web Token.
		if strings.Contains(text, "eyJ") || strings.Contains(text, eventSecret) {
			t.Error("the log of the daemon has a token or a secret")
		}
	})
	t.Cleanup(w.stop)
	w.until("the daemon is ready", func() bool {
		resp, err := http.Get("http://" + w.admin + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	w.quiet()
}

// end stops the daemon once it has nothing to do.
func (w *world) end() {
	w.t.Helper()
	w.quiet()
	w.stop()
}

// quiet waits until the binary has asked Open WebUI nothing for a while, but who came.
func (w *world) quiet() {
	w.t.Helper()
	const while = 300 * time.Millisecond
	began := time.Now()
	w.until("Open WebUI is asked nothing", func() bool {
		return time.Since(began) > while && len(w.work(time.Now().Add(-while))) == 0
	})
}

// work gives the requests to Open WebUI since then that are not about who came.
func (w *world) work(since time.Time) []passed {
	return slices.DeleteFunc(w.api.since(since), func(c passed) bool { return strings.Contains(c.query, "order_by=last_active_at") })
}

func (w *world) log() string {
	text, err := os.ReadFile(filepath.Join(w.dir, "daemon.log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-6_000):])
}

// until waits for something that comes by itself.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("%s: not in 30 s", what)
		}
	}
}

// call asks Open WebUI past the gate, with the administrator's key or somebody's token.
func (w *world) call(token, method, path, body string, into any) int {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.chat.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if into != nil {
		if resp.StatusCode != http.StatusOK {
			w.t.Fatalf("%s %s: %s: %.500s", method, path, resp.Status, text)
		}
		if err := json.Unmarshal(text, into); err != nil {
			w.t.Fatalf("%s %s: %v: %.500s", method, path, err, text)
		}
	}
	return resp.StatusCode
}

// groupsOf gives the groups that somebody who is signed in sees as theirs.
func (w *world) groupsOf(s peer.Session) []string {
	w.t.Helper()
	var list []struct{ Name string }
	w.call(s.Token, http.MethodGet, "/api/v1/groups/", "", &list)
	names := []string{}
	for _, g := range list {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	return names
}

// sees waits until somebody is in exactly these groups.
func (w *world) sees(who string, s peer.Session, want ...string) {
	w.t.Helper()
	slices.Sort(want)
	var have []string
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if have = w.groupsOf(s); slices.Equal(have, want) {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("%s is in %q and not in %q after 30 s", who, have, want)
		}
	}
}

// idOf gives the id of somebody's account.
func (w *world) idOf(s peer.Session) string {
	w.t.Helper()
	var me struct{ ID string }
	w.call(s.Token, http.MethodGet, "/api/v1/auths/", "", &me)
	return me.ID
}

// register has Open WebUI send its events to us.
func (w *world) register() {
	w.t.Helper()
	w.must(run.ExitOK, "webhook", "setup", "chat")
}

// unregister ends that.
func (w *world) unregister() {
	w.t.Helper()
	w.must(run.ExitOK, "webhook", "setup", "chat", "--remove")
}
