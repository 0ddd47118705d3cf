//go:build peers

// Package systemd runs the units as they are shipped under a real systemd that is process 1
// of a small Debian, with an Open WebUI beside it.
package systemd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"groupsyncd/target/openwebui/openwebuitest"
	"groupsyncd/test/peers/peer"
)

func TestMain(m *testing.M) { peer.Main(m) }

const (
	apiKey  = "sk-canary-systemd-0123456789"
	conf    = "/etc/groupsyncd/groupsyncd.yaml"
	daemon  = "groupsyncd.service"
	oneshot = "groupsyncd-sync.service"
	timer   = "groupsyncd-sync.timer"
)

// machine is a booted Debian with groupsyncd installed as the documentation says.
type machine struct {
	*peer.Debian
	*testing.T
	chat *openwebuitest.Server
}

// newMachine boots one. The daemon is not started.
func newMachine(t *testing.T, people int) *machine {
	t.Helper()
	m := &machine{Debian: peer.NewDebian(t), T: t}
	m.chat = openwebuitest.NewTest(t, openwebuitest.Options{Key: apiKey})
	for n := range people {
		m.chat.AddAccount(openwebuitest.Account{Email: fmt.Sprintf("p%d@example.org", n)})
	}
	m.Copy(t, peer.Binary(t), "/usr/bin/groupsyncd", 0o755)
	units := filepath.Join(peer.Root(t), "systemd")
	for _, unit := range []string{daemon, oneshot, timer} {
		m.Copy(t, filepath.Join(units, unit), "/etc/systemd/system/"+unit, 0o644)
		if unit != timer {
			m.dropIn(unit, "credentials", "[Service]\nLoadCredential=openwebui:/etc/groupsyncd/secrets/openwebui\n")
		}
	}
	m.Write(t, "/etc/groupsyncd/secrets/openwebui", apiKey+"\n", 0o600)
	if err := os.Chmod(filepath.Join(m.Root, "etc", "groupsyncd", "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	m.configure("Team {{ .Name }}")
	m.directory(people, 1)
	m.Start(t)
	return m
}

// dropIn writes what `systemctl edit` would.
func (m *machine) dropIn(unit, name, text string) {
	m.Helper()
	m.Write(m.T, "/etc/systemd/system/"+unit+".d/"+name+".conf", text, 0o644)
}

// configure writes the configuration, with what groups are called in Open WebUI.
func (m *machine) configure(to string) {
	m.Helper()
	m.Write(m.T, conf, fmt.Sprintf(`sources:
  list: {type: file, path: people.yaml, schedule: every 1h}
targets:
  chat: {type: openwebui, url: %q, api_key: "credential:openwebui", watch: off}
rules:
  - {name: all, match: "*", to: %q}
server: {admin: {listen: ""}}
`, m.chat.URL, to), 0o644)
}

// directory writes who there is: everybody in each of so many groups.
func (m *machine) directory(people, groups int) {
	m.Helper()
	var b strings.Builder
	b.WriteString("users:\n")
	ids := make([]string, people)
	for n := range people {
		ids[n] = fmt.Sprintf("p%d", n)
		fmt.Fprintf(&b, "  - {id: p%d, email: p%d@example.org}\n", n, n)
	}
	b.WriteString("groups:\n")
	for n := range groups {
		fmt.Fprintf(&b, "  - {id: g%d, name: G%d, members: [%s]}\n", n, n, strings.Join(ids, ", "))
	}
	m.Write(m.T, "/etc/groupsyncd/people.yaml", b.String(), 0o644)
}

// systemctl runs one that succeeds.
func (m *machine) systemctl(args ...string) string {
	m.Helper()
	return m.Must(m.T, append([]string{"systemctl", "--no-pager"}, args...)...)
}

// ask gives properties of a unit.
func (m *machine) ask(unit string, properties ...string) map[string]string {
	m.Helper()
	found := map[string]string{}
	for line := range strings.Lines(m.systemctl("show", "-p", strings.Join(properties, ","), unit)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		found[name] = value
	}
	return found
}

// pid gives the number of the daemon's process in there.
func (m *machine) pid() int {
	m.Helper()
	n, err := strconv.Atoi(m.ask(daemon, "MainPID")["MainPID"])
	if err != nil {
		m.Fatal(err)
	}
	return n
}

// groupsyncd runs a command of ours as root in there, as an administrator does, and gives
// its exit code. Without a daemon it finds the secrets where systemd takes them from.
func (m *machine) groupsyncd(args ...string) (string, int) {
	m.Helper()
	return m.Debian.Run(m.T, append([]string{"env", "CREDENTIALS_DIRECTORY=/etc/groupsyncd/secrets", "/usr/bin/groupsyncd", "--config", conf}, args...)...)
}

// sync runs once, through the daemon where there is one.
func (m *machine) sync() {
	m.Helper()
	if out, code := m.groupsyncd("sync"); code != 0 {
		m.Fatalf("sync ended with %d:\n%s%s", code, out, m.end())
	}
}

// log gives all that the units logged.
func (m *machine) log() string {
	m.Helper()
	return m.Must(m.T, "journalctl", "-b", "--no-pager", "-o", "cat", "-u", daemon, "-u", oneshot)
}

// end gives the last lines of that without the changes, for whoever looks into a failure.
func (m *machine) end() string {
	m.Helper()
	lines := slices.DeleteFunc(strings.Split(m.log(), "\n"), func(line string) bool { return strings.Contains(line, `"level":"CHANGE"`) })
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}

// until waits for something that comes by itself.
func (m *machine) until(what string, ok func() bool) {
	m.Helper()
	// As long as the watchdog of the unit as shipped may take, and a restart.
	const patience = 100 * time.Second
	for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			m.Fatalf("%s: not in %s\n%s", what, patience, m.end())
		}
	}
}

// size gives the number of members of a group, -1 where it is not.
func (m *machine) size(name string) int {
	for _, g := range m.chat.Groups() {
		if g.Name == name {
			return len(g.Members)
		}
	}
	return -1
}

// healthy checks that the daemon runs and was not started again since.
func (m *machine) healthy(pid int) {
	m.Helper()
	if got := m.ask(daemon, "ActiveState", "MainPID"); got["ActiveState"] != "active" || got["MainPID"] != strconv.Itoa(pid) {
		m.Errorf("the daemon is not what it was (process %d): %v\n%s", pid, got, m.end())
	}
}
