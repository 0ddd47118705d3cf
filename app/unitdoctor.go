package app

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"groupsyncd/providers"
)

const (
	unitName  = "groupsyncd.service"
	timerName = "groupsyncd-sync.timer"
	// mostExposed is the worst score that our unit has by itself, see systemd/.
	mostExposed = 1.2
	// manyRestarts is from where on restarts are spoken of.
	manyRestarts = 3
)

// systemd is the service manager of this machine.
type systemd struct {
	// dir is there where systemd runs.
	dir string
	run func(ctx context.Context, name string, args ...string) ([]byte, error)
}

// command runs a program of the system, which only reads.
func command(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // The names stand in this file.
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0")
	return cmd.Output()
}

// show gives properties of a unit; nil when it is not installed or cannot be asked about.
func (s *systemd) show(ctx context.Context, unit string) map[string]string {
	out, err := s.run(ctx, "systemctl", "show", unit, "--no-pager", "--property=LoadState,ActiveState,SubState,UnitFileState,NRestarts,Result,WatchdogUSec")
	if err != nil {
		return nil
	}
	have := map[string]string{}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		have[key] = value
	}
	if have["LoadState"] == "not-found" || have["LoadState"] == "" {
		return nil
	}
	return have
}

// unit looks at how systemd runs the daemon, where its unit is installed.
func (c *Checked) unit(ctx context.Context, s systemd, runs bool) {
	const check = "unit"
	if _, err := os.Stat(s.dir); err != nil {
		return
	}
	have := s.show(ctx, unitName)
	if have == nil {
		return
	}
	switch have["ActiveState"] {
	case "failed":
		c.add(providers.Failed, check, "see: journalctl -u groupsyncd -e; then: systemctl reset-failed groupsyncd && systemctl start groupsyncd", "%s has failed: %s", unitName, have["Result"])
	case "active":
		c.active(have, runs)
	case "activating", "reloading", "deactivating":
		c.add(providers.Warning, check, "wait a moment; see: systemctl status groupsyncd", "%s is %s", unitName, have["ActiveState"])
	default:
		c.inactive(s.show(ctx, timerName), have, runs)
	}
	c.exposure(ctx, s)
}

func (c *Checked) active(have map[string]string, runs bool) {
	const check = "unit"
	c.add(providers.OK, check, "", "%s is active (%s)", unitName, have["SubState"])
	if !runs {
		c.add(providers.Warning, check, "name its configuration with --config or GROUPSYNCD_CONFIG", "%s is active with another state than that of this configuration", unitName)
	}
	if have["UnitFileState"] == "disabled" {
		c.add(providers.Warning, check, "systemctl enable groupsyncd", "%s is not started when the machine starts", unitName)
	}
	if n, err := strconv.Atoi(have["NRestarts"]); err == nil && n >= manyRestarts {
		c.add(providers.Warning, check, "see: journalctl -u groupsyncd -p warning", "%s was restarted %d times by itself", unitName, n)
	}
	if w, there := have["WatchdogUSec"]; there && (w == "0" || w == "infinity") {
		c.add(providers.Warning, check, "take WatchdogSec from the unit that comes with groupsyncd", "%s has no watchdog, so a daemon that hangs is not restarted", unitName)
	}
}

func (c *Checked) inactive(timer, have map[string]string, runs bool) {
	const check = "unit"
	switch {
	case timer != nil && timer["ActiveState"] == "active":
		c.add(providers.OK, check, "", "%s is active, and starts a run each time", timerName)
	case runs:
		c.add(providers.Warning, check, "run it as a service, which restarts it: systemctl enable --now groupsyncd", "the daemon runs outside of %s", unitName)
	case have["UnitFileState"] == "enabled":
		c.add(providers.Warning, check, "systemctl start groupsyncd", "%s is enabled and not running", unitName)
	default:
		c.add(providers.Warning, check, "once the configuration is right: systemctl enable --now groupsyncd", "%s is installed, and neither enabled nor running", unitName)
	}
}

// exposure asks systemd how well the unit is shut in.
func (c *Checked) exposure(ctx context.Context, s systemd) {
	out, err := s.run(ctx, "systemd-analyze", "security", "--no-pager", unitName)
	if err != nil {
		return // Not installed, or too old: nothing follows from that.
	}
	found := regexp.MustCompile(`Overall exposure level for \S+: (\d+(?:\.\d+)?)`).FindSubmatch(out)
	if found == nil {
		return
	}
	score, err := strconv.ParseFloat(string(found[1]), 64)
	switch {
	case err != nil:
	case score > mostExposed:
		c.add(providers.Warning, "exposure", "see what a drop-in takes away: systemctl cat groupsyncd; systemd-analyze security groupsyncd", "systemd rates the unit %s of 10, and %.1f as it comes", found[1], mostExposed)
	default:
		c.add(providers.OK, "exposure", "", "systemd rates the unit %s of 10", found[1])
	}
}
