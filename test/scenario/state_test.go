package scenario

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	dir "groupsyncd/directory"
	"groupsyncd/state"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// between is a context that the engine asks outside its locks, before it plans and
// between any two of its batches; at the nth question something happens.
type between struct {
	context.Context
	n  int
	do func()
}

func (b *between) Err() error {
	if b.n--; b.n == 0 {
		b.do()
	}
	return nil
}

// TestALoginBetweenBatchesOverTheRealState has somebody sign in at every gap of a full
// run, kept in the real store, and starts again from that store afterwards.
func TestALoginBetweenBatchesOverTheRealState(t *testing.T) {
	t.Parallel()
	for gap := 1; gap <= 6; gap++ {
		t.Run(fmt.Sprintf("gap %d", gap), func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			clock := enginetest.NewClock(time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC))
			web := enginetest.NewOpenWebUI(clock, &enginetest.Power{})
			corp := enginetest.NewDirectory(clock)
			source := enginetest.NewSource(corp, clock)
			for _, who := range []string{"ann", "bob", "cid"} {
				corp.SetUser(dir.User{ID: who, Username: who, Email: who + "@x.org"})
				web.SignUp("account-"+who, who+"@x.org", nil)
			}
			corp.SetGroup(enginetest.TrueGroup{ID: "eng", Name: "eng", Members: map[string]bool{"ann": true, "bob": true}})
			corp.SetGroup(enginetest.TrueGroup{ID: "ops", Name: "ops", Members: map[string]bool{"ann": true, "cid": true}})
			db := open(t, folder, clock)
			e := over(t, db, clock, web, source)
			ctx := &between{Context: t.Context(), n: gap, do: func() {
				clock.Add(time.Second)
				corp.Edit("eng", func(g *enginetest.TrueGroup) { g.Members["cid"] = true })
				corp.Edit("ops", func(g *enginetest.TrueGroup) { delete(g.Members, "cid") })
				if _, err := e.Run(t.Context(), run.Request{Trigger: run.Webhook, Mode: run.Apply, User: "cid@x.org"}); err != nil {
					t.Errorf("login: %v", err)
				}
			}}
			if _, err := e.Run(ctx, run.Request{Trigger: run.Schedule, Mode: run.Apply}); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = open(t, folder, clock)
			defer func() { _ = db.Close() }()
			e = over(t, db, clock, web, source)
			clock.Add(time.Minute)
			report, err := e.Run(t.Context(), run.Request{Trigger: run.Schedule, Mode: run.Apply})
			if err != nil {
				t.Fatal(err)
			}
			if report.Exit != run.ExitOK || len(web.Named("eng")) != 1 || len(web.Named("ops")) != 1 {
				t.Fatalf("exit %d, groups %v", report.Exit, web.Groups())
			}
			if eng, ops := web.Members(web.Named("eng")[0]), web.Members(web.Named("ops")[0]); len(eng) != 3 || !slices.Equal(ops, []string{"account-ann"}) {
				t.Errorf("eng %v, ops %v", eng, ops)
			}
		})
	}
}

func open(t *testing.T, folder string, clock *enginetest.Clock) *state.DB {
	t.Helper()
	db, err := state.Open(t.Context(), state.Options{Dir: folder, NoSync: true, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func over(t *testing.T, db *state.DB, clock *enginetest.Clock, web *enginetest.OpenWebUI, source *enginetest.Source) *engine.Engine {
	t.Helper()
	r, err := mapping.Compile(mapping.Spec{Name: "all", Match: mapping.Match{Names: []string{"*"}}, To: mapping.DefaultTo, Create: "true", Adopt: []string{"name"}, Members: "owned"})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	e, err := engine.New(engine.Options{Logger: slog.New(slog.DiscardHandler), Now: clock.Now, Ledger: db, Journal: db, Runs: db, Audit: db,
		NewID: func() string { n++; return fmt.Sprintf("%d-%04d", clock.Now().Unix(), n) },
		Setup: engine.Setup{Rules: []*mapping.Rule{r}, Limits: plan.Limits{MaxPeople: plan.LimitOff(), MaxPeople24h: plan.LimitOff(), MaxGroupLoss: plan.LimitOff(), MaxNewGroups: plan.LimitOff(), MaxSourceShrink: plan.LimitOff()},
			Sources: []engine.Source{{ID: "corp", Name: "corp", Provider: source, MaxAge: time.Hour, Grace: replica.Grace{Reads: 2, Over: 15 * time.Minute}}},
			Targets: []engine.TargetSetup{{Name: "chat", Open: web.Open, Match: []string{"email"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestStoriesAreReadStrictly(t *testing.T) {
	t.Parallel()
	good := "about: a\nsources: {corp: {}}\nrules: [{name: r, match: x}]\nsteps: [{run: all}]\n"
	for text, ok := range map[string]bool{
		good:                        true,
		good + "stops: []\n":        false,
		"about: a\nsteps: []\n":     false,
		good + "logins: maybe\n":    false,
		"steps: [{run: all, x: 1}]": false,
	} {
		path := filepath.Join(t.TempDir(), "story.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := load(path); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
