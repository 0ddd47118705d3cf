package suite

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// step is one request of the comparison. GROUP, OTHER and USER stand for ids made
// before.
type step struct {
	name, method, path, body string
}

func steps() []step {
	const group = "/api/v1/groups/id/GROUP"
	list := []step{
		{"version", "GET", "/api/version", ""},
		{"health", "GET", "/health", ""},
		{"list", "GET", "/api/v1/groups/", ""},
		{"get", "GET", group, ""},
		{"info", "GET", group + "/info", ""},
		{"export of an empty group", "GET", group + "/export", ""},
		{"add", "POST", group + "/users/add", `{"user_ids":["USER","nobody"]}`},
		{"add nothing", "POST", group + "/users/add", `{}`},
		{"add no list", "POST", group + "/users/add", `{"user_ids":"x"}`},
		{"export", "GET", group + "/export", ""},
		{"members", "POST", group + "/users", ""},
		{"account", "GET", "/api/v1/users/USER", ""},
		{"remove", "POST", group + "/users/remove", `{"user_ids":["USER"]}`},
		{"remove nothing", "POST", group + "/users/remove", `{"user_ids":[]}`},
		{"update data", "POST", group + "/update", `{"name":"PREFIXa","description":"d","data":{"own":{"a":1}}}`},
		{"update config", "POST", group + "/update", `{"name":"PREFIXa","description":"d","data":{"config":{"share":false,"x":null}}}`},
		{"update permissions", "POST", group + "/update", `{"name":"PREFIXa","description":"d","permissions":{"chat":{"edit":true}}}`},
		{"update permissions again", "POST", group + "/update", `{"name":"PREFIXa","description":"d","permissions":{}}`},
		{"update with null", "POST", group + "/update", `{"name":"PREFIXa","description":"d","permissions":null,"data":null}`},
		{"update user_ids", "POST", group + "/update", `{"name":"PREFIXa","description":"d","user_ids":["USER"]}`},
		{"update parent", "POST", group + "/update", `{"name":"PREFIXa","description":"d","parent_group_id":"OTHER"}`},
		{"update own parent", "POST", group + "/update", `{"name":"PREFIXa","description":"d","parent_group_id":"GROUP"}`},
		{"update unknown parent", "POST", group + "/update", `{"name":"PREFIXa","description":"d","parent_group_id":"nothing"}`},
		{"update empty parent", "POST", group + "/update", `{"name":"PREFIXa","description":"d","parent_group_id":""}`},
		{"update without description", "POST", group + "/update", `{"name":"PREFIXa"}`},
		{"update without name", "POST", group + "/update", `{"description":"d"}`},
		{"update with data that is a list", "POST", group + "/update", `{"name":"a","description":"d","data":[1]}`},
		{"update with no JSON", "POST", group + "/update", `{`},
		{"create without description", "POST", "/api/v1/groups/create", `{"name":"x"}`},
		{"page", "GET", "/api/v1/users/?page=1&order_by=created_at&direction=desc", ""},
		{"page after the end", "GET", "/api/v1/users/?page=9999&order_by=created_at&direction=desc", ""},
		{"page that is no number", "GET", "/api/v1/users/?page=x", ""},
		{"all accounts", "GET", "/api/v1/users/all", ""},
		{"default permissions", "GET", "/api/v1/users/default/permissions", ""},
		{"page by activity", "GET", "/api/v1/users/?page=1&order_by=last_active_at&direction=desc", ""},
		{"sessions of nobody", "GET", "/api/v1/users/nobody/oauth/sessions", ""},
		{"sessions of somebody without", "GET", "/api/v1/users/USER/oauth/sessions", ""},
		{"sessions cannot be posted", "POST", "/api/v1/users/USER/oauth/sessions", `{}`},
		{"what anybody may know", "GET", "/api/config", ""},
		{"events", "GET", "/api/events", ""},
		{"event webhooks", "GET", "/api/events/webhooks", ""},
		{"webhook without address", "POST", "/api/events/webhooks", `{"events":["auth.login"]}`},
		{"webhook at an address that is none", "POST", "/api/events/webhooks", `{"url":"nonsense"}`},
		{"webhook for an unknown event", "POST", "/api/events/webhooks", `{"url":"http://127.0.0.1:9/x","events":["nothing.happens"]}`},
		{"change of an unknown webhook", "PUT", "/api/events/webhooks/nobody", `{"enabled":false}`},
		{"deletion of an unknown webhook", "DELETE", "/api/events/webhooks/nobody", ""},
		{"post on events", "POST", "/api/events", `{}`},
		{"get of one webhook", "GET", "/api/events/webhooks/nobody", ""},
		{"unknown account", "GET", "/api/v1/users/nobody", ""},
		{"own account", "GET", "/api/v1/users/user/status", ""},
		{"session only", "GET", "/api/v1/auths/", ""},
		{"settings", "GET", "/api/v1/auths/admin/config", ""},
		{"oauth settings", "GET", "/api/v1/auths/admin/config/oauth", ""},
		{"ldap", "GET", "/api/v1/auths/admin/config/ldap", ""},
		{"ldap settings", "GET", "/api/v1/auths/admin/config/ldap/server", ""},
		{"no slash", "GET", "/api/v1/groups", ""},
		{"no slash for accounts", "GET", "/api/v1/users", ""},
		{"nothing there", "GET", "/api/v1/nothing", ""},
		{"nothing to post to", "POST", "/api/v1/nothing", `{}`},
		{"post on a read", "POST", group + "/export", `{}`},
		{"get on a write", "GET", group + "/users/add", ""},
		{"get on create", "GET", "/api/v1/groups/create", ""},
		{"taken mail", "POST", "/api/v1/auths/add", `{"name":"x","email":"PREFIXcompare@example.test","password":"Long-password-1"}`},
		{"own permissions", "GET", "/api/v1/users/permissions", ""},
		{"role alone", "POST", "/api/v1/users/USER/update", `{"role":"pending"}`},
		{"role that is none", "POST", "/api/v1/users/USER/update", `{"role":"zzz"}`},
		{"role back", "POST", "/api/v1/users/USER/update", `{"role":"user"}`},
		{"role of nobody", "POST", "/api/v1/users/nobody/update", `{"role":"user"}`},
		{"role of the primary administrator", "POST", "/api/v1/users/ADMIN/update", `{"role":"user"}`},
		{"update with no JSON", "POST", "/api/v1/users/USER/update", `{`},
		{"sessions revoked", "POST", "/api/v1/users/USER/sessions/revoke", ""},
		{"sessions of nobody revoked", "POST", "/api/v1/users/nobody/sessions/revoke", ""},
		{"preview of an account", "GET", "/api/v1/users/USER/preview", ""},
		{"preview of nobody", "GET", "/api/v1/users/nobody/preview", ""},
		{"wrong password", "POST", "/api/v1/auths/signin", `{"email":"PREFIXcompare@example.test","password":"wrong"}`},
		{"right password", "POST", "/api/v1/auths/signin", `{"email":"PREFIXcompare@example.test","password":"Long-password-1"}`},
		{"defaults without a category", "POST", "/api/v1/users/default/permissions", `{"workspace":{},"sharing":{},"chat":{},"features":{},"settings":{}}`},
		{"defaults with a word", "POST", "/api/v1/users/default/permissions", `{"workspace":{"models":[]},"sharing":{},"access_grants":{},"chat":{},"features":{},"settings":{}}`},
		{"empty defaults", "POST", "/api/v1/users/default/permissions", `{"workspace":{},"sharing":{},"access_grants":{},"chat":{},"features":{},"settings":{},"more":{"x":true}}`},
		{"odd defaults", "POST", "/api/v1/users/default/permissions", `{"workspace":{"models":true,"x":true},"sharing":{},"access_grants":{},"chat":{"edit":false},"features":{},"settings":{}}`},
		{"defaults after that", "GET", "/api/v1/users/default/permissions", ""},
		{"defaults as they were", "POST", "/api/v1/users/default/permissions", `{"workspace":{},"sharing":{},"access_grants":{},"chat":{},"features":{},"settings":{}}`},
		{"page of models", "GET", "/api/v1/models/list?page=1", ""},
		{"page of models that is no number", "GET", "/api/v1/models/list?page=x", ""},
		{"base models", "GET", "/api/v1/models/base", ""},
		{"offered models", "GET", "/api/models/base", ""},
		{"models to use", "GET", "/api/models", ""},
		{"unknown model", "GET", "/api/v1/models/model?id=PREFIXnothing", ""},
		{"grants without a list", "POST", "/api/v1/models/model/access/update", `{"id":"PREFIXm"}`},
		{"grants for a model without a row", "POST", "/api/v1/models/model/access/update", `{"id":"PREFIXm","name":"M","access_grants":[` +
			`{"principal_type":"group","principal_id":"x","permission":"read"},{"principal_type":"group","principal_id":"x","permission":"own"},{"principal_type":"user","principal_id":"","permission":"read"}]}`},
		{"grants for everybody", "POST", "/api/v1/models/model/access/update", `{"id":"PREFIXm","access_grants":[{"principal_type":"anyone","principal_id":"*","permission":"read"}]}`},
		{"that model", "GET", "/api/v1/models/model?id=PREFIXm", ""},
		{"delete that model", "POST", "/api/v1/models/model/delete", `{"id":"PREFIXm"}`},
		{"page of knowledge", "GET", "/api/v1/knowledge/?page=1", ""},
		{"unknown knowledge", "GET", "/api/v1/knowledge/nobody", ""},
		{"grants of unknown knowledge", "POST", "/api/v1/knowledge/nobody/access/update", `{"access_grants":[]}`},
		{"page of prompts", "GET", "/api/v1/prompts/list?page=9", ""},
		{"prompts", "GET", "/api/v1/prompts/", ""},
		{"unknown prompt", "GET", "/api/v1/prompts/id/nobody", ""},
		{"grants of an unknown prompt", "POST", "/api/v1/prompts/id/nobody/access/update", `{"access_grants":[]}`},
		{"list of tools", "GET", "/api/v1/tools/list", ""},
		{"unknown tool", "GET", "/api/v1/tools/id/nobody", ""},
		{"page of skills", "GET", "/api/v1/skills/list", ""},
		{"unknown skill", "GET", "/api/v1/skills/id/nobody", ""},
		{"deletion of an unknown skill", "DELETE", "/api/v1/skills/id/nobody/delete", ""},
		{"channels", "GET", "/api/v1/channels/list", ""},
		{"delete the primary administrator", "DELETE", "/api/v1/users/ADMIN", ""},
		{"delete", "DELETE", group + "/delete", ""},
	}
	for _, s := range []step{
		{"get", "GET", "", ""}, {"info", "GET", "/info", ""}, {"export", "GET", "/export", ""}, {"members", "POST", "/users", ""},
		{"update", "POST", "/update", `{"name":"a","description":"d"}`}, {"add", "POST", "/users/add", `{"user_ids":["USER"]}`},
		{"remove", "POST", "/users/remove", `{"user_ids":["USER"]}`}, {"delete", "DELETE", "/delete", ""},
	} {
		list = append(list, step{s.name + " of a deleted group", s.method, group + s.path, s.body})
	}
	return list
}

// looks is what of an answer both servers must agree on.
type looks struct {
	Status int
	Media  string
	// Values are the parts of the body that do not depend on ids and times.
	Values map[string]any
	Keys   []string
}

// Compare sends the same requests to a real server and to a simulator of its version, both
// as they are installed, and wants the same answers.
func Compare(t *testing.T, server, mine *World) {
	t.Helper()
	realIDs, simIDs := server.prepare(t), mine.prepare(t)
	for _, s := range steps() {
		a, b := server.play(t, s, realIDs), mine.play(t, s, simIDs)
		// The simulator leaves out fields that no client of ours reads.
		if s.name != "list" && !strings.Contains(s.name, "group") {
			a.Keys = slices.DeleteFunc(a.Keys, func(k string) bool { return !slices.Contains(b.Keys, k) })
			maps.DeleteFunc(a.Values, func(k string, _ any) bool { return !slices.Contains(b.Keys, k) })
		}
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("%s (real -, simulator +):\n%s", s.name, diff)
		}
	}
}

// prepare makes two groups and an account.
func (w *World) prepare(t *testing.T) *strings.Replacer {
	t.Helper()
	id := func(path, body string) string {
		status, _, answer := w.Raw(t, http.MethodPost, path, body)
		var made struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(answer, &made); err != nil || made.ID == "" {
			t.Fatalf("%s: %d %s", path, status, answer)
		}
		return made.ID
	}
	group := id("/api/v1/groups/create", `{"name":"`+w.Prefix+`a","description":""}`)
	other := id("/api/v1/groups/create", `{"name":"`+w.Prefix+`b","description":"","data":{"own":1}}`)
	user := id("/api/v1/auths/add", `{"name":"Compare","email":"`+w.Prefix+`compare@example.test","password":"Long-password-1","role":"user"}`)
	_, _, page := w.Raw(t, http.MethodGet, "/api/v1/users/?page=1&order_by=created_at&direction=asc", "")
	var users struct {
		Users []struct {
			ID string `json:"id"`
		} `json:"users"`
	}
	if err := json.Unmarshal(page, &users); err != nil || len(users.Users) == 0 {
		t.Fatalf("first page: %s", page)
	}
	t.Cleanup(func() {
		w.Drop(http.MethodDelete, "/api/v1/groups/id/"+other+"/delete")
		w.Drop(http.MethodDelete, "/api/v1/users/"+user)
	})
	return strings.NewReplacer("GROUP", group, "OTHER", other, "USER", user, "ADMIN", users.Users[0].ID, "PREFIX", w.Prefix)
}

func (w *World) play(t *testing.T, s step, ids *strings.Replacer) looks {
	t.Helper()
	status, header, body := w.Raw(t, s.method, ids.Replace(s.path), ids.Replace(s.body))
	l := looks{Status: status, Media: strings.SplitN(header.Get("Content-Type"), ";", 2)[0], Values: map[string]any{}}
	if header.Get("Date") == "" {
		t.Errorf("%s: no Date", s.name)
	}
	var m map[string]any
	if json.Unmarshal(body, &m) != nil {
		return l
	}
	for k, v := range m {
		l.Keys = append(l.Keys, k)
		if slices.Contains([]string{"name", "description", "data", "permissions", "member_count", "meta", "enable_group_management", "ENABLE_LDAP",
			"ENABLE_OAUTH_GROUP_MANAGEMENT", "OAUTH_BLOCKED_GROUPS", "workspace", "chat", "features", "sharing", "access_grants", "settings", "version"}, k) &&
			s.name != "own account" && s.name != "account" {
			l.Values[k] = v
		}
	}
	if grants, ok := m["access_grants"].([]any); ok {
		l.Values["access_grants"] = grantees(grants)
		delete(l.Values, "meta") // the simulator keeps none of models
	}
	switch s.name {
	case "offered models", "models to use":
		delete(l.Values, "data") // what providers offer is the server's own affair
	case "what anybody may know":
		delete(l.Values, "features") // the simulator has those that something here reads
	}
	slices.Sort(l.Keys)
	return l
}

// grantees leaves the ids and times out of grants.
func grantees(grants []any) []map[string]any {
	out := []map[string]any{}
	for _, g := range grants {
		one, _ := g.(map[string]any)
		out = append(out, map[string]any{"type": one["principal_type"], "id": one["principal_id"], "permission": one["permission"]})
	}
	return out
}
