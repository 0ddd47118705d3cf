package config_test

import (
	"strings"
	"testing"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/scalar"
)

// changing is a configuration whose source has these lines.
func changing(lines string) string {
	return "sources:\n  corp:\n    type: ldap\n    url: ldap://x\n    users: {base: dc=x}\n" + lines +
		"targets: {chat: {url: \"http://127.0.0.1:8080\", api_key: file:key}}\nrules: [{match: \"ai-*\"}]\n"
}

const hours = scalar.Duration(time.Hour)

func TestSourcesThatCanTellReadChangesByDefault(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string]config.Changes{
		"":                   {Read: "auto", FullEvery: 24 * hours},
		"    max_age: 12h\n": {Read: "auto", FullEvery: 6 * hours},
		"    max_age: 7d\n":  {Read: "auto", FullEvery: 24 * hours},
		"    changes: off\n": {Read: "off", FullEvery: 24 * hours},
		"    changes: auto\n    full_every: 8h\n": {Read: "auto", FullEvery: 8 * hours},
	} {
		c := load(t, changing(lines))
		if got := *c.Source("corp").Changes; got != want {
			t.Errorf("%q gives %+v, want %+v", lines, got, want)
		}
		if len(c.Warnings()) != 0 {
			t.Errorf("%q: %v", lines, c.Warnings())
		}
	}
	list := load(t, "sources: {list: {type: file, path: x}}\ntargets: {chat: {url: \"http://127.0.0.1:8080\", api_key: file:key}}\nrules: [{match: \"ai-*\"}]\n")
	if list.Source("list").Changes != nil {
		t.Error("a file has changes")
	}
}

func TestChangesThatCannotBeMeant(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string]string{
		"    changes: on\n":       "must be auto or off",
		"    full_every: 30s\n":   "must be at least 1m",
		"    full_every: 31d\n":   "must be at most 30d",
		"    full_every: never\n": "full_every",
	} {
		if got := problems(t, changing(lines)).Error(); !strings.Contains(got, want) || !strings.Contains(got, ":6:") {
			t.Errorf("%q gives %s", lines, got)
		}
	}
	for _, key := range []string{"changes: off", "full_every: 24h"} {
		text := "sources: {list: {type: file, path: x, " + key + "}}\ntargets: {chat: {url: \"http://127.0.0.1:8080\", api_key: file:key}}\nrules: [{match: \"ai-*\"}]\n"
		if got := problems(t, text).Error(); !strings.Contains(got, "sources of the type file cannot tell what changed") || !strings.Contains(got, "hint: take it out") {
			t.Errorf("%q gives %s", key, got)
		}
	}
}

func TestChangesThatAreProbablyNotMeant(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.Interval = func(string) time.Duration { return time.Hour }
	for lines, want := range map[string]string{
		"    changes: off\n    full_every: 24h\n": "means nothing with changes: off",
		"    full_every: 25h\n":                   "more than half of max_age",
		"    full_every: 30m\n":                   "shorter than the schedule",
	} {
		c, err := config.Load([]byte(changing(lines)), opts)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Warnings().Error(); !strings.Contains(got, want) || len(c.Warnings()) != 1 {
			t.Errorf("%q gives %q", lines, got)
		}
	}
}
