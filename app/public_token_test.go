package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"groupsyncd/server/hooks/hookstest"
	"groupsyncd/sync/run"
)

// post sends a signed webhook with that body.
func (w *town) post(address, id, text string) answer {
	w.Helper()
	return w.deliver(address, "/hooks/login?wait=20s", text, hookstest.Standard(loginSecret, id, text, w.now()))
}

func TestAPostedTokenGivesItsPersonTheGroupsThatItNames(t *testing.T) {
	t.Parallel()
	w, idp := newTown(t), newIssuer(t)
	w.write("login", loginSecret)
	w.write("groupsyncd.yaml", fmt.Sprintf(`state: state
sources:
  sso: {type: oidc, issuer: %q, audience: open-webui, tokens: webhook}
targets:
  chat: {url: %q, api_key: file:key, match: [email]}
rules: [{match: "*"}]
server: {admin: {listen: ""}, public: {listen: "127.0.0.1:0"}}
webhooks: {login: {type: standard, secret: file:login, source: sso}, out: {type: logout, source: sso}}
`, idp.URL, w.chat.URL))
	w.serve()
	w.until("the listener", func() bool { return w.hall() != "" })
	token := func(ago time.Duration, groups ...string) string {
		text, err := json.Marshal(map[string]any{"type": "login", "data": map[string]string{"id_token": idp.token("ana", ago, groups...).ID}})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if r := w.report(w.post(w.hall(), "1", token(10*time.Minute, "Sales", "Legal"))); r.Exit != run.ExitOK || w.size("Sales") != 1 || w.size("Legal") != 1 {
		t.Fatalf("%+v: %d in Sales, %d in Legal", r, w.size("Sales"), w.size("Legal"))
	}
	w.report(w.post(w.hall(), "2", token(5*time.Minute, "Legal")))
	if w.size("Sales") != 0 || w.size("Legal") != 1 {
		t.Errorf("after a newer token: %d in Sales, %d in Legal", w.size("Sales"), w.size("Legal"))
	}
	w.report(w.post(w.hall(), "3", token(8*time.Minute, "Sales")))
	if w.size("Sales") != 0 || w.size("Legal") != 1 {
		t.Errorf("after an older token: %d in Sales, %d in Legal", w.size("Sales"), w.size("Legal"))
	}
	// One of another provider changes nothing, and its sender learns no more than that.
	other := newIssuer(t)
	text := `{"type":"login","data":{"id_token":"` + other.token("ana", 0, "Sales").ID + `"}}`
	if a := w.post(w.hall(), "4", text); a.status != 500 || w.size("Sales") != 0 {
		t.Errorf("a token of somebody else: %+v, %d in Sales", a, w.size("Sales"))
	}
	// A session that ended is worth a look, once, and takes nothing away.
	out := url.Values{"logout_token": {idp.signed(map[string]any{"iss": idp.URL, "aud": "open-webui", "sub": "ana", "jti": "out-1", "iat": time.Now().Unix(),
		"exp": time.Now().Add(2 * time.Minute).Unix(), "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}})}}.Encode()
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if r := w.report(w.deliver(w.hall(), "/hooks/out?wait=20s", out, form)); r.User != "ana" || w.size("Legal") != 1 {
		t.Errorf("a logout: %+v, %d in Legal", r, w.size("Legal"))
	}
	if a := w.deliver(w.hall(), "/hooks/out", out, form); a.status != 400 {
		t.Errorf("the same once more: %+v", a)
	}
	if a := w.deliver(w.hall(), "/hooks/out", strings.Replace(out, "eyJ", "eyK", 1), form); a.status != 400 {
		t.Errorf("a changed one: %+v", a)
	}
	if strings.Contains(w.log.String(), "canary") || strings.Contains(w.log.String(), "eyJ") {
		t.Errorf("a secret or a token is in the log:\n%s", w.log)
	}
}
