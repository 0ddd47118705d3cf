package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"groupsyncd/directory"
	"groupsyncd/internal/logging"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/state"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// canaries are secrets that no program may show: the credentials of every script, those
// that the simulator has among its settings, the tokens of the admin listener, and the
// secrets of webhooks with what is posted to them. Ours hold characters that JSON, URLs
// and HTML write in another way.
func canaries() []string {
	return []string{ldapPassword, chatKey, "canary-client-secret", "canary-ldap-password",
		"canary-alice-0123456789", "canary-grafana-0123456789",
		tokenKey, tokenNonce, accessToken, "canary-refresh-token",
		"canary-hook-0123456789", "canary-path-0123456789", "canary-posted-0123456789", notifySecret}
}

// disguises gives the forms in which a secret may turn up.
func disguises(text string) map[string]string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // A text always can be.
	}
	var plain bytes.Buffer
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		panic(err)
	}
	forms := map[string]string{
		"as it is": text, "in JSON": strings.Trim(string(quoted), `"`), "in JSON without HTML": strings.Trim(strings.TrimSpace(plain.String()), `"`),
		"quoted by Go": strings.Trim(strconv.Quote(text), `"`), "in a query": url.QueryEscape(text), "in a path": url.PathEscape(text),
		"in hexadecimal": hex.EncodeToString([]byte(text)), "in an address": strings.TrimPrefix(url.UserPassword("", text).String(), ":"),
	}
	// What stands before it shifts the secret inside of a text in base64; the first and the
	// last characters belong to its neighbours.
	for shift := range 3 {
		for name, code := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64 for URLs": base64.RawURLEncoding} {
			inner := code.EncodeToString(append(make([]byte, shift), text...))
			forms[fmt.Sprintf("in %s, shifted by %d", name, shift)] = inner[(shift*4+2)/3 : len(inner)-2]
		}
	}
	return forms
}

// betrayed says which secret a text holds and in what form, or nothing.
func betrayed(text []byte) string {
	for i, c := range canaries() {
		for form, look := range disguises(c) {
			if bytes.Contains(text, []byte(look)) {
				return fmt.Sprintf("secret %d %s", i, form)
			}
		}
	}
	return ""
}

// secretFolder is where scripts keep secrets, and files that hold one on purpose.
const secretFolder = "secrets"

// betrayedBy looks through everything that a script leaves behind: the state, logs,
// reports, backups, and what else was written.
func betrayedBy(dir string) (found []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == secretFolder:
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if what := betrayed(text); what != "" {
			found = append(found, path+" holds "+what)
		}
		return nil
	})
	return found, err
}

// quietly demands that the last output of a script holds no secret.
func quietly(ts *testscript.TestScript) {
	for _, stream := range []string{"stdout", "stderr"} {
		if what := betrayed([]byte(ts.ReadFile(stream))); what != "" {
			ts.Fatalf("%s holds %s", stream, what)
		}
	}
}

// keepsSecrets fails a script that has left a secret in a file. It runs at its end.
func keepsSecrets(e *testscript.Env) {
	found, err := betrayedBy(e.WorkDir)
	if err != nil {
		e.T().Log(err)
		e.T().FailNow()
	}
	if len(found) > 0 {
		e.T().Log(strings.Join(found, "\n"))
		e.T().FailNow()
	}
}

func TestEveryDisguiseOfASecretIsSeen(t *testing.T) {
	t.Parallel()
	for _, c := range canaries() {
		for form, look := range disguises(c) {
			if betrayed([]byte("before "+look+" after")) == "" {
				t.Errorf("%s is not seen", form)
			}
		}
		for _, before := range []string{"", "x", "xy", "xyz"} {
			if betrayed([]byte(base64.StdEncoding.EncodeToString([]byte(before+c+"\n")))) == "" {
				t.Errorf("base64 behind %q is not seen", before)
			}
		}
	}
	if what := betrayed([]byte("nothing to see: file:secrets/ldap, [secret]")); what != "" {
		t.Error(what)
	}
}

// leaky is the part of a test that a script with a planted secret is to fail.
type leaky struct {
	testing.TB
	failed bool
	log    strings.Builder
}

// The methods of testscript.T.
func (l *leaky) Parallel()      {}
func (l *leaky) Verbose() bool  { return false }
func (l *leaky) Log(a ...any)   { fmt.Fprintln(&l.log, a...) }
func (l *leaky) Fatal(a ...any) { l.Log(a...); l.FailNow() }
func (l *leaky) FailNow()       { l.failed = true; panic(planted{}) }
func (l *leaky) Skip(a ...any)  { l.Fatal(a...) }
func (l *leaky) Run(_ string, f func(testscript.T)) {
	defer func() {
		if p := recover(); p != nil && p != (planted{}) {
			panic(p)
		}
	}()
	f(l)
}

// planted is what ends a script that was to fail.
type planted struct{}

func TestAScriptThatShowsASecretFails(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"in its output":    "exits 0 sh -c 'cat secrets/ldap'\n",
		"in its errors":    "exits 0 sh -c 'cat secrets/openwebui >&2'\n",
		"in base64":        "exits 0 base64 -w0 secrets/ldap\n",
		"in a file":        "exec sh -c 'cat secrets/openwebui > state.db'\n",
		"in a folder deep": "exec mkdir -p a/b\nexec cp secrets/ldap a/b/c\n",
		"in no place":      "exits 0 groupsyncd version\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "planted.txtar")
			if err := os.WriteFile(file, []byte("ldap start\nchat start\n"+script), 0o600); err != nil {
				t.Fatal(err)
			}
			p, l := scripts(), &leaky{TB: t}
			p.Dir, p.Files = "", []string{file}
			func() {
				defer func() {
					if p := recover(); p != nil && p != (planted{}) {
						panic(p)
					}
				}()
				testscript.RunT(l, p)
			}()
			if l.failed == (name == "in no place") || l.failed && !strings.Contains(l.log.String(), "holds secret") {
				t.Errorf("failed: %t\n%s", l.failed, l.log.String())
			}
		})
	}
}

// panicking is a source that falls over with its credential in its hands.
type panicking struct{ password secret.Ref }

// Pull reads the password and panics with it.
func (p *panicking) Pull(context.Context, providers.Progress) (*directory.Snapshot, error) {
	v, err := p.password.Read()
	if err != nil {
		return nil, err
	}
	panic(fmt.Sprintf("cannot go on with %v %+v %#v", v, p, struct{ V secret.Value }{v}))
}

// Close has nothing to do.
func (p *panicking) Close() error { return nil }

func TestAPanicInASourceShowsNoSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := secretFile(dir, "ldap", ldapPassword); err != nil {
		t.Fatal(err)
	}
	ref, err := secret.Parse("file:" + filepath.Join(dir, secretFolder, "ldap"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := state.Open(t.Context(), state.Options{Dir: filepath.Join(dir, "state")})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	e, err := engine.New(engine.Options{Logger: logging.New(logging.Options{Writer: &log, Level: slog.LevelDebug}), NewID: func() string { return "01RUN" },
		Ledger: db, Journal: db, Runs: db, Audit: db, Setup: engine.Setup{Sources: []engine.Source{{ID: "corp", Name: "corp", Provider: &panicking{ref}}}}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := e.Run(t.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply})
	if err != nil {
		t.Fatal(err)
	}
	report, err := json.Marshal(r)
	if err := errors.Join(err, db.Close(), os.WriteFile(filepath.Join(dir, "report"), append(report, log.Bytes()...), 0o600)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.Sources[0].Reason, "cannot go on") {
		t.Errorf("the report says %q", r.Sources[0].Reason)
	}
	found, err := betrayedBy(dir)
	if err != nil || len(found) > 0 {
		t.Error(found, err)
	}
}
