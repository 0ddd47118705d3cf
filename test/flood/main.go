// Command flood runs the program beside a simulated Open WebUI, sends it garbage for a
// minute, and a sign-in of somebody else every second between it. It says what that cost,
// and fails when the garbage changed anything, when a sign-in was not taken, or when the
// memory of the program grew by more than 64 MB.
//
//	go run ./test/flood                 # sixty seconds of 500 requests a second
//	go run ./test/flood -for 10s -rate 2000
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"groupsyncd/target/openwebui/openwebuitest"
	"groupsyncd/test/proc"
)

// budget is how much the memory of the program may grow.
const budget = 64 << 20

func main() {
	length := flag.Duration("for", time.Minute, "how long garbage is sent")
	rate := flag.Int("rate", 500, "requests a second")
	flag.Parse()
	if err := measure(*length, *rate); err != nil {
		fmt.Fprintln(os.Stderr, "flood:", err)
		os.Exit(1)
	}
}

const (
	loginSecret = "flood-login-0123456789"
	chatSecret  = "flood-chat-0123456789"
)

// town is the program with what it keeps right.
type town struct {
	dir    string
	chat   *openwebuitest.Server
	daemon *exec.Cmd
	public string
}

func measure(length time.Duration, rate int) (err error) {
	t, err := start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	if err := t.settled(); err != nil {
		return err
	}
	daemon := proc.Of(t.daemon.Process.Pid)
	before, err := daemon.Memory()
	if err != nil {
		return err
	}
	if err := daemon.ResetPeak(); err != nil {
		return err
	}
	_, writes := t.chat.Count()
	f := newFlood(t.public)
	f.run(length, rate)
	after, err := daemon.Memory()
	if err != nil {
		return err
	}
	f.print()
	fmt.Printf("resident before %.1f MB, at most %.1f MB, %.1f MB at the end\n", mega(before.Resident), mega(after.Peak), mega(after.Resident))
	var bad []error
	if _, now := t.chat.Count(); now != writes {
		bad = append(bad, fmt.Errorf("%d requests wrote to Open WebUI", now-writes))
	}
	if after.Peak > before.Resident+budget {
		bad = append(bad, fmt.Errorf("the memory grew by %.1f MB", mega(after.Peak-before.Resident)))
	}
	if info, err := os.Stat(filepath.Join(t.dir, "log")); err == nil {
		fmt.Printf("the log has %d kB\n", info.Size()>>10)
	}
	return errors.Join(append(bad, f.wrong()...)...)
}

func mega(n int64) float64 { return float64(n) / (1 << 20) }

// start builds the program and runs it.
func start() (*town, error) {
	dir, err := os.MkdirTemp("", "groupsyncd-flood-*")
	if err != nil {
		return nil, err
	}
	t := &town{dir: dir, chat: openwebuitest.New(openwebuitest.Options{Key: "sk-flood-0123456789"})}
	var users strings.Builder
	var names []string
	for i := range 200 {
		t.chat.AddAccount(openwebuitest.Account{Email: fmt.Sprintf("p%d@example.org", i)})
		fmt.Fprintf(&users, "  - {id: p%d, email: p%d@example.org}\n", i, i)
		names = append(names, "p"+strconv.Itoa(i))
	}
	if err := t.chat.Start(); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"login": loginSecret, "chat": chatSecret, "key": "sk-flood-0123456789",
		"people.yaml": "users:\n" + users.String() + "groups:\n  - {id: sales, name: Sales, members: [" + strings.Join(names, ", ") + "]}\n",
		"groupsyncd.yaml": "state: state\nsources: {list: {type: file, path: people.yaml, schedule: every 24h}}\ntargets: {chat: {url: \"" + t.chat.URL +
			"\", api_key: file:key}}\nrules: [{match: \"*\"}]\nserver: {admin: {listen: \"\"}, public: {listen: \"127.0.0.1:0\"}}\n" +
			"webhooks: {login: {type: standard, secret: file:login, source: list}, chat: {type: openwebui, secret: file:chat, target: chat}}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	program := filepath.Join(dir, "groupsyncd")
	if out, err := exec.CommandContext(context.Background(), "go", "build", "-o", program, "./cmd/groupsyncd").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	t.daemon = exec.CommandContext(context.Background(), program, "serve")
	t.daemon.Dir, t.daemon.Stdout, t.daemon.Stderr = dir, log, log
	return t, t.daemon.Start()
}

// settled waits until everybody is in their group and the listener is open.
func (t *town) settled() error {
	open := regexp.MustCompile(`"public listener open","address":"([^"]+)"`)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(t.dir, "log"))
		if err != nil {
			return err
		}
		groups := t.chat.Groups()
		if found := open.FindSubmatch(text); found != nil && len(groups) == 1 && len(groups[0].Members) == 200 && strings.Contains(string(text), "run ended") {
			t.public = string(found[1])
			time.Sleep(2 * time.Second) // What the first run needed goes back.
			return nil
		}
	}
	return errors.New("the program did not come to its first run")
}

func (t *town) stop() error {
	err := errors.Join(t.daemon.Process.Signal(syscall.SIGTERM), t.daemon.Wait())
	t.chat.Close()
	return errors.Join(err, os.RemoveAll(t.dir))
}
