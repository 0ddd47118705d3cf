package app

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"groupsyncd/providers"
	"groupsyncd/sync/run"
	"groupsyncd/target/openwebui"
	"groupsyncd/target/openwebui/openwebuitest"
)

// feature is a part of a configuration that asks Open WebUI for something more.
type feature struct{ name, target, rule, top string }

func features() []feature {
	out := []feature{
		{"roles", "    accounts:\n      role: {user: [{from: list, match: Sales}]}\n", "", ""},
		{"accounts", "    accounts:\n      create: user\n", "", ""},
		{"defaults", "    defaults: basic\n", "", "permission_sets: {basic: {chat: {file_upload: true}}}\n"},
		{"no watch", "    watch: off\n", "", ""},
		{"webhooks", "", "", "webhooks: {events: {type: openwebui, secret: file:hook, target: chat}}\n"},
		{"team", "", "", "teams: [{name: T, members: [{from: list, match: Sales}], managers: [{from: list, match: Sales}], owned_by_managers: true}]\n"},
	}
	for _, kind := range []string{"models", "knowledge", "prompts", "tools", "skills"} {
		out = append(out, feature{kind, "", `, ` + kind + `: ["*"]`, ""})
	}
	return out
}

// shop is a town with some of the features, and a key that may use certain paths only.
func shop(t *testing.T, version string, chosen ...feature) (*town, []string, []string) {
	t.Helper()
	w := newTown(t)
	w.chat.Upgrade(version)
	w.chat.AddAccount(openwebuitest.Account{Email: "pending@example.org", Role: "pending"})
	w.write("hook", "canary-hook-0123456789")
	target, rule, top, public := "", "", "", `{listen: "", url: ""}`
	for _, f := range chosen {
		target, rule, top = target+f.target, rule+f.rule, top+f.top
		if f.name == "webhooks" {
			public = `{listen: "127.0.0.1:0", url: "http://127.0.0.1:8422"}`
		}
	}
	target = strings.Replace(target, "Sales}]}\n    accounts:\n", "Sales}]}\n", 1)
	w.people(members[:len(members)-1]+", frida]", "[bo, chloe, dmitri, emre, ana, frida]")
	w.write("groupsyncd.yaml", fmt.Sprintf(`state: state
sources:
  list: {type: file, path: people.yaml}
targets:
  chat:
    url: %q
    api_key: file:key
%s
rules: [{name: all, match: "*"%s}]
safety: {max_new_admins: 0}
server: {admin: {listen: ""}, public: %s}
%s`, w.chat.URL, target, rule, public, top))
	cfg, err := Load(filepath.Join(w.dir, "groupsyncd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	e := expect(cfg, cfg.Targets[0])
	return w, openwebui.Endpoints(&e), openwebui.FurtherEndpoints(&e)
}

// everything does once what the program can ask of Open WebUI with its configuration, and
// gives the paths that were refused.
func (w *town) everything() []string {
	w.Helper()
	before := len(w.chat.Log())
	file := filepath.Join(w.dir, "groupsyncd.yaml")
	cfg, err := Load(file)
	if err != nil {
		w.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if len(cfg.Webhooks) > 0 {
		_, _ = SetUpWebhook(w.Context(), cfg, log, "chat", false) // Its refusals are in the log of the server.
	}
	a, err := New(w.Context(), w.options(file, cfg))
	if err != nil {
		w.Fatal(err)
	}
	_, _ = a.Run(w.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply}, nil)
	w.people("[ana, bo, chloe, emre]", "[bo, chloe, emre]")
	_, _ = a.Run(w.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply}, nil)
	_, _ = a.Run(w.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply, User: "ana@example.org"}, nil)
	if err := a.Close(); err != nil {
		w.Fatal(err)
	}
	if _, err := Check(w.Context(), cfg, log); err != nil {
		w.Fatal(err)
	}
	var refused []string
	for _, r := range w.chat.Log()[before:] {
		if r.Status == 403 && !slices.Contains(refused, r.Path) {
			refused = append(refused, r.Path)
		}
	}
	return refused
}

// below reports whether one of the entries opens a path.
func below(entries []string, path string) bool {
	return slices.ContainsFunc(entries, func(e string) bool { return path == e || strings.HasPrefix(path, e+"/") })
}

func TestTheShortestListOfEndpointsIsEnough(t *testing.T) {
	t.Parallel()
	each := [][]feature{{}, slices.DeleteFunc(features(), func(f feature) bool { return f.name == "no watch" })}
	for _, f := range features() {
		each = append(each, []feature{f})
	}
	for i, chosen := range each {
		for _, version := range []string{"0.12.4", "0.11.4"} {
			if i > 1 && version != "0.12.4" {
				continue
			}
			w, need, further := shop(t, version, chosen...)
			w.chat.AllowKeys(true, need...)
			for _, path := range w.everything() {
				if !below(further, path) {
					t.Errorf("%s, %v: with %s, %s was refused", version, chosen, strings.Join(need, ","), path)
				}
			}
			if i > 1 {
				continue
			}
			w.chat.AllowKeys(true, append(need, further...)...)
			if refused := w.everything(); len(refused) > 0 {
				t.Errorf("%s, %v: with all of them, %v were refused", version, chosen, refused)
			}
		}
	}
}

func TestEachEndpointOfTheShortestListIsNeeded(t *testing.T) {
	t.Parallel()
	all := slices.DeleteFunc(features(), func(f feature) bool { return f.name == "no watch" })
	for _, version := range []string{"0.12.4", "0.11.4"} {
		_, need, _ := shop(t, version, all...)
		if len(need) != 10 {
			t.Errorf("%s needs %v", version, need)
		}
		for i, left := range need {
			if version != "0.12.4" {
				break // it needs the same
			}
			w, _, further := shop(t, version, all...)
			w.chat.AllowKeys(true, append(slices.Concat(need[:i], need[i+1:]), further...)...)
			if refused := w.everything(); !slices.ContainsFunc(refused, func(path string) bool { return below([]string{left}, path) }) {
				t.Errorf("%s: %s is not needed: refused were %v", version, left, refused)
			}
		}
	}
}

func TestDoctorComparesTheEndpointsWithTheServers(t *testing.T) {
	t.Parallel()
	const line = "API_KEYS_ALLOWED_ENDPOINTS=/api/v1/groups,/api/v1/users,/api/v1/models,/api/models/base"
	for name, c := range map[string]struct {
		allowed      []string
		level        providers.Level
		says, remedy string
	}{
		"unrestricted": {nil, providers.OK, "may use every path there; the shortest list for this configuration is " + line + ";", ""},
		"exact":        {[]string{"/api/v1/groups", "/api/v1/users", "/api/v1/models", "/api/models/base", "/api/v1/auths/admin/config"}, providers.OK, "and nothing else", ""},
		"more":         {[]string{"/api/v1", "/api/models"}, providers.OK, "and also /api/v1, /api/models; the shortest list is " + line, ""},
		"too little":   {[]string{"/api/v1/groups", "/api/v1/users", "/api/v1/auths/admin/config"}, providers.Failed, "may not use /api/v1/models, /api/models/base,", "set " + line},
		"not to see":   {[]string{"/api/v1/groups", "/api/v1/users", "/api/v1/models", "/api/models"}, providers.OK, "the shortest list for this configuration is " + line, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _, _ := shop(t, "0.12.4", feature{rule: `, models: ["*"]`})
			w.chat.AllowKeys(true, c.allowed...)
			cfg, err := Load(filepath.Join(w.dir, "groupsyncd.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			checked, err := Check(t.Context(), cfg, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range checked[1].Findings {
				if f.Check == "endpoints" && f.Level == c.level && strings.Contains(f.Message, c.says) && strings.Contains(f.Remedy, c.remedy) {
					return
				}
			}
			t.Errorf("not found: %+v", checked[1].Findings)
		})
	}
}
