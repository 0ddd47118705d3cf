package suite

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/sync/plan"
	"groupsyncd/target/openwebui"
)

// impatient gives a client that does not wait before it tries again.
func (w *World) impatient(t *testing.T) *openwebui.Client {
	return w.Client(t, func(o *openwebui.Options) {
		o.Retry = httpx.Retry{Tries: 2, First: time.Millisecond, Max: time.Millisecond, Break: 1000}
	})
}

func (w *World) roles(t *testing.T) {
	ctx := t.Context()
	s := w.impatient(t).Session()
	p := w.person(t, "role")
	a := plan.Account{ID: p.id, Email: p.email, Role: plan.RoleUser}
	for _, c := range []struct {
		role   string
		status int
	}{{plan.RolePending, http.StatusUnauthorized}, {plan.RoleUser, http.StatusOK}, {plan.RoleAdmin, http.StatusOK}, {plan.RoleUser, http.StatusOK}} {
		after, err := s.SetRole(ctx, a, c.role)
		if err != nil || after.Role != c.role || after.ID != a.ID {
			t.Fatalf("set %s: %+v, %v", c.role, after, err)
		}
		v, err := s.Account(ctx, a.ID, true)
		if err != nil || v.Role != c.role || v.Name != "role" || v.Email != p.email {
			t.Errorf("after %s the server has %+v, %v", c.role, v, err)
		}
		if status := w.ask(t, p, "/api/v1/users/permissions", nil); status != c.status {
			t.Errorf("with role %s a living sign-in is answered %d", c.role, status)
		}
	}
	if _, err := s.SetRole(ctx, a, "owner"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a role that does not exist: %v", err)
	}
	if _, err := s.SetRole(ctx, plan.Account{ID: "no-such-account"}, plan.RoleUser); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an account that does not exist: %v", err)
	}
	if _, err := s.SetRole(ctx, plan.Account{ID: w.primary(t)}, plan.RoleUser); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
		t.Errorf("the primary administrator: %v", err)
	}
}

// primary gives the id of the oldest account.
func (w *World) primary(t *testing.T) string {
	t.Helper()
	var page struct {
		Users []struct {
			ID string `json:"id"`
		} `json:"users"`
	}
	body := w.must(t, http.MethodGet, "/api/v1/users/?page=1&order_by=created_at&direction=asc", "")
	if err := json.Unmarshal(body, &page); err != nil || len(page.Users) == 0 {
		t.Fatalf("oldest account: %s", body)
	}
	return page.Users[0].ID
}

func (w *World) observesRoles(t *testing.T) {
	c := w.Client(t, nil)
	id := w.account(t, "observed")
	m := plan.NewMemory("chat", "suite", time.Now())
	w.look(t, c, m, false)
	if _, err := c.Session().SetRole(t.Context(), plan.Account{ID: id}, plan.RolePending); err != nil {
		t.Fatal(err)
	}
	s := c.Session()
	o, err := s.Observe(t.Context(), m.Mirror, plan.Look{Roles: true})
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := s.Spent(); !w.Changing && n > 6 {
		t.Errorf("a look at roles cost %d requests", n)
	}
	m.Observe(o)
	if n, _ := m.Mirror.Number(id); m.Mirror.Account(n).Role != plan.RolePending || m.Mirror.Account(n).CreatedAt == 0 {
		t.Errorf("the mirror has %+v", m.Mirror.Account(n))
	}
}

func (w *World) revokes(t *testing.T) {
	s := w.Client(t, nil).Session()
	p := w.person(t, "revoked")
	done, err := s.RevokeSessions(t.Context(), p.id)
	if err != nil {
		t.Fatal(err)
	}
	if status := w.ask(t, p, "/api/v1/users/permissions", nil); done != (status == http.StatusUnauthorized) {
		t.Errorf("revoked: %t, then a living sign-in is answered %d", done, status)
	}
	t.Logf("sessions can be revoked: %t", done)
}

func (w *World) createsAccounts(t *testing.T) {
	ctx := t.Context()
	s := w.Client(t, nil).Session()
	for _, role := range []string{plan.RolePending, plan.RoleUser} {
		spec := plan.AccountSpec{Email: w.Prefix + "New." + role + "@example.test", Name: "New ü", Role: role}
		a, err := s.CreateAccount(ctx, spec)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Drop(http.MethodDelete, "/api/v1/users/"+a.ID) })
		if a.ID == "" || a.Role != role || a.Name != "New ü" || a.CreatedAt == 0 || a.Email != w.Prefix+"new."+role+"@example.test" {
			t.Errorf("made: %+v", a)
		}
		if _, err := s.CreateAccount(ctx, spec); fault.KindOf(err) != fault.Conflict {
			t.Errorf("a taken mail address: %v", err)
		}
	}
	if _, err := s.CreateAccount(ctx, plan.AccountSpec{Email: "no address", Role: plan.RoleUser}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("no mail address: %v", err)
	}
	if _, err := s.CreateAccount(ctx, plan.AccountSpec{Email: w.Prefix + "admin@example.test", Role: plan.RoleAdmin}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("an administrator: %v", err)
	}
}

func (w *World) readsSettings(t *testing.T) {
	got, err := w.Client(t, nil).Session().Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !w.has(t, oauthSettings) { // unknown is not off
		if got.DefaultRole != plan.RoleUser || got.RoleSync != nil || got.MergeByEmail != nil {
			t.Errorf("settings: %+v", got)
		}
		return
	}
	if got.DefaultRole != plan.RoleUser || got.RoleSync == nil || *got.RoleSync || got.MergeByEmail == nil || *got.MergeByEmail {
		t.Errorf("settings: %s", fmt.Sprintf("%+v", got))
	}
}
