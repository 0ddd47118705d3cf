package config_test

import (
	"testing"

	"groupsyncd/providers"
)

func TestASourceThatReadsATargetReadsTheFirstUnlessItNamesOne(t *testing.T) {
	t.Parallel()
	const rest = `
targets:
  chat: {url: "http://127.0.0.1:8080", api_key: file:key}
  lab: {url: "http://127.0.0.1:8081", api_key: file:key}
rules: [{match: "ai-*"}]
`
	for text, want := range map[string]string{"{type: people}": "chat", "{type: people, target: lab}": "lab", "{type: people, tokens: webhook}": ""} {
		c := load(t, "sources: {sso: "+text+"}"+rest)
		reader, ok := c.Sources[0].Config.(providers.TargetReader)
		if !ok || reader.ReadsTarget() != want || !c.Sources[0].Single {
			t.Errorf("%s reads %q, want %q; single: %v", text, reader.ReadsTarget(), want, c.Sources[0].Single)
		}
	}
}

func TestExactIsForSourcesWithLists(t *testing.T) {
	t.Parallel()
	load(t, `
sources:
  corp: {type: ldap, url: ldap://localhost, users: {base: "dc=x"}}
  sso: {type: people}
targets: {chat: {url: "http://127.0.0.1:8080", api_key: file:key}}
rules:
  - {from: corp, match: "ai-*", members: exact}
  - {from: sso, match: "ai-*", members: add-only}
`)
}
