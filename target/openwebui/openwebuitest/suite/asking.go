package suite

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"groupsyncd/permission"
)

// password is that of every account that the suite makes by hand.
const password = "Long-password-1"

// person is an account that the suite can ask as.
type person struct{ id, email, token string }

// person makes an account and signs it in.
func (w *World) person(t *testing.T, name string) person {
	t.Helper()
	p := person{id: w.account(t, name), email: w.Prefix + name + "@example.test"}
	var made struct {
		Token string `json:"token"`
	}
	body := w.must(t, http.MethodPost, "/api/v1/auths/signin", fmt.Sprintf(`{"email":%q,"password":%q}`, p.email, password))
	if err := json.Unmarshal(body, &made); err != nil || made.Token == "" {
		t.Fatalf("sign in %s: %s", p.email, body)
	}
	p.token = made.Token
	return p
}

// ask reads a path as somebody and gives the status.
func (w *World) ask(t *testing.T, p person, path string, into any) int {
	t.Helper()
	return w.send(t, p, http.MethodGet, path, "", into)
}

// send sends a request as somebody and gives the status.
func (w *World) send(t *testing.T, p person, method, path, body string, into any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusOK && into != nil {
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatalf("%s: %s", path, b)
		}
	}
	return resp.StatusCode
}

// rights asks somebody what they may do.
func (w *World) rights(t *testing.T, p person) permission.Set {
	t.Helper()
	var tree json.RawMessage
	if status := w.ask(t, p, "/api/v1/users/permissions", &tree); status != http.StatusOK {
		t.Fatalf("%s asks for their permissions: %d", p.email, status)
	}
	set, _, err := permission.Flatten(tree)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// sees reports whether a list shows somebody a thing.
func (w *World) sees(t *testing.T, p person, path, id string) bool {
	t.Helper()
	var body json.RawMessage
	if status := w.ask(t, p, path, &body); status != http.StatusOK {
		t.Fatalf("%s asks %s: %d", p.email, path, status)
	}
	type thing struct {
		ID string `json:"id"`
	}
	var page struct {
		Items []thing `json:"items"`
	}
	var list []thing
	if json.Unmarshal(body, &list) != nil {
		if err := json.Unmarshal(body, &page); err != nil {
			t.Fatalf("%s: %s", path, body)
		}
		list = page.Items
	}
	return slices.Contains(list, thing{id})
}
