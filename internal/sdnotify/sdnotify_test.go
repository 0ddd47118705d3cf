package sdnotify

import (
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// listen stands in for systemd. The tests set the environment of the process and so
// run one after the other.
func listen(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	return conn
}

// calls are all messages, with what systemd has to receive.
func calls() map[string]func() error {
	return map[string]func() error{
		`READY=1`:                           Ready,
		`STOPPING=1`:                        Stopping,
		`RELOADING=1\nMONOTONIC_USEC=\d+`:   Reloading,
		`STATUS=last run at 12:00, 2 held`:  func() error { return Status("last run at 12:00,\n 2 held\n") },
		`STATUS=a READY=1 that is no order`: func() error { return Status("a\nREADY=1\nthat is no order") },
	}
}

func TestMessagesReachSystemd(t *testing.T) {
	conn := listen(t)
	for want, call := range calls() {
		if err := call(); err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		b := make([]byte, 4096)
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(b[:n]); !regexp.MustCompile("^" + want + "$").MatchString(got) {
			t.Errorf("systemd receives %q, want %q", got, want)
		}
	}
}

func TestMonotonicTimeGrows(t *testing.T) {
	conn := listen(t)
	last := int64(0)
	for range 2 {
		if err := Reloading(); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		usec, err := strconv.ParseInt(regexp.MustCompile(`\d+$`).FindString(string(b[:n])), 10, 64)
		if err != nil || usec <= last {
			t.Errorf("MONOTONIC_USEC is %d after %d: %v", usec, last, err)
		}
		last = usec
	}
}

func TestNothingHappensWithoutASocket(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	for want, call := range calls() {
		if err := call(); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestADeadSocketIsAnError(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	for want, call := range calls() {
		if err := call(); err == nil {
			t.Errorf("%s: no error", want)
		}
	}
}
