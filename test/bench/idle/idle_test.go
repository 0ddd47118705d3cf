//go:build peers

// Package idle_test holds the budget of a daemon with nothing to do, measured at the program
// as it is released: its size, how soon it is ready with a state of that size, and how much
// memory it has when its runs are over.
//
//	go test -tags peers -v ./test/bench/idle
//	GROUPSYNCD_BENCH=full go test -tags peers -v ./test/bench/idle
//
// The company has 10,000 people, 500 groups and 50,000 memberships. Size and memory are held
// to the budget always; the time only with "full", on a machine with nothing else to do, and
// otherwise to three times of it.
package idle_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"groupsyncd/sync/run"
	"groupsyncd/target/openwebui/openwebuitest"
	"groupsyncd/test/peers/peer"
	"groupsyncd/test/proc"
)

const (
	people, groups, each = 10_000, 500, 5
	memberships          = people * each

	mostBytes    = 30 << 20
	mostResident = 48 << 20
	mostReady    = 300 * time.Millisecond
	// tries is how often the daemon is started for the time; the best one counts, because
	// others only make it worse.
	tries = 7
)

func TestADaemonWithNothingToDo(t *testing.T) {
	o := newOffice(t)
	info, err := os.Stat(o.binary)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("binary: %.1f MB of %d", mb(info.Size()), mostBytes>>20)
	if info.Size() > mostBytes {
		t.Errorf("the binary has %d bytes, at most %d are allowed", info.Size(), mostBytes)
	}
	o.settled(t)

	var took []time.Duration
	var resident int64
	for n := range tries {
		d := o.serve(t)
		took = append(took, d.ready)
		if n == tries-1 {
			resident = d.idle(t)
		}
		d.stop(t)
	}
	best, limit := slices.Min(took), mostReady
	if os.Getenv("GROUPSYNCD_BENCH") != "full" {
		limit *= 3
	}
	slices.Sort(took)
	t.Logf("ready: %s at best, %s in the middle, of %s", best.Round(time.Millisecond), took[tries/2].Round(time.Millisecond), limit)
	if best > limit {
		t.Errorf("ready after %s, at most %s is allowed", best, limit)
	}
	t.Logf("resident: %.1f MB of %d", mb(resident), mostResident>>20)
	if resident > mostResident {
		t.Errorf("an idle daemon has %d bytes resident, at most %d are allowed", resident, mostResident)
	}
}

func mb(n int64) float64 { return float64(n) / (1 << 20) }

// office is a folder with the program as released, a directory in a file, and an Open WebUI.
type office struct {
	dir, binary, admin string
}

func newOffice(t *testing.T) *office {
	t.Helper()
	// Short, for the path of the control socket.
	dir, err := os.MkdirTemp("", "idle") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	o := &office{dir: dir, binary: filepath.Join(dir, "groupsyncd"), admin: peer.FreeAddr(t)}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-tags", "timetzdata", "-ldflags", "-s -w", "-o", o.binary, "./cmd/groupsyncd")
	build.Dir, build.Env = peer.Root(t), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the program does not build: %v\n%s", err, out)
	}
	chat := openwebuitest.NewTest(t, openwebuitest.Options{Key: "sk-idle-0123456789"})
	for n := range people {
		chat.AddAccount(openwebuitest.Account{Email: fmt.Sprintf("user%d@example.org", n), Name: fmt.Sprintf("User %d", n)})
	}
	o.write(t, "key", "sk-idle-0123456789")
	o.write(t, "people.yaml", directory())
	o.write(t, "groupsyncd.yaml", fmt.Sprintf(`state: state
sources:
  list: {type: file, path: people.yaml, schedule: every 1h}
targets:
  chat: {type: openwebui, url: %q, api_key: file:key}
rules:
  - {name: all, match: "*"}
server: {admin: {listen: %q}}
`, chat.URL, o.admin))
	return o
}

func (o *office) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// directory is everybody in five groups.
func directory() string {
	var b strings.Builder
	b.WriteString("users:\n")
	members := make([][]string, groups)
	for n := range people {
		id := fmt.Sprintf("11111111-2222-3333-4444-%012d", n)
		fmt.Fprintf(&b, "  - {id: %s, email: user%d@example.org, username: user%d, name: User %d}\n", id, n, n, n)
		for k := range each {
			g := (n*31 + k*97) % groups
			members[g] = append(members[g], id)
		}
	}
	b.WriteString("groups:\n")
	for g, ids := range members {
		fmt.Fprintf(&b, "  - {id: team-%d, name: Team %d, members: [%s]}\n", g, g, strings.Join(ids, ", "))
	}
	return b.String()
}

// settled brings Open WebUI in line, so that the state has all that it will have.
func (o *office) settled(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), o.binary, "sync", "-o", "json")
	cmd.Dir = o.dir
	out, err := cmd.Output()
	var r run.Report
	if err != nil || json.Unmarshal(out, &r) != nil || r.Targets[0].Summary.MembersAdded != memberships || r.Targets[0].Summary.GroupsCreated != groups {
		t.Fatalf("the first run: %v\n%.2000s", err, out)
	}
}

// daemon is a running one.
type daemon struct {
	*exec.Cmd
	ready time.Duration
}

// serve starts the daemon and waits until it says that it is ready, and is.
func (o *office) serve(t *testing.T) *daemon {
	t.Helper()
	notify := filepath.Join(o.dir, "notify")
	_ = os.Remove(notify)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	d := &daemon{Cmd: exec.CommandContext(context.WithoutCancel(t.Context()), o.binary, "serve")}
	d.Dir, d.Env = o.dir, append(os.Environ(), "NOTIFY_SOCKET="+notify)
	begun := time.Now()
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Process.Kill() })
	b := make([]byte, 4096)
	for {
		n, err := conn.Read(b)
		if err != nil {
			t.Fatalf("the daemon does not get ready: %v", err)
		}
		if string(b[:n]) == "READY=1" {
			break
		}
	}
	d.ready = time.Since(begun)
	// Nobody reads what comes later, so it must not wait for us.
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+o.admin+"/readyz", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the daemon says that it is ready, and /readyz %d", resp.StatusCode)
	}
	return d
}

// idle waits until the memory does not change any more after two runs, and gives what is
// resident then. The first run of a process reads everything.
func (d *daemon) idle(t *testing.T) int64 {
	t.Helper()
	for range 2 {
		cmd := exec.CommandContext(t.Context(), d.Path, "sync")
		cmd.Dir = d.Dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("a run of the daemon: %v\n%.2000s", err, out)
		}
	}
	least, since := d.resident(t), time.Now()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && time.Since(since) < 4*time.Second; time.Sleep(200 * time.Millisecond) {
		if now := d.resident(t); now < least {
			least, since = now, time.Now()
		}
	}
	return d.resident(t)
}

func (d *daemon) resident(t *testing.T) int64 {
	t.Helper()
	m, err := proc.Of(d.Process.Pid).Memory()
	if err != nil {
		t.Fatal(err)
	}
	return m.Resident
}

func (d *daemon) stop(t *testing.T) {
	t.Helper()
	if err := d.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := d.Wait(); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
}
