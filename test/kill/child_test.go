package kill

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"groupsyncd/app"
	"groupsyncd/state"
	"groupsyncd/sync/run"
)

// The variables by which the test binary knows that it is the child: the folder with the
// configuration, the call of the hook at which it ends itself, and whether it is a daemon.
const (
	envDir    = "GROUPSYNCD_KILL_CHILD"
	envStep   = "GROUPSYNCD_KILL_STEP"
	envDaemon = "GROUPSYNCD_KILL_DAEMON"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envDir); dir != "" {
		code, err := child(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// child is the program: it carries out one run, or is a daemon, and tells the parent of
// each commit through the file with the number 3.
func child(dir string) (int, error) {
	at, err := strconv.Atoi(os.Getenv(envStep))
	if err != nil {
		return 1, err
	}
	daemon := os.Getenv(envDaemon) != ""
	told, calls := os.NewFile(3, "told"), 0
	step := func(when string) {
		calls++
		txid, err := lastCommit(filepath.Join(dir, "state"))
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(told, "%s %d\n", when, txid)
		// The first run of a daemon is its last, so that the parent need not wait.
		if calls == at || daemon && when == "after save run" {
			die()
		}
	}
	file := filepath.Join(dir, "groupsyncd.yaml")
	cfg, err := app.Load(file)
	if err != nil {
		return 1, err
	}
	ctx := context.Background()
	a, err := app.New(ctx, app.Options{File: file, Config: cfg, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), Step: step})
	if err != nil {
		return 1, err
	}
	if daemon {
		// A reload starts a run, also when none is due.
		hup := make(chan struct{}, 1)
		hup <- struct{}{}
		return 1, a.Serve(ctx, hup)
	}
	r, err := a.Run(ctx, run.Request{Trigger: run.Manual, Mode: run.Apply}, nil)
	if err != nil {
		return 1, errors.Join(err, a.Close())
	}
	fmt.Fprintf(told, "run %s\n", r.Run)
	return r.Exit, a.Close()
}

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // It does not return.
	select {}
}

// lastCommit reads the number of the last commit out of the head pages of the state: it
// grows by one with each. 0: there is no state.
func lastCommit(dir string) (uint64, error) {
	f, err := os.Open(filepath.Join(dir, state.FileName))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	page := os.Getpagesize()
	head := make([]byte, 2*page)
	_, err = io.ReadFull(f, head)
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	var last uint64
	for _, meta := range [][]byte{head[16:80], head[page+16 : page+80]} {
		sum := fnv.New64a()
		_, _ = sum.Write(meta[:56]) // A hash takes everything.
		if sum.Sum64() == binary.NativeEndian.Uint64(meta[56:]) {
			last = max(last, binary.NativeEndian.Uint64(meta[48:]))
		}
	}
	if last == 0 {
		return 0, errors.New("no head page of the state is whole")
	}
	return last, nil
}

// life is what the parent knows of a child that has ended.
type life struct {
	// steps are what the hook was told, in its order; commit is the number of the last
	// commit that was acknowledged, runs the runs that came to their end.
	steps  []string
	commit uint64
	runs   []string
	killed bool
	code   int
	log    string
}

// last is what the child was at when it ended: the last call of the hook.
func (l *life) last() string {
	if len(l.steps) == 0 {
		return ""
	}
	return l.steps[len(l.steps)-1]
}

// patience bounds the life of a child.
const patience = 10 * time.Second

// live starts a child and waits for its end, which the strike brings about.
func live(t *testing.T, dir string, s strike, f *front) *life {
	t.Helper()
	told, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var log strings.Builder
	cmd := exec.CommandContext(ctx, os.Args[0])
	// A child that hangs shows where.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) }
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), envDir+"="+dir, envStep+"="+strconv.Itoa(s.step))
	if s.daemon {
		cmd.Env = append(cmd.Env, envDaemon+"=1")
	}
	cmd.Stderr, cmd.ExtraFiles = &log, []*os.File{theirs}
	if err := errors.Join(cmd.Start(), theirs.Close()); err != nil {
		t.Fatal(err)
	}
	kill := sync.OnceFunc(func() { _ = cmd.Process.Kill() }) // It may have ended by itself.
	if s.request > 0 {
		f.arm(s.request, s.phase, kill)
		defer f.disarm()
	}
	if s.after > 0 {
		defer time.AfterFunc(s.after, kill).Stop()
	}
	l := &life{}
	for lines := bufio.NewScanner(told); lines.Scan(); {
		words := strings.Fields(lines.Text())
		rest := words[len(words)-1]
		what := strings.Join(words[:len(words)-1], " ")
		if what == "run" {
			l.runs = append(l.runs, rest)
			continue
		}
		l.steps = append(l.steps, what)
		if l.commit, err = strconv.ParseUint(rest, 10, 64); err != nil {
			t.Fatalf("the child says %q", lines.Text())
		}
	}
	_ = cmd.Wait() // How it ended is in the state of the process.
	_ = told.Close()
	f.wait()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || ctx.Err() != nil {
		t.Fatalf("the child did not end in %s:\n%s", patience, log.String())
	}
	l.killed, l.code, l.log = status.Signaled() && status.Signal() == syscall.SIGKILL, cmd.ProcessState.ExitCode(), log.String()
	return l
}
