//go:build peers

// Package ldap_test measures reads of a real slapd against ldapsearch, in turns within
// one run, so that the ratio says something on any machine: the read alone, and a whole
// run in which nothing has changed.
//
//	go test -tags peers -v ./test/bench/ldap       # a tenth of the size, loose bounds
//	GROUPSYNCD_BENCH=full go test -tags peers -v -timeout 30m ./test/bench/ldap
//
// The full size is 100,000 people, 5,000 groups and 1,000,000 memberships, and its bounds
// are the budget: 1.5 times ldapsearch and 96 MB for the read, 3 times and 192 MB for the
// whole run. What is measured of ours runs in a process of its own each time.
package ldap_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

// size is how much is read, and what it may cost.
type size struct {
	options ldif.Options
	rounds  int
	// read and run are the most times of ldapsearch; readMB and runMB the most memory.
	read, run     float64
	readMB, runMB float64
}

func chosen() size {
	if os.Getenv("GROUPSYNCD_BENCH") == "full" {
		return size{ldif.Options{Users: 100_000, Groups: 5_000, Memberships: 1_000_000, Nested: 0.15, Seed: 1}, 7, 1.5, 3, 96, 192}
	}
	// A tenth of the size is over so soon that starting a process and garbage of others
	// weigh more; the bounds find a reader that became slow, not one a little slower.
	return size{ldif.Options{Users: 10_000, Groups: 500, Memberships: 100_000, Nested: 0.15, Seed: 1}, 7, 3, 6, 64, 96}
}

// TestReadsKeepUpWithLdapsearch prints the table of ratios and holds the bounds.
func TestReadsKeepUpWithLdapsearch(t *testing.T) {
	s := chosen()
	company, err := ldif.New(s.options)
	if err != nil {
		t.Fatal(err)
	}
	server := peer.StartSlapd(t, company, peer.SlapdOptions{})
	state := t.TempDir()
	child(t, server, "make", state)
	var search, read, whole []result
	for range s.rounds {
		search = append(search, ldapsearch(t, server, len(company.Users)+len(company.Groups)))
		read = append(read, child(t, server, "read", state))
		whole = append(whole, child(t, server, "run", state))
	}
	for _, r := range slices.Concat(read, whole) {
		if r.Users != len(company.Users) || r.Groups != len(company.Groups) || r.Memberships != company.Effective() {
			t.Fatalf("the read shows %+v, the company has %d people, %d groups, %d memberships", r, len(company.Users), len(company.Groups), company.Effective())
		}
	}
	base := median(search)
	t.Logf("%d people, %d groups, %d memberships; medians of %d rounds", len(company.Users), len(company.Groups), company.Effective(), s.rounds)
	t.Logf("%-28s %9s %7s %8s %9s", "", "seconds", "times", "most", "peak MB")
	t.Logf("%-28s %9.3f %7.2f", "ldapsearch -E pr=1000", base.Seconds, 1.0)
	hold := func(name string, results []result, most, mostMB float64) {
		m := median(results)
		ratio := m.Seconds / base.Seconds
		t.Logf("%-28s %9.3f %7.2f %8.2f %9.1f of %.0f", name, m.Seconds, ratio, most, m.PeakMB, mostMB)
		if ratio > most {
			t.Errorf("%s takes %.2f times as long as ldapsearch, at most %.2f is allowed", name, ratio, most)
		}
		if m.PeakMB > mostMB {
			t.Errorf("%s needs %.1f MB, at most %.0f is allowed", name, m.PeakMB, mostMB)
		}
	}
	hold("read", read, s.read, s.readMB)
	hold("read, merge, map and plan", whole, s.run, s.runMB)
}

// result is what one process saw, and what it cost.
type result struct {
	Seconds float64
	PeakMB  float64

	Users, Groups, Memberships int
}

func median(list []result) result {
	sorted := slices.SortedFunc(slices.Values(list), func(a, b result) int {
		switch {
		case a.Seconds < b.Seconds:
			return -1
		case a.Seconds > b.Seconds:
			return 1
		}
		return 0
	})
	m := sorted[len(sorted)/2]
	for _, r := range list {
		m.PeakMB = max(m.PeakMB, r.PeakMB)
	}
	return m
}

// ldapsearch reads the same entries with the same attributes and pages, and throws away
// what it prints.
func ldapsearch(t *testing.T, s *peer.Slapd, want int) result {
	t.Helper()
	began := time.Now()
	out := countingWriter{tail: []byte("\n")}
	for _, what := range [][]string{
		{ldif.People, "(objectClass=inetOrgPerson)", "entryUUID", "mail", "uid", "cn"},
		{ldif.Groups, "(|(objectClass=groupOfNames)(objectClass=groupOfMembers))", "entryUUID", "cn", "description", "member", "memberUid"},
	} {
		args := append([]string{"-x", "-LLL", "-E", "pr=1000/noprompt", "-H", s.URL, "-D", s.BindDN, "-y", s.PasswordFile, "-b"}, what...)
		command := exec.CommandContext(t.Context(), "ldapsearch", args...)
		command.Stdout, command.Stderr = &out, os.Stderr
		if err := command.Run(); err != nil {
			t.Fatalf("ldapsearch: %v", err)
		}
	}
	took := time.Since(began)
	if out.entries != want {
		t.Fatalf("ldapsearch shows %d entries, there are %d", out.entries, want)
	}
	return result{Seconds: took.Seconds()}
}

// countingWriter counts entries and keeps nothing.
type countingWriter struct {
	entries int
	tail    []byte
}

func (w *countingWriter) Write(p []byte) (int, error) {
	joined := slices.Concat(w.tail, p)
	w.entries += bytes.Count(joined, []byte("\ndn:"))
	w.tail = append(w.tail[:0], joined[max(0, len(joined)-3):]...)
	return len(p), nil
}

// child runs this binary again for one measurement.
func child(t *testing.T, s *peer.Slapd, what, state string) result {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, self)
	command.Env = append(os.Environ(), "GROUPSYNCD_BENCH_CHILD="+what, "GROUPSYNCD_BENCH_STATE="+state,
		"GROUPSYNCD_BENCH_URL="+s.URL, "GROUPSYNCD_BENCH_BIND="+s.BindDN, "GROUPSYNCD_BENCH_PASSWORD="+s.PasswordFile)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, os.Stderr
	if err := command.Run(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	var r result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%s: %v in %q", what, err, out.Bytes())
	}
	return r
}

func TestMain(m *testing.M) {
	what := os.Getenv("GROUPSYNCD_BENCH_CHILD")
	if what == "" {
		os.Exit(m.Run())
	}
	if err := work(what, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// work does what a child is for and prints its result.
func work(what string, out io.Writer) error {
	r, err := map[string]func(string) (result, error){"read": readOnce, "make": makeState, "run": runOnce}[what](os.Getenv("GROUPSYNCD_BENCH_STATE"))
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r)
}
