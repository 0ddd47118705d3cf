package config_test

import (
	"strings"
	"testing"
)

const decided = `
mode: apply
sources: {list: {type: file, path: people.yaml, schedule: every 1h}}
targets: {chat: {type: openwebui, url: "http://127.0.0.1:8080", api_key: file:key}}
rules:
  - {match: "ai-*"}
safety: {max_people: 10}
`

func TestOnlyWhatDecidesAboutGroupsIsInTheSum(t *testing.T) {
	t.Parallel()
	sum := func(text string) string {
		t.Helper()
		got, err := load(t, text).Deciding()
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	was := sum(decided)
	for name, c := range map[string]struct {
		old, new string
		decides  bool
	}{
		"nothing":              {"", "", false},
		"a comment":            {"rules:", "rules: # what we sync", false},
		"a default spelled":    {`{match: "ai-*"}`, `{match: "ai-*", members: owned}`, false},
		"another schedule":     {"every 1h", "every 2h", false},
		"how loud the log is":  {"mode:", "log: {level: debug}\nmode:", false},
		"where the pages are":  {"mode:", "server: {admin: {listen: \"127.0.0.1:9999\"}}\nmode:", false},
		"when backups are due": {"mode:", "backup: {every: 6h}\nmode:", false},
		"who signs in":         {"api_key:", "watch: off, api_key:", false},
		"the time zone":        {"mode:", "time_zone: UTC\nstate: other\nstale_after: 5\nmode:", false},
		"plans only":           {"mode: apply", "mode: plan", true},
		"one target plans":     {"api_key:", "mode: plan, api_key:", true},
		"a rule":               {"ai-*", "ki-*", true},
		"one more rule":        {"rules:\n", "rules:\n  - {match: \"it-*\"}\n", true},
		"the source":           {"people.yaml", "others.yaml", true},
		"the target":           {":8080", ":8081", true},
		"a limit":              {"max_people: 10", "max_people: 11", true},
		"whom nobody touches":  {"api_key:", "ignore: [boss@example.org], api_key:", true},
	} {
		if got := sum(strings.Replace(decided, c.old, c.new, 1)); (got != was) != c.decides {
			t.Errorf("%s: the sum is another one: %t", name, got != was)
		}
	}
}

func TestASumLeavesTheConfigurationAsItIs(t *testing.T) {
	t.Parallel()
	c := load(t, changing("    schedule: every 2h\n"))
	if _, err := c.Deciding(); err != nil {
		t.Fatal(err)
	}
	if s := c.Source("corp"); s.Schedule != "every 2h" || s.Changes == nil || c.State == "" || c.Target("chat").Watch == 0 {
		t.Errorf("it was changed: %+v", s)
	}
}
