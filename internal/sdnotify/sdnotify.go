// Package sdnotify tells systemd how the daemon is doing, by the protocol of
// sd_notify(3). Where no service manager listens, every call does nothing.
//
// It owns the messages. When the daemon is ready, and whether it is well enough for a
// sign of life, is decided by the caller.
package sdnotify

import (
	"fmt"
	"strings"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready says that start or reload is finished.
func Ready() error { return send("tell systemd that we are ready", daemon.SdNotifyReady) }

// Stopping says that the daemon is on its way out.
func Stopping() error { return send("tell systemd that we stop", daemon.SdNotifyStopping) }

// Reloading says that a reload has begun; Ready ends it. Since version 253 systemd
// waits for ever when the message carries no time of the monotonic clock.
func Reloading() error {
	return send("tell systemd that we reload", strings.TrimSpace(daemon.SdNotifyReloading+"\n"+daemon.SdNotifyMonotonicUsec()))
}

// Status gives the line that `systemctl status` shows.
func Status(text string) error {
	return send("tell systemd our status", "STATUS="+strings.Join(strings.Fields(text), " "))
}

func send(op, message string) error {
	if _, err := daemon.SdNotify(false, message); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}
