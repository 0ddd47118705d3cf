package openwebui_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/target/openwebui"
	"groupsyncd/target/openwebui/openwebuitest"
)

const (
	hookBase   = "https://groups.example.org/hooks/chat-events"
	hookSecret = "canary-hook-secret-0123456789"
)

func ourHook() *openwebui.EventHook {
	return &openwebui.EventHook{Name: "chat-events", Address: hookBase, Secrets: []secret.Value{secret.New(hookSecret), secret.New("canary-earlier-secret")}}
}

// hooks lists the webhooks of the server in words.
func (w *world) hooks() []string {
	var out []string
	for _, h := range w.Webhooks() {
		out = append(out, fmt.Sprintf("%s %s %v %s", h.Name, h.URL, h.Enabled, strings.Join(h.Events, ",")))
	}
	return out
}

const (
	right  = "groupsyncd chat-events " + hookBase + "/" + hookSecret + " true user.created,auth.signup,auth.login"
	theirs = "Slack https://hooks.slack.com/x true *"
)

func TestOurEventWebhookIsSetUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		there   []openwebuitest.Webhook
		state   string
		changed string
		left    []string
	}{
		"new":      {nil, "created", "", nil},
		"there":    {[]openwebuitest.Webhook{{Name: "groupsyncd chat-events", URL: hookBase + "/" + hookSecret, Enabled: true, Events: []string{"user.created", "auth.*"}}}, "unchanged", "", []string{"groupsyncd chat-events " + hookBase + "/" + hookSecret + " true user.created,auth.*"}},
		"off":      {[]openwebuitest.Webhook{{Name: "groupsyncd chat-events", URL: hookBase + "/" + hookSecret, Events: []string{"user.created", "auth.*"}}}, "updated", "switched off", nil},
		"old name": {[]openwebuitest.Webhook{{Name: "x", URL: hookBase + "/" + hookSecret, Enabled: true, Events: []string{"user.created", "auth.*"}}}, "updated", "name", nil},
		"earlier":  {[]openwebuitest.Webhook{{Name: "groupsyncd chat-events", URL: hookBase + "/canary-earlier-secret", Enabled: true, Events: []string{"user.created", "auth.*"}}}, "updated", "address or secret", nil},
		"moved":    {[]openwebuitest.Webhook{{Name: "groupsyncd chat-events", URL: "https://old.example.org/hooks/chat-events/x", Enabled: true, Events: []string{"user.created", "auth.*"}}}, "updated", "address or secret", nil},
		"events":   {[]openwebuitest.Webhook{{Name: "groupsyncd chat-events", URL: hookBase + "/" + hookSecret, Enabled: true, Events: []string{"auth.login"}}}, "updated", "events", nil},
		"too many": {[]openwebuitest.Webhook{{Name: "groupsyncd chat-events", URL: hookBase + "/" + hookSecret, Enabled: true, Events: []string{"*"}}}, "updated", "events", nil},
		"twice":    {[]openwebuitest.Webhook{{Name: "x", URL: hookBase + "/1", Events: []string{"*"}}, {Name: "groupsyncd chat-events", URL: hookBase + "/" + hookSecret, Enabled: true, Events: []string{"user.created", "auth.signup", "auth.login"}}}, "updated", "there was another one of ours", nil},
		"a neighbor": {[]openwebuitest.Webhook{{Name: "other", URL: hookBase + "-two/" + hookSecret, Enabled: true, Events: []string{"*"}}}, "created", "",
			[]string{"other " + hookBase + "-two/" + hookSecret + " true *", right}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", nil)
			w.SetWebhook(openwebuitest.Webhook{Name: "Slack", URL: "https://hooks.slack.com/x", Enabled: true, Events: []string{"*"}})
			for _, h := range c.there {
				w.SetWebhook(h)
			}
			done, err := w.client.SetUpEvents(t.Context(), ourHook())
			if err != nil || done.State != c.state || strings.Join(done.Changed, ", ") != c.changed || done.Address != hookBase {
				t.Fatalf("%+v, %v", done, err)
			}
			want := append([]string{theirs}, c.left...)
			if c.left == nil {
				want = append(want, right)
			}
			if got := w.hooks(); !slices.Equal(got, want) {
				t.Errorf("there are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if again, err := w.client.SetUpEvents(t.Context(), ourHook()); err != nil || again.State != "unchanged" {
				t.Errorf("a second time: %+v, %v", again, err)
			}
			for _, want := range []string{"removed", "absent"} {
				if done, err := w.client.RemoveEvents(t.Context(), ourHook()); err != nil || done.State != want {
					t.Errorf("%s: %+v, %v", want, done, err)
				}
			}
			if got := w.hooks(); slices.ContainsFunc(got, func(h string) bool { return strings.Contains(h, hookBase+"/") }) || !slices.Contains(got, theirs) {
				t.Errorf("after removing: %v", got)
			}
		})
	}
}

func TestSettingUpEventsFailsInWords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version string
		hook    func(*openwebui.EventHook)
		arrange func(*world)
		kind    fault.Kind
		words   string
	}{
		"too old":        {"0.9.6", nil, nil, fault.Invalid, "is version 0.9.6; event webhooks come with 0.10.0"},
		"a fork without": {"", nil, func(w *world) { w.Inject(openwebuitest.Fault{Path: "/api/events", HTML: true}) }, fault.Invalid, "has none"},
		"no such event":  {"", nil, func(w *world) { w.answers("/api/events", `{"events":[{"event":"user.created"}]}`) }, fault.Invalid, "knows no event for a sign-in"},
		"restricted key": {"", nil, func(w *world) { w.AllowKeys(true, "/api/v1/groups", "/api/v1/users") }, fault.Auth, "API_KEYS_ALLOWED_ENDPOINTS contain /api/v1/groups,/api/v1/users,/api/events"},
		"private":        {"", func(h *openwebui.EventHook) { h.Address = "http://10.0.0.5:8422/hooks/chat-events" }, nil, fault.Invalid, "ENABLE_RAG_LOCAL_WEB_FETCH=true"},
		"no secret":      {"", func(h *openwebui.EventHook) { h.Secrets = nil }, nil, fault.Invalid, "has no secret"},
		"odd secret":     {"", func(h *openwebui.EventHook) { h.Secrets = []secret.Value{secret.New("canary/with spaces")} }, nil, fault.Invalid, "cannot stand in an address"},
		"failing":        {"", nil, func(w *world) { w.Inject(openwebuitest.Fault{Path: "/api/events/webhooks", Status: 500}) }, fault.Unavailable, "500"},
		"refused write":  {"", nil, func(w *world) { w.Inject(openwebuitest.Fault{Method: "POST", Status: 500, Detail: hookSecret}) }, fault.Unavailable, "500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.version, nil)
			if c.arrange != nil {
				c.arrange(w)
			}
			h := ourHook()
			if c.hook != nil {
				c.hook(h)
			}
			done, err := w.client.SetUpEvents(t.Context(), h)
			if text := fmt.Sprint(err) + " hint: " + fault.HintOf(err); fault.KindOf(err) != c.kind || !strings.Contains(text, c.words) || strings.Contains(text, "canary") {
				t.Errorf("%+v, %v (%v), hint %q", done, err, fault.KindOf(err), fault.HintOf(err))
			}
			if len(w.Webhooks()) != 0 {
				t.Error("something was registered")
			}
		})
	}
}

func TestALostAnswerMakesNoSecondWebhook(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	w.Inject(openwebuitest.Fault{Method: "POST", Path: "/api/events/webhooks", Drop: openwebuitest.DropAfter, Times: 1})
	if done, err := w.client.SetUpEvents(t.Context(), ourHook()); err != nil || done.State != "created" {
		t.Errorf("%+v, %v", done, err)
	}
	if got := w.hooks(); !slices.Equal(got, []string{right}) {
		t.Errorf("there are %v", got)
	}
	w.Inject(openwebuitest.Fault{Method: "DELETE", Path: "/api/events/webhooks/*", Drop: openwebuitest.DropAfter, Times: 1})
	if done, err := w.client.RemoveEvents(t.Context(), ourHook()); err != nil || done.State != "removed" || len(w.Webhooks()) != 0 {
		t.Errorf("%+v, %v, left %v", done, err, w.hooks())
	}
}
