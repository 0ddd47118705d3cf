package config_test

import (
	"os"
	"strings"
	"testing"

	"groupsyncd/permission"
)

const linted = `
sources: {corp: {type: ldap, url: ldap://localhost, users: {base: "dc=x"}}}
targets:
  chat: {url: "http://127.0.0.1:8080", api_key: file:key, defaults: everyone}
  lab: {url: "http://127.0.0.1:8081", api_key: file:key}
rules:
  - {match: a, target: chat, permissions: [writer, {chat: {call: true}, sharing: {public_models: true}}]}
  - {match: b, permissions: both}
  - {match: c, target: lab, permissions: [lab-only]}
permission_sets:
  base: {chat: {call: true, tts: false}}
  everyone: {extends: base, chat: {file_upload: true}}
  writer: {extends: [everyone, lent], workspace: {models: true, tools: true}, chat: {file_upload: true, call: true, temporary_enforced: true}}
  lent: {features: {api_keys: true, webhooks: false}}
  both: {chat: {file_upload: true}}
  lab-only: {chat.file_upload: true, features.automations: true}
  forgotten: {extends: forgotten-too}
  forgotten-too: {chat: {call: true}}
  nothing: {}
`

func TestPermissionsThatAreProbablyNotMeant(t *testing.T) {
	t.Parallel()
	c := load(t, linted)
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("the daemon would say at each start: %v", w)
	}
	compare(t, "testdata/lint.txt", c.Lint().Error()+"\n")
}

func TestNothingIsSaidOfAFileWithoutOddPermissions(t *testing.T) {
	t.Parallel()
	full, err := os.ReadFile("testdata/good/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{smallest, string(full)} {
		if found := load(t, text).Lint(); len(found) > 0 {
			t.Error(found)
		}
	}
}

// TestAnEmptySetIsOne: it says that a group has no right of its own, which is another thing
// than saying nothing.
func TestAnEmptySetIsOne(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]permission.Set{
		"permissions: nothing":   {},
		"permissions: [nothing]": {},
		"permissions: {}":        {},
		"permissions: []":        nil,
		"to: x":                  nil,
	} {
		c := load(t, strings.Replace(smallest, `"ai-*"`, `"ai-*", `+text, 1)+"permission_sets: {nothing: {}}\n")
		if got := c.Specs("chat")[0].Permissions; (got == nil) != (want == nil) || len(got) > 0 {
			t.Errorf("%s gave %v", text, got)
		}
	}
}
