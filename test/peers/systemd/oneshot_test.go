//go:build peers

package systemd

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestOneRunUnderSystemd(t *testing.T) {
	m := newMachine(t, 20)
	for _, part := range []struct {
		name string
		test func(*machine)
	}{
		{"a run", oneRun},
		{"what is held is no failure, and a failure is one", heldIsNoFailure},
		{"the timer", timed},
		{"beside the daemon", besideTheDaemon},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.test(&machine{Debian: m.Debian, T: t, chat: m.chat}) }) {
			t.Fatal(m.end())
		}
	}
}

func oneRun(m *machine) {
	m.systemctl("start", oneshot)
	if got := m.size("Team G0"); got != 20 {
		m.Errorf("start returned with %d members in the group", got)
	}
	if got := m.ask(oneshot, "Result", "ActiveState", "ExecMainStatus"); got["Result"] != "success" || got["ActiveState"] != "inactive" || got["ExecMainStatus"] != "0" {
		m.Errorf("after a run: %v", got)
	}
}

func heldIsNoFailure(m *machine) {
	m.Write(m.T, "/etc/groupsyncd/people.yaml", everybodyLeft(20), 0o644)
	m.systemctl("start", oneshot)
	// The same by hand, as root, which leaves the state to the user of the service.
	if out, code := m.groupsyncd("sync"); code != 4 {
		m.Errorf("nothing is held: %d\n%s", code, out)
	}
	if m.size("Team G0") != 20 {
		m.Errorf("the group has %d members", m.size("Team G0"))
	}
	m.Write(m.T, conf, "nonsense: 1\n", 0o644)
	if _, code := m.Debian.Run(m.T, "systemctl", "start", oneshot); code == 0 || m.ask(oneshot, "ExecMainStatus")["ExecMainStatus"] != "2" {
		m.Error("a run with a bad configuration is no failure")
	}
	m.systemctl("reset-failed", oneshot)
	m.configure("Team {{ .Name }}")
	m.directory(20, 1)
}

// everybodyLeft is a directory whose one group has lost everybody.
func everybodyLeft(people int) string {
	var b strings.Builder
	b.WriteString("users:\n")
	for n := range people {
		fmt.Fprintf(&b, "  - {id: p%d, email: p%d@example.org}\n", n, n)
	}
	b.WriteString("groups:\n  - {id: g0, name: G0, members: []}\n")
	return b.String()
}

func timed(m *machine) {
	m.systemctl("start", timer)
	if got := m.ask(timer, "Unit", "Persistent", "NextElapseUSecRealtime"); got["Unit"] != oneshot || got["Persistent"] != "yes" || got["NextElapseUSecRealtime"] == "" {
		m.Errorf("the timer: %v", got)
	}
	m.systemctl("stop", timer)
	// As shipped but for the time, which would make the test slow.
	m.dropIn(timer, "soon", "[Timer]\nOnCalendar=\nOnCalendar=*:*:*\nRandomizedDelaySec=0\n")
	m.systemctl("daemon-reload")
	m.directory(20, 2)
	m.systemctl("start", timer)
	m.until("a run by the timer", func() bool { return m.size("Team G1") == 20 })
	m.systemctl("stop", timer)
	m.until("the end of its run", func() bool { return m.ask(oneshot, "ActiveState")["ActiveState"] == "inactive" })
}

func besideTheDaemon(m *machine) {
	// A run has the state; the daemon starts behind it.
	m.directory(20, 3)
	taken, release := m.hold(0)
	defer release()
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { m.Debian.Run(m.T, "systemctl", "start", oneshot) })
	<-taken
	started := make(chan struct{})
	beside.Go(func() { defer close(started); m.Debian.Run(m.T, "systemctl", "start", daemon) })
	m.until("the start of the daemon waits", func() bool {
		out, _ := m.Debian.Run(m.T, "systemctl", "--no-pager", "list-jobs")
		return strings.Contains(out, daemon+" ") && strings.Contains(out, "waiting")
	})
	release()
	<-started
	beside.Wait()
	m.until("the daemon is there", func() bool { return m.ask(daemon, "ActiveState")["ActiveState"] == "active" })
	if got := m.ask(oneshot, "Result"); got["Result"] != "success" || m.size("Team G2") != 20 {
		m.Errorf("the run before the daemon: %v", got)
	}
	pid := m.pid()

	// The daemon has the state; a run goes through it, as the same user.
	m.directory(20, 4)
	m.systemctl("start", oneshot)
	if m.size("Team G3") != 20 {
		m.Error("the run beside the daemon did nothing")
	}
	log := m.Must(m.T, "journalctl", "-b", "--no-pager", "-o", "cat", "-u", daemon)
	if !strings.Contains(log, `"trigger":"manual"`) {
		m.Errorf("the daemon did not carry out the run of the one-shot unit:\n%s", m.end())
	}
	owner := func(pid int) string {
		return strings.TrimSpace(m.Must(m.T, "stat", "-c", "%u", fmt.Sprintf("/proc/%d", pid)))
	}
	folder := strings.TrimSpace(m.Must(m.T, "stat", "-c", "%u", "/var/lib/private/groupsyncd"))
	if owner(pid) != folder || folder == "0" {
		m.Errorf("the state folder belongs to %s, the daemon runs as %s", folder, owner(pid))
	}

	// While the daemon is started again, a run finds it or waits for it.
	for range 3 {
		beside.Go(func() { m.Debian.Run(m.T, "systemctl", "restart", daemon) })
		time.Sleep(20 * time.Millisecond)
		m.systemctl("start", oneshot)
		beside.Wait()
	}
	if got := m.ask(daemon, "ActiveState", "Result"); got["ActiveState"] != "active" {
		m.Errorf("the daemon after restarts beside runs: %v\n%s", got, m.end())
	}
}
