package openwebuitest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"groupsyncd/target/openwebui/openwebuitest"
)

// ask sends a request as the administrator, over the socket when the server has one.
func ask(t testing.TB, s *openwebuitest.Server, method, path, body string, header ...string) (int, http.Header, string, error) {
	t.Helper()
	client, base := http.DefaultClient, s.URL
	if base == "" {
		client, base = &http.Client{Transport: s.Transport()}, "http://chat.example.org"
	}
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Key)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(b), err
}

// TestVersionsDiffer holds the table of what each version was seen to answer.
func TestVersionsDiffer(t *testing.T) {
	t.Parallel()
	type row struct {
		read, write, remove    int    // for a group that does not exist
		data                   string // after an update that names config only
		created                string // data of a new group
		emptyExport            string
		leaves                 int
		oldestFirst, parent    bool
		ownByAuths, xAPIKey    bool
		emptyRemoveBumps, scim bool
	}
	const whole, config = `{"config":{"share":false},"own":1}`, `{"config":{"share":false}}`
	const members = `{"config":{"share":"members"}}`
	for version, want := range map[string]row{
		"0.6.36": {401, 400, 200, "null", "null", "text/html", 33, false, false, true, false, true, false},
		"0.7.2":  {401, 400, 200, config, "null", "text/plain", 49, true, false, true, false, false, false},
		"0.8.0":  {401, 400, 200, config, "null", "application/json", 50, true, false, true, false, false, false},
		"0.8.12": {401, 400, 200, config, members, "application/json", 54, true, false, true, false, false, true},
		"0.9.0":  {401, 400, 200, config, members, "application/json", 55, true, false, true, true, false, true},
		"0.9.6":  {401, 400, 200, config, members, "application/json", 58, true, false, true, true, false, true},
		"0.10.2": {401, 400, 200, config, members, "application/json", 62, true, false, true, true, false, true},
		"0.11.4": {401, 400, 200, config, members, "application/json", 65, false, false, true, true, false, true},
		"0.12.0": {404, 404, 404, whole, members, "application/json", 65, false, true, false, true, true, true},
		"0.12.4": {404, 404, 404, whole, members, "application/json", 67, false, true, false, true, true, true},
	} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			now := time.Unix(1_795_000_000, 0)
			s := openwebuitest.New(openwebuitest.Options{Version: version, Now: func() time.Time { return now }})
			get := func(method, path, body string, header ...string) (int, http.Header, map[string]any) {
				status, h, text, err := ask(t, s, method, path, body, header...)
				if err != nil {
					t.Fatal(err)
				}
				var m map[string]any
				_ = json.Unmarshal([]byte(text), &m) // not every answer is an object
				return status, h, m
			}
			var have row
			const gone, form = "/api/v1/groups/id/gone", `{"name":"a","description":""}`
			have.read, _, _ = get("GET", gone, "")
			have.write, _, _ = get("POST", gone+"/users/add", `{"user_ids":[]}`)
			have.remove, _, _ = get("DELETE", gone+"/delete", "")
			_, _, g := get("POST", "/api/v1/groups/create", form)
			id := g["id"].(string)
			have.created = compact(t, g["data"])
			_, h, _ := get("GET", "/api/v1/groups/id/"+id+"/export", "")
			have.emptyExport, _, _ = strings.Cut(h.Get("Content-Type"), ";")
			_, _, _ = get("POST", "/api/v1/groups/id/"+id+"/update", `{"name":"a","description":"","data":{"own":1}}`)
			_, _, g = get("POST", "/api/v1/groups/id/"+id+"/update", `{"name":"a","description":"","data":{"config":{"share":false}}}`)
			have.data = compact(t, g["data"])
			_, have.parent = g["parent_group_id"]
			now = now.Add(time.Minute)
			_, _, g = get("POST", "/api/v1/groups/id/"+id+"/users/remove", `{"user_ids":[]}`)
			have.emptyRemoveBumps = g["updated_at"] == float64(now.Unix())
			s.AddAccount(openwebuitest.Account{Email: "late@example.org"})
			_, _, users := get("GET", "/api/v1/users/", "")
			first := users["users"].([]any)[0].(map[string]any)
			have.oldestFirst = first["email"] != "late@example.org"
			_, have.scim = first["scim"]
			_, _, tree := get("GET", "/api/v1/users/default/permissions", "")
			for _, v := range tree {
				have.leaves += len(v.(map[string]any))
			}
			status, _, _ := get("GET", "/api/v1/auths/", "")
			have.ownByAuths = status == 200
			status, _, _ = get("GET", "/api/v1/groups/", "", "Authorization", "", "X-Api-Key", s.Key)
			have.xAPIKey = status == 200
			if have != want {
				t.Errorf("have %+v\nwant %+v", have, want)
			}
		})
	}
}

func compact(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFaultsActAsOrdered(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]bool{"socket": true, "memory": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openwebuitest.New(openwebuitest.Options{})
			if start {
				s = openwebuitest.NewTest(t, openwebuitest.Options{})
			}
			id := s.CreateGroup("g")
			user := s.AddAccount(openwebuitest.Account{Email: "a@example.org"})
			add := "/api/v1/groups/id/" + id + "/users/add"
			body := fmt.Sprintf(`{"user_ids":[%q]}`, user)
			members := func() int { g, _ := s.Group(id); return len(g.Members) }

			s.Inject(openwebuitest.Fault{Method: "POST", Path: "/api/v1/groups/id/*/users/add", Times: 1, Drop: openwebuitest.DropBefore})
			if _, _, _, err := ask(t, s, "POST", add, body); err == nil || members() != 0 {
				t.Errorf("dropped before: %v, %d members", err, members())
			}
			s.Inject(openwebuitest.Fault{Path: add, Times: 1, Drop: openwebuitest.DropAfter})
			if _, _, _, err := ask(t, s, "POST", add, body); err == nil || members() != 1 {
				t.Errorf("dropped after: %v, %d members", err, members())
			}
			s.Inject(openwebuitest.Fault{Path: "/api/v1/groups/", Times: 1, Cut: true})
			if _, _, text, err := ask(t, s, "GET", "/api/v1/groups/", ""); err == nil || text == "" {
				t.Errorf("cut: %v, %q", err, text)
			}
			s.Inject(openwebuitest.Fault{Path: "/api/v1/groups/", Skip: 1, Times: 1, Status: 429, RetryAfter: "3"})
			var seen []int
			for range 3 {
				status, h, _, err := ask(t, s, "GET", "/api/v1/groups/", "")
				if err != nil || status == 429 && h.Get("Retry-After") != "3" {
					t.Errorf("%v %v", err, h)
				}
				seen = append(seen, status)
			}
			if !slices.Equal(seen, []int{200, 429, 200}) {
				t.Errorf("the second of three: %v", seen)
			}
			s.Inject(openwebuitest.Fault{HTML: true})
			if status, h, _, _ := ask(t, s, "GET", "/api/version", ""); status != 200 || !strings.HasPrefix(h.Get("Content-Type"), "text/html") {
				t.Errorf("%d %v", status, h)
			}
			s.Heal()
			if _, h, _, _ := ask(t, s, "GET", "/api/version", ""); h.Get("Content-Type") != "application/json" {
				t.Error("not healed")
			}
			reads, writes := s.Count()
			if reads != 6 || writes != 2 || len(s.Log()) != 8 || s.Log()[0].Status != 0 {
				t.Errorf("%d reads, %d writes, %v", reads, writes, s.Log())
			}
		})
	}
}

func TestAnAdministratorsHandMovesTheTimes(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_795_000_000, 0)
	s := openwebuitest.New(openwebuitest.Options{Now: func() time.Time { return now }})
	a, b := s.AddAccount(openwebuitest.Account{Email: "A@Example.org"}), s.AddAccount(openwebuitest.Account{Email: "b@example.org"})
	id := s.CreateGroup("g")
	for name, act := range map[string]func(){
		"add": func() { s.AddMembers(id, a, b, "nobody") }, "remove": func() { s.RemoveMembers(id, a) }, "rename": func() { s.RenameGroup(id, "h") },
		"permissions": func() { s.SetPermissions(id, json.RawMessage(`{}`)) },
	} {
		now = now.Add(time.Second)
		act()
		if g, _ := s.Group(id); g.UpdatedAt != now.Unix() {
			t.Errorf("%s left the time of change alone", name)
		}
	}
	s.AddMembers(id, a, b)
	backup := s.Backup()
	now = now.Add(time.Second)
	s.DeleteAccount(a)
	if g, _ := s.Group(id); g.UpdatedAt != now.Unix() || !slices.Equal(g.Members, []string{b}) {
		t.Errorf("after a deleted account: %+v", g)
	}
	s.DeleteGroup(id)
	s.Restore(backup)
	if g, ok := s.Group(id); !ok || len(g.Members) != 2 || s.Accounts()[1].Email != "a@example.org" {
		t.Errorf("after the restore: %+v", g)
	}
	if again := s.CreateGroup("h"); again == id {
		t.Error("an id was given out twice")
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := openwebuitest.New(openwebuitest.Options{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			u := s.AddAccount(openwebuitest.Account{Email: fmt.Sprintf("u%d@example.org", i)})
			g := s.CreateGroup("g")
			s.AddMembers(g, u)
			if status, _, _, err := ask(t, s, "GET", "/api/v1/groups/id/"+g+"/export", ""); status != 200 || err != nil {
				t.Errorf("%d %v", status, err)
			}
		})
	}
	wg.Wait()
	if len(s.Groups()) != 8 {
		t.Errorf("%d groups", len(s.Groups()))
	}
}

func TestALargeServerIsFastEnough(t *testing.T) {
	t.Parallel()
	s := openwebuitest.New(openwebuitest.Options{})
	ids := make([]string, 10_000)
	for i := range ids {
		ids[i] = s.AddAccount(openwebuitest.Account{Email: fmt.Sprintf("u%d@example.org", i)})
	}
	began := time.Now()
	for g := range 500 {
		id := s.CreateGroup(fmt.Sprintf("g%d", g))
		body, err := json.Marshal(map[string][]string{"user_ids": ids[g : g+100]})
		if err != nil {
			t.Fatal(err)
		}
		if status, _, _, err := ask(t, s, "POST", "/api/v1/groups/id/"+id+"/users/add", string(body)); status != 200 || err != nil {
			t.Fatal(status, err)
		}
	}
	for page := 1; page <= 334; page++ {
		if status, _, _, err := ask(t, s, "GET", fmt.Sprintf("/api/v1/users/?page=%d&order_by=created_at&direction=desc", page), ""); status != 200 || err != nil {
			t.Fatal(status, err)
		}
	}
	_, _, text, err := ask(t, s, "GET", "/api/v1/users/all", "")
	if err != nil || bytes.Count([]byte(text), []byte(`"email"`)) != 10_001 {
		t.Errorf("%v, %d bytes", err, len(text))
	}
	// A loose bound, only against something quadratic.
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s", took)
	} else {
		t.Logf("500 groups with 50,000 members written, 334 pages and one list of 10,000 read in %s", took)
	}
}
