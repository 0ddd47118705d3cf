package main

import (
	"runtime/debug"
	"testing"
	"time"
)

func TestWhichProgramThisIs(t *testing.T) {
	t.Parallel()
	commit := []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-11-22T01:02:03Z"}, {Key: "vcs.modified", Value: "true"}}
	for _, c := range []struct {
		name          string
		info          debug.BuildInfo
		release       string
		version, date string
		modified      bool
	}{
		{"a build without anything", debug.BuildInfo{}, "", "devel", "", false},
		{"a folder without history", debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "", "devel", "", false},
		{"a commit", debug.BuildInfo{Main: debug.Module{Version: "v1.2.4-0.20261122-abc"}, Settings: commit}, "", "v1.2.4-0.20261122-abc", "2026-11-22", true},
		{"a release", debug.BuildInfo{Main: debug.Module{Version: "v1.2.4-0.20261122-abc"}}, "1.2.3", "1.2.3", "", false},
		{"a release of a folder without history", debug.BuildInfo{}, "1.2.3", "1.2.3", "", false},
	} {
		b := buildOf(&c.info, c.release)
		date := ""
		if !b.Date.IsZero() {
			date = b.Date.Format(time.DateOnly)
		}
		if b.Version != c.version || date != c.date || b.Modified != c.modified {
			t.Errorf("%s: %+v", c.name, b)
		}
	}
}

func TestTextsStayAsTheyAreInManualPages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"flowing text", "One\ntwo.\n\nThree.", "One\ntwo.\n\nThree."},
		{"what Markdown takes for markup", "PERMISSION|RESOURCE <x> [y] *_`z`", "PERMISSION\\|RESOURCE \\<x\\> \\[y\\] \\*\\_\\`z\\`"},
		{"columns", "Say:\n\none    a_b\nsecond c", "Say:\n\n    one    a_b\n    second c"},
		{"a command to type", "By hand:\n\n    groupsyncd x | y", "By hand:\n\n        groupsyncd x | y"},
	} {
		if got := plainText(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
