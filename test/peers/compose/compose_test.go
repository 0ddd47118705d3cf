//go:build peers

// Package compose runs what packaging/compose is made of, without a container engine: the
// realm in a real Keycloak, the settings in a real Open WebUI, the secrets by the script that
// makes them, and groupsyncd with its configuration between them. That the file is one of
// the compose specification is left to packaging/test.
package compose

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"groupsyncd/sync/run"
	"groupsyncd/test/peers/peer"
)

func TestMain(m *testing.M) { peer.Main(m) }

// service is what the tests need of a service of compose.yaml.
type service struct {
	Environment map[string]string
	Command     []string
	Healthcheck struct{ Test []string }
}

// example is a copy of the example whose addresses are those of servers here.
type example struct {
	dir, secrets string
	services     map[string]service
	addresses    *strings.Replacer
}

func newExample(t *testing.T) *example {
	t.Helper()
	e := &example{dir: filepath.Join(peer.Root(t), "packaging", "compose"), secrets: t.TempDir()}
	var file struct{ Services map[string]service }
	if err := yaml.Unmarshal([]byte(e.read(t, "compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	e.services = file.Services
	// What a browser and an administrator of our tests sign in with.
	for name, value := range map[string]string{"keycloak/PEOPLE_PASSWORD": peer.Password, "open-webui/WEBUI_ADMIN_PASSWORD": peer.AccountPassword} {
		path := filepath.Join(e.secrets, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(value), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(e.secrets, "groupsyncd"), 0o755); err != nil {
		t.Fatal(err)
	}
	e.setup(t, "make")
	return e
}

func (e *example) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(e.dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	if e.addresses != nil {
		return e.addresses.Replace(string(text))
	}
	return string(text)
}

// setup runs the script that makes secrets, and gives what it printed.
func (e *example) setup(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "python3", append([]string{filepath.Join(e.dir, "setup.py")}, args...)...)
	cmd.Env = append(os.Environ(), "SECRETS="+e.secrets)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("setup.py %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// environment gives the settings of a service, and its secrets as the service reads them.
func (e *example) environment(t *testing.T, name string) []string {
	t.Helper()
	out := []string{}
	for _, key := range slices.Sorted(maps.Keys(e.services[name].Environment)) {
		out = append(out, key+"="+e.addresses.Replace(e.services[name].Environment[key]))
	}
	files, err := filepath.Glob(filepath.Join(e.secrets, name, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no secrets: %v", name, err)
	}
	for _, file := range files {
		out = append(out, filepath.Base(file)+"="+e.secret(t, name+"/"+filepath.Base(file)))
	}
	return out
}

func (e *example) secret(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(e.secrets, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// healthy runs the check of Keycloak's health.
func (e *example) healthy(t *testing.T) bool {
	t.Helper()
	test := slices.Clone(e.services["keycloak"].Healthcheck.Test[1:])
	for i := range test {
		test[i] = e.addresses.Replace(strings.ReplaceAll(test[i], "$$", "$"))
	}
	return exec.CommandContext(t.Context(), test[0], test[1:]...).Run() == nil
}

// What README.md promises: who signs in through Keycloak is in the groups of Open WebUI that
// lead from the groups there, and nobody wrote a password anywhere.
func TestExampleWorks(t *testing.T) {
	t.Parallel()
	e := newExample(t)
	keycloak := peer.NewKeycloak(t)
	_, port, _ := strings.Cut(keycloak.Addr(), ":")
	browser := "http://localhost:" + port
	e.addresses = strings.NewReplacer("http://keycloak:8080", "http://"+keycloak.Addr(), "http://localhost:8180", browser, "/dev/tcp/127.0.0.1/8080", "/dev/tcp/127.0.0.1/"+port)

	// Its own address is known when it runs; the callback has to name it.
	callback := "OPENID_REDIRECT_URI="
	settings := slices.DeleteFunc(e.environment(t, "open-webui"), func(s string) bool {
		return strings.HasPrefix(s, callback) || strings.HasPrefix(s, "WEBUI_URL=") || strings.HasPrefix(s, "WEBUI_ADMIN_EMAIL=")
	})
	chat := peer.StartOpenWebUI(t, 0, settings...)
	e.addresses = strings.NewReplacer("http://keycloak:8080", "http://"+keycloak.Addr(), "http://localhost:8180", browser, "/dev/tcp/127.0.0.1/8080", "/dev/tcp/127.0.0.1/"+port,
		"http://open-webui:8080", chat.URL, "http://localhost:3000", chat.URL, "/run/secrets", e.secrets)

	if e.healthy(t) {
		t.Error("a Keycloak that does not run is healthy")
	}
	imports := filepath.Join(keycloak.Dir, "import")
	if err := os.Mkdir(imports, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(imports, "example.json"), []byte(e.read(t, "keycloak/example.json")), 0o644); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	// The administrator's password is that of the script which starts it.
	keycloak.Start(t, slices.DeleteFunc(e.environment(t, "keycloak"), func(s string) bool { return strings.HasPrefix(s, "KC_BOOTSTRAP_") })...)
	t.Logf("Keycloak took the realm in %s", time.Since(began).Round(time.Second))
	if !e.healthy(t) {
		t.Error("a Keycloak with the realm is not healthy")
	}

	e.setup(t, "key", "--url", chat.URL, "--email", chat.Admin)
	key := e.secret(t, "groupsyncd/open-webui")
	e.setup(t, "key", "--url", chat.URL, "--email", chat.Admin)
	if key != e.secret(t, "groupsyncd/open-webui") {
		t.Error("another start ends the key that groupsyncd has")
	}
	if out := e.setup(t, "show"); !strings.Contains(out, peer.Password) || !strings.Contains(out, e.secret(t, "groupsyncd/status-page")) {
		t.Errorf("nobody is told how to sign in:\n%s", out)
	}

	p := peer.NewProgram(t)
	p.Configure(t, "state: state\n"+e.read(t, "groupsyncd/groupsyncd.yaml"))
	first := p.Sync(t, 0)
	if c := first.Report.Sources[0]; c.Coverage != "full" || c.Users != 4 || c.Groups != 4 {
		t.Errorf("the realm is read as %+v", c)
	}
	if got := members(t, chat, key); len(got) != 3 || got["users"]+got["research"]+got["research-leads"] != "" {
		t.Errorf("before anybody has an account: %v", got)
	}
	for _, name := range []string{"ada", "grace", "alan", "joan"} {
		peer.NewBrowser(t).SignIn(t, chat.URL, name)
	}
	p.Sync(t, 0)
	want := map[string]string{"users": "ada@example.org alan@example.org grace@example.org", "research": "ada@example.org", "research-leads": "grace@example.org"}
	if got := members(t, chat, key); !maps.Equal(got, want) {
		t.Errorf("the groups are %v", got)
	}
	if c := p.Sync(t, 0).Target(); c.Writes != 0 {
		t.Errorf("a third run writes: %+v", c)
	}

	// Rights in the realm, events, key and settings are what they should be.
	if d := p.Run(t, "doctor"); d.Code != 0 {
		t.Errorf("doctor ends with %d:\n%s", d.Code, d.Out)
	}
	empty(t, keycloak, "ai-users")
	p.Sync(t, 4)
	if h := p.Hold(t, run.Emptied); len(h.Changes) != 3 {
		t.Errorf("an emptied group is held as %+v", h)
	}
	if got := members(t, chat, key); !maps.Equal(got, want) {
		t.Errorf("somebody lost something: %v", got)
	}
}

// empty takes everybody out of a group.
func empty(t *testing.T, k *peer.Keycloak, group string) {
	t.Helper()
	var groups, people []struct{ ID, Name string }
	ask := func(method, path string, status int, into any) {
		t.Helper()
		got, body := k.Ask(t, "example", method, path, nil)
		if got != status {
			t.Fatalf("%s %s: %d %s", method, path, got, body)
		}
		if err := json.Unmarshal(body, into); into != nil && err != nil {
			t.Fatal(err)
		}
	}
	ask(http.MethodGet, "/groups?exact=true&search="+group, http.StatusOK, &groups)
	ask(http.MethodGet, "/groups/"+groups[0].ID+"/members", http.StatusOK, &people)
	for _, u := range people {
		ask(http.MethodDelete, "/users/"+u.ID+"/groups/"+groups[0].ID, http.StatusNoContent, nil)
	}
}

// members gives the members of each group of Open WebUI.
func members(t *testing.T, chat *peer.OpenWebUI, key string) map[string]string {
	t.Helper()
	var groups []struct{ ID, Name string }
	chat.Call(t, key, http.MethodGet, "/api/v1/groups/", "", &groups)
	out := map[string]string{}
	for _, g := range groups {
		var users []struct{ Email string }
		chat.Call(t, key, http.MethodPost, "/api/v1/groups/id/"+g.ID+"/users", "", &users)
		var mails []string
		for _, u := range users {
			mails = append(mails, u.Email)
		}
		slices.Sort(mails)
		out[g.Name] = strings.Join(mails, " ")
	}
	return out
}
