//go:build peers

// Package versions runs the main job with the real binary against each supported line of
// Open WebUI, compares the simulator with each, and upgrades one under a state that goes on.
// docs/open-webui-versions.md is the table of what is seen here.
package versions

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"groupsyncd/permission"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

func TestMain(m *testing.M) { peer.Main(m) }

// world is a file with people and groups, an Open WebUI of some version, and the binary
// between them.
type world struct {
	*peer.Program
	// t is that of the step.
	t       *testing.T
	version string
	chat    *peer.OpenWebUI
	key     string
	// ids are the accounts by their mail address.
	ids map[string]string
	// people are the numbers of those in the file, disabled ones among them; groups the
	// members of each group in there by its id, and names what they are called.
	people   []int
	disabled map[int]bool
	groups   map[string][]int
	names    map[string]string
}

const model = "base-1"

func newWorld(t *testing.T, version string, accounts int) *world {
	t.Helper()
	models := peer.Models(t, []string{model})
	w := &world{Program: peer.NewProgram(t), t: t, version: version, ids: map[string]string{}, disabled: map[int]bool{}, groups: map[string][]int{}, names: map[string]string{},
		chat: peer.StartOpenWebUIVersion(t, version, accounts, "ENABLE_OPENAI_API=true", "OPENAI_API_BASE_URL="+models, "OPENAI_API_KEY=none")}
	w.key = w.chat.Key(t)
	var list struct{ Users []struct{ ID, Email string } }
	w.do(http.MethodGet, "/api/v1/users/all", nil, &list)
	for _, u := range list.Users {
		w.ids[u.Email] = u.ID
	}
	w.people = span(1, accounts)
	return w
}

// step is a part of a test whose later parts need it.
func (w *world) step(name string, do func()) {
	whole := w.t
	ok := whole.Run(name, func(t *testing.T) {
		w.t = t
		do()
	})
	w.t = whole
	if !ok {
		whole.FailNow()
	}
}

// configure writes the configuration: the one rule, with more keys of it, and more keys of
// the target.
func (w *world) configure(rule, target string) {
	w.t.Helper()
	w.Configure(w.t, fmt.Sprintf(`state: state
sources:
  list: {type: file, path: people.json}
targets:
  chat: {type: openwebui, url: %q, api_key: "file:%s"%s}
rules:
  - {name: ai, match: {name: "ai-*"}, to: '{{ .Name | trimPrefix "ai-" }}'%s}
permission_sets:
  curator: {workspace: {models: true, knowledge: true}}
safety: {absence: {reads: 2, over: 1s}, max_people: off, max_people_24h: off}
server: {admin: {listen: ""}}
`, w.chat.URL, w.chat.KeyFile, target, rule))
}

// write writes the file with people and groups.
func (w *world) write() {
	w.t.Helper()
	type user struct {
		ID       string `json:"id"`
		Email    string `json:"email"`
		Name     string `json:"name"`
		Disabled bool   `json:"disabled"`
	}
	type group struct {
		ID      string   `json:"id"`
		Name    string   `json:"name"`
		Members []string `json:"members"`
	}
	var file struct {
		Users  []user  `json:"users"`
		Groups []group `json:"groups"`
	}
	for _, n := range w.people {
		file.Users = append(file.Users, user{ldif.UID(n), ldif.Mail(n), ldif.UID(n), w.disabled[n]})
	}
	for id, numbers := range w.groups {
		g := group{ID: id, Name: w.names[id], Members: []string{}}
		for _, n := range numbers {
			if slices.Contains(w.people, n) {
				g.Members = append(g.Members, ldif.UID(n))
			}
		}
		file.Groups = append(file.Groups, g)
	}
	b, err := json.Marshal(file)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Write(w.t, "people.json", string(b))
}

// staff makes exactly those the members of a group of the directory, called ai-NAME.
func (w *world) staff(name string, numbers ...int) {
	w.t.Helper()
	w.groups[name] = numbers
	if w.names[name] == "" {
		w.names[name] = "ai-" + name
	}
	w.write()
}

// sync runs a sync that ends with the code.
func (w *world) sync(code int) *peer.Result {
	w.t.Helper()
	r := w.Sync(w.t, code)
	w.t.Logf("sync: %d requests, %d writes, %+v, %+v", r.Target().Requests, r.Target().Writes, r.Target().Summary, r.Target().Problems)
	return r
}

// do makes a call with the administrator's key, which succeeds.
func (w *world) do(method, path string, body, into any) {
	w.t.Helper()
	w.chat.Do(w.t, w.key, method, path, body, into)
}

// group is a group as Open WebUI shows it.
type group struct {
	ID, Name, Description string
	Parent                string                     `json:"parent_group_id"`
	Permissions           json.RawMessage            `json:"permissions"`
	Data                  map[string]json.RawMessage `json:"data"`
	UserIDs               []string                   `json:"user_ids"`
}

// group reads the only group of a name from Open WebUI itself.
func (w *world) group(name string) *group {
	w.t.Helper()
	var list []group
	w.do(http.MethodGet, "/api/v1/groups/", nil, &list)
	list = slices.DeleteFunc(list, func(g group) bool { return g.Name != name })
	if len(list) != 1 {
		w.t.Fatalf("%d groups are called %s", len(list), name)
	}
	w.do(http.MethodGet, "/api/v1/groups/id/"+list[0].ID+"/export", nil, &list[0])
	return &list[0]
}

// rights are the permissions of a group.
func (g *group) rights(t *testing.T) permission.Set {
	t.Helper()
	set, _, err := permission.Flatten(g.Permissions)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// has compares the members of a group with people by their numbers.
func (w *world) has(when, name string, numbers ...int) {
	w.t.Helper()
	var want []string
	for _, n := range numbers {
		want = append(want, w.id(n))
	}
	slices.Sort(want)
	if have := slices.Sorted(slices.Values(w.group(name).UserIDs)); !slices.Equal(have, want) {
		w.t.Errorf("%s %s has %d members, not %v: %v", when, name, len(have), numbers, have)
	}
}

func (w *world) id(n int) string { return w.ids[ldif.Mail(n)] }

// put makes somebody a member by hand.
func (w *world) put(name string, n int) {
	w.t.Helper()
	w.do(http.MethodPost, "/api/v1/groups/id/"+w.group(name).ID+"/users/add", map[string][]string{"user_ids": {w.id(n)}}, nil)
}

// role gives the role of person number n.
func (w *world) role(n int) string {
	w.t.Helper()
	var a struct{ Role string }
	w.do(http.MethodGet, "/api/v1/users/"+w.id(n), nil, &a)
	return a.Role
}

// since reports whether this version is that or a later one.
func (w *world) since(version string) bool {
	at := slices.Index(peer.OpenWebUIVersions(), w.version)
	return at >= 0 && at <= slices.Index(peer.OpenWebUIVersions(), version)
}

// said reports whether a problem of a run has these words.
func said(r *peer.Result, words string) bool {
	for _, p := range r.Target().Problems {
		if strings.Contains(p.Message, words) && p.Hint != "" {
			return true
		}
	}
	return false
}

// span gives the numbers from one to another, both included.
func span(from, to int) []int {
	var out []int
	for n := from; n <= to; n++ {
		out = append(out, n)
	}
	return out
}

// text gives the configuration as it is.
func (w *world) text() string {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.Dir, "groupsyncd.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}
