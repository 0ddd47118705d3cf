package openwebui_test

import (
	"fmt"
	"strings"
	"testing"

	"groupsyncd/providers"
	"groupsyncd/target/openwebui"
	"groupsyncd/target/openwebui/openwebuitest"
)

func TestDoctorSaysWhetherSignInsReachUs(t *testing.T) {
	t.Parallel()
	hook := func(change func(*openwebuitest.Webhook)) func(*world) {
		return func(w *world) {
			h := openwebuitest.Webhook{Name: "groupsyncd chat-events", URL: hookBase + "/" + hookSecret, Enabled: true,
				Events: []string{"user.created", "auth.signup", "auth.login"}}
			change(&h)
			w.SetWebhook(h)
		}
	}
	asIs := func(*openwebuitest.Webhook) {}
	at := func(address string) func(*openwebui.EventHook) {
		return func(h *openwebui.EventHook) { h.Address = address }
	}
	for name, c := range map[string]struct {
		version string
		expect  func(*openwebui.EventHook)
		arrange func(*world)
		level   providers.Level
		words   string
		remedy  string
	}{
		"as it should be":    {"", nil, hook(asIs), providers.OK, "it calls " + hookBase, ""},
		"none":               {"", nil, nil, providers.Failed, "no event webhook there calls " + hookBase, "groupsyncd webhook setup chat"},
		"of somebody else":   {"", nil, hook(func(h *openwebuitest.Webhook) { h.Name, h.URL = "x", "https://x.example.org/y" }), providers.Failed, "no event webhook there calls", "webhook setup"},
		"switched off":       {"", nil, hook(func(h *openwebuitest.Webhook) { h.Enabled = false }), providers.Failed, "switched off", "webhook setup"},
		"another secret":     {"", nil, hook(func(h *openwebuitest.Webhook) { h.URL = hookBase + "/canary-other" }), providers.Failed, "another secret", "webhook setup"},
		"the earlier secret": {"", nil, hook(func(h *openwebuitest.Webhook) { h.URL = hookBase + "/canary-earlier-secret" }), providers.Warning, "not the first", "webhook setup"},
		"unreadable secret":  {"", func(h *openwebui.EventHook) { h.Secrets = nil }, hook(asIs), providers.OK, "it calls", ""},
		"moved": {"", nil, hook(func(h *openwebuitest.Webhook) { h.URL = "https://old.example.org/hooks/chat-events/" + hookSecret }), providers.Failed,
			"another address than " + hookBase, "webhook setup"},
		"few events":      {"", nil, hook(func(h *openwebuitest.Webhook) { h.Events = []string{"user.*"} }), providers.Warning, "its events are user.*; wanted are", "webhook setup"},
		"every event":     {"", nil, hook(func(h *openwebuitest.Webhook) { h.Events = []string{"*"} }), providers.Warning, "its events are *", "webhook setup"},
		"twice":           {"", nil, func(w *world) { hook(asIs)(w); hook(asIs)(w) }, providers.Warning, "2 event webhooks there call", "webhook setup"},
		"too old":         {"0.9.6", nil, nil, providers.Failed, "event webhooks come with 0.10.0", "watch"},
		"restricted key":  {"", nil, func(w *world) { w.AllowKeys(true, "/api/v1/groups", "/api/v1/users") }, providers.Failed, "403", "/api/events"},
		"failing":         {"", nil, func(w *world) { w.Inject(openwebuitest.Fault{Path: "/api/events/webhooks", Status: 500}) }, providers.Failed, "500", "log"},
		"private address": {"", at("http://10.1.2.3:8422/hooks/chat-events"), nil, providers.Warning, "our address 10.1.2.3:8422 is private", "ENABLE_RAG_LOCAL_WEB_FETCH=true"},
		"private name":    {"", at("http://localhost:8422/hooks/chat-events"), nil, providers.Warning, "our address localhost:8422 is private", "ENABLE_RAG_LOCAL_WEB_FETCH=true"},
		"private IPv6":    {"", at("http://[::1]:8422/hooks/chat-events"), nil, providers.Warning, "is private", "ENABLE_RAG_LOCAL_WEB_FETCH=true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.version, nil)
			if c.arrange != nil {
				c.arrange(w)
			}
			h := ourHook()
			if c.expect != nil {
				c.expect(h)
			}
			w.finds(t, openwebui.Expect{Hooks: []*openwebui.EventHook{h}}, "event_webhook", c.level, c.words, c.remedy)
		})
	}
}

// finds looks for a finding, and makes sure that doctor wrote and showed nothing.
func (w *world) finds(t *testing.T, expect openwebui.Expect, check string, level providers.Level, words, remedy string) {
	t.Helper()
	found := w.client.Check(t.Context(), expect)
	there := false
	for _, f := range found {
		if f.Check == check && f.Level == level && strings.Contains(f.Message, words) && strings.Contains(f.Remedy, remedy) {
			there = true
		}
		if f.Check == check && f.Level == providers.OK && level != providers.OK {
			t.Errorf("it is said to be fine: %+v", f)
		}
	}
	if !there {
		t.Errorf("no such finding in %+v", found)
	}
	if _, writes := w.Count(); writes != 0 || strings.Contains(fmt.Sprint(found), "canary") {
		t.Errorf("doctor wrote %d times or shows a secret", writes)
	}
}

func TestDoctorSaysWhetherSignInsCanBeNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	w.finds(t, openwebui.Expect{Watch: true}, "watch", providers.OK, "can be noticed", "")
	w.Inject(openwebuitest.Fault{Path: "/api/v1/users/", Skip: 1, Body: `{"users":[{"id":"a","last_active_at":1},{"id":"b","last_active_at":2}],"total":2}`})
	w.finds(t, openwebui.Expect{Watch: true}, "watch", providers.Failed, "not noticed", "event webhook")
	w.Heal()
	w.Inject(openwebuitest.Fault{Path: "/api/v1/users/", Skip: 1, Status: 500})
	w.finds(t, openwebui.Expect{Watch: true}, "watch", providers.Failed, "500", "log")
}

func TestDoctorSaysWhetherSessionsCanBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	expect := openwebui.Expect{Sessions: true, Provider: "oidc"}
	w.finds(t, expect, "sessions", providers.Warning, "nobody of those", "sign in once")
	w.accounts(7)
	w.finds(t, expect, "sessions", providers.Warning, "none of 5 people", "WEBUI_SECRET_KEY")
	w.finds(t, openwebui.Expect{Sessions: true}, "sessions", providers.Warning, "none of 5 people", "WEBUI_SECRET_KEY")
	w.finds(t, openwebui.Expect{Sessions: true, Provider: "google"}, "sessions", providers.Warning, "nobody of those", "sign in once")
	w.pass(60)
	w.signIn(t, "", "sub-3", "canary")
	w.finds(t, expect, "sessions", providers.OK, "can be read", "")
	w.Inject(openwebuitest.Fault{Path: "/api/v1/users/*/oauth/sessions", Status: 500, Detail: "canary"})
	w.finds(t, expect, "sessions", providers.Failed, "500", "log")
	w.Heal()
	w.Inject(openwebuitest.Fault{Path: "/api/v1/users/", Skip: 1, Status: 500})
	w.finds(t, expect, "sessions", providers.Failed, "500", "log")
}
