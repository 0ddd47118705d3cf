// Package peer starts real servers for tests: OpenLDAP, 389 Directory Server, Samba as an
// Active Directory, Open WebUI, and Keycloak and oidc-provider as OpenID providers, each on
// loopback in a folder of its own, through the scripts beside it.
//
// A server that cannot be started fails the test; nothing here ever skips one.
// What a server holds is left to package ldif, and what a test does with it to the
// test. Tests that use this package carry the build tag peers.
package peer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds one call of a script; the longest is a first installation.
const patience = 10 * time.Minute

// process is what every peer has: a script, a folder, a place to listen at.
type process struct {
	// Dir holds the data, the log and the settings of the server.
	Dir    string
	script string
	// place is a port of 127.0.0.1, or an address where the ports are fixed.
	place string
	addr  string
	env   map[string]string
	// vars are for the script itself.
	vars []string
}

// newProcess makes the folder of a server that takes any port, and sees to its end.
func newProcess(tb testing.TB, script string) process {
	tb.Helper()
	port := freePort(tb)
	return processAt(tb, script, port, net.JoinHostPort("127.0.0.1", port))
}

func processAt(tb testing.TB, script, place, addr string) process {
	tb.Helper()
	// The folder of a test has its name, which may leave too little for the sockets that
	// servers make in there: their paths have 107 bytes at most.
	dir, err := os.MkdirTemp("", "peer") //nolint:usetesting // for the length of its path, see above
	if err != nil {
		tb.Fatal(err)
	}
	p := process{Dir: dir, script: filepath.Join(Root(tb), "test", "peers", script), place: place, addr: addr}
	tb.Cleanup(func() {
		if err := os.RemoveAll(p.Dir); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("the end of %s:\n%s", filepath.Join(p.Dir, "log"), p.tail())
		}
		p.run(tb, "stop", p.Dir)
	})
	return p
}

// start starts the server, waits until it answers and reads how to reach it.
func (p *process) start(tb testing.TB, settings ...string) {
	tb.Helper()
	p.run(tb, append([]string{"start", p.Dir, p.place}, settings...)...)
	p.env = readEnv(tb, filepath.Join(p.Dir, "env"))
}

// Stop ends the server in good order and waits until it is gone.
func (p *process) Stop(tb testing.TB) {
	tb.Helper()
	p.run(tb, "stop", p.Dir)
}

// Kill ends the server with SIGKILL, as a power cut would, and waits until it is gone.
func (p *process) Kill(tb testing.TB) {
	tb.Helper()
	p.run(tb, "kill", p.Dir)
}

// Addr gives host and port of the server.
func (p *process) Addr() string { return p.addr }

// run runs the script and fails the test when the script fails. It works in a
// cleanup too, where the context of the test has ended.
func (p *process) run(tb testing.TB, args ...string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.script, args...)
	cmd.Env = append(os.Environ(), p.vars...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		tb.Fatalf("%s %s: %v\n%s", filepath.Base(p.script), strings.Join(args, " "), err, out)
	}
}

// tail gives the last part of the server's log.
func (p *process) tail() string {
	log, err := os.ReadFile(filepath.Join(p.Dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-4000):])
}

// Root gives the root of the repository: the folder of go.mod above the package
// whose test is running.
func Root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			tb.Fatal("no go.mod above the folder of this test")
		}
		dir = filepath.Dir(dir)
	}
}

// Binary gives the path of the groupsyncd that test/peers/run built.
func Binary(tb testing.TB) string {
	tb.Helper()
	return need(tb, "GROUPSYNCD_TEST_BINARY")
}

// need reads a variable that test/peers/run sets.
func need(tb testing.TB, name string) string {
	tb.Helper()
	value := os.Getenv(name)
	if value == "" {
		tb.Fatalf("%s is not set: start these tests with test/peers/run", name)
	}
	return value
}

// freePort asks the system for a port that nobody has. Between here and the start
// of the server somebody could take it; the start fails then and says so.
func freePort(tb testing.TB) string {
	tb.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err := errors.Join(err, listener.Close()); err != nil {
		tb.Fatal(err)
	}
	return port
}

// readEnv reads a file of NAME='value' lines.
func readEnv(tb testing.TB, path string) map[string]string {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	env := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "=")
		env[name] = strings.Trim(value, "'")
	}
	return env
}

// secret reads a file that holds one line.
func secret(tb testing.TB, path string) string {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
