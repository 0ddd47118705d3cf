package forward

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func line(text string) Line {
	return Line{At: time.Date(2026, 3, 1, 12, 0, 0, 1500, time.UTC), Text: []byte(text), Short: []byte("short")}
}

func send(t *testing.T, s Sink, texts ...string) {
	t.Helper()
	var lines []Line
	for _, text := range texts {
		lines = append(lines, line(text))
	}
	if err := s.Send(lines); err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Fatalf("%s holds %q, want %q (%v)", path, got, want, err)
	}
}

func TestFileGrowsByLinesAndIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	s := File(path)
	send(t, s, "one", "two")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = File(path)
	send(t, s, "three")
	holds(t, path, "one\ntwo\nthree\n")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode(), err)
	}
}

func TestRotatedFileIsMadeAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	s := File(path)
	send(t, s, "one")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	send(t, s, "two")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	send(t, s, "three")
	holds(t, path+".1", "one\n")
	holds(t, path, "three\n")
}

func TestLineThatACrashCutDoesNotSpoilTheNext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, []byte("one\ntw"), 0o600); err != nil {
		t.Fatal(err)
	}
	send(t, File(path), "three")
	holds(t, path, "one\ntw\nthree\n")
}

func TestFileThatCannotBeWrittenIsAnErrorAndWorksLater(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "later")
	s := File(filepath.Join(dir, "audit.jsonl"))
	if err := s.Send([]Line{line("one")}); err == nil {
		t.Fatal("no error")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	send(t, s, "two")
	holds(t, filepath.Join(dir, "audit.jsonl"), "two\n")
}

// message is what a line must look like.
func message(text string) *regexp.Regexp {
	return regexp.MustCompile(fmt.Sprintf(`^<85>1 2026-03-01T12:00:00\.000001Z \S+ groupsyncd %d audit - %s\n?$`, os.Getpid(), regexp.QuoteMeta(text)))
}

func datagrams(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // Some tests close it before.
	return c
}

func next(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	b := make([]byte, 64<<10)
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestSyslogGetsOneMessageForEachLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	c := datagrams(t, path)
	s := Syslog("groupsyncd", "audit", filepath.Join(t.TempDir(), "nothing"), path)
	send(t, s, `{"seq":1}`, `{"seq":2}`)
	for _, want := range []string{`{"seq":1}`, `{"seq":2}`} {
		if got := next(t, c); !message(want).MatchString(got) {
			t.Errorf("message %q, want %s", got, want)
		}
	}
	send(t, s, strings.Repeat("x", 8<<20))
	if got := next(t, c); !message("short").MatchString(got) {
		t.Errorf("too long a message became %q", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSyslogThatWasRestartedIsFoundAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	c := datagrams(t, path)
	s := Syslog("groupsyncd", "audit", path)
	send(t, s, "one")
	next(t, c)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := s.Send([]Line{line("lost")}); err == nil {
		t.Fatal("nobody listens, and nothing is said")
	}
	c = datagrams(t, path)
	send(t, s, "two")
	if got := next(t, c); !message("two").MatchString(got) {
		t.Errorf("message %q", got)
	}
}

func TestSyslogOnAStreamEndsItsMessages(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan []byte, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			got <- []byte(err.Error())
			return
		}
		b, _ := io.ReadAll(c) // What came before an error is compared.
		got <- b
	}()
	s := Syslog("groupsyncd", "audit", path)
	send(t, s, "one", "two")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(<-got, []byte("\n"))
	if len(lines) != 3 || !message("one").Match(lines[0]) || !message("two").Match(lines[1]) {
		t.Errorf("%q", lines)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Syslog("groupsyncd", "audit").Send([]Line{line("one")}); err == nil {
		t.Error("without a socket nothing can be sent")
	}
}
