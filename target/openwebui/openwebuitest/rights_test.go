package openwebuitest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"groupsyncd/permission"
	"groupsyncd/target/openwebui/openwebuitest"
)

// askAs asks as somebody and wants an answer.
func askAs(t *testing.T, s *openwebuitest.Server, account, path string) string {
	t.Helper()
	status, _, body, err := ask(t, s, http.MethodGet, path, "", "Authorization", "Bearer "+s.Token(account))
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %s %v", path, status, body, err)
	}
	return body
}

func flat(t *testing.T, tree string) permission.Set {
	t.Helper()
	set, _, err := permission.Flatten(json.RawMessage(tree))
	if err != nil {
		t.Fatalf("%s: %v", tree, err)
	}
	return set
}

// TestOddTreesOfPermissionsAreReadAsTheServerReadsThem is about what older versions and
// hands in the database leave behind.
func TestOddTreesOfPermissionsAreReadAsTheServerReadsThem(t *testing.T) {
	t.Parallel()
	const defaults, own = "/api/v1/users/default/permissions", "/api/v1/users/permissions"
	for name, c := range map[string]struct {
		version, stored string
		// shown and have are keys of the administrator's page and of a person's rights.
		shown, have map[string]permission.State
	}{
		"null": {"0.12.4", "null", map[string]permission.State{"chat.edit": permission.Allowed, "workspace.models": permission.Denied},
			map[string]permission.State{"chat.edit": permission.Allowed, "workspace.models": permission.Denied}},
		"partial, filled": {"0.12.4", `{"chat":{"edit":false}}`, map[string]permission.State{"chat.edit": permission.Denied, "chat.call": permission.Allowed},
			map[string]permission.State{"chat.edit": permission.Denied, "chat.call": permission.Allowed}},
		"partial, not filled": {"0.11.4", `{"chat":{"edit":false}}`, map[string]permission.State{"chat.edit": permission.Denied, "chat.call": permission.Allowed},
			map[string]permission.State{"chat.edit": permission.Denied, "chat.call": permission.Unset}},
		"unknown keys": {"0.12.4", `{"chat":{"own":true},"plugin":{"x":true}}`, map[string]permission.State{"chat.own": permission.Unset, "plugin.x": permission.Unset},
			map[string]permission.State{"chat.own": permission.Allowed, "plugin.x": permission.Allowed}},
		"the form says yes": {"0.8.12", `{"sharing":{}}`, map[string]permission.State{"sharing.public_tools": permission.Allowed, "sharing.public_models": permission.Denied},
			map[string]permission.State{"sharing.public_tools": permission.Unset}},
		"five categories": {"0.8.0", `{"access_grants":{"allow_users":false}}`, map[string]permission.State{"access_grants.allow_users": permission.Unset},
			map[string]permission.State{"access_grants.allow_users": permission.Denied}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openwebuitest.New(openwebuitest.Options{Version: c.version})
			id := s.AddAccount(openwebuitest.Account{Email: "a@example.org"})
			s.SetDefaultPermissions(json.RawMessage(c.stored))
			_, _, page, err := ask(t, s, http.MethodGet, defaults, "")
			if err != nil {
				t.Fatal(err)
			}
			for where, look := range map[string]struct {
				set  permission.Set
				want map[string]permission.State
			}{"the page": {flat(t, page), c.shown}, "their rights": {flat(t, askAs(t, s, id, own)), c.have}} {
				for key, want := range look.want {
					if got := look.set.State(key); got != want {
						t.Errorf("%s: %s is %q, want %q", where, key, got, want)
					}
				}
			}
		})
	}
}

func TestDefaultPermissionsNeedEveryCategory(t *testing.T) {
	t.Parallel()
	const path = "/api/v1/users/default/permissions"
	five := `{"workspace":{},"sharing":{},"chat":{"edit":false},"features":{},"settings":{}}`
	six := strings.Replace(five, `{"workspace"`, `{"access_grants":{},"workspace"`, 1)
	for version, want := range map[string]int{"0.8.0": http.StatusOK, "0.8.12": http.StatusUnprocessableEntity, "0.12.4": http.StatusUnprocessableEntity} {
		s := openwebuitest.New(openwebuitest.Options{Version: version})
		if status, _, body, err := ask(t, s, http.MethodPost, path, five); err != nil || status != want {
			t.Errorf("%s, five: %d %s %v", version, status, body, err)
		}
		if status, _, body, err := ask(t, s, http.MethodPost, path, six); err != nil || status != http.StatusOK || flat(t, body)["chat.edit"] || !flat(t, body)["chat.call"] {
			t.Errorf("%s, six: %d %s %v", version, status, body, err)
		}
		if set := flat(t, string(s.DefaultPermissions())); set["chat.edit"] || !set["chat.call"] {
			t.Errorf("%s: stored is %v", version, set)
		}
	}
}

func TestRightsAndGrantsComeFromParentsToo(t *testing.T) {
	t.Parallel()
	for version, inherits := range map[string]bool{"0.11.4": false, "0.12.4": true} {
		s := openwebuitest.New(openwebuitest.Options{Version: version})
		id := s.AddAccount(openwebuitest.Account{Email: "a@example.org"})
		top, middle, low := s.CreateGroup("top"), s.CreateGroup("middle"), s.CreateGroup("low")
		s.SetParent(low, middle)
		s.SetParent(middle, top)
		s.SetPermissions(top, json.RawMessage(`{"workspace":{"tools":true},"chat":null}`))
		s.SetPermissions(middle, json.RawMessage(`null`))
		s.SetPermissions(low, json.RawMessage(`{"workspace":{"tools":false,"prompts":true}}`))
		s.AddMembers(low, id)
		s.Share(openwebuitest.Resource{Type: "knowledge", ID: "k", Grants: []openwebuitest.Grant{{Kind: "group", ID: top, Permission: "read"}}})
		set := flat(t, askAs(t, s, id, "/api/v1/users/permissions"))
		if set["workspace.tools"] != inherits || !set["workspace.prompts"] || !set["chat.edit"] {
			t.Errorf("%s: %v", version, set)
		}
		if !sameTree(t, askAs(t, s, id, "/api/v1/users/permissions"), string(s.Permissions(id))) {
			t.Errorf("%s: the hand is told something else", version)
		}
		if sees := strings.Contains(askAs(t, s, id, "/api/v1/knowledge/"), `"id":"k"`); sees != inherits {
			t.Errorf("%s: sees what the top group may read: %t", version, sees)
		}
		s.DeleteGroup(top)
		if left := len(s.Grants("knowledge", "k")); (left == 0) != inherits {
			t.Errorf("%s: %d grants of the deleted group are left", version, left)
		}
	}
}

func sameTree(t *testing.T, a, b string) bool {
	t.Helper()
	x, y := flat(t, a), flat(t, b)
	return len(permission.Diff(x, y)) == 0
}

// TestModelsInTheChat follows what people may choose there.
func TestModelsInTheChat(t *testing.T) {
	t.Parallel()
	s := openwebuitest.New(openwebuitest.Options{})
	id := s.AddAccount(openwebuitest.Account{Email: "a@example.org"})
	see := func(account string) string {
		var list struct {
			Data []struct {
				ID string `json:"id"`
			} `json:"data"`
		}
		if err := json.Unmarshal([]byte(askAs(t, s, account, "/api/models")), &list); err != nil {
			t.Fatal(err)
		}
		ids := []string{}
		for _, m := range list.Data {
			ids = append(ids, m.ID)
		}
		slices.Sort(ids)
		return strings.Join(ids, " ")
	}
	public := []openwebuitest.Grant{{Kind: "user", ID: "*", Permission: "read"}}
	s.Share(openwebuitest.Resource{Type: "models", ID: "preset", Base: "a", Grants: public})
	if got := see(id); got != "" {
		t.Errorf("without a provider: %q", got)
	}
	s.OfferModels("a", "b", "c")
	s.Share(openwebuitest.Resource{Type: "models", ID: "b", Grants: public})
	s.Share(openwebuitest.Resource{Type: "models", ID: "c", Inactive: true, Grants: public})
	if person, admin := see(id), see(s.Admin); person != "b preset" || admin != "a b preset" {
		t.Errorf("a person sees %q, an administrator %q", person, admin)
	}
	s.SetAdminBypass(false)
	other := s.AddAccount(openwebuitest.Account{Email: "b@example.org", Role: "admin"})
	s.SetGrants("models", "b")
	if admin := see(other); admin != "a preset" {
		t.Errorf("an administrator with whom nothing is shared sees %q", admin)
	}
}

func TestSomebodySuspendedIsRefused(t *testing.T) {
	t.Parallel()
	s := openwebuitest.New(openwebuitest.Options{})
	id := s.AddAccount(openwebuitest.Account{Email: "a@example.org"})
	s.SetPassword(id, "secret-1")
	signIn := func(password string) (int, string) {
		status, _, body, err := ask(t, s, http.MethodPost, "/api/v1/auths/signin", fmt.Sprintf(`{"email":"A@example.org","password":%q}`, password))
		if err != nil {
			t.Fatal(err)
		}
		return status, body
	}
	if status, _ := signIn("wrong"); status != http.StatusBadRequest {
		t.Errorf("a wrong password: %d", status)
	}
	s.SetRole(id, "pending")
	status, body := signIn("secret-1")
	if status != http.StatusOK || len(s.Secrets(id)) != 2 {
		t.Errorf("somebody pending signs in: %d %s", status, body)
	}
	if status, _, _, err := ask(t, s, http.MethodGet, "/api/v1/users/permissions", "", "Authorization", "Bearer "+s.Token(id)); err != nil || status != http.StatusUnauthorized {
		t.Errorf("and is answered %d, %v", status, err)
	}
	backup := s.Backup()
	s.DeleteAccount(id)
	if len(s.Secrets(id)) != 0 {
		t.Error("a deleted account is still signed in")
	}
	s.Restore(backup)
	if len(s.Secrets(id)) != 3 {
		t.Errorf("the backup has %d secrets", len(s.Secrets(id)))
	}
}

// TestOldVersionsSayInsideWhoMayUseSomething is the form before 0.8.
func TestOldVersionsSayInsideWhoMayUseSomething(t *testing.T) {
	t.Parallel()
	s := openwebuitest.New(openwebuitest.Options{Version: "0.7.2"})
	for id, grants := range map[string][]openwebuitest.Grant{
		"public":  {{Kind: "user", ID: "*", Permission: "read"}},
		"private": nil,
		"shared":  {{Kind: "group", ID: "g", Permission: "read"}, {Kind: "user", ID: "u", Permission: "write"}},
	} {
		s.Share(openwebuitest.Resource{Type: "tools", ID: id, Grants: grants})
	}
	var list []struct {
		ID  string          `json:"id"`
		Old json.RawMessage `json:"access_control"`
	}
	if err := json.Unmarshal([]byte(askAs(t, s, s.Admin, "/api/v1/tools/list")), &list); err != nil || len(list) != 3 {
		t.Fatalf("%v, %v", list, err)
	}
	want := map[string]string{
		"public": "null", "private": `{"read":{"group_ids":[],"user_ids":[]},"write":{"group_ids":[],"user_ids":[]}}`,
		"shared": `{"read":{"group_ids":["g"],"user_ids":[]},"write":{"group_ids":[],"user_ids":["u"]}}`,
	}
	for _, r := range list {
		if string(r.Old) != want[r.ID] {
			t.Errorf("%s: %s", r.ID, r.Old)
		}
	}
	if status, _, _, err := ask(t, s, http.MethodPost, "/api/v1/tools/id/shared/access/update", `{"access_grants":[]}`); err != nil || status != http.StatusMethodNotAllowed {
		t.Errorf("grants alone: %d, %v", status, err)
	}
}
