package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"groupsyncd/config"
	"groupsyncd/internal/scalar"
	"groupsyncd/providers"
	"groupsyncd/providers/all"
	"groupsyncd/server"
)

// sleeper is a daemon that says only whether it is alive.
type sleeper struct {
	server.Backend
	err error
}

func (s *sleeper) Alive(context.Context) error { return s.err }

// awake opens the control socket of a daemon.
func awake(t *testing.T, err error) string {
	t.Helper()
	dir := t.TempDir()
	l, fail := server.Listen(t.Context(), dir)
	if fail != nil {
		t.Fatal(fail)
	}
	log := slog.New(slog.DiscardHandler)
	web := server.NewServer(t.Context(), server.Control(&sleeper{err: err}, log, server.Caller), log)
	done := make(chan error, 1)
	go func() { done <- web.Serve(l) }()
	t.Cleanup(func() {
		if err := web.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return dir
}

// answering is a listener that answers everything with one text.
func answering(t *testing.T, text string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// nobody is an address at which nobody listens. One that was free a moment ago could be
// given to the next test.
const nobody = "127.0.0.1:1"

func TestDoctorLooksAtTheDaemonAndItsListeners(t *testing.T) {
	t.Parallel()
	running, hanging, stopped := awake(t, nil), awake(t, errors.New("the main loop does not answer")), t.TempDir()
	ours, another, none := answering(t, "ok\n"), answering(t, "<html>"), nobody
	for name, c := range map[string]struct {
		state, server string
		check         string
		level         providers.Level
		says, remedy  string
	}{
		"running":             {running, `{admin: {listen: ""}}`, "control_socket", providers.OK, "the daemon answers", ""},
		"stopped":             {stopped, `{admin: {listen: ""}}`, "control_socket", providers.OK, "no daemon is running", ""},
		"hanging":             {hanging, `{admin: {listen: ""}}`, "control_socket", providers.Failed, "the main loop does not answer", "restart it"},
		"no admin listener":   {running, `{admin: {listen: ""}}`, "admin_listener", providers.OK, "as configured", ""},
		"admin listener":      {running, `{admin: {listen: "` + ours + `"}}`, "admin_listener", providers.OK, "http://" + ours + "/livez says ok", ""},
		"somebody else there": {running, `{admin: {listen: "` + another + `"}}`, "admin_listener", providers.Failed, "somebody else listens there", "reload"},
		"nobody there":        {running, `{admin: {listen: "` + none + `"}}`, "admin_listener", providers.Failed, "connection refused", "see the daemon's log"},
		"open to all":         {stopped, `{admin: {listen: ":8421"}}`, "admin_listener", providers.Warning, "open to other machines", "firewall"},
		"public listener":     {running, `{public: {listen: "` + ours + `", url: "http://` + ours + `"}}`, "public_listener", providers.OK, "listens at " + ours, ""},
		"public url":          {running, `{public: {listen: "` + ours + `", url: "http://` + ours + `"}}`, "public_url", providers.OK, "http://" + ours + " answers", ""},
		"nobody in public":    {running, `{public: {listen: "` + none + `", url: "http://` + ours + `"}}`, "public_listener", providers.Failed, "nobody listens at " + none, "reload"},
		"public url is off":   {running, `{public: {listen: "` + ours + `", url: "http://` + none + `"}}`, "public_url", providers.Warning, "does not answer from here", "see that the proxy"},
		"no such public name": {running, `{public: {listen: "` + ours + `", url: "http://a..b.invalid"}}`, "public_url", providers.Warning, "no such host", "check the name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hooks := ""
			if strings.Contains(c.server, "public") {
				hooks = "webhooks: {w: {type: standard, secret: env:HOOK, source: list}}\n"
			}
			cfg, err := config.Load([]byte(`
sources: {list: {type: file, path: people.yaml}}
targets: {chat: {url: "http://127.0.0.1:1", api_key: env:KEY}}
rules: [{match: "*"}]
server: `+c.server+"\n"+hooks), config.Options{File: "x.yaml", Dir: t.TempDir(), Registry: all.Registry()})
			if err != nil {
				t.Fatal(err)
			}
			cfg.State = scalar.Path(c.state)
			found := DaemonFindings(t.Context(), cfg)
			found.wants(t, c.check, c.level, c.says, c.remedy)
		})
	}
}

func TestDoctorSaysThatTheDefaultAddressIsTaken(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load([]byte(`
sources: {list: {type: file, path: people.yaml}}
targets: {chat: {url: "http://127.0.0.1:1", api_key: env:KEY}}
rules: [{match: "*"}]
`), config.Options{File: "x.yaml", Dir: t.TempDir(), Registry: all.Registry()})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Server.Admin.Listen = config.Listen(answering(t, "<html>"))
	found := &Checked{}
	found.adminListener(t.Context(), cfg, true)
	found.wants(t, "admin_listener", providers.Warning, "goes on without one", "name another address")
}
