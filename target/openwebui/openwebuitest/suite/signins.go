package suite

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/target/openwebui"
)

// noticesNewcomers checks that an account that was made since the last look is noticed, by
// one request for each look.
func (w *World) noticesNewcomers(t *testing.T) {
	c := w.Client(t, nil)
	before := w.account(t, "before")
	watch := c.SignIns(openwebui.SignInOptions{Sessions: true})
	if found, err := watch.Look(t.Context()); err != nil || len(found) != 0 {
		t.Fatalf("first look: %v, %v", found, err)
	}
	w.Wait(1100 * time.Millisecond)
	fresh := w.account(t, "fresh")
	found, err := watch.Look(t.Context())
	if err != nil || !slices.Contains(found, openwebui.Noticed{Account: fresh, Why: openwebui.First}) ||
		slices.ContainsFunc(found, func(n openwebui.Noticed) bool { return n.Account == before }) {
		t.Errorf("noticed %v, %v; want %s and not %s", found, err, fresh, before)
	}
	if again, err := watch.Look(t.Context()); err != nil || slices.ContainsFunc(again, func(n openwebui.Noticed) bool { return n.Account == fresh }) {
		t.Errorf("a second time: %v, %v", again, err)
	}
	if _, err := watch.Check(t.Context()); err != nil {
		t.Errorf("sessions: %v", err)
	}
}

// ordersByActivity checks that accounts come in the order of their activity, both ways.
func (w *World) ordersByActivity(t *testing.T) {
	w.account(t, "idle")
	for direction, sign := range map[string]int64{"desc": -1, "asc": 1} {
		var page struct {
			Users []struct {
				ActiveAt *int64 `json:"last_active_at"`
			}
		}
		if err := json.Unmarshal(w.must(t, http.MethodGet, "/api/v1/users/?page=1&order_by=last_active_at&direction="+direction, ""), &page); err != nil {
			t.Fatal(err)
		}
		var last int64
		for i, u := range page.Users {
			if u.ActiveAt == nil || *u.ActiveAt == 0 {
				t.Fatalf("%s: account %d was never active", direction, i)
			}
			if i > 0 && sign*(*u.ActiveAt-last) < 0 {
				t.Errorf("%s: %d after %d", direction, *u.ActiveAt, last)
			}
			last = *u.ActiveAt
		}
	}
}

// readsSessions checks what is said of accounts that never signed in through a provider.
func (w *World) readsSessions(t *testing.T) {
	r := w.Client(t, nil).Sessions()
	id := w.account(t, "local")
	for _, account := range []string{id, "no-such-account"} {
		if got, err := r.Of(t.Context(), "oidc", account); err != nil || len(got) != 0 {
			t.Errorf("sessions of %s: %v, %v", account, got, err)
		}
	}
	if _, err := r.Providers(t.Context()); err != nil {
		t.Errorf("providers: %v", err)
	}
	err := r.SignedIn(t.Context(), "oidc", func(who providers.SignedIn) error {
		if who.Account == id || who.Subject == "" {
			t.Errorf("signed in: %+v", who)
		}
		return nil
	})
	if err != nil {
		t.Errorf("everybody: %v", err)
	}
	for _, who := range []directory.Person{{Account: id}, {Account: "no-such-account"}, {Email: w.Prefix + "local@example.test"}, {ID: "no such subject"}} {
		if found, err := r.Find(t.Context(), "oidc", who); fault.KindOf(err) != fault.NotFound {
			t.Errorf("find %+v: %+v, %v", who, found, err)
		}
	}
}

// setsUpEvents checks that our event webhook comes, changes and goes. The server must be
// allowed to call private addresses.
func (w *World) setsUpEvents(t *testing.T) {
	c := w.Client(t, nil)
	h := &openwebui.EventHook{Name: w.Prefix + "hook", Address: "http://127.0.0.1:9/hooks/" + w.Prefix + "hook", Secrets: []secret.Value{secret.New("first-secret")}}
	if status, header, _ := w.Raw(t, http.MethodGet, "/api/events", ""); header.Get("Content-Type") != "application/json" || status != http.StatusOK {
		if _, err := c.SetUpEvents(t.Context(), h); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("a version without events: %v", err)
		}
		return
	}
	step := func(want string) {
		t.Helper()
		if done, err := c.SetUpEvents(t.Context(), h); err != nil || done.State != want || len(done.Events) != 3 {
			t.Errorf("want %s: %+v, %v", want, done, err)
		}
	}
	step("created")
	step("unchanged")
	h.Secrets = []secret.Value{secret.New("second-secret")}
	step("updated")
	step("unchanged")
	h.Address = "http://127.0.0.1:10/hooks/" + w.Prefix + "hook"
	step("updated")
	step("unchanged")
	for _, want := range []string{"removed", "absent"} {
		if done, err := c.RemoveEvents(t.Context(), h); err != nil || done.State != want {
			t.Errorf("want %s: %+v, %v", want, done, err)
		}
	}
}
