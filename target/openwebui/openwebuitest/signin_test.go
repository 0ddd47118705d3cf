package openwebuitest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"groupsyncd/target/openwebui/openwebuitest"
)

// listener keeps the events that it is sent.
func listener(t *testing.T) (address string, next func() map[string]any) {
	t.Helper()
	got := make(chan map[string]any, 64)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		var event map[string]any
		if err != nil || json.Unmarshal(b, &event) != nil {
			t.Errorf("not an event: %s", b)
		}
		got <- event
	}))
	t.Cleanup(srv.Close)
	return srv.URL, func() map[string]any {
		select {
		case e := <-got:
			return e
		case <-t.Context().Done():
			return nil
		}
	}
}

func register(t *testing.T, s *openwebuitest.Server, address string, events ...string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"name": "test", "url": address, "events": events})
	if err != nil {
		t.Fatal(err)
	}
	if status, _, answer, err := ask(t, s, http.MethodPost, "/api/events/webhooks", string(body)); err != nil || status != 200 {
		t.Fatalf("register: %d %s %v", status, answer, err)
	}
}

func TestASignInSendsEvents(t *testing.T) {
	t.Parallel()
	s := openwebuitest.NewTest(t, openwebuitest.Options{})
	address, next := listener(t)
	s.AllowLocalFetch(true)
	register(t, s, address, "user.created")
	register(t, s, address, "auth.*")
	id, err := s.SignIn(openwebuitest.SignIn{Email: "Ada@Example.org", Provider: "oidc", Subject: "sub-ada"})
	if err != nil {
		t.Fatal(err)
	}
	events := map[string]map[string]any{}
	for range 2 {
		e := next()
		events[fmt.Sprint(e["event"])] = e
	}
	for name, data := range map[string]string{"user.created": "map[provider:oidc role:user]", "auth.login": "map[auth_method:oauth]"} {
		e := events[name]
		if e == nil || e["source"] != "oauth" || fmt.Sprint(e["subject"]) != "map[id:"+id+" type:user]" || fmt.Sprint(e["data"]) != data || e["id"] == "" {
			t.Errorf("%s: %v", name, e)
		}
	}
	if again, err := s.SignIn(openwebuitest.SignIn{Provider: "oidc", Subject: "sub-ada"}); err != nil || again != id {
		t.Errorf("a second sign-in is %s, %v", again, err)
	}
	if e := next(); e["event"] != "auth.login" {
		t.Errorf("%v", e)
	}
}

func TestASignInThatTheServerRefuses(t *testing.T) {
	t.Parallel()
	s := openwebuitest.NewTest(t, openwebuitest.Options{})
	s.AddAccount(openwebuitest.Account{ID: "local", Email: "ada@example.org"})
	for name, in := range map[string]openwebuitest.SignIn{
		"taken mail":  {Email: "ada@example.org", Provider: "oidc", Subject: "a"},
		"no mail":     {Provider: "oidc", Subject: "a"},
		"no subject":  {Email: "x@example.org", Provider: "oidc"},
		"no provider": {Email: "x@example.org", Subject: "a"},
	} {
		if id, err := s.SignIn(in); err == nil {
			t.Errorf("%s: signed in as %s", name, id)
		}
	}
	s.MergeByEmail(true)
	if id, err := s.SignIn(openwebuitest.SignIn{Email: "ADA@example.org", Provider: "oidc", Subject: "a"}); err != nil || id != "local" {
		t.Errorf("merged: %s, %v", id, err)
	}
}

func TestTenSessionsOfAProviderAreKept(t *testing.T) {
	t.Parallel()
	s := openwebuitest.NewTest(t, openwebuitest.Options{})
	s.MergeByEmail(true)
	var id string
	for i := range 13 {
		for _, provider := range []string{"oidc", "google"}[:1+i%2] {
			var err error
			if id, err = s.SignIn(openwebuitest.SignIn{Email: "ada@example.org", Provider: provider, Subject: "sub", Tokens: openwebuitest.Tokens{ID: fmt.Sprint("t", i)}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, _, body, err := ask(t, s, http.MethodGet, "/api/v1/users/"+id+"/oauth/sessions", "")
	if err != nil {
		t.Fatal(err)
	}
	var got []struct {
		Provider string
		Token    struct {
			ID string `json:"id_token"`
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	var oidc []string
	for _, v := range got {
		if v.Provider == "oidc" {
			oidc = append(oidc, v.Token.ID)
		}
	}
	if !slices.Equal(oidc, []string{"t3", "t4", "t5", "t6", "t7", "t8", "t9", "t10", "t11", "t12"}) || len(got) != 16 {
		t.Errorf("%d sessions, of oidc %v", len(got), oidc)
	}
}

func TestActivityMovesOncePerInterval(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	clock.Store(1_795_000_000)
	s := openwebuitest.NewTest(t, openwebuitest.Options{Now: func() time.Time { return time.Unix(clock.Load(), 0) }})
	id := s.AddAccount(openwebuitest.Account{Email: "ada@example.org"})
	old := s.AddAccount(openwebuitest.Account{Email: "old@example.org", ActiveAt: 5})
	active := func() int64 {
		for _, a := range s.Accounts() {
			if a.ID == id {
				return a.ActiveAt - 1_795_000_000
			}
		}
		return -1
	}
	var got []int64
	for _, pass := range []int64{0, 30, 29, 1, 59, 1} {
		clock.Add(pass)
		s.Visit(id)
		got = append(got, active())
	}
	if !slices.Equal(got, []int64{0, 0, 0, 60, 60, 120}) {
		t.Errorf("last_active_at moved to %v", got)
	}
	s.SetActiveEvery(0)
	clock.Add(1)
	s.Visit(id)
	if active() != 121 {
		t.Errorf("unthrottled: %d", active())
	}
	for direction, first := range map[string]string{"desc": id, "asc": old} {
		_, _, body, err := ask(t, s, http.MethodGet, "/api/v1/users/?page=1&order_by=last_active_at&direction="+direction, "")
		if at := strings.Index(body, `"id":`); err != nil || !strings.HasPrefix(body[at:], `"id":"`+first) && direction == "asc" {
			t.Errorf("%s: %s, %v", direction, body, err)
		}
		if direction == "desc" && strings.Index(body, id) > strings.Index(body, old) {
			t.Errorf("desc: %s", body)
		}
	}
}

func TestEventWebhooksArriveWithVersion010(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{"0.9.6": "text/html", "0.10.0": "application/json"} {
		s := openwebuitest.NewTest(t, openwebuitest.Options{Version: version})
		for _, path := range []string{"/api/events", "/api/events/webhooks"} {
			_, header, _, err := ask(t, s, http.MethodGet, path, "")
			if err != nil || !strings.HasPrefix(header.Get("Content-Type"), want) {
				t.Errorf("%s %s: %s, %v", version, path, header.Get("Content-Type"), err)
			}
		}
		if status, _, _, err := ask(t, s, http.MethodPost, "/api/events/webhooks", `{"url":"https://example.org"}`); err != nil || (status == 405) != (want == "text/html") {
			t.Errorf("%s: post is %d, %v", version, status, err)
		}
	}
}

func TestDeliveriesEndWithTheServer(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	came := make(chan struct{}, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		came <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(release) })
	s := openwebuitest.New(openwebuitest.Options{})
	s.AllowLocalFetch(true)
	s.SetWebhook(openwebuitest.Webhook{Name: "slow", URL: srv.URL, Enabled: true, Events: []string{"*"}})
	s.SetWebhook(openwebuitest.Webhook{Name: "off", URL: srv.URL, Events: []string{"*"}})
	s.SetWebhook(openwebuitest.Webhook{Name: "other", URL: srv.URL, Enabled: true, Events: []string{"group.*"}})
	if _, err := s.SignIn(openwebuitest.SignIn{Email: "ada@example.org", Provider: "oidc", Subject: "a"}); err != nil {
		t.Fatal(err)
	}
	<-came
	s.Close()
}
