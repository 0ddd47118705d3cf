//go:build peers

// Package portable carries groups from one real Open WebUI into another.
package portable

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/sync/run"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

func TestMain(m *testing.M) { peer.Main(m) }

// site is an Open WebUI and the binary beside it.
type site struct {
	*peer.Program
	chat     *peer.OpenWebUI
	key      string
	accounts map[string]string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Program: peer.NewProgram(t), chat: peer.StartOpenWebUI(t, 12)}
	s.key = s.chat.Key(t)
	s.Write(t, "people.yaml", "users: []\ngroups: []\n")
	s.Configure(t, fmt.Sprintf("state: state\nsources:\n  list: {type: file, path: people.yaml}\ntargets:\n  chat: {url: %q, api_key: \"file:%s\"}\nrules:\n  - {name: all, match: \"ai-*\"}\nsafety: {max_people: off, max_people_24h: off, max_cuts: off}\nserver: {admin: {listen: \"\"}}\n",
		s.chat.URL, s.chat.KeyFile))
	var users struct{ Users []struct{ ID, Email string } }
	s.do(t, http.MethodGet, "/api/v1/users/all", nil, &users)
	s.accounts = map[string]string{}
	for _, u := range users.Users {
		s.accounts[u.Email] = u.ID
	}
	return s
}

func (s *site) do(t *testing.T, method, path string, body, into any) {
	t.Helper()
	s.chat.Do(t, s.key, method, path, body, into)
}

// things makes a model and knowledge, which has another id on every server.
func (s *site) things(t *testing.T) (knowledge string) {
	t.Helper()
	s.do(t, http.MethodPost, "/api/v1/models/create", map[string]any{"id": "base-1", "name": "Base", "meta": map[string]any{}, "params": map[string]any{}, "access_grants": []any{}}, nil)
	var made struct{ ID string }
	s.do(t, http.MethodPost, "/api/v1/knowledge/create", map[string]any{"name": "Handbook", "description": "", "access_grants": []any{}}, &made)
	return made.ID
}

// groups makes groups as administrators leave them behind.
func (s *site) groups(t *testing.T, knowledge string) {
	t.Helper()
	var above, top string
	for i, g := range []struct {
		name, description string
		permissions, data string
	}{
		{"Plain", "", "", ""},
		{"Ünï <&> code", "two\nlines", `{"chat":{"call":true,"limit":3},"new":{"deep":{"er":true}},"odd":null,"n":1.5}`, `{"config":{"share":"members","default_models":["base-1"],"x":[1,2.5]},"own":{"a":"b"}}`},
		{"Closed", "nobody", `{"workspace":{"models":true,"knowledge":false}}`, `{"config":{"share":false}}`},
		{"Empty", "", "{}", `{"config":{"share":true}}`},
		{"Plain", "again", "", `{"own":[1]}`},
	} {
		body := map[string]any{"name": g.name, "description": g.description}
		if g.permissions != "" {
			body["permissions"] = json.RawMessage(g.permissions)
		}
		if g.data != "" {
			body["data"] = json.RawMessage(g.data)
		}
		if above != "" && i < 4 {
			body["parent_group_id"] = above
		}
		var made struct{ ID string }
		s.do(t, http.MethodPost, "/api/v1/groups/create", body, &made)
		if top == "" {
			top = made.ID
		}
		above = made.ID
		var ids []string
		for n := 1; n <= i*2; n++ {
			ids = append(ids, s.accounts[ldif.Mail(n)])
		}
		s.do(t, http.MethodPost, "/api/v1/groups/id/"+made.ID+"/users/add", map[string]any{"user_ids": ids}, nil)
	}
	grant := func(id, permission string) map[string]string {
		return map[string]string{"principal_type": "group", "principal_id": id, "permission": permission}
	}
	s.do(t, http.MethodPost, "/api/v1/models/model/access/update", map[string]any{"id": "base-1", "access_grants": []any{grant(top, "read"), grant(above, "read"), grant(above, "write")}}, nil)
	s.do(t, http.MethodPost, "/api/v1/knowledge/"+knowledge+"/access/update", map[string]any{"access_grants": []any{grant(top, "read")}}, nil)
}

// plain is an export without what no call can write, with names in place of ids.
func plain(t *testing.T, file string) []string {
	t.Helper()
	var groups []map[string]any
	if err := json.Unmarshal([]byte(file), &groups); err != nil {
		t.Fatal(err)
	}
	names := map[any]string{nil: "-"}
	for _, g := range groups {
		names[g["id"]] = fmt.Sprint(g["name"], g["description"])
	}
	var out []string
	for _, g := range groups {
		var mails []string
		for _, u := range g["users"].([]any) {
			mails = append(mails, u.(map[string]any)["email"].(string))
		}
		slices.Sort(mails)
		for _, grant := range g["access_grants"].([]any) {
			delete(grant.(map[string]any), "id")
		}
		g["parent_group_id"], g["users"] = names[g["parent_group_id"]], mails
		for _, key := range []string{"id", "user_id", "user_ids", "meta", "created_at", "updated_at"} {
			delete(g, key)
		}
		b, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	slices.Sort(out)
	return out
}

// TestGroupsGoFromOneServerIntoAnother: what is exported, carried in and exported again is the
// same but for ids, owners, meta and times; once more it finds nothing to do, and undone nobody
// is in a group that was made.
func TestGroupsGoFromOneServerIntoAnother(t *testing.T) {
	t.Parallel()
	from, to := newSite(t), newSite(t)
	from.groups(t, from.things(t))
	to.things(t)
	file := from.Must(t, 0, "export").Out
	if from.Must(t, 0, "export").Out != file {
		t.Error("two exports differ")
	}
	to.Write(t, "groups.json", file)
	dry := to.Must(t, 0, "import", "groups.json", "--dry-run", "-o", "json")
	if to.Must(t, 0, "export").Out != "[]\n" {
		t.Errorf("a dry run writes: %s", dry.Out)
	}
	r := to.Must(t, 0, "import", "groups.json", "-o", "json")
	r.Decode(t, &r.Report)
	t.Logf("import: %s, %d requests, %d writes, %+v", r.Wall, r.Target().Requests, r.Target().Writes, r.Target().Summary)
	again := to.Must(t, 0, "export").Out
	if diff := cmp.Diff(plain(t, file), plain(t, again)); diff != "" {
		t.Fatalf("(-exported +exported again):\n%s", diff)
	}
	if n := len(r.Target().Imported); n != 5 || slices.ContainsFunc(r.Target().Imported, func(g run.ImportedGroup) bool {
		return !strings.Contains(again, g.NewID) || !strings.Contains(file, g.ID) || g.By != run.ByMaking || len(g.LeftOut)+len(g.Missing)+len(g.Unshared) > 0
	}) {
		t.Errorf("%+v", r.Target().Imported)
	}
	to.Write(t, "again.json", again)
	second := to.Must(t, 0, "import", "again.json", "-o", "json")
	second.Decode(t, &second.Report)
	if len(second.Target().Changes) != 0 || second.Target().Writes != 0 {
		t.Errorf("%+v", second.Target().Changes)
	}
	to.Must(t, 0, "revert", r.Report.Run)
	var left []struct {
		Members []string `json:"user_ids"`
	}
	to.Must(t, 0, "export").Decode(t, &left)
	for _, g := range left {
		if len(g.Members) > 0 {
			t.Errorf("somebody stayed: %v", g.Members)
		}
	}
}
