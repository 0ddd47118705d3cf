package all_test

import (
	"errors"
	"strings"
	"testing"

	"groupsyncd/config"
)

// signIns is a configuration with a source of sign-ins, of which some lines are replaced.
func signIns(replace ...string) string {
	return strings.NewReplacer(replace...).Replace(`
sources:
  sso:
    type: oidc
    issuer: https://idp.example.org
    audience: open-webui
    target: chat
targets:
  chat: {url: "https://chat.example.org", api_key: file:key}
rules: [{match: "*"}]
`)
}

func TestASourceOfSignInsHasARhythmOfItsOwn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		signIns(): "every 24h",
		signIns("target: chat", "target: chat\n    schedule: every 2h"): "every 2h",
	} {
		c, err := config.Load([]byte(text), options())
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Source("sso").Schedule; got != want {
			t.Errorf("schedule %q, want %q", got, want)
		}
	}
}

func TestTheTargetOfASourceOfSignInsMustBeThere(t *testing.T) {
	t.Parallel()
	_, err := config.Load([]byte(signIns("target: chat", "target: chut")), options())
	list, ok := errors.AsType[config.Problems](err)
	if !ok || len(list) != 1 || !strings.Contains(list[0].Error(), `there is no target "chut"; did you mean "chat"?`) || !strings.HasPrefix(list[0].Error(), "config.example.yaml:7:13") {
		t.Errorf("problems: %v", err)
	}
}
