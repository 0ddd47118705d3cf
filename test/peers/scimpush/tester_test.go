//go:build peers

// Package scimpush lets the SCIM checks of others look at the daemon.
package scimpush

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"groupsyncd/target/openwebui/openwebuitest"
	"groupsyncd/test/peers/peer"
)

const token = "tester-token-0123456789"

// address gives a port of loopback that nobody has.
func address(t *testing.T) string {
	t.Helper()
	var c net.ListenConfig
	l, err := c.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // Its address is all that is wanted.
	return l.Addr().String()
}

// TestAnIndependentCheckOfTheServiceProvider: scim2-tester makes, reads, changes and deletes
// what it finds in the schemas, and not one of its checks fails.
func TestAnIndependentCheckOfTheServiceProvider(t *testing.T) {
	p := peer.NewProgram(t)
	chat := openwebuitest.NewTest(t, openwebuitest.Options{Key: "sk-tester-0123456789"})
	public, admin := address(t), address(t)
	p.Write(t, "token", token)
	p.Write(t, "key", "sk-tester-0123456789")
	p.Configure(t, fmt.Sprintf(`state: state
server: {public: {listen: %q}, admin: {listen: %q}}
sources: {pushed: {type: scim-push, token: file:token}}
targets: {chat: {type: openwebui, url: %q, api_key: file:key, watch: off}}
rules: [{match: "nothing of all this"}]
`, public, admin, chat.URL))
	p.Serve(t, admin)
	script, err := filepath.Abs("../scimtester.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), script, "test", "http://"+public+"/scim/pushed/v2") // #nosec G204 -- our own script
	cmd.Env = append(cmd.Environ(), "GROUPSYNCD_TEST_SCIM_TOKEN="+token)
	out, err := cmd.CombinedOutput()
	text := string(out)
	done := strings.Count(text, "SUCCESS ")
	bad := regexp.MustCompile(`(?m)^(ERROR|CRITICAL|SKIPPED|DEVIATION).*(\n  .*)*`).FindAllString(text, -1)
	if err != nil || len(bad) > 0 || done < 120 {
		t.Errorf("%d checks went well, %v: %s\n%.3000s", done, err, strings.Join(bad, "\n"), text)
	}
	t.Logf("%d checks of scim2-tester", done)
}
