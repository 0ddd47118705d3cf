package app

import (
	"fmt"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/scalar"
	"groupsyncd/providers"
	"groupsyncd/sync/engine"
)

const (
	// leastSpace is what should be free on the disk of the state at least, or twice the
	// size of the state: a backup needs a copy beside it, and a second one when encrypted.
	leastSpace = 128 << 20
	// noSpace is where the next run may not be written down any more.
	noSpace = 16 << 20
	// fullness is how much of its limit the state may use before doctor says so.
	fullness = 0.8
)

// StateFindings says what doctor finds about the state: from what a check of it gave, with
// or without a daemon.
func StateFindings(cfg *config.Config, s *engine.StateStatus, err error, now time.Time) Checked {
	c := Checked{Kind: "state", Name: string(cfg.State)}
	add := func(level providers.Level, check, remedy, format string, args ...any) {
		c.Findings = append(c.Findings, providers.Finding{Level: level, Check: check, Message: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	switch {
	case fault.KindOf(err) == fault.NotFound:
		add(providers.OK, "check", "", "there is no state yet; the first run makes it")
		return c
	case err != nil:
		add(providers.Failed, "check", fault.HintOf(err), "%s", err.Error())
		return c
	case s.Problem != "":
		add(providers.Failed, "check", s.Hint, "%s", s.Problem)
	default:
		add(providers.OK, "check", "", "every page, record and checksum was read and is right")
	}
	sizeFinding(s, add)
	spaceFinding(s, add)
	backupFinding(&s.Backup, now, add)
	return c
}

type adder func(level providers.Level, check, remedy, format string, args ...any)

func sizeFinding(s *engine.StateStatus, add adder) {
	text := fmt.Sprintf("%s of at most %s, %s of it unused", Bytes(s.Size), Bytes(s.MaxSize), Bytes(s.Unused))
	if s.MaxSize > 0 && float64(s.Size-s.Unused) > fullness*float64(s.MaxSize) {
		add(providers.Warning, "size", "More than the largest supported directory needs: shorten what is kept, or report it. Nothing is changed in Open WebUI once the limit is reached.", "%s", text)
		return
	}
	add(providers.OK, "size", "", "%s", text)
}

func spaceFinding(s *engine.StateStatus, add adder) {
	const remedy = "Make room on the disk of the state folder. A run that cannot be written down is not made."
	text := Bytes(s.FreeSpace) + " free on its disk"
	switch {
	case s.FreeSpace < noSpace:
		add(providers.Failed, "space", remedy, "only %s", text)
	case s.FreeSpace < max(leastSpace, 2*s.Size):
		add(providers.Warning, "space", remedy, "only %s", text)
	default:
		add(providers.OK, "space", "", "%s", text)
	}
}

func backupFinding(b *engine.BackupStatus, now time.Time, add adder) {
	age := ""
	if !b.Last.IsZero() {
		age = "the last one is " + scalar.Duration(now.Sub(b.Last).Round(time.Minute)).String() + " old"
	}
	switch {
	case b.Problem != "":
		add(providers.Warning, "backup", b.Hint, "the last attempt failed: %s", b.Problem)
	case b.Every == "off" && age == "":
		add(providers.Warning, "backup", "Set backup.every, or copy the state in another way: groupsyncd state backup", "no backups are made, and there is none")
	case b.Every == "off":
		add(providers.OK, "backup", "", "none are made by themselves; %s", age)
	case age == "":
		add(providers.OK, "backup", "", "there is none yet; one is made after the first run, and every %s", b.Every)
	case b.Overdue:
		add(providers.Warning, "backup", "Is the daemon running, and may it write to the folder backups? Try it with: groupsyncd state backup", "one is to be made every %s, and %s", b.Every, age)
	default:
		add(providers.OK, "backup", "", "%s", age)
	}
}

// Bytes writes a size for people.
func Bytes(n int64) string {
	size, unit := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if size < 1024 {
			break
		}
		size, unit = size/1024, next
	}
	if size < 10 && unit != "B" {
		return fmt.Sprintf("%.1f %s", size, unit)
	}
	return fmt.Sprintf("%.0f %s", size, unit)
}
