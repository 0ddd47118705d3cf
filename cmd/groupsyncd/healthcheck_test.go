package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"groupsyncd/server"
)

// healthConfig writes a configuration whose admin listener is where server.admin says.
func healthConfig(t *testing.T, admin string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "groupsyncd.yaml")
	text := "state: state\n" + admin + `
sources: {list: {type: file, path: people.yaml}}
targets: {chat: {url: "http://127.0.0.1:1", api_key: env:NOBODY_SETS_THIS}}
rules: [{match: "*"}]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// healthcheck runs the command and gives its exit code and output.
func healthcheck(t *testing.T, file string, more ...string) (int, string) {
	t.Helper()
	var out, messages bytes.Buffer
	code := mainAt(t.Context(), nil, append([]string{"healthcheck", "--config", file}, more...), Streams{Out: &out, Err: &messages}, world{now: time.Now})
	return code, out.String() + messages.String()
}

func TestAHealthcheckBelievesOurOwnAnswerOnly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		code   int
		says   string
	}{
		"alive":             {200, "ok\n", 0, "alive: http://127.0.0.1:"},
		"loops stand still": {503, "loops: the main loop does not answer\nmore", 1, "loops: the main loop does not answer\n"},
		"somebody's page":   {200, "<html>ok</html>", 1, "somebody else listens there"},
		"another server":    {404, "nothing", 1, "404 Not Found, and not as groupsyncd answers"},
		"another redirects": {302, "", 1, "somebody else listens there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/livez" {
					t.Errorf("asked %s", r.URL)
				}
				w.Header().Set("Location", "/livez")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			t.Cleanup(web.Close)
			_, port, err := net.SplitHostPort(web.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			for _, listen := range []string{":" + port, "127.0.0.1:" + port, "0.0.0.0:" + port, "[::]:" + port} {
				code, text := healthcheck(t, healthConfig(t, `server: {admin: {listen: "`+listen+`"}}`))
				want := c.says
				if strings.HasPrefix(listen, "[::]") {
					want = strings.ReplaceAll(c.says, "127.0.0.1", "[::1]")
				}
				if code != c.code || !strings.Contains(text, want) || strings.Count(text, "\n") != 1 {
					t.Errorf("at %s: exit %d, %q; want %d, %q", listen, code, text, c.code, want)
				}
			}
			code, text := healthcheck(t, healthConfig(t, `server: {admin: {listen: ":`+port+`"}}`), "-o", "json")
			var h health
			if err := json.Unmarshal([]byte(text), &h); err != nil || code != c.code || h.Healthy != (code == 0) || h.Answer == "" {
				t.Errorf("exit %d, %s: %v", code, text, err)
			}
		})
	}
}

func TestAHealthcheckOfNobodyFails(t *testing.T) {
	t.Parallel()
	const addr = "127.0.0.1:1" // One that was free a moment ago could be given to the next test.
	for admin, says := range map[string]string{
		`server: {admin: {listen: "` + addr + `"}}`: "not alive: http://" + addr + "/livez: ",
		`server: {admin: {listen: ""}}`:             "no daemon is running with this state",
		`server: {admin: {listen: "127.0.0.1:0"}}`:  "no daemon is running with this state",
		"": "no daemon is running with this state", // Another daemon may have the default address.
	} {
		if code, text := healthcheck(t, healthConfig(t, admin)); code != 1 || !strings.Contains(text, says) {
			t.Errorf("%s: exit %d, %s", admin, code, text)
		}
	}
	if code, text := healthcheck(t, healthConfig(t, "servers: {}")); code != 2 || !strings.Contains(text, "groupsyncd.yaml:2:1:") {
		t.Errorf("a bad configuration: exit %d, %s", code, text)
	}
	if code, _ := healthcheck(t, filepath.Join(t.TempDir(), "none.yaml")); code != 2 {
		t.Errorf("no configuration: exit %d", code)
	}
}

func TestAHealthcheckWaitsForNobody(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(web.Close)
	t.Cleanup(func() { close(release) })
	_, port, err := net.SplitHostPort(web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if asked, err := server.AskLivez(ctx, "", port); err == nil || err.Error() != "it does not answer in time" || asked != "http://127.0.0.1:"+port+"/livez" {
		t.Errorf("%s: %v", asked, err)
	}
}
