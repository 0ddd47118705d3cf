package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/scimpush/scimpushtest"
	"groupsyncd/server"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

const pushToken = "canary-pushed-0123456789"

// plant is a town into whose source a provider brings people.
type plant struct {
	*town
	provider *scimpushtest.Provider
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	w := &plant{town: newTown(t)}
	w.write("token", pushToken)
	w.name("pushed", "file:token")
	return w
}

// name writes a configuration whose source has that name and token.
func (w *plant) name(source, token string) {
	w.Helper()
	w.write("groupsyncd.yaml", fmt.Sprintf(`state: state
sources:
  %s: {type: scim-push, token: %s}
targets:
  chat: {type: openwebui, url: %q, api_key: file:key, watch: off}
rules:
  - {name: all, match: "*"}
server: {public: {listen: "127.0.0.1:0"}, admin: {listen: "127.0.0.1:0"}}
`, source, token, w.chat.URL))
}

// company is a world of the people of the town, some of whom are in Sales.
func (w *plant) company(sales ...string) providertest.World {
	var out providertest.World
	for name := range strings.SplitSeq(strings.Trim(members, "[]"), ", ") {
		out.Users = append(out.Users, providertest.User{ID: name, Username: name, Email: name + "@example.org", Name: name})
	}
	out.Groups = []providertest.Group{{ID: "sales", Name: "Sales", Members: sales}}
	return out
}

// daemon is a daemon with a provider that knows it.
type daemon18 struct {
	app    *App
	client *server.Client
	stop   func()
}

// begin runs a daemon until stop is called.
func (w *plant) begin() *daemon18 {
	w.Helper()
	file := filepath.Join(w.dir, "groupsyncd.yaml")
	cfg, err := Load(file)
	must(w.T, err)
	a, err := New(w.Context(), w.options(file, cfg))
	must(w.T, err)
	ctx, stop := context.WithCancel(w.Context())
	done := make(chan error, 1)
	before := w.hall()
	go func() { done <- a.Serve(ctx, nil) }()
	d := &daemon18{app: a, stop: func() {
		stop()
		if err := errors.Join(<-done, a.Close()); err != nil {
			w.Error(err)
		}
	}}
	w.until("the daemon answers", func() bool {
		d.client, err = server.Dial(w.Context(), filepath.Join(w.dir, "state"))
		must(w.T, err)
		return d.client != nil && w.hall() != before
	})
	base := "http://" + w.hall() + "/scim/" + cfg.Sources[0].Name + "/v2"
	if w.provider == nil {
		w.provider = &scimpushtest.Provider{Client: http.DefaultClient, Token: pushToken}
	}
	w.provider.Base = base
	return d
}

func (w *plant) standing(c *server.Client) *engine.SourceStatus {
	w.Helper()
	s, err := c.Status(w.Context())
	must(w.T, err)
	return &s.Sources[0]
}

// TestAProviderIsFollowed from its first request to the group in Open WebUI: joins at once,
// nothing taken away before all is there, and then within a second.
func TestAProviderIsFollowed(t *testing.T) {
	t.Parallel()
	w := newPlant(t)
	d := w.begin()
	w.provider.Bring(t, w.company("ana", "bo", "chloe", "dmitri", "emre"))
	w.until("joins are given at once", func() bool { return w.size("Sales") == 5 })
	w.provider.Bring(t, w.company("ana", "bo", "chloe", "dmitri"))
	r, err := d.client.Run(t.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply}, nil)
	must(t, err)
	if s := r.Sources[0]; r.Exit != run.ExitSource || s.Coverage != "partial" || !strings.Contains(s.Reason, "waiting for the provider") || s.Hint == "" || w.size("Sales") != 5 {
		t.Errorf("before the end of the first round: exit %d, %+v, %d in Sales", r.Exit, s, w.size("Sales"))
	}
	if s := w.standing(d.client); s.Quarantine != nil || s.Failing != 0 || s.Provisioned == nil || s.Provisioned.Complete || s.Provisioned.Product != "scimpushtest/1.0" {
		t.Errorf("%+v", s)
	}
	must(t, d.client.AcceptSource(t.Context(), "pushed", ""))
	w.until("who had left goes", func() bool { return w.size("Sales") == 4 })
	if err := d.client.AcceptSource(t.Context(), "pushed", ""); fault.KindOf(err) != fault.Invalid {
		t.Errorf("accepted twice: %v", err)
	}

	began := time.Now()
	w.provider.Ask(t, "PATCH", "/Groups/"+w.provider.ID("sales"), map[string]any{"Operations": []any{map[string]any{"op": "Remove", "path": `members[value eq "` + w.provider.ID("bo") + `"]`}}})
	w.until("a member is taken out", func() bool { return w.size("Sales") == 3 })
	t.Logf("a member went after %s", time.Since(began))
	w.provider.Ask(t, "PATCH", "/Users/"+w.provider.ID("ana"), map[string]any{"Operations": []any{map[string]any{"op": "Replace", "value": map[string]any{"active": "False"}}}})
	w.until("somebody disabled goes", func() bool { return w.size("Sales") == 2 })
	w.provider.Ask(t, "DELETE", "/Users/"+w.provider.ID("chloe"), nil)
	w.until("somebody deleted goes", func() bool { return w.size("Sales") == 1 })
	w.until("each of them was a run of that person", func() bool {
		runs, err := d.client.History(t.Context(), 20)
		must(t, err)
		pushed := 0
		for _, r := range runs {
			if r.Trigger == run.Push && r.User != "" {
				pushed++
			}
		}
		return pushed >= 3
	})
	d.stop()

	// A daemon that is started anew, with another name of the source, knows it all.
	w.name("azure", "file:token")
	d = w.begin()
	if s := w.standing(d.client); !s.Provisioned.Complete || s.Provisioned.Users != 4 || s.Provisioned.Members != 2 {
		t.Errorf("after a restart: %+v", s.Provisioned)
	}
	if a := w.provider.Ask(t, "GET", "/Users/"+w.provider.ID("ana"), nil); a.Status != 200 || a.Body["active"] != false {
		t.Errorf("%d %v", a.Status, a.Body)
	}
	d.stop()
	if strings.Contains(w.log.String(), "canary") {
		t.Error("a secret is in the log")
	}
}

// TestARestoredStateWaitsForTheProvider is scenario 18: what a backup says of a source that its
// provider fills may be long over, and nothing but the provider can say so.
func TestARestoredStateWaitsForTheProvider(t *testing.T) {
	t.Parallel()
	for name, restore := range map[string]func(w *plant, backup string){
		"by the command": func(w *plant, backup string) {
			cfg, err := Load(filepath.Join(w.dir, "groupsyncd.yaml"))
			must(w.T, err)
			_, err = RestoreState(w.Context(), StateOptions{Config: cfg, Logger: w.options("", cfg).Logger, LockTimeout: -1, Now: w.now}, backup, "", "me")
			must(w.T, err)
		},
		"by hand": func(w *plant, backup string) {
			data := read(w.T, backup)
			w.write("state/state.db", data)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPlant(t)
			d := w.begin()
			w.provider.Bring(t, w.company("ana", "bo", "chloe"))
			must(t, d.client.AcceptSource(t.Context(), "pushed", ""))
			w.until("the first people", func() bool { return w.size("Sales") == 3 })
			w.until("the source is read", func() bool { return w.standing(d.client).Coverage == "full" })
			made, err := d.client.BackupState(t.Context(), filepath.Join(w.dir, "old.db"), "")
			must(t, err)
			// After the backup ana leaves and dmitri joins.
			w.provider.Bring(t, w.company("bo", "chloe", "dmitri"))
			w.until("who leaves goes and who joins comes", func() bool { return w.size("Sales") == 3 && !w.in("Sales", "ana") && w.in("Sales", "dmitri") })
			sync1(w.town, d.client, run.Request{})
			d.stop()
			restore(w, made.Path)

			d = w.begin()
			sync1(w.town, d.client, run.Request{}) // It may be the one that finds out.
			for range 2 {
				r := sync1(w.town, d.client, run.Request{})
				if s := r.Sources[0]; r.Exit != run.ExitSource || s.Coverage != "none" || r.Targets[0].Summary.MembersAdded > 0 {
					t.Errorf("after the restore: exit %d, %+v", r.Exit, s)
				}
			}
			if w.in("Sales", "ana") || !w.in("Sales", "dmitri") {
				t.Fatal("an old backup decided who is in Sales")
			}
			s := w.standing(d.client)
			if p := s.Provisioned; p.Complete || p.Generation != 2 || p.FormerUsers != 5 || p.Users != 0 || p.Members != 0 || !strings.Contains(p.Waiting, "0 of 5 users, 0 of 1 groups, 0 of 3 memberships") ||
				!strings.Contains(p.Hint, "groupsyncd source accept pushed") {
				t.Errorf("%+v", p)
			}
			if s.Quarantine != nil {
				t.Error("a source that waits is in quarantine")
			}
			// The provider begins anew: it searches, finds nobody, and brings everything.
			ids := map[string]string{"ana": w.provider.ID("ana"), "sales": w.provider.ID("sales")}
			if a := w.provider.Ask(t, "GET", "/Users?filter=userName+eq+%22ana%22", nil); a.Body["totalResults"] != 0.0 {
				t.Errorf("who is not confirmed is found: %v", a.Body)
			}
			again := &scimpushtest.Provider{Client: w.provider.Client, Token: pushToken, Base: w.provider.Base}
			again.Bring(t, w.company("bo", "chloe", "dmitri"))
			if again.ID("ana") != ids["ana"] || again.ID("sales") != ids["sales"] {
				t.Error("ids have changed")
			}
			must(t, d.client.AcceptSource(t.Context(), "pushed", ""))
			w.until("the source counts again", func() bool { return w.standing(d.client).Coverage == "full" })
			if w.in("Sales", "ana") || !w.in("Sales", "dmitri") {
				t.Error("the wrong people are in Sales")
			}
			again.Bring(t, w.company("bo", "dmitri"))
			w.until("the next one who leaves goes", func() bool { return !w.in("Sales", "chloe") })
			d.stop()
		})
	}
}

// in reports whether somebody is in a group of Open WebUI.
func (w *plant) in(group, who string) bool {
	for _, a := range w.chat.Accounts() {
		if a.Email != who+"@example.org" {
			continue
		}
		for _, g := range w.chat.Groups() {
			for _, m := range g.Members {
				if g.Name == group && m == a.ID {
					return true
				}
			}
		}
	}
	return false
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	must(t, err)
	return string(data)
}
