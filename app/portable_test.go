package app

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"groupsyncd/internal/secret"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
	"groupsyncd/target/openwebui"
	"groupsyncd/target/openwebui/openwebuitest"

	diff "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// site is an Open WebUI with an engine that has no rules.
type site struct {
	chat *openwebuitest.Server
	*engine.Engine
	store *enginetest.Store
}

func newSite(t *rapid.T, version string, limits plan.Limits) *site {
	at := int64(1_795_000_000)
	now := func() time.Time { at += 3; return time.Unix(at, 0) }
	s := &site{chat: openwebuitest.New(openwebuitest.Options{Version: version, Key: apiKey, Now: now})}
	c, err := openwebui.New(openwebui.Options{Name: "chat", URL: "http://chat.example.org", Transport: s.chat.Transport(), Now: now, NeedSubjects: true,
		APIKey: func() (secret.Value, error) { return secret.New(apiKey), nil }})
	if err != nil {
		t.Fatal(err)
	}
	s.store = enginetest.NewStore(now)
	runs := 0
	s.Engine, err = engine.New(engine.Options{Logger: slog.New(slog.DiscardHandler), Now: now, NewID: func() string { runs++; return fmt.Sprintf("run-%d", runs) },
		Ledger: s.store, Journal: s.store, Runs: s.store, Audit: s.store,
		Setup: engine.Setup{Limits: limits, Targets: []engine.TargetSetup{{Name: "chat", Match: []string{"email"}, Open: func() engine.Target { return c.Session() }}}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func unlimited() plan.Limits {
	off := plan.LimitOff()
	return plan.Limits{MaxPeople: off, MaxPeople24h: off, MaxGroupLoss: off, MaxDemotions: off, MaxNewAdmins: off, MaxCuts: off, MaxNewGroups: off, MaxSourceShrink: off, ApprovalTTL: time.Hour}
}

// fill puts people and things to share there; ids of accounts and knowledge differ from
// server to server.
func (s *site) fill(shift int) (accounts []string, things map[string]string) {
	for range shift {
		s.chat.DeleteAccount(s.chat.AddAccount(openwebuitest.Account{Email: "gone@example.org"}))
		s.chat.DeleteGroup(s.chat.CreateGroup("gone"))
	}
	for n := range 5 {
		accounts = append(accounts, s.chat.AddAccount(openwebuitest.Account{Email: fmt.Sprintf("p%d@example.org", n)}))
	}
	things = map[string]string{plan.Models: "gpt", plan.Knowledge: s.chat.Share(openwebuitest.Resource{Type: plan.Knowledge, Name: "Handbook"})}
	s.chat.Share(openwebuitest.Resource{Type: plan.Models, ID: "gpt", Name: "GPT"})
	return accounts, things
}

// groups puts drawn groups there.
func (s *site) groups(t *rapid.T) {
	accounts, things := s.fill(0)
	names := rapid.SampledFrom([]string{"A", "B", "Ünï <&>", "C"})
	trees := rapid.SampledFrom([]string{"null", "{}", `{"chat":{"call":true}}`, `{"chat":{"call":false,"limit":3},"new":{"deep":{"er":true}},"odd":null,"n":1.50}`,
		`{"workspace":{"models":true,"knowledge":false},"sharing":{},"chat":{},"features":{"web_search":true}}`})
	data := rapid.SampledFrom([]string{"null", "{}", `{"config":{"share":"members"}}`, `{"config":{"share":false,"default_models":["gpt"],"x":[1,2.50]},"own":{"a":null}}`, `{"own":true}`,
		`{"config":{"share":true},"groupsyncd":{"instance":"other","rule":"r","serial":7}}`})
	var ids []string
	for range rapid.IntRange(0, 6).Draw(t, "groups") {
		id := s.chat.CreateGroup(names.Draw(t, "name"))
		s.chat.Describe(id, rapid.SampledFrom([]string{"", "text", "two\nlines"}).Draw(t, "description"))
		s.chat.SetPermissions(id, json.RawMessage(trees.Draw(t, "tree")))
		s.chat.SetData(id, json.RawMessage(data.Draw(t, "data")))
		s.chat.SetMeta(id, json.RawMessage(`{"m":1}`))
		s.chat.AddMembers(id, rapid.SliceOfDistinct(rapid.SampledFrom(accounts), rapid.ID).Draw(t, "members")...)
		if len(ids) > 0 && rapid.Bool().Draw(t, "below") {
			s.chat.SetParent(id, rapid.SampledFrom(ids).Draw(t, "parent"))
		}
		ids = append(ids, id)
	}
	for _, kind := range []string{plan.Models, plan.Knowledge} {
		var grants []openwebuitest.Grant
		for _, id := range ids {
			for _, permission := range []string{plan.Read, plan.Write} {
				if rapid.Bool().Draw(t, "shared") {
					grants = append(grants, openwebuitest.Grant{Kind: plan.KindGroup, ID: id, Permission: permission})
				}
			}
		}
		s.chat.SetGrants(kind, things[kind], grants...)
	}
}

func (s *site) export(t *rapid.T) []byte {
	raw, err := s.Export(t.Context(), run.ExportRequest{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// plain is an export in words that do not differ from server to server: without what no call
// can write, people by their mail addresses, parents and things by their names.
func plain(t *rapid.T, file []byte) []string {
	var groups []map[string]any
	if err := json.Unmarshal(file, &groups); err != nil {
		t.Fatal(err)
	}
	byID := map[string]map[string]any{}
	for _, g := range groups {
		byID[g["id"].(string)] = g
	}
	var path func(g map[string]any) string
	path = func(g map[string]any) string {
		name := fmt.Sprint(g["name"], g["description"])
		if up, ok := g["parent_group_id"].(string); ok {
			return path(byID[up]) + "/" + name
		}
		return name
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
		data, _ := g["data"].(map[string]any)
		if data == nil {
			data = map[string]any{}
		}
		delete(data, "groupsyncd")
		config, _ := data["config"].(map[string]any)
		if config == nil {
			config = map[string]any{}
		}
		if config["share"] == nil {
			config["share"] = true // what it means when nothing is said
		}
		data["config"] = config
		words := map[string]any{"path": path(g), "data": data, "permissions": g["permissions"], "people": mails, "grants": g["access_grants"], "count": g["member_count"]}
		b, err := json.Marshal(words)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	slices.Sort(out)
	return out
}

func (s *site) carry(t *rapid.T, file []byte) *run.Report {
	r, err := s.Import(t.Context(), &run.ImportRequest{File: file, Name: "groups.json", Mode: run.Apply})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestWhatIsImportedIsExportedAgain: an export that is carried into another server, which has
// the people and the things, is exported there as it was, but for the map of what no call can
// write; and that file finds nothing to do there.
func TestWhatIsImportedIsExportedAgain(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"", "0.8.0"} {
		t.Run(cmp.Or(version, "newest"), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				from, to := newSite(t, version, unlimited()), newSite(t, version, unlimited())
				from.groups(t)
				to.fill(3)
				file := from.export(t)
				r := to.carry(t, file)
				if r.Exit != 0 {
					t.Fatalf("exit %d: %+v", r.Exit, r.Targets)
				}
				again := to.export(t)
				if d := diff.Diff(plain(t, file), plain(t, again)); d != "" {
					t.Fatalf("(-exported +exported again):\n%s", d)
				}
				if to.store.Unsaved("chat") != "" {
					t.Fatalf("not saved: %s", to.store.Unsaved("chat"))
				}
				// The map leads from every group to the one that it is now.
				newNames := map[string]string{}
				for _, g := range to.chat.Groups() {
					newNames[g.ID] = g.Name
				}
				for _, g := range r.Targets[0].Imported {
					if newNames[g.NewID] != g.Name || g.By != run.ByMaking || string(g.Meta) != `{"m":1}` || g.Owner == "" || g.CreatedAt == "" {
						t.Fatalf("%+v", g)
					}
				}
				_, before := to.chat.Count()
				if r = to.carry(t, again); r.Exit != 0 || len(r.Targets[0].Changes) != 0 {
					t.Fatalf("again: %+v", r.Targets[0].Changes)
				}
				if _, after := to.chat.Count(); after != before {
					t.Fatalf("%d writes more", after-before)
				}
			})
		})
	}
}
