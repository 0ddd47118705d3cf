//go:build peers

package systemd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"groupsyncd/test/peers/peer"
)

// tenths is the exposure that systemd-analyze may find, as its --threshold counts it.
const tenths = "12"

func TestTheUnitsAreHardened(t *testing.T) {
	m := newMachine(t, 1)
	for _, unit := range []string{daemon, oneshot} {
		out := m.Must(t, "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold="+tenths, "/etc/systemd/system/"+unit)
		score := regexp.MustCompile(`Overall exposure level for \S+: (\S+)`).FindStringSubmatch(out)
		if score == nil {
			t.Fatalf("systemd-analyze gives no score for %s:\n%s", unit, out)
		}
		t.Logf("exposure of %s: %s", unit, score[1])
	}
	for _, unit := range []string{daemon, oneshot, timer} {
		if out, code := m.Debian.Run(t, "systemd-analyze", "verify", "--man=no", "/etc/systemd/system/"+unit); code != 0 || strings.Contains(out, "groupsyncd") {
			t.Errorf("systemd finds mistakes in %s (%d):\n%s", unit, code, out)
		}
	}
	m.tried()
	m.isApart()
}

// tried checks that what a unit forbids is refused in it, and possible outside.
func (m *machine) tried() {
	binary := filepath.Join(m.Dir, "probe")
	build := exec.CommandContext(m.Context(), "go", "build", "-o", binary, "./test/peers/systemd/probe")
	build.Dir, build.Env = peer.Root(m.T), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		m.Fatalf("the probe does not build: %v\n%s", err, out)
	}
	m.Copy(m.T, binary, "/usr/bin/probe", 0o755)
	m.Write(m.T, "/home/ana/letter", "for Ana\n", 0o644)
	m.Must(m.T, "sh", "-c", "echo for Ana >/tmp/letter && chmod 644 /tmp/letter && mkdir -p /root/probe")

	free := m.Must(m.T, "env", "STATE_DIRECTORY=/root/probe", "/usr/bin/probe")
	for line := range strings.Lines(free) {
		if !strings.HasSuffix(strings.TrimSpace(line), ": allowed") {
			m.Errorf("outside of the units: %s", line)
		}
	}
	start := regexp.MustCompile(`(?m)^(ExecStart=.*|ExecReload=.*|Type=.*|WatchdogSec=.*|Restart=.*)$`)
	for _, unit := range []string{daemon, oneshot} {
		text, err := os.ReadFile(filepath.Join(m.Root, "etc", "systemd", "system", unit))
		if err != nil {
			m.Fatal(err)
		}
		name := "probe-" + unit
		m.Write(m.T, "/etc/systemd/system/"+name, strings.Replace(start.ReplaceAllString(string(text), ""), "[Service]", "[Service]\nType=oneshot\nExecStart=/usr/bin/probe", 1), 0o644)
		m.systemctl("daemon-reload")
		m.systemctl("start", name)
		out := m.Must(m.T, "journalctl", "-b", "--no-pager", "-o", "cat", "-u", name, "_COMM=probe")
		if got, want := strings.Count(out, "\n"), strings.Count(free, "\n"); got != want {
			m.Errorf("%d attempts in %s, %d outside:\n%s", got, unit, want, out)
		}
		for line := range strings.Lines(out) {
			if strings.Contains(line, ": allowed") {
				m.Errorf("in %s: %s", unit, line)
			}
		}
		m.Logf("in %s:\n%s", unit, out)
	}
}

// isApart checks the process of the daemon itself, and that it works so.
func (m *machine) isApart() {
	m.systemctl("start", daemon)
	m.sync()
	if out, code := m.groupsyncd("state", "backup"); code != 0 {
		m.Errorf("a backup: %d\n%s", code, out)
	}
	proc := fmt.Sprintf("/proc/%d/", m.pid())
	for _, kind := range []string{"mnt", "user", "ipc", "uts"} {
		if own, first := m.Must(m.T, "readlink", proc+"ns/"+kind), m.Must(m.T, "readlink", "/proc/1/ns/"+kind); own == first {
			m.Errorf("the daemon shares the namespace %s with everybody", kind)
		}
	}
	status := m.Must(m.T, "cat", proc+"status")
	for _, want := range []string{`CapEff:\t0+`, `CapBnd:\t0+`, `CapAmb:\t0+`, `NoNewPrivs:\t1`, `Seccomp:\t2`} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).MatchString(status) {
			m.Errorf("the status of the process does not have %s:\n%s", want, status)
		}
	}
	if got := m.ask(daemon, "MemoryMax", "TasksMax"); got["MemoryMax"] != strconv.Itoa(1<<30) || got["TasksMax"] != "512" {
		m.Errorf("limits: %v", got)
	}
	// Where this machine has such controllers, the limits are in force as well.
	for file, want := range map[string]string{"memory/system.slice/groupsyncd.service/memory.limit_in_bytes": strconv.Itoa(1 << 30), "pids/system.slice/groupsyncd.service/pids.max": "512"} {
		if out, code := m.Debian.Run(m.T, "cat", "/sys/fs/cgroup/"+file); code == 0 && strings.TrimSpace(out) != want {
			m.Errorf("%s is %s", file, out)
		}
	}
	seen := m.Must(m.T, "ls", proc+"root/dev")
	for d := range strings.FieldsSeq(seen) {
		if strings.HasPrefix(d, "vd") || strings.HasPrefix(d, "sd") || d == "kmsg" || d == "mem" || d == "rtc0" {
			m.Errorf("the daemon sees the device %s", d)
		}
	}
}
