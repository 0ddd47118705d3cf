package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.etcd.io/bbolt"

	"groupsyncd/app"
	"groupsyncd/state"
)

// patience bounds every wait of a script for something that happens elsewhere. Two messages
// to one service have half a minute between them.
const patience = 75 * time.Second

// pause is how long a wait sleeps between two looks.
const pause = 10 * time.Millisecond

// The variables that a script may set for the processes it starts.
const (
	// envLock is how long to wait for the lock on the state, instead of ten seconds.
	envLock = "TEST_LOCK_TIMEOUT"
	// envRoom is the largest size in bytes that the system lets a file have, which
	// makes the disk look full.
	envRoom = "TEST_ROOM"
	// envLater is by how much the clock of the process goes ahead.
	envLater = "TEST_LATER"
)

// TestMain lets the test binary be the program itself, in processes of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"groupsyncd": func() { os.Exit(child()) }})
}

// child is realMain in the circumstances that a script asks for.
func child() int {
	guardNetwork()
	giveUpRights()
	ctx, hup, stop := app.Signals(context.Background())
	defer stop()
	w := world{now: time.Now}
	if text := os.Getenv(envLock); text != "" {
		var err error
		if w.lockTimeout, err = time.ParseDuration(text); err != nil {
			panic(err)
		}
	}
	if text := os.Getenv(envLater); text != "" {
		later, err := time.ParseDuration(text)
		if err != nil {
			panic(err)
		}
		w.now = func() time.Time { return time.Now().Add(later) }
	}
	if text := os.Getenv(envRoom); text != "" {
		room, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			panic(err)
		}
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: room, Max: room}); err != nil {
			panic(err)
		}
	}
	return mainAt(ctx, hup, os.Args[1:], Streams{Out: os.Stdout, Err: os.Stderr}, w)
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, scripts())
}

// scripts says how scripts are run.
func scripts() testscript.Params {
	return testscript.Params{
		Dir:                 "../../test/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			s := &stage{dir: e.WorkDir, doors: map[string]int{}}
			e.Values[stageKey{}] = s
			// What was put off last is done first, and files are whole once all has stopped.
			e.Defer(func() { keepsSecrets(e) })
			e.Defer(s.close)
			e.Setenv("LDAP_SECRET", ldapPassword)
			e.Setenv("CHAT_SECRET", chatKey)
			e.Setenv("HOME", e.WorkDir)
			e.Setenv(envLock, "300ms")
			e.Setenv("TZ", "UTC")
			examples, err := filepath.Abs("../../examples")
			if err != nil {
				return err
			}
			e.Setenv("EXAMPLES", examples)
			// With the race detector every process would else sleep a second at its end.
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ldap": ldapCommand, "chat": chatCommand, "configure": configureCommand, "daemon": daemonCommand,
			"background": backgroundCommand, "systemd": systemdCommand, "exits": exitsCommand, "eventually": eventuallyCommand,
			"json": jsonCommand, "keys": keysCommand, "hold": holdCommand, "tamper": tamperCommand, "http": httpCommand, "mode": modeCommand, "remember": rememberCommand,
			"damage": damageCommand, "key": keyCommand, "idp": idpCommand, "hook": hookCommand, "rights": rightsCommand, "given": givenCommand, "ear": earCommand, "head": headCommand,
		},
	}
}

type stageKey struct{}

// stage is what one script has set up around the program.
type stage struct {
	dir  string
	ldap *ldapStage
	chat *chatStage
	idp  *idpStage
	ear  *earStage
	held *state.DB
	// doors are the sockets that keep the addresses of what was stopped.
	doors map[string]int

	children map[string]*process
	systemd  *systemd
}

func stageOf(ts *testscript.TestScript) *stage { return ts.Value(stageKey{}).(*stage) }

func (s *stage) close() {
	for _, p := range s.children {
		p.kill()
	}
	if s.held != nil {
		_ = s.held.Close() // The script is over.
	}
	if s.ldap != nil {
		s.ldap.stop()
	}
	if s.chat != nil {
		s.chat.server.Close()
	}
	if s.idp != nil {
		s.idp.server.Close()
	}
	if s.ear != nil {
		s.ear.server.Close()
	}
	if s.systemd != nil {
		s.systemd.close()
	}
	for address := range s.doors {
		s.open(address)
	}
}

// command is one case of a script command with its least number of arguments.
type subcommand struct {
	least int
	usage string
	do    func(args []string) error
}

// choose runs the case that the first argument names.
func choose(ts *testscript.TestScript, neg bool, name string, cases map[string]subcommand, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: %s WHAT …", name)
	}
	c, ok := cases[args[0]]
	if !ok {
		ts.Fatalf("%s cannot %s", name, args[0])
	}
	if len(args)-1 < c.least {
		ts.Fatalf("usage: %s %s %s", name, args[0], c.usage)
	}
	switch err := c.do(args[1:]); {
	case neg && err == nil:
		ts.Fatalf("%s should have failed", strings.Join(append([]string{name}, args...), " "))
	case !neg && err != nil:
		ts.Fatalf("%s: %v", strings.Join(append([]string{name}, args...), " "), err)
	}
}

// wait looks until what it asks for is there.
func wait(what string, look func() (bool, error)) error {
	for end := time.Now().Add(patience); ; time.Sleep(pause) {
		ok, err := look()
		if ok || err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s did not happen in %s", what, patience)
		}
	}
}

// execute runs a program line and gives its exit code.
func execute(ts *testscript.TestScript, args []string) int {
	err := ts.Exec(args[0], args[1:]...)
	quietly(ts)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	ts.Check(err)
	return 0
}

// exitsCommand runs a program and demands an exit code: exits CODE PROGRAM ARGS….
func exitsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGS…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if code := execute(ts, args[1:]); code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// eventuallyCommand repeats a program until its output matches: eventually PATTERN
// PROGRAM ARGS…. With a file instead of a program it looks at that.
func eventuallyCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN FILE | PROGRAM ARGS…")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	ts.Check(wait("a match of "+args[0], func() (bool, error) {
		if len(args) == 2 {
			text, err := os.ReadFile(ts.MkAbs(args[1]))
			if errors.Is(err, os.ErrNotExist) {
				return false, nil
			}
			return pattern.Match(text), err
		}
		execute(ts, args[1:])
		return pattern.MatchString(ts.ReadFile("stdout")), nil
	}))
}

// jsonCommand compares a value in the last output: json PATH VALUE, with steps of the
// path between dots and the numbers of lists among them. len is the length of a list.
func jsonCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json PATH VALUE")
	}
	got := lookInto(ts, args[0])
	text, isText := got.(string)
	if !isText {
		b, err := json.Marshal(got)
		ts.Check(err)
		text = string(b)
	}
	if (text == args[1]) == neg {
		ts.Fatalf("%s is %s", args[0], text)
	}
}

// rememberCommand sets a variable to a value in the last output: remember NAME PATH.
func rememberCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: remember NAME PATH")
	}
	value := lookInto(ts, args[1])
	text, ok := value.(string)
	if n, number := value.(float64); number {
		text, ok = strconv.FormatFloat(n, 'f', -1, 64), true
	}
	if !ok {
		ts.Fatalf("%s is no text or number", args[1])
	}
	ts.Setenv(args[0], text)
}

func lookInto(ts *testscript.TestScript, path string) any {
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &v); err != nil {
		ts.Fatalf("the output is no JSON: %v", err)
	}
	for step := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			next, ok := x[step]
			if !ok {
				return "absent"
			}
			v = next
		case []any:
			if step == "len" {
				return len(x)
			}
			i, err := strconv.Atoi(step)
			ts.Check(err)
			if i >= len(x) {
				return "absent"
			}
			v = x[i]
		default:
			return "absent"
		}
	}
	return v
}

// keysCommand compares the names in the last output with a file: keys FILE. Each is
// written with its path; all the entries of a list are one.
func keysCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: keys FILE")
	}
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &v); err != nil {
		ts.Fatalf("the output is no JSON: %v", err)
	}
	var got []string
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch x := v.(type) {
		case map[string]any:
			for k, inner := range x {
				got = append(got, strings.TrimPrefix(path+"."+k, "."))
				walk(path+"."+k, inner)
			}
		case []any:
			for _, inner := range x {
				walk(path, inner)
			}
		}
	}
	walk("", v)
	slices.Sort(got)
	got = slices.Compact(got)
	want := strings.Fields(ts.ReadFile(args[0]))
	slices.Sort(want)
	for _, k := range got {
		if !slices.Contains(want, k) {
			ts.Logf("not wanted: %s", k)
		}
	}
	for _, k := range want {
		if !slices.Contains(got, k) {
			ts.Logf("missing: %s", k)
		}
	}
	if !slices.Equal(got, want) {
		ts.Fatalf("the names differ")
	}
}

// holdCommand opens the state in this process, or closes it again: hold DIR, ! hold.
func holdCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := stageOf(ts)
	if neg {
		ts.Check(s.held.Close())
		s.held = nil
		return
	}
	db, err := state.Open(context.Background(), state.Options{Dir: ts.MkAbs(args[0])})
	ts.Check(err)
	s.held = db
}

// modeCommand demands the permissions of a file: mode 0600 FILE.
func modeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode OCTAL FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s", args[1], got)
	}
}

// standard is the configuration of most scripts; LDAP_URL and CHAT_URL are filled in.
const standard = `state: state
sources:
  corp:
    type: ldap
    url: LDAP_URL
    bind: {dn: "cn=sync,dc=example,dc=org", password: file:secrets/ldap}
    users: {base: "ou=people,dc=example,dc=org"}
    groups: {base: "ou=groups,dc=example,dc=org"}
    schedule: every 24h
targets:
  chat:
    type: openwebui
    url: CHAT_URL
    api_key: file:secrets/openwebui
rules:
  - name: departments
    match: "dep-*"
    to: '{{ .Name | trimPrefix "dep-" | title }}'
safety:
  absence: {reads: 2, over: 0s}
server: {admin: {listen: ""}}
`

// configureCommand writes a configuration: configure [-to FILE] [-from FILE] [OLD NEW]….
// Each OLD must be there, so that no change is lost without a word.
func configureCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: configure [-to FILE] [-from FILE] [OLD NEW]…")
	}
	s, text, to := stageOf(ts), standard, "groupsyncd.yaml"
	for len(args) >= 2 && (args[0] == "-to" || args[0] == "-from") {
		if args[0] == "-to" {
			to = args[1]
		} else {
			text = ts.ReadFile(args[1])
		}
		args = args[2:]
	}
	for pair := range slices.Chunk(args, 2) {
		if len(pair) != 2 || !strings.Contains(text, pair[0]) {
			ts.Fatalf("%q is not in the configuration, or nothing is to replace it", pair[0])
		}
		text = strings.ReplaceAll(text, pair[0], strings.ReplaceAll(pair[1], `\n`, "\n"))
	}
	if s.ldap != nil {
		text = strings.ReplaceAll(text, "LDAP_URL", s.ldap.url)
	}
	if s.chat != nil {
		text = strings.ReplaceAll(text, "CHAT_URL", s.chat.server.URL)
	}
	file := ts.MkAbs(to)
	ts.Check(os.WriteFile(file+".new", []byte(text), 0o600))
	ts.Check(os.Rename(file+".new", file))
}

// secretFile keeps a secret where the standard configuration looks for it.
func secretFile(dir, name, value string) error {
	dir = filepath.Join(dir, "secrets")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), append(bytes.Clone([]byte(value)), '\n'), 0o600)
}

// tamperCommand takes a record out of the audit, as somebody could who can write the state.
func tamperCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: tamper NUMBER")
	}
	n, err := strconv.ParseUint(args[0], 10, 64)
	ts.Check(err)
	db, err := bbolt.Open(ts.MkAbs("state/"+state.FileName), 0o600, nil)
	ts.Check(err)
	ts.Check(errors.Join(db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("audit")).Bucket([]byte("records")).Delete(binary.BigEndian.AppendUint64(nil, n))
	}), db.Close()))
}
