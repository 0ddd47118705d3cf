//go:build peers

// Package container runs groupsyncd in the root file system that the Dockerfile makes, as
// a container engine would run it. It owns that proof; the steps are those of
// packaging/container/rootfs.sh, which the Dockerfile runs too, and container.sh beside this
// folder is the engine.
package container

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"groupsyncd/target/openwebui/openwebuitest"
	"groupsyncd/test/peers/peer"
)

func TestMain(m *testing.M) { peer.Main(m) }

// user is that of the image, release the version that it is built as.
const (
	user    = 65532
	release = "v1.2.3-test"
)

// script runs container.sh and gives what it printed.
func script(t *testing.T, args ...string) string {
	t.Helper()
	out, code := try(t, args...)
	if code != 0 {
		t.Fatalf("container.sh %s: exit %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// try runs container.sh and gives what it printed and its exit code.
func try(t *testing.T, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, engine(t), args...)
	cmd.Env = append(os.Environ(), "VERSION="+release)
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	if ended != nil {
		return string(out), ended.ExitCode()
	}
	return string(out), 0
}

func engine(t *testing.T) string {
	t.Helper()
	return filepath.Join(peer.Root(t), "test", "peers", "container.sh")
}

// folders are what the administrator mounts, and the image.
type folders struct{ image, config, state, admin string }

// newFolders makes a configuration that reads a file and writes to an Open WebUI, for the
// user of the image alone.
func newFolders(t *testing.T, chatURL, key string) folders {
	t.Helper()
	// The control socket of the daemon has its path inside, which is short.
	dir := t.TempDir()
	f := folders{image: filepath.Join(dir, "image"), config: filepath.Join(dir, "config"), state: filepath.Join(dir, "state"), admin: peer.FreeAddr(t)}
	script(t, "build", f.image)
	f.write(t, "groupsyncd.yaml", 0o644, fmt.Sprintf(`state: /var/lib/groupsyncd
server:
  admin: {listen: %q}
sources:
  list: {type: file, path: people.yaml}
targets:
  chat:
    type: openwebui
    url: %s
    api_key: file:secrets/openwebui
rules:
  - {from: list, match: "ai-*"}
`, f.admin, chatURL))
	f.write(t, "people.yaml", 0o644, `users:
  - {id: "1", email: ada@example.org, username: ada}
  - {id: "2", email: bob@example.org, username: bob}
groups:
  - {id: "10", name: ai-users, members: ["1", "2"]}
`)
	f.write(t, "secrets/openwebui", 0o400, key+"\n")
	if err := errors.Join(os.Mkdir(f.state, 0o700), os.Chown(f.state, user, user)); err != nil {
		t.Fatalf("these tests need root: %v", err)
	}
	return f
}

// write writes a file of the user of the image.
func (f *folders) write(t *testing.T, name string, mode os.FileMode, text string) {
	t.Helper()
	path := filepath.Join(f.config, name)
	err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode), os.Chown(path, user, user))
	if err != nil {
		t.Fatal(err)
	}
}

// chat is an Open WebUI behind TLS whose authority only the bundle knows.
type chat struct {
	*openwebuitest.Server
	url    string
	bundle string
}

func newChat(t *testing.T) chat {
	t.Helper()
	sim := openwebuitest.NewTest(t, openwebuitest.Options{})
	for _, mail := range []string{"ada@example.org", "bob@example.org"} {
		sim.AddAccount(openwebuitest.Account{Email: mail, Name: mail})
	}
	server := httptest.NewTLSServer(sim)
	t.Cleanup(server.Close)
	authorities, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	if err != nil {
		t.Fatal(err)
	}
	authorities = append(authorities, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})...)
	bundle := filepath.Join(t.TempDir(), "bundle.crt")
	if err := os.WriteFile(bundle, authorities, 0o644); err != nil {
		t.Fatal(err)
	}
	return chat{Server: sim, url: server.URL, bundle: bundle}
}

// running is a container that was started.
type running struct {
	f    *folders
	cmd  *exec.Cmd
	log  *syncBuffer
	done chan struct{}
}

// start starts the container with its default command.
func start(t *testing.T, f *folders, env ...string) *running {
	t.Helper()
	r := &running{f: f, log: &syncBuffer{}, done: make(chan struct{})}
	r.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), engine(t), "run", f.image, f.config, f.state)
	r.cmd.Stdout, r.cmd.Stderr, r.cmd.Env = r.log, r.log, append(os.Environ(), env...)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.done)
		_ = r.cmd.Wait() // the test looks at its state
	}()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the container said:\n%s", r.log)
		}
		_ = r.cmd.Process.Kill() // what it started goes with it
		<-r.done
	})
	return r
}

// ended says whether the container is over.
func (r *running) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// exec runs a command in the container.
func (r *running) exec(t *testing.T, args ...string) (string, int) {
	t.Helper()
	return try(t, append([]string{"exec", r.f.image}, args...)...)
}

// pid is the number of the program as this machine sees it.
func (r *running) pid(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.f.image, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// proc reads a file about the program.
func (r *running) proc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/" + r.pid(t) + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// until waits for something that comes by itself, and fails when the container ends before.
func (r *running) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	peer.Until(t, what, func() bool {
		if r.ended() {
			t.Fatalf("the container ended before: %s", what)
		}
		return ok()
	})
}

// exit waits for the end and gives the exit code.
func (r *running) exit(t *testing.T) int {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(75 * time.Second):
		t.Fatal("the container does not end")
	}
	state, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || state.Signaled() {
		t.Fatalf("the container ended by a signal: %v", r.cmd.ProcessState)
	}
	return state.ExitStatus()
}

// syncBuffer takes what a program says while a test reads it.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
