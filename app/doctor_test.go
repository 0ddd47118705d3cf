package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/scalar"
	"groupsyncd/providers"
	"groupsyncd/target/openwebui/openwebuitest"
)

// wants demands a finding, and that every finding has a remedy exactly when it is none of
// what is right.
func (c *Checked) wants(t *testing.T, check string, level providers.Level, says, remedy string) {
	t.Helper()
	found := false
	for _, f := range c.Findings {
		if (f.Level == providers.OK) != (f.Remedy == "") {
			t.Errorf("level and remedy do not go together: %+v", f)
		}
		found = found || f.Check == check && f.Level == level && strings.Contains(f.Message, says) && strings.Contains(f.Remedy, remedy)
	}
	if !found {
		t.Errorf("no %s %s: %q in %+v", level, check, says, c.Findings)
	}
}

// lacks demands that nothing was said about a check.
func (c *Checked) lacks(t *testing.T, check string) {
	t.Helper()
	if c.has(check) {
		t.Errorf("something is said about %s: %+v", check, c.Findings)
	}
}

// authority makes certificates that end at some time.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, until time.Time) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, file: filepath.Join(t.TempDir(), "ca.pem")}
	a.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// serves starts a server with a certificate of this authority, whose clock may be off.
func (a *authority) serves(t *testing.T, until time.Time, names []string, off time.Duration) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: until, DNSNames: names}
	if len(names) == 0 {
		cert.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("a credential was sent")
		}
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func TestDoctorLooksAtCertificatesAndClocksOfServers(t *testing.T) {
	t.Parallel()
	now := time.Now()
	year := now.AddDate(1, 0, 1)
	good, old := newAuthority(t, year), newAuthority(t, now.AddDate(0, 0, 10))
	for name, c := range map[string]struct {
		url, ca      string
		check        string
		level        providers.Level
		says, remedy string
	}{
		"valid":             {good.serves(t, year, nil, 0), good.file, "certificate", providers.OK, "is valid until " + year.UTC().Format(time.DateOnly), ""},
		"ends soon":         {good.serves(t, now.AddDate(0, 0, 20), nil, 0), good.file, "certificate", providers.Warning, "days from now", "renew it there"},
		"has ended":         {good.serves(t, now.AddDate(0, 0, -2), nil, 0), good.file, "certificate", providers.Failed, "it is valid from", "renew it there"},
		"authority ends":    {old.serves(t, year, nil, 0), old.file, "certificate", providers.Warning, `the authority "Test CA" behind`, "ca_file with it"},
		"unknown authority": {good.serves(t, year, nil, 0), old.file, "certificate", providers.Failed, "nobody here knows who signed it", "with ca_file"},
		"another name":      {good.serves(t, year, []string{"other.example.org"}, 0), good.file, "certificate", providers.Failed, "it is for another name", "write the name"},
		"same clock":        {good.serves(t, year, nil, 0), good.file, "clock", providers.OK, "agrees with ours", ""},
		"clock is late":     {good.serves(t, year, nil, -10*time.Minute), good.file, "clock", providers.Warning, "from ours", "time server"},
		"clock is early":    {good.serves(t, year, nil, 10*time.Minute), good.file, "clock", providers.Warning, "from ours", "time server"},
		"no such name":      {"https://a..b.invalid", good.file, "dns", providers.Failed, "a..b.invalid: no such host", "resolv.conf"},
		"a name":            {strings.Replace(good.serves(t, year, []string{"localhost"}, 0), "127.0.0.1", "localhost", 1), good.file, "dns", providers.OK, "localhost has an address", ""},
		"no ca file":        {good.serves(t, year, nil, 0), filepath.Join(t.TempDir(), "none.pem"), "ca_file", providers.Failed, "no such file", "check the path"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := &Checked{}
			found.upstream(t.Context(), providers.Upstream{URL: c.url, CAFile: c.ca}, now)
			found.wants(t, c.check, c.level, c.says, c.remedy)
		})
	}
	quiet := &Checked{}
	quiet.upstream(t.Context(), providers.Upstream{URL: "http://127.0.0.1:1"}, now) // Its own check says that nobody answers.
	quiet.upstream(t.Context(), providers.Upstream{URL: "nothing"}, now)
	if len(quiet.Findings) != 0 {
		t.Errorf("%+v", quiet.Findings)
	}
}

func TestDoctorDoesNotWaitForServersThatHang(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.chat.Inject(openwebuitest.Fault{Latency: time.Hour})
	cfg, err := Load(filepath.Join(w.dir, "groupsyncd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	checked, err := checkWithin(t.Context(), cfg, slog.New(slog.DiscardHandler), 50*time.Millisecond)
	if err != nil || len(checked) != 2 {
		t.Fatalf("%+v, %v", checked, err)
	}
	checked[1].wants(t, "time", providers.Warning, "within 50ms", "it is slow")
}

// unitOf is a systemd that knows a service and a timer.
func unitOf(t *testing.T, service, timer, score string) systemd {
	t.Helper()
	return systemd{dir: t.TempDir(), run: func(_ context.Context, name string, args ...string) ([]byte, error) {
		switch {
		case name == "systemd-analyze" && score == "":
			return nil, errors.New("not there")
		case name == "systemd-analyze":
			return []byte("x\n→ Overall exposure level for groupsyncd.service: " + score + " OK :-)\n"), nil
		case args[1] == timerName:
			return []byte(timer), nil
		}
		return []byte(service), nil
	}}
}

func TestDoctorLooksAtTheUnit(t *testing.T) {
	t.Parallel()
	const active = "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nNRestarts=0\nResult=success\nWatchdogUSec=1min\n"
	change := func(old, now string) string { return strings.Replace(active, old, now, 1) }
	stopped := strings.NewReplacer("ActiveState=active", "ActiveState=inactive", "SubState=running", "SubState=dead").Replace(active)
	for name, c := range map[string]struct {
		service, timer, score string
		runs                  bool
		check                 string
		level                 providers.Level
		says, remedy          string
	}{
		"as it should be":   {active, "", "1.1", true, "unit", providers.OK, "is active (running)", ""},
		"shut in":           {active, "", "1.1", true, "exposure", providers.OK, "rates the unit 1.1 of 10", ""},
		"open":              {active, "", "9.2", true, "exposure", providers.Warning, "9.2 of 10, and 1.2 as it comes", "systemctl cat"},
		"failed":            {change("ActiveState=active", "ActiveState=failed"), "", "", false, "unit", providers.Failed, "has failed: success", "journalctl -u groupsyncd"},
		"another state":     {active, "", "", false, "unit", providers.Warning, "another state", "--config"},
		"not at boot":       {change("enabled", "disabled"), "", "", true, "unit", providers.Warning, "not started when the machine starts", "systemctl enable"},
		"restarts":          {change("NRestarts=0", "NRestarts=7"), "", "", true, "unit", providers.Warning, "restarted 7 times", "journalctl"},
		"no watchdog":       {change("1min", "0"), "", "", true, "unit", providers.Warning, "no watchdog", "WatchdogSec"},
		"starting":          {change("ActiveState=active", "ActiveState=activating"), "", "", true, "unit", providers.Warning, "is activating", "wait"},
		"enabled, stopped":  {stopped, "", "", false, "unit", providers.Warning, "enabled and not running", "systemctl start"},
		"installed only":    {strings.Replace(stopped, "enabled", "disabled", 1), "", "", false, "unit", providers.Warning, "neither enabled nor running", "enable --now"},
		"by hand":           {stopped, "", "", true, "unit", providers.Warning, "runs outside of", "as a service"},
		"by timer":          {stopped, active, "", false, "unit", providers.OK, "groupsyncd-sync.timer is active", ""},
		"timer not started": {stopped, stopped, "", false, "unit", providers.Warning, "enabled and not running", "systemctl start"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := &Checked{}
			found.unit(t.Context(), unitOf(t, c.service, c.timer, c.score), c.runs)
			found.wants(t, c.check, c.level, c.says, c.remedy)
		})
	}
	for name, s := range map[string]systemd{
		"not installed": unitOf(t, "LoadState=not-found\n", "", "1.1"),
		"no systemd":    {dir: filepath.Join(t.TempDir(), "none"), run: func(context.Context, string, ...string) ([]byte, error) { panic("it was asked") }},
		"no systemctl":  {dir: t.TempDir(), run: func(context.Context, string, ...string) ([]byte, error) { return nil, errors.New("not found") }},
	} {
		found := &Checked{}
		found.unit(t.Context(), s, true)
		if len(found.Findings) != 0 {
			t.Errorf("%s: %+v", name, found.Findings)
		}
	}
}

func TestDoctorLooksAtWhoMayWriteWhat(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	file := filepath.Join(w.dir, "groupsyncd.yaml")
	cfg, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	mode := func(name string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(filepath.Join(w.dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	look := func() *Checked { return &Checked{Findings: FileFindings(cfg)} }
	mode("", 0o755)
	look().wants(t, "file_modes", providers.OK, "nobody else may write", "")
	mode("groupsyncd.yaml", 0o666)
	look().wants(t, "file_modes", providers.Failed, "everybody may write "+file, "chmod o-w "+file)
	mode("groupsyncd.yaml", 0o660)
	look().wants(t, "file_modes", providers.Warning, "the group of "+file, "chmod g-w")
	mode("groupsyncd.yaml", 0o644)
	mode("key", 0o660)
	look().wants(t, "file_modes", providers.Warning, "the group of "+filepath.Join(w.dir, "key"), "chmod g-w")
	mode("key", 0o640)
	look().wants(t, "file_modes", providers.OK, "nobody else may write", "")
	mode("", 0o777)
	look().wants(t, "file_modes", providers.Failed, "everybody may replace the files in "+w.dir, "chmod o-w "+w.dir)
	mode("", 0o777|os.ModeSticky)
	look().wants(t, "file_modes", providers.OK, "nobody else", "")
	for _, c := range []struct {
		uid  int
		want bool
	}{{0, false}, {1000, false}, {990, false}, {1001, true}} {
		if foreign(c.uid, 1000, 990) != c.want {
			t.Errorf("user %d", c.uid)
		}
	}
}

func TestDoctorLooksAtTheFolderOfTheState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := &config.Config{}
	look := func(name string) *Checked {
		cfg.State = scalar.Path(filepath.Join(dir, name))
		return &Checked{Findings: StateFolderFindings(cfg)}
	}
	if found := look("none"); len(found.Findings) != 0 {
		t.Errorf("%+v", found)
	}
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	look("state").wants(t, "file_modes", providers.OK, "nobody else may look", "")
	if err := os.Chmod(filepath.Join(dir, "state"), 0o755); err != nil {
		t.Fatal(err)
	}
	look("state").wants(t, "file_modes", providers.Warning, "others may look into", "chmod 700")
	if err := os.WriteFile(filepath.Join(dir, "state", "state.db"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	look("state").wants(t, "file_modes", providers.Warning, "others may read", "chmod go=")
	for kind, c := range map[string]struct {
		shared bool
		level  providers.Level
		says   string
	}{
		"NFS": {true, providers.Failed, "the state is on NFS"}, "tmpfs": {false, providers.Warning, "in memory"},
		"overlay": {false, providers.Warning, "in the container itself"}, "ext4": {false, providers.OK, "is on ext4"},
	} {
		found := &Checked{}
		found.fileSystem(kind, c.shared)
		found.wants(t, "file_system", c.level, c.says, "")
	}
	none := &Checked{}
	none.fileSystem("", false)
	none.lacks(t, "file_system")
}
