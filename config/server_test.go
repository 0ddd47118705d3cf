package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"groupsyncd/config"
)

func TestTheAdminListenerHasADefaultAndIsOffWhenAsked(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		listen config.Listen
		chosen bool
	}{
		"":                                     {"127.0.0.1:8421", false},
		"server: {}":                           {"127.0.0.1:8421", false},
		"server: {admin: {readers: {}}}":       {"127.0.0.1:8421", false},
		`server: {admin: {listen: ""}}`:        {"", true},
		`server: {admin: {listen: ":9000"}}`:   {":9000", true},
		`server: {admin: {listen: "[::1]:0"}}`: {"[::1]:0", true},
		"server: {admin: {listen: groups.example.org:8421}}": {"groups.example.org:8421", true},
		"server: {admin: {listen: \"127.0.0.1:8421\"}}":      {"127.0.0.1:8421", true},
	} {
		c := load(t, smallest+text+"\n")
		if c.Server.Admin.Listen != want.listen || c.AdminChosen() != want.chosen {
			t.Errorf("%s gives %q, chosen %t", text, c.Server.Admin.Listen, c.AdminChosen())
		}
		shown, err := config.Show(c)
		if err != nil {
			t.Fatal(err)
		}
		if again := load(t, string(shown)); again.Server.Admin.Listen != want.listen {
			t.Errorf("%s is shown as\n%s", text, shown)
		}
	}
}

func TestBadAddressesOfTheAdminListenerAreRefused(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"localhost", "8421", ":http", ":65536", ":-1", ":+80", ":080", "::1:80", "http://127.0.0.1:80", "a b:80", "127.0.0.1:80/x"} {
		_, err := config.Load([]byte(smallest+"server: {admin: {listen: \""+address+"\"}}\n"), options())
		if err == nil || !strings.Contains(err.Error(), "groupsyncd.yaml:5:26: server.admin.listen: must ") {
			t.Errorf("%s gives %v", address, err)
		}
	}
}

func TestTokensThatCannotServeAreReportedWhereTheyStand(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.Dir = t.TempDir()
	for name, text := range map[string]string{"one": "0123456789abcdef", "same": "0123456789abcdef\n", "short": "0123456789abcde", "good": "fedcba9876543210"} {
		if err := os.WriteFile(filepath.Join(opts.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load([]byte(smallest+`server:
  admin:
    readers: {a: file:one, b: file:good}
    approvers: {c: file:same, d: file:short, e: file:missing}
`), opts)
	if err != nil {
		t.Fatal(err)
	}
	want := `groupsyncd.yaml:7:18: server.admin.readers.a: the token is that of another name
    hint: give everybody a token of their own, so that it is known who decided
groupsyncd.yaml:8:34: server.admin.approvers.d: the token is shorter than 16 characters
    hint: make one with: openssl rand -hex 32
groupsyncd.yaml:8:49: server.admin.approvers.e: secret file DIR/missing does not exist
    hint: write the secret into that file, and chmod 600 it`
	if got := strings.ReplaceAll(c.CheckTokens().Error(), opts.Dir, "DIR"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if all := c.CheckSecrets().Error(); strings.Count(all, "server.admin.") != 3 || !strings.Contains(all, "targets.chat.api_key") {
		t.Errorf("all secrets:\n%s", all)
	}
}
