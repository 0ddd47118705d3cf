// Package sdnotify tells systemd how the service is doing. Without systemd, that is
// without NOTIFY_SOCKET, every call does nothing.
package sdnotify

import (
	"fmt"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready says that the service works.
func Ready() error { return send(daemon.SdNotifyReady) }

// Stopping says that the service is ending.
func Stopping() error { return send(daemon.SdNotifyStopping) }

// Reloading says that the configuration is being read again; Ready ends it. The time
// belongs to the message since systemd 253, which waits for ever without it.
func Reloading() error {
	return send(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// Status shows a line in systemctl status.
func Status(text string) error { return send("STATUS=" + text) }

func send(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}
