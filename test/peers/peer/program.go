package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"groupsyncd/sync/run"
)

// Program is groupsyncd in a folder of its own, where its configuration and its state are.
type Program struct {
	Dir    string
	binary string
}

// NewProgram makes the folder, which ends with the test.
func NewProgram(tb testing.TB) *Program {
	tb.Helper()
	// That of the test has its name, which may leave too little for the path of the control
	// socket: it has 107 bytes at most.
	dir, err := os.MkdirTemp("", "gs") //nolint:usetesting // for the length of its path, see above
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return &Program{Dir: dir, binary: Binary(tb)}
}

// Write writes a file into the folder that nobody else reads.
func (p *Program) Write(tb testing.TB, name, text string) {
	tb.Helper()
	if err := os.WriteFile(filepath.Join(p.Dir, name), []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// Configure writes the configuration.
func (p *Program) Configure(tb testing.TB, text string) {
	tb.Helper()
	p.Write(tb, "groupsyncd.yaml", text)
}

// Result is one command that has ended.
type Result struct {
	Code      int
	Out, Logs string
	Wall, CPU time.Duration
	// RSS is the peak of the memory in bytes, 0 when it is not known.
	RSS int64
	// Report is that of a sync.
	Report run.Report
}

// Run runs a command and waits for it.
func (p *Program) Run(tb testing.TB, args ...string) *Result {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), p.binary, args...)
	cmd.Dir = p.Dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	begun := time.Now()
	out, err := cmd.Output()
	if cmd.ProcessState == nil {
		tb.Fatalf("groupsyncd %s: %v", strings.Join(args, " "), err)
	}
	r := &Result{Out: string(out), Logs: stderr.String(), Wall: time.Since(begun), CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	// A child begins with the peak of its parent, so a peak not above ours is ours.
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		tb.Fatal(err)
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && usage.Maxrss > own.Maxrss {
		r.RSS = usage.Maxrss * 1024
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		r.Code = exit.ExitCode()
	} else if err != nil {
		tb.Fatalf("groupsyncd %s: %v", strings.Join(args, " "), err)
	}
	return r
}

// Must runs a command that ends with the code.
func (p *Program) Must(tb testing.TB, code int, args ...string) *Result {
	tb.Helper()
	r := p.Run(tb, args...)
	if r.Code != code {
		tb.Fatalf("groupsyncd %s ended with %d, not %d:\n%.3000s\n%.3000s", strings.Join(args, " "), r.Code, code, r.Out, r.Logs)
	}
	return r
}

// Sync runs a sync that ends with the code, with its report.
func (p *Program) Sync(tb testing.TB, code int, args ...string) *Result {
	tb.Helper()
	r := p.Must(tb, code, append([]string{"sync", "-o", "json"}, args...)...)
	r.Decode(tb, &r.Report)
	return r
}

// Decode decodes what a command printed.
func (r *Result) Decode(tb testing.TB, into any) {
	tb.Helper()
	if err := json.Unmarshal([]byte(r.Out), into); err != nil {
		tb.Fatalf("not JSON: %v\n%.1000s", err, r.Out)
	}
}

// Target is the report about the only target.
func (r *Result) Target() *run.TargetReport {
	if len(r.Report.Targets) == 0 {
		return &run.TargetReport{}
	}
	return &r.Report.Targets[0]
}

// Problem says whether the report of a run has a problem of a kind.
func (r *Result) Problem(kind run.ProblemKind) bool {
	return slices.ContainsFunc(r.Target().Problems, func(p run.Problem) bool { return p.Kind == kind })
}

// Held says whether the report of a run has such a hold.
func (r *Result) Held(check run.Check) bool {
	return slices.ContainsFunc(r.Target().Holds, func(h run.HoldNote) bool { return h.Check == check })
}

// Hold gives the one open hold with a check.
func (p *Program) Hold(tb testing.TB, check run.Check) run.Hold {
	tb.Helper()
	var list struct{ Holds []run.Hold }
	p.Run(tb, "holds", "-o", "json").Decode(tb, &list)
	for _, h := range list.Holds {
		if h.Check == check {
			return h
		}
	}
	tb.Fatalf("nothing is held as %s: %+v", check, list.Holds)
	return run.Hold{}
}

// Serve starts the daemon and waits until it is ready, which its admin listener says. It
// ends with the test, or when stop is called.
func (p *Program) Serve(tb testing.TB, admin string) (stop func()) {
	tb.Helper()
	log, err := os.OpenFile(filepath.Join(p.Dir, "daemon.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	// It ends by a signal, as a service does, not with a context.
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), p.binary, "serve")
	cmd.Dir, cmd.Stderr, cmd.Stdout = p.Dir, log, log
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		err := cmd.Wait()
		_ = log.Close()
		if err != nil || tb.Failed() {
			tb.Errorf("the daemon ended with %v:\n%s", err, p.Log())
		}
	})
	tb.Cleanup(stop)
	Until(tb, "the daemon is ready", func() bool {
		req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, "http://"+admin+"/readyz", http.NoBody)
		if err != nil {
			tb.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return stop
}

// Log gives the end of the daemon's log.
func (p *Program) Log() string {
	text, err := os.ReadFile(filepath.Join(p.Dir, "daemon.log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-6_000):])
}

// Until waits for something that comes by itself.
func Until(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("%s: not in 30 s", what)
		}
	}
}

// FreeAddr gives an address of loopback that nobody listens at.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	return net.JoinHostPort("127.0.0.1", freePort(tb))
}

// Main runs the tests of a package, when they were started by the script that starts the
// servers.
func Main(m *testing.M) {
	if os.Getenv("GROUPSYNCD_TEST_BINARY") == "" {
		fmt.Fprintln(os.Stderr, "run these tests with test/peers/run: it builds the binary and installs the servers")
		os.Exit(1)
	}
	os.Exit(m.Run())
}
