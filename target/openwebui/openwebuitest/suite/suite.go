// Package suite holds the checks that the Open WebUI client passes against the
// simulator, in the form of every supported version, and against a real server. What
// one of them does otherwise is a fault of the simulator or of the client.
package suite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/permission"
	"groupsyncd/sync/plan"
	"groupsyncd/target/openwebui"
)

// World is the server under test.
type World struct {
	URL, Key string
	// Wait lets that much time pass on the server's clock.
	Wait func(time.Duration)
	// Now is the clock of the server and the client; nil: the real one.
	Now func() time.Time
	// Prefix begins the names of everything the suite makes.
	Prefix string
	// Changing says that others may use the server at the same time, so that exact
	// numbers of requests cannot be expected.
	Changing bool
}

// Client opens a client for the server.
func (w *World) Client(t *testing.T, change func(*openwebui.Options)) *openwebui.Client {
	t.Helper()
	o := openwebui.Options{
		Name: "chat", URL: w.URL, NeedSubjects: true, Now: w.Now,
		APIKey: func() (secret.Value, error) { return secret.New(w.Key), nil },
	}
	if change != nil {
		change(&o)
	}
	c, err := openwebui.New(o)
	if err != nil {
		t.Fatalf("open the client: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

// Raw sends a request as an administrator's hand and gives status and body.
func (w *World) Raw(t *testing.T, method, path, body string) (status int, header http.Header, answer []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.Key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, answer
}

func (w *World) must(t *testing.T, method, path, body string) []byte {
	t.Helper()
	status, _, answer := w.Raw(t, method, path, body)
	if status != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return answer
}

// account makes an account and takes it away when the test ends.
func (w *World) account(t *testing.T, name string) string {
	t.Helper()
	body := fmt.Sprintf(`{"name":%q,"email":"%s%s@example.test","password":%q,"role":"user"}`, name, w.Prefix, name, password)
	var made struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(w.must(t, http.MethodPost, "/api/v1/auths/add", body), &made); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Drop(http.MethodDelete, "/api/v1/users/"+made.ID) })
	return made.ID
}

// Drop cleans up after the test's own context has ended.
func (w *World) Drop(method, path string) {
	req, err := http.NewRequest(method, w.URL+path, nil) //nolint:noctx // the test's context has ended
	if err != nil {
		return
	}
	req.Header.Set("Authorization", "Bearer "+w.Key)
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
	}
}

// group makes a group and takes it away when the test ends.
func (w *World) group(t *testing.T, s *openwebui.Session, spec plan.GroupSpec) plan.Group {
	t.Helper()
	spec.Name = w.Prefix + spec.Name
	g, err := s.CreateGroup(t.Context(), spec)
	if err != nil {
		t.Fatalf("create %s: %v", spec.Name, err)
	}
	t.Cleanup(func() { w.Drop(http.MethodDelete, "/api/v1/groups/id/"+g.ID+"/delete") })
	return g
}

// Run runs every check.
func Run(t *testing.T, w *World) {
	t.Run("a created group is what was asked for", w.creates)
	t.Run("members come and go, unknown ids are dropped", w.members)
	t.Run("an update keeps what it does not name", w.updates)
	t.Run("an update of nothing writes nothing", w.updatesNothing)
	t.Run("a deleted group is not found", w.deletedGroup)
	t.Run("a look at one account shows its groups", w.oneAccount)
	t.Run("an observation sees every change and nothing else", w.observes)
	t.Run("accounts are read without subjects too", w.withoutSubjects)
	t.Run("a wrong key is refused", w.wrongKey)
	t.Run("a wrong path is no Open WebUI", w.wrongPath)
	t.Run("the built-in sync is off", w.builtIn)
	t.Run("accounts come in the order of their activity", w.ordersByActivity)
	t.Run("who is new is noticed", w.noticesNewcomers)
	t.Run("who never signed in through a provider has no sessions", w.readsSessions)
	t.Run("our event webhook comes, changes and goes", w.setsUpEvents)
	t.Run("a role is set, and nobody's who cannot have it", w.roles)
	t.Run("a look at roles sees a changed one", w.observesRoles)
	t.Run("sign-ins are ended where the server can", w.revokes)
	t.Run("an account is made before a first sign-in", w.createsAccounts)
	t.Run("the settings are read", w.readsSettings)
	t.Run("grants are replaced whole and read back", w.shares)
	t.Run("lists of several pages are read whole", w.listsLong)
	t.Run("default permissions are replaced without loss", w.setsDefaults)
	t.Run("rights are united", w.unites)
	t.Run("a group gets a parent where the server has them", w.parents)
	t.Run("a group gets default models", w.defaultModels)
	t.Run("who may make things owns them", w.managersCreate)
	t.Run("doctor finds nothing wrong", w.doctor)
	t.Run("the table of features is right", w.features)
}

func (w *World) creates(t *testing.T) {
	s := w.Client(t, nil).Session()
	mark := &plan.Mark{Instance: "suite", Rule: "ai", Source: "corp", Group: "g1", Serial: 7}
	g := w.group(t, s, plan.GroupSpec{
		Name: "made ü", Description: new("made by a test"), Share: "nobody", Mark: mark,
		Permissions: permission.Set{"workspace.models": true, "chat.file_upload": false},
	})
	read, err := s.ReadGroup(t.Context(), g.ID)
	if err != nil {
		t.Fatal(err)
	}
	if read.Name != w.Prefix+"made ü" || read.Description != "made by a test" || read.Share != "nobody" || read.MemberCount != 0 ||
		!read.MembersRead || read.Members == nil || len(read.Members) != 0 || read.UpdatedAt == 0 || read.ReadAt.IsZero() {
		t.Errorf("read back: %+v", read)
	}
	if read.Mark == nil || *read.Mark != *mark {
		t.Errorf("mark: %+v", read.Mark)
	}
	set, _, err := permission.Flatten(read.Permissions)
	if err != nil {
		t.Fatal(err)
	}
	if !set["workspace.models"] || set["chat.file_upload"] || len(set) < 40 {
		t.Errorf("permissions are not the explicit tree: %v", set)
	}
	for key, on := range set {
		if on && key != "workspace.models" {
			t.Errorf("%s is on", key)
		}
	}
}

func (w *World) members(t *testing.T) {
	ctx := t.Context()
	s := w.Client(t, nil).Session()
	g := w.group(t, s, plan.GroupSpec{Name: "members"})
	a, b := w.account(t, "m1"), w.account(t, "m2")
	if err := s.AddMembers(ctx, g.ID, []string{a, "no-such-account", b}); err != nil {
		t.Fatal(err)
	}
	w.hasMembers(t, s, g.ID, a, b)
	if err := s.AddMembers(ctx, g.ID, []string{a}); err != nil { // again, harmless
		t.Fatal(err)
	}
	if err := s.RemoveMembers(ctx, g.ID, []string{a, "no-such-account"}); err != nil {
		t.Fatal(err)
	}
	w.hasMembers(t, s, g.ID, b)
	w.Wait(1100 * time.Millisecond)
	before := w.hasMembers(t, s, g.ID, b).UpdatedAt
	if err := s.AddMembers(ctx, g.ID, []string{b}); err != nil {
		t.Fatal(err)
	}
	if after := w.hasMembers(t, s, g.ID, b).UpdatedAt; after <= before {
		t.Errorf("a write without effect left updated_at at %d", after)
	}
	if err := s.AddMembers(ctx, g.ID, nil); err != nil {
		t.Error(err)
	}
	if err := s.AddMembers(ctx, g.ID, make([]string, plan.MaxBatch+1)); fault.KindOf(err) != fault.Invalid {
		t.Errorf("too large a batch: %v", err)
	}
}

func (w *World) hasMembers(t *testing.T, s *openwebui.Session, id string, want ...string) plan.Group {
	t.Helper()
	g, err := s.ReadGroup(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if have := slices.Sorted(slices.Values(g.Members)); !slices.Equal(have, want) || g.MemberCount != len(want) {
		t.Errorf("members %v (count %d), want %v", have, g.MemberCount, want)
	}
	return g
}

func (w *World) updates(t *testing.T) {
	ctx := t.Context()
	s := w.Client(t, nil).Session()
	mark := &plan.Mark{Instance: "suite", Rule: "ai", To: "literal", Serial: 1}
	g := w.group(t, s, plan.GroupSpec{Name: "update", Description: new("before"), Mark: mark, Share: "members"})
	// Somebody else keeps things in the same group.
	w.must(t, http.MethodPost, "/api/v1/groups/id/"+g.ID+"/update", fmt.Sprintf(
		`{"name":%q,"description":"before","data":{"other":{"n":1},"config":{"share":"members","extra":[1]},"groupsyncd":{"instance":"suite","rule":"ai","to":"literal","serial":1}},`+
			`"permissions":{"workspace":{"models":true,"odd":"text"},"plugin":{"x":true}}}`, g.Name))
	after, err := s.UpdateGroup(ctx, g, plan.GroupSpec{Name: g.Name + " renamed", Permissions: permission.Set{"workspace.tools": true, "chat.edit": false}})
	if err != nil {
		t.Fatal(err)
	}
	if after.ID != g.ID || after.Name != g.Name+" renamed" || after.Description != "before" || after.Share != "members" {
		t.Errorf("after the first update: %+v", after)
	}
	want := `{"workspace":{"models":true,"odd":"text","tools":true},"plugin":{"x":true},"chat":{"edit":false}}`
	if !sameJSON(after.Permissions, []byte(want)) {
		t.Errorf("permissions: %s", after.Permissions)
	}
	mark.Serial = 2
	if _, err = s.UpdateGroup(ctx, after, plan.GroupSpec{Mark: mark, Share: "anyone", Description: new("")}); err != nil {
		t.Fatal(err)
	}
	read, err := s.ReadGroup(ctx, g.ID)
	if err != nil {
		t.Fatal(err)
	}
	want = `{"other":{"n":1},"config":{"share":true,"extra":[1]},"groupsyncd":{"instance":"suite","rule":"ai","to":"literal","serial":2}}`
	if !sameJSON(read.Data, []byte(want)) || read.Description != "" || read.Name != g.Name+" renamed" {
		t.Errorf("after the second update: %+v, data %s", read, read.Data)
	}
}

func sameJSON(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	c, _ := json.Marshal(x)
	d, _ := json.Marshal(y)
	return bytes.Equal(c, d)
}

func (w *World) updatesNothing(t *testing.T) {
	s := w.Client(t, nil).Session()
	spec := plan.GroupSpec{Name: "still", Description: new("d"), Share: "members", Permissions: permission.Set{"chat.edit": true}}
	g := w.group(t, s, spec)
	spec.Name = g.Name
	_, before := s.Spent()
	if _, err := s.UpdateGroup(t.Context(), g, spec); err != nil {
		t.Fatal(err)
	}
	if _, after := s.Spent(); after != before {
		t.Error("a group that was right already was written")
	}
}

func (w *World) deletedGroup(t *testing.T) {
	ctx := t.Context()
	s := w.Client(t, nil).Session()
	g := w.group(t, s, plan.GroupSpec{Name: "deleted"})
	w.must(t, http.MethodDelete, "/api/v1/groups/id/"+g.ID+"/delete", "")
	_, readErr := s.ReadGroup(ctx, g.ID)
	_, updateErr := s.UpdateGroup(ctx, g, plan.GroupSpec{Name: "x"})
	for what, err := range map[string]error{
		"read": readErr, "update": updateErr,
		"add": s.AddMembers(ctx, g.ID, []string{"x"}), "remove": s.RemoveMembers(ctx, g.ID, []string{"x"}),
	} {
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func (w *World) oneAccount(t *testing.T) {
	ctx := t.Context()
	s := w.Client(t, nil).Session()
	g, a := w.group(t, s, plan.GroupSpec{Name: "one"}), w.account(t, "one")
	if err := s.AddMembers(ctx, g.ID, []string{a}); err != nil {
		t.Fatal(err)
	}
	v, err := s.Account(ctx, a, true)
	if err != nil {
		t.Fatal(err)
	}
	if v.ID != a || v.Email != w.Prefix+"one@example.test" || v.Role != "user" || v.CreatedAt == 0 || !slices.Equal(v.Groups, []string{g.ID}) {
		t.Errorf("account: %+v", v)
	}
	for _, known := range []bool{false, true} {
		s := w.Client(t, nil).Session()
		if _, err := s.Account(ctx, "no-such-account", known); fault.KindOf(err) != fault.NotFound {
			t.Errorf("an account that does not exist, known before: %v: %v", known, err)
		}
		// Only what was there before is looked for among all of them.
		if n, _ := s.Spent(); (n > 1) != known {
			t.Errorf("%d requests to find no account, known before: %v", n, known)
		}
	}
}

// look observes in a session of its own, takes the result into the memory, and gives
// what it cost.
func (w *World) look(t *testing.T, c *openwebui.Client, m *plan.Memory, all bool) (*plan.Observation, int) {
	t.Helper()
	s := c.Session()
	o, err := s.Observe(t.Context(), m.Mirror, plan.Look{All: all})
	if err != nil {
		t.Fatalf("observe: %v", err)
	}
	m.Observe(o)
	requests, writes := s.Spent()
	if writes != 0 {
		t.Errorf("an observation wrote %d times", writes)
	}
	return o, requests
}

func (w *World) observes(t *testing.T) {
	ctx := t.Context()
	c := w.Client(t, nil)
	s := c.Session()
	full, empty := w.group(t, s, plan.GroupSpec{Name: "full"}), w.group(t, s, plan.GroupSpec{Name: "empty"})
	a, b := w.account(t, "o1"), w.account(t, "o2")
	if err := s.AddMembers(ctx, full.ID, []string{a, b}); err != nil {
		t.Fatal(err)
	}
	w.Wait(4 * time.Second)
	m := plan.NewMemory("chat", "suite", time.Now())
	o, cost := w.look(t, c, m, false)
	t.Logf("first look: %d requests, %d accounts, %d groups", cost, len(o.Accounts), len(o.Groups))
	if !o.AllAccounts || !o.ReadAll || o.Version == "" || o.Self == "" {
		t.Errorf("first look: accounts %t, members %t, version %q, self %q", o.AllAccounts, o.ReadAll, o.Version, o.Self)
	}
	w.remembers(t, m, full.ID, a, b)
	w.remembers(t, m, empty.ID)

	o, cost = w.look(t, c, m, false)
	if !w.Changing && (cost != 3 || len(o.Accounts) != 0 || o.AllAccounts || o.ReadAll) {
		t.Errorf("a look at nothing new cost %d requests and showed %d accounts", cost, len(o.Accounts))
	}
	w.swap(t, c, m, full.ID, empty.ID, a, b)
	w.newcomer(t, c, m, full.ID, b)
	o, cost = w.look(t, c, m, true)
	t.Logf("full look: %d requests", cost)
	if !o.AllAccounts || !o.ReadAll {
		t.Errorf("full look: accounts %t, members %t", o.AllAccounts, o.ReadAll)
	}
	w.remembers(t, m, full.ID, b)
}

// swap changes members by hand so that both counts stay or grow by one.
func (w *World) swap(t *testing.T, c *openwebui.Client, m *plan.Memory, full, empty, a, b string) {
	t.Helper()
	w.must(t, http.MethodPost, "/api/v1/groups/id/"+full+"/users/remove", fmt.Sprintf(`{"user_ids":[%q]}`, a))
	w.must(t, http.MethodPost, "/api/v1/groups/id/"+empty+"/users/add", fmt.Sprintf(`{"user_ids":[%q]}`, a))
	if _, cost := w.look(t, c, m, false); !w.Changing && cost != 5 {
		t.Errorf("two changed groups cost %d requests", cost)
	}
	w.remembers(t, m, full, b)
	w.remembers(t, m, empty, a)
}

// newcomer makes an account and deletes another, which both must be seen.
func (w *World) newcomer(t *testing.T, c *openwebui.Client, m *plan.Memory, full, b string) {
	t.Helper()
	fresh := w.account(t, "o3")
	o, _ := w.look(t, c, m, false)
	if n, ok := m.Mirror.Number(fresh); !ok || m.Mirror.Account(n).Email != w.Prefix+"o3@example.test" || !w.Changing && o.AllAccounts {
		t.Errorf("the new account was not seen, or only by reading all: %t", o.AllAccounts)
	}
	w.must(t, http.MethodDelete, "/api/v1/users/"+fresh, "")
	o, cost := w.look(t, c, m, false)
	t.Logf("look after a deleted account: %d requests", cost)
	if n, _ := m.Mirror.Number(fresh); !m.Mirror.Account(n).Deleted || !o.AllAccounts {
		t.Error("the deleted account was not seen")
	}
	w.remembers(t, m, full, b)
}

func (w *World) remembers(t *testing.T, m *plan.Memory, group string, want ...string) {
	t.Helper()
	g := m.Mirror.Group(group)
	if g == nil {
		t.Fatalf("group %s is not in the mirror", group)
	}
	have := []string{}
	for _, n := range g.Numbers {
		have = append(have, m.Mirror.Account(n).ID)
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) || !g.MembersRead {
		t.Errorf("the mirror holds %v in %s, want %v", have, g.Name, want)
	}
}

func (w *World) withoutSubjects(t *testing.T) {
	c := w.Client(t, func(o *openwebui.Options) { o.NeedSubjects = false })
	a := w.account(t, "plain")
	m := plan.NewMemory("chat", "suite", time.Now())
	o, cost := w.look(t, c, m, false)
	t.Logf("first look without subjects: %d requests, %d accounts, %d groups", cost, len(o.Accounts), len(o.Groups))
	if n, ok := m.Mirror.Number(a); !ok || m.Mirror.Account(n).Email != w.Prefix+"plain@example.test" {
		t.Error("the account was not seen")
	}
	oldest := slices.MinFunc(slices.DeleteFunc(slices.Clone(o.Accounts), func(a plan.Account) bool { return a.CreatedAt == 0 }),
		func(a, b plan.Account) int { return int(a.CreatedAt - b.CreatedAt) })
	if oldest.Role != "admin" {
		t.Errorf("the oldest account is %+v", oldest)
	}
}

func (w *World) wrongKey(t *testing.T) {
	const canary = "sk-ca9a41ca9a41ca9a41ca9a41ca9a41ca"
	c := w.Client(t, func(o *openwebui.Options) {
		o.APIKey = func() (secret.Value, error) { return secret.New(canary), nil }
	})
	_, err := c.Session().Observe(t.Context(), plan.NewMirror(), plan.Look{})
	if fault.KindOf(err) != fault.Auth || fault.HintOf(err) == "" || strings.Contains(err.Error(), canary) {
		t.Errorf("a wrong key: %v", err)
	}
}

func (w *World) wrongPath(t *testing.T) {
	c := w.Client(t, func(o *openwebui.Options) { o.URL += "/elsewhere" })
	_, err := c.Session().Observe(t.Context(), plan.NewMirror(), plan.Look{})
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "text/html") || fault.HintOf(err) == "" {
		t.Errorf("a wrong path: %v", err)
	}
}

func (w *World) builtIn(t *testing.T) {
	problems, err := w.Client(t, nil).Session().BuiltInSync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if w.has(t, oauthSettings) {
		if len(problems) != 0 {
			t.Errorf("built-in sync: %v", problems)
		}
	} else if len(problems) != 1 || !strings.Contains(problems[0].Message, "could not be read") || !strings.Contains(problems[0].Hint, "does not show it") {
		t.Errorf("settings that this version does not show: %v", problems)
	}
}

func (w *World) doctor(t *testing.T) {
	for _, f := range w.Client(t, nil).Check(t.Context(), openwebui.Expect{Watch: true}) {
		if f.Level != "ok" && (f.Check != "built_in_sync" || w.has(t, oauthSettings)) {
			t.Errorf("%s: %s (%s)", f.Check, f.Message, f.Remedy)
		}
	}
}
