package peer

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// SCIM is a SCIM 2.0 server.
type SCIM struct {
	process
	// URL is the address before /Users; TokenFile holds the token.
	URL, TokenFile string
}

// StartSCIM2Server starts an empty scim2-server, which walks by cursor too where cursor is set.
func StartSCIM2Server(tb testing.TB, cursor bool) *SCIM {
	tb.Helper()
	var settings []string
	if cursor {
		settings = []string{"cursor"}
	}
	return startSCIM(tb, "scim2server.sh", settings...)
}

// StartScimmy starts an empty server made of scimmy, on Express 5 where that is asked for.
func StartScimmy(tb testing.TB, express5 bool) *SCIM {
	tb.Helper()
	var settings []string
	if express5 {
		settings = []string{"express5"}
	}
	return startSCIM(tb, "scimmy.sh", settings...)
}

func startSCIM(tb testing.TB, script string, settings ...string) *SCIM {
	tb.Helper()
	s := &SCIM{process: newProcess(tb, script)}
	s.start(tb, settings...)
	s.URL, s.TokenFile = s.env["GROUPSYNCD_TEST_SCIM_URL"], s.env["GROUPSYNCD_TEST_SCIM_TOKEN_FILE"]
	return s
}

// SCIMToken is the token of an Open WebUI that StartOpenWebUI started with SCIMSettings.
const SCIMToken = "openwebui-scim-token-of-a-test"

// SCIMSettings let an Open WebUI be a SCIM server.
func SCIMSettings() []string {
	return []string{"SCIM_ENABLED=true", "SCIM_TOKEN=" + SCIMToken, "SCIM_AUTH_PROVIDER=oidc"}
}

// SCIMOf gives the SCIM server that such an Open WebUI is.
func SCIMOf(tb testing.TB, w *OpenWebUI) *SCIM {
	tb.Helper()
	s := &SCIM{URL: w.URL + "/api/v1/scim/v2", TokenFile: filepath.Join(tb.TempDir(), "token")}
	if err := os.WriteFile(s.TokenFile, []byte(SCIMToken+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	return s
}

// Send sends one SCIM request and gives the resource that came back. Every answer but a
// success fails the test.
func (s *SCIM) Send(tb testing.TB, method, what string, body any) map[string]any {
	tb.Helper()
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			tb.Fatal(err)
		}
		reader = bytes.NewReader(b)
	}
	a := send(tb, method, s.URL+what, "application/scim+json", secret(tb, s.TokenFile), reader)
	if a.status < 200 || a.status > 299 {
		tb.Fatalf("%s %s: %d %s", method, what, a.status, a.body)
	}
	var into map[string]any
	if len(a.body) > 0 {
		if err := json.Unmarshal(a.body, &into); err != nil {
			tb.Fatal(err)
		}
	}
	return into
}
