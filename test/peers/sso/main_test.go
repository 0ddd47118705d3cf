//go:build peers

// Package sso runs the binary where people sign in to a real Open WebUI through a real
// OpenID provider.
package sso

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"groupsyncd/sync/run"
	"groupsyncd/test/peers/peer"
)

func TestMain(m *testing.M) { peer.Main(m) }

// world is an Open WebUI, the binary, and everything between them: what goes from one to
// the other passes a gate that writes down when.
type world struct {
	*peer.Program
	// t is that of the step, root that of everything.
	t, root *testing.T
	chat    *peer.OpenWebUI
	// api is before Open WebUI, hooks before our public listener.
	api, hooks *gate
	// public and admin are our own listeners.
	public, admin string
	stop          func()
}

func newWorld(t *testing.T, chat *peer.OpenWebUI) *world {
	t.Helper()
	public := peer.FreeAddr(t)
	w := &world{
		Program: peer.NewProgram(t), t: t, root: t, chat: chat, public: public, admin: peer.FreeAddr(t), stop: func() {},
		api: newGate(t, chat.URL), hooks: newGate(t, "http://"+public),
	}
	w.Write(t, "hook", eventSecret)
	w.Write(t, "alice", "token-of-alice-0123456789abcdef")
	return w
}

// eventSecret is in the address that Open WebUI sends its events to.
const eventSecret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

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
	w.Configure(w.t, fmt.Sprintf(`state: state
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

// command runs the binary and waits for it.
func (w *world) command(args ...string) *peer.Result {
	w.t.Helper()
	return w.Run(w.t, args...)
}

// must runs a command that ends with the code.
func (w *world) must(code int, args ...string) *peer.Result {
	w.t.Helper()
	return w.Must(w.t, code, args...)
}

// sync runs a sync and gives its report.
func (w *world) sync(code int, args ...string) run.Report {
	w.t.Helper()
	return w.Sync(w.t, code, args...).Report
}

// daemon starts the daemon and waits until it is ready and has read everything once. It
// ends with the test, or before the next one.
func (w *world) daemon() {
	w.t.Helper()
	w.end()
	stop, t := w.Serve(w.root, w.admin), w.root
	w.stop = sync.OnceFunc(func() {
		stop()
		// The beginning of every JSON Web Token.
		if text := w.Log(); strings.Contains(text, "eyJ") || strings.Contains(text, eventSecret) {
			t.Error("the log of the daemon has a token or a secret")
		}
	})
	t.Cleanup(w.stop)
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

// until waits for something that comes by itself.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	peer.Until(w.t, what, ok)
}

// call asks Open WebUI past the gate, with the administrator's key or somebody's token.
func (w *world) call(token, method, path, body string, into any) int {
	w.t.Helper()
	return w.chat.Call(w.t, token, method, path, body, into)
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
