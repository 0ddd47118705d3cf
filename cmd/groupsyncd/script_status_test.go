package main

import (
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// headCommand compares the first five lines of the last output with a file: head FILE.
// Times, numbers of processes and ids of runs are words there.
func headCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: head FILE")
	}
	lines := strings.SplitAfterN(ts.ReadFile("stdout"), "\n", 6)
	got := strings.Join(lines[:min(5, len(lines))], "")
	for _, r := range [][2]string{
		{`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \((in )?[\dhms.]+( ago)?\)`, "WHEN"}, {`\b01[0-9A-Z]{24}\b`, "RUN"}, {`pid \d+`, "pid N"}, {`127\.0\.0\.1:\d+`, "HOST"}, {`(?m)^(trouble[^…\n]{100})[^\n]*…$`, "$1…"},
	} {
		got = regexp.MustCompile(r[0]).ReplaceAllString(got, r[1])
	}
	if want := ts.ReadFile(args[0]); got != want {
		ts.Fatalf("the first lines are\n%swant\n%s", got, want)
	}
}
