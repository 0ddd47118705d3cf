package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// process is a program that goes on beside a script.
type process struct {
	cmd *exec.Cmd
	end chan error
}

// begin starts the program with its output in files: NAME.out and NAME.log.
func begin(ts *testscript.TestScript, name string, args []string) error {
	s := stageOf(ts)
	bin, err := lookPath(ts.Getenv("PATH"), "groupsyncd")
	if err != nil {
		return err
	}
	cmd := exec.Command(bin, args...)
	cmd.Dir = s.dir
	for _, key := range []string{"PATH", "HOME", "TZ", "USER", "TMPDIR", "GORACE", envLock, envRoom, envLater, "NOTIFY_SOCKET", "GROUPSYNCD_CONFIG"} {
		if v := ts.Getenv(key); v != "" {
			cmd.Env = append(cmd.Env, key+"="+v)
		}
	}
	out, err := os.Create(filepath.Join(s.dir, name+".out"))
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(s.dir, name+".log"))
	if err != nil {
		return errors.Join(err, out.Close())
	}
	cmd.Stdout, cmd.Stderr = out, log
	err = cmd.Start()
	// The process has its own handles of both.
	if err := errors.Join(err, out.Close(), log.Close()); err != nil {
		return err
	}
	p := &process{cmd: cmd, end: make(chan error, 1)}
	go func() { p.end <- cmd.Wait() }()
	if s.children == nil {
		s.children = map[string]*process{}
	}
	if old := s.children[name]; old != nil {
		old.kill()
	}
	s.children[name] = p
	return nil
}

// lookPath finds a program in the path of the script.
func lookPath(path, name string) (string, error) {
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file, nil
		}
	}
	return "", fmt.Errorf("no %s in the path", name)
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // It may have ended by itself.
	_ = <-p.end
	p.end <- nil
}

// ends waits for the end and demands an exit code.
func (p *process) ends(code string) error {
	select {
	case err := <-p.end:
		p.end <- err
		if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
			return err
		} else if ok && exit.ExitCode() < 0 {
			return exit
		}
		return demand(p.cmd.ProcessState.ExitCode(), code)
	case <-time.After(patience):
		return fmt.Errorf("it still runs after %s", patience)
	}
}

func (p *process) signal(name string) error {
	signals := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL, "QUIT": syscall.SIGQUIT}
	s, ok := signals[name]
	if !ok {
		return fmt.Errorf("no signal is called %s", name)
	}
	return p.cmd.Process.Signal(s)
}

// daemonCommand is the daemon of a script; its log is daemon.log.
func daemonCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := stageOf(ts)
	choose(ts, neg, "daemon", map[string]subcommand{
		"start": {0, "[ARGS…]", func(args []string) error {
			if err := begin(ts, "daemon", append([]string{"serve"}, args...)); err != nil {
				return err
			}
			p := s.children["daemon"]
			return wait("the start of the daemon", func() (bool, error) {
				select {
				case err := <-p.end:
					p.end <- err
					log, _ := os.ReadFile(filepath.Join(s.dir, "daemon.log")) // For the message only.
					return false, fmt.Errorf("it ended: %w\n%s", err, log)
				default:
				}
				log, err := os.ReadFile(filepath.Join(s.dir, "daemon.log"))
				return strings.Contains(string(log), `"msg":"ready"`), err
			})
		}},
		"signal": {1, "NAME", func(args []string) error { return s.children["daemon"].signal(args[0]) }},
		"ends":   {1, "CODE", func(args []string) error { return s.children["daemon"].ends(args[0]) }},
		"stop": {0, "", func([]string) error {
			return errors.Join(s.children["daemon"].signal("TERM"), s.children["daemon"].ends("0"))
		}},
	}, args)
}

// backgroundCommand runs a command beside the script: background NAME start ARGS…,
// background NAME signal TERM, background NAME ends CODE.
func backgroundCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := stageOf(ts)
	if len(args) < 2 {
		ts.Fatalf("usage: background NAME WHAT …")
	}
	name := args[0]
	choose(ts, neg, "background "+name, map[string]subcommand{
		"start":  {1, "ARGS…", func(args []string) error { return begin(ts, name, args) }},
		"signal": {1, "NAME", func(args []string) error { return s.children[name].signal(args[0]) }},
		"ends":   {1, "CODE", func(args []string) error { return s.children[name].ends(args[0]) }},
	}, args[1:])
}

// systemd listens as the service manager does.
type systemd struct {
	conn *net.UnixConn
	file string
	done chan struct{}
}

// systemdCommand listens for messages to the service manager; they go to systemd.log.
func systemdCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := stageOf(ts)
	choose(ts, neg, "systemd", map[string]subcommand{
		"listen": {0, "", func([]string) error {
			path := filepath.Join(s.dir, "notify.sock")
			conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
			if err != nil {
				return err
			}
			s.systemd = &systemd{conn: conn, file: filepath.Join(s.dir, "systemd.log"), done: make(chan struct{})}
			ts.Setenv("NOTIFY_SOCKET", path)
			go s.systemd.listen()
			return nil
		}},
	}, args)
}

func (d *systemd) listen() {
	defer close(d.done)
	var all []byte
	buffer := make([]byte, 4096)
	for {
		n, err := d.conn.Read(buffer)
		if err != nil {
			return
		}
		all = append(append(all, buffer[:n]...), '\n')
		if os.WriteFile(d.file, all, 0o600) != nil {
			return
		}
	}
}

func (d *systemd) close() {
	_ = d.conn.Close() // The script is over.
	<-d.done
}
