package app

import (
	"context"
	"strings"
	"testing"
)

func TestADirectoryOrAnOpenWebUIThatIsDownLeavesTheDaemonReady(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.admin(`listen: "127.0.0.1:0"`)
	w.write("people.yaml", "users: [")
	w.write("key", "a-key-that-is-refused")
	w.serve()
	var text string
	w.until("both have failed", func() bool {
		_, text = w.http("GET", w.address(), "/readyz?verbose", "", "")
		return strings.Contains(text, "failed once since") && strings.Contains(text, "target chat: last seen never, in quarantine")
	})
	if !strings.Contains(text, "[ ]source list: last complete read never, failed once since") || !strings.HasSuffix(text, "\nreadyz check passed\n") || strings.Contains(text, "[-]") {
		t.Errorf("readyz says:\n%s", text)
	}
	for _, path := range []string{"/livez", "/readyz"} {
		if code, text := w.http("GET", w.address(), path, "", ""); code != 200 || text != "ok\n" {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
}

func TestADaemonThatStartsOrStopsIsAliveAndNotReady(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a := w.open()
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for name, d := range map[string]*daemon{"starting": nil, "stopping": {ctx: stopped}} {
		a.setDaemon(d)
		if err := a.Alive(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		checks := a.Ready(t.Context())
		if len(checks) != 1 || checks[0].Err == nil || checks[0].Err.Error() != "it is starting or stopping" {
			t.Errorf("%s: %+v", name, checks)
		}
	}
	a.setDaemon(nil)
}
