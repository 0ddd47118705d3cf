//go:build peers

// Package deb installs our deb on a clean Debian, as docs/first-sync.md says, and looks
// at what the package does when it is updated, removed and purged.
package deb

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

func TestMain(m *testing.M) { peer.Main(m) }

// packages builds what is installed here, once.
func packages(t *testing.T) (deb, rpm string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dist")
	script(t, "build", dir)
	return one(t, dir, "*.deb"), one(t, dir, "*.rpm")
}

func script(t *testing.T, args ...string) {
	t.Helper()
	command(t, filepath.Join(peer.Root(t), "test", "peers", "deb.sh"), args...)
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func one(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s in %s: %q, %v", pattern, dir, found, err)
	}
	return found[0]
}

// TestPackages: the transcript first, on a machine that never saw groupsyncd; then what
// comes later in its life.
func TestPackages(t *testing.T) {
	deb, rpm := packages(t)
	company, err := ldif.New(ldif.Options{Users: 60, Groups: 8, Memberships: 60, Nested: 0.15, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	slapd := peer.StartSlapd(t, company, peer.SlapdOptions{})
	// People sign in to it by LDAP, which is where config init --from-open-webui looks.
	host, port, err := net.SplitHostPort(slapd.Addr())
	if err != nil {
		t.Fatal(err)
	}
	chat := peer.StartOpenWebUI(t, 55, "ENABLE_LDAP=true", "LDAP_SERVER_LABEL=Company", "LDAP_SERVER_HOST="+host, "LDAP_SERVER_PORT="+port, "LDAP_USE_TLS=false",
		"LDAP_ATTRIBUTE_FOR_MAIL=mail", "LDAP_ATTRIBUTE_FOR_USERNAME=uid", "LDAP_APP_DN="+slapd.BindDN, "LDAP_APP_PASSWORD=canary-of-open-webui", "LDAP_SEARCH_BASE=ou=people,"+slapd.BaseDN)

	d := peer.NewDebian(t)
	d.Copy(t, deb, "/root/"+filepath.Base(deb), 0o644)
	d.Copy(t, slapd.PasswordFile, "/root/ldap-password", 0o600)
	d.Copy(t, chat.KeyFile, "/root/openwebui-key", 0o600)
	d.Start(t)
	s := newShell(t, d)
	s.must("cd /root")

	t.Run("the transcript is what happens", func(t *testing.T) {
		s.t = t
		follow(t, s, strings.NewReplacer("127.0.0.1:389", slapd.Addr(), "127.0.0.1:3000", chat.Addr()), strings.NewReplacer(slapd.Addr(), "127.0.0.1:389", chat.Addr(), "127.0.0.1:3000"))
	})
	if t.Failed() || os.Getenv("GROUPSYNCD_TEST_UPDATE") == "2" {
		return
	}
	t.Run("pages and completions are there", func(t *testing.T) { s.t = t; papers(t, s, d) })
	t.Run("updates", func(t *testing.T) { s.t = t; updates(t, s, d, deb) })
	t.Run("removal, installing again, purge", func(t *testing.T) { s.t = t; removal(t, s, filepath.Base(deb)) })
	t.Run("the rpm", func(t *testing.T) { readRPM(t, rpm) })
}

// follow types what the page says, and compares. With GROUPSYNCD_TEST_UPDATE=1 the page
// gets what was printed instead.
func follow(t *testing.T, s *shell, actual, shown *strings.Replacer) {
	t.Helper()
	p := readPage(t, filepath.Join(peer.Root(t), "docs", "first-sync.md"))
	update := os.Getenv("GROUPSYNCD_TEST_UPDATE") != ""
	steps := 0
	for _, part := range p.parts {
		b, ok := part.(*block)
		if !ok {
			continue
		}
		for i := range b.steps {
			steps++
			step := &b.steps[i]
			printed, _ := s.run(actual.Replace(step.command))
			for j := range printed {
				printed[j] = shown.Replace(printed[j])
			}
			if agrees(step.output, printed) {
				continue
			}
			if !update {
				t.Errorf("%s\nshown:\n%s\n\nprinted:\n%s", step.command, strings.Join(step.output, "\n"), strings.Join(printed, "\n"))
			}
			step.output = printed
		}
	}
	if steps < 10 {
		t.Errorf("only %d commands were found", steps)
	}
	if update {
		p.write(t)
	}
}

// papers: what people find with man and Tab.
func papers(t *testing.T, s *shell, d *peer.Debian) {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(d.Root, "usr", "share", "man", "man[15]", "groupsyncd*.gz"))
	if err != nil || len(pages) < 50 {
		t.Fatalf("%d manual pages, %v", len(pages), err)
	}
	for _, page := range pages {
		text := command(t, "gzip", "-dc", page)
		if !strings.Contains(text, `.TH "GROUPSYNCD`) || !strings.Contains(text, ".SH NAME") {
			t.Errorf("%s is no manual page:\n%.200s", page, text)
		}
	}
	// The functions that bash-completion brings; without them the file must load all the same.
	s.must("bash -euc 'source /usr/share/bash-completion/completions/groupsyncd && complete -p groupsyncd'")
	if out := s.must("groupsyncd __complete release --rule '' 2>/dev/null"); !strings.HasPrefix(out, "all\n") {
		t.Errorf("Tab offers for a rule: %s", out)
	}
	if out := s.must("groupsyncd __complete history '' 2>/dev/null"); !strings.Contains(out, ", in sync") {
		t.Errorf("Tab offers for a run: %s", out)
	}
	for _, file := range []string{"README.md", "docs/first-sync.md", "docs/config.schema.json", "copyright", "changelog.gz", "licenses.gz", "groupsyncd.cdx.json.gz", "examples/teams.yaml", "monitoring/alerts.yaml"} {
		s.must("test -s /usr/share/doc/groupsyncd/" + file)
	}
	if out := s.must("stat -c '%a %n' /etc/groupsyncd /etc/groupsyncd/secrets"); out != "755 /etc/groupsyncd\n700 /etc/groupsyncd/secrets" {
		t.Errorf("modes: %s", out)
	}
}

const (
	pidOf  = "systemctl show --value -p MainPID groupsyncd"
	config = "/etc/groupsyncd/groupsyncd.yaml"
)

// updates: the configuration stays, and a running service goes on as the new program only
// when that accepts it.
func updates(t *testing.T, s *shell, d *peer.Debian, deb string) {
	t.Helper()
	update := func(version string) string {
		script(t, "again", deb, version)
		name := "groupsyncd_" + version + "_again.deb"
		d.Copy(t, filepath.Join(filepath.Dir(deb), name), "/root/"+name, 0o644)
		return s.must("dpkg -i /root/" + name + " && rm /root/" + name)
	}
	sum := s.must("sha256sum " + config + " /etc/groupsyncd/secrets/*")
	pid := s.must(pidOf)
	if pid == "0" {
		t.Fatal("the service does not run")
	}
	update("9.0.0")
	if got := s.must("sha256sum " + config + " /etc/groupsyncd/secrets/*"); got != sum {
		t.Errorf("an update changed the configuration or a secret:\n%s\n%s", sum, got)
	}
	second := s.must(pidOf)
	if second == pid || second == "0" {
		t.Errorf("an update that accepts the configuration did not restart the service: pid %s, then %s", pid, second)
	}

	s.must("sed -i 's/^rules:/rulez:/' " + config)
	out := update("9.0.1")
	if !strings.Contains(out, "was not restarted: the new version refuses") || !strings.Contains(out, `did you mean "rules"`) && !strings.Contains(out, "rulez") {
		t.Errorf("an update that refuses the configuration does not say so:\n%s", out)
	}
	if third := s.must(pidOf); third != second {
		t.Errorf("an update that refuses the configuration touched the service: pid %s, then %s", second, third)
	}
	s.must("systemctl is-active groupsyncd")
	s.must("sed -i 's/^rulez:/rules:/' " + config)

	s.must("systemctl stop groupsyncd")
	update("9.0.2")
	if pid := s.must(pidOf); pid != "0" {
		t.Errorf("an update started a service that was off: pid %s", pid)
	}
	s.must("systemctl start groupsyncd")
}

// removal keeps what is the administrator's, purge does not.
func removal(t *testing.T, s *shell, deb string) {
	t.Helper()
	s.must("dpkg --remove groupsyncd")
	s.must("test ! -e /usr/bin/groupsyncd")
	if out, _ := s.run("systemctl is-active groupsyncd"); len(out) == 0 || out[0] == "active" {
		t.Errorf("removed, and the service is %q", out)
	}
	s.must("test -s " + config + " -a -s /etc/groupsyncd/secrets/ldap -a -s /var/lib/private/groupsyncd/state.db")

	// Back with the configuration of before: it goes on where it stopped.
	s.must("dpkg -i /root/" + deb)
	s.must("systemctl is-active groupsyncd")
	if out := s.must("groupsyncd history"); strings.Count(out, "in sync")+strings.Count(out, "unchanged") == 0 {
		t.Errorf("the history did not survive:\n%s", out)
	}

	// An administrator who switched it off is not overruled by removing and installing.
	s.must("systemctl disable --now groupsyncd && dpkg --remove groupsyncd && dpkg -i /root/" + deb)
	if out, code := s.run("systemctl is-active groupsyncd"); code == 0 {
		t.Errorf("installing again started what was disabled: %q", out)
	}

	s.must("dpkg --purge groupsyncd")
	if left := s.must("find / -xdev '(' -path /proc -o -path /sys -o -path /root -o -path /tmp ')' -prune -o -name '*groupsyncd*' -print | grep -v -e ^/var/log -e '^/etc/systemd/system/groupsyncd.service.d' || true"); left != "" {
		t.Errorf("a purge left:\n%s", left)
	}

	// A configuration that is there before the package, and is wrong: nothing starts.
	s.must("mkdir -p /etc/groupsyncd && echo 'sources: 1' >" + config)
	if out := s.must("dpkg -i /root/" + deb); !strings.Contains(out, "groupsyncd is not started: "+config+" is not valid") {
		t.Errorf("installing with a wrong configuration says:\n%s", out)
	}
	if out, code := s.run("systemctl is-enabled groupsyncd"); code == 0 {
		t.Errorf("installing with a wrong configuration enabled the service: %q", out)
	}
	if out := s.must(pidOf); out != "0" {
		t.Errorf("installing with a wrong configuration started the service: pid %s", out)
	}
}

// readRPM reads what rpm, the program, finds in the other package.
func readRPM(t *testing.T, file string) {
	t.Helper()
	ask := func(args ...string) string {
		return command(t, "rpm", append(append([]string{"-qp"}, args...), file)...)
	}
	if out := ask("--configfiles"); strings.TrimSpace(out) != "/etc/groupsyncd/config.example.yaml" {
		t.Errorf("configuration files: %s", out)
	}
	out := ask("--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\n]")
	for _, want := range []string{"-rwxr-xr-x /usr/bin/groupsyncd\n", "drwx------ /etc/groupsyncd/secrets\n", "-rw-r--r-- /usr/lib/systemd/system/groupsyncd.service\n",
		"-rw-r--r-- /usr/share/man/man1/groupsyncd.1.gz\n", "-rw-r--r-- /usr/share/zsh/site-functions/_groupsyncd\n", "-rw-r--r-- /usr/share/licenses/groupsyncd/LICENSE\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("the rpm has no %s", want)
		}
	}
	if strings.Contains(out, "/etc/groupsyncd/groupsyncd.yaml") {
		t.Error("the rpm has a configuration of its own")
	}
	if out := ask("--scripts"); !strings.Contains(out, "config validate") || !strings.Contains(out, "try-restart") {
		t.Errorf("scripts: %s", out)
	}
	if out := ask("--requires"); strings.Contains(out, "lib") && strings.Contains(out, ".so") {
		t.Errorf("a static program requires: %s", out)
	}
	command(t, "rpm", "--checksig", "--nosignature", file)
	// The scripts are the same to every shell.
	for _, script := range []string{"post", "preun", "postun"} {
		if out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", "-n", filepath.Join(peer.Root(t), "packaging", "nfpm", "rpm", script)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
}
