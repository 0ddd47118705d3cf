package peer

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// OpenWebUI is an Open WebUI server.
type OpenWebUI struct {
	process
	// URL and KeyFile are what a target needs; the key is the administrator's.
	URL, KeyFile string
	// Admin is the mail address of the administrator.
	Admin    string
	settings []string
}

// StartOpenWebUI starts an empty server with that many accounts, those of
// ldif.Mail(1) and following, beside its administrator. Settings are NAME=VALUE
// pairs of its environment. It takes about 10 seconds and ends with the test.
func StartOpenWebUI(tb testing.TB, accounts int, settings ...string) *OpenWebUI {
	tb.Helper()
	w := &OpenWebUI{process: newProcess(tb, "openwebui.sh"), settings: settings}
	w.Start(tb)
	w.AddAccounts(tb, accounts)
	return w
}

// OpenWebUIVersions are those that tests start, the newest first.
func OpenWebUIVersions() []string { return []string{"0.12.4", "0.11.4", "0.9.6", "0.8.12"} }

// StartOpenWebUIVersion does the same with a version of OpenWebUIVersions.
func StartOpenWebUIVersion(tb testing.TB, version string, accounts int, settings ...string) *OpenWebUI {
	tb.Helper()
	w := &OpenWebUI{process: newProcess(tb, "openwebui.sh"), settings: settings}
	w.use(version)
	w.Start(tb)
	w.AddAccounts(tb, accounts)
	return w
}

// Upgrade stops the server and starts a later version on what it left.
func (w *OpenWebUI) Upgrade(tb testing.TB, version string) {
	tb.Helper()
	w.Stop(tb)
	w.use(version)
	w.Start(tb)
}

func (w *OpenWebUI) use(version string) {
	w.vars = []string{"GROUPSYNCD_PEERS_OPENWEBUI_VERSION=" + version}
}

// Start starts the server again after Stop or Kill, with the same data, key and port.
func (w *OpenWebUI) Start(tb testing.TB) {
	tb.Helper()
	w.start(tb, w.settings...)
	w.fill(func(name string) string { return w.env[name] })
}

// AddAccounts makes the missing ones among the first n accounts.
func (w *OpenWebUI) AddAccounts(tb testing.TB, n int) {
	tb.Helper()
	if n > 0 {
		w.run(tb, "accounts", w.Dir, strconv.Itoa(n))
	}
}

// SharedOpenWebUI gives the server that test/peers/run started for all tests. Tests
// of several packages use it at once: each keeps to groups with names of its own.
func SharedOpenWebUI(tb testing.TB) *OpenWebUI {
	tb.Helper()
	w := &OpenWebUI{}
	w.fill(func(name string) string { return need(tb, name) })
	w.Dir = need(tb, "GROUPSYNCD_TEST_OPENWEBUI_DIR")
	return w
}

// fill takes the addresses from their names.
func (w *OpenWebUI) fill(get func(string) string) {
	w.URL = get("GROUPSYNCD_TEST_OPENWEBUI_URL")
	w.KeyFile = get("GROUPSYNCD_TEST_OPENWEBUI_KEY_FILE")
	w.Admin = get("GROUPSYNCD_TEST_OPENWEBUI_ADMIN")
}

// Key gives the administrator's API key.
func (w *OpenWebUI) Key(tb testing.TB) string {
	tb.Helper()
	return secret(tb, w.KeyFile)
}

// SSO gives the settings by which people sign in through that OpenID provider, which is
// asked for these scopes beside the usual.
func SSO(issuer, clientID, clientSecret string, scopes ...string) []string {
	return []string{
		"OPENID_PROVIDER_URL=" + issuer + "/.well-known/openid-configuration",
		"OAUTH_CLIENT_ID=" + clientID, "OAUTH_CLIENT_SECRET=" + clientSecret, "OAUTH_SCOPES=" + strings.Join(append([]string{"openid", "email", "profile"}, scopes...), " "),
		"ENABLE_OAUTH_SIGNUP=true", "ENABLE_OAUTH_GROUP_MANAGEMENT=false", "ENABLE_OAUTH_ROLE_MANAGEMENT=false",
	}
}

// AccountPassword is that of the administrator and of every account that AddAccounts made.
const AccountPassword = "admin-password-1"

// Login signs an account in by its password, and gives the token of the session.
func (w *OpenWebUI) Login(tb testing.TB, mail string) string {
	tb.Helper()
	var session struct{ Token string }
	w.Do(tb, "", http.MethodPost, "/api/v1/auths/signin", map[string]string{"email": mail, "password": AccountPassword}, &session)
	return session.Token
}

// Call makes one call with somebody's token or key, and gives the status of the answer.
// When there is something to decode it into, every status but 200 fails the test.
func (w *OpenWebUI) Call(tb testing.TB, token, method, path, body string, into any) int {
	tb.Helper()
	got := w.send(tb, token, method, path, body, into)
	if into != nil && got.status != http.StatusOK {
		tb.Fatalf("%s %s: %d: %.500s", method, path, got.status, got.body)
	}
	return got.status
}

// Try makes one call that may be refused: only an answer with 200 is decoded.
func (w *OpenWebUI) Try(tb testing.TB, token, method, path string, into any) int {
	tb.Helper()
	return w.send(tb, token, method, path, "", into).status
}

func (w *OpenWebUI) send(tb testing.TB, token, method, path, body string, into any) answered {
	tb.Helper()
	got := send(tb, method, w.URL+path, "application/json", token, strings.NewReader(body))
	if into != nil && got.status == http.StatusOK {
		if err := json.Unmarshal(got.body, into); err != nil {
			tb.Fatalf("%s %s: %v: %.500s", method, path, err, got.body)
		}
	}
	return got
}

// Do makes one call that succeeds, with a value for a body, or none.
func (w *OpenWebUI) Do(tb testing.TB, token, method, path string, body, into any) {
	tb.Helper()
	call(tb, method, w.URL+path, token, body, into)
}

// Restart starts the server again after Stop or Kill, with more settings than before.
func (w *OpenWebUI) Restart(tb testing.TB, settings ...string) {
	tb.Helper()
	w.settings = append(w.settings, settings...)
	w.Start(tb)
}
