//go:build peers

package deb

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"groupsyncd/test/peers/peer"
)

// block is what a document shows between ```console and ```: commands, each after a
// prompt, and what they print.
type block struct {
	steps []step
}

type step struct {
	command string
	output  []string
}

// page is a document, cut into its text and its blocks.
type page struct {
	file  string
	parts []any // string or *block
}

// prompt stands before each command.
const prompt = "debian# "

// readPage reads the blocks of a document. A command that ends with a backslash goes on in
// the next line.
func readPage(t *testing.T, file string) *page {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := &page{file: file}
	var plain strings.Builder
	var open *block
	continued := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case open == nil:
			plain.WriteString(line + "\n")
			if line == "```console" {
				p.parts = append(p.parts, plain.String())
				plain.Reset()
				open = &block{}
			}
		case line == "```":
			p.parts = append(p.parts, open)
			open = nil
			plain.WriteString(line + "\n")
		case continued:
			last := &open.steps[len(open.steps)-1]
			last.command += "\n" + line
			continued = strings.HasSuffix(line, `\`)
		case strings.HasPrefix(line, prompt):
			open.steps = append(open.steps, step{command: strings.TrimPrefix(line, prompt)})
			continued = strings.HasSuffix(line, `\`)
		default:
			if len(open.steps) == 0 {
				t.Fatalf("%s: a block begins with its output: %s", file, line)
			}
			last := &open.steps[len(open.steps)-1]
			last.output = append(last.output, line)
		}
	}
	p.parts = append(p.parts, plain.String())
	return p
}

// write writes the document with the outputs that its blocks have now.
func (p *page) write(t *testing.T) {
	t.Helper()
	var out strings.Builder
	for _, part := range p.parts {
		switch part := part.(type) {
		case string:
			out.WriteString(part)
		case *block:
			for _, s := range part.steps {
				out.WriteString(prompt + s.command + "\n")
				for _, line := range s.output {
					out.WriteString(line + "\n")
				}
			}
		}
	}
	if err := os.WriteFile(p.file, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// shell is a shell of root in the Debian, which remembers its folder and its variables as
// that of somebody who types.
type shell struct {
	t     *testing.T
	in    io.WriteCloser
	lines chan string
}

// mark ends the output of each command, with its exit code.
const mark = "-- that was it: "

func newShell(t *testing.T, d *peer.Debian) *shell {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(peer.Root(t), "test", "peers", "debian.sh"), "run", d.Dir, "bash", "--noprofile", "--norc")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &shell{t: t, in: in, lines: make(chan string, 1000)}
	go func() {
		defer close(s.lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			s.lines <- scan.Text()
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		for line := range s.lines {
			t.Log("printed at the end:", line)
		}
		_ = cmd.Wait()
	})
	return s
}

// run types a command and gives what it printed, and its exit code.
func (s *shell) run(command string) (output []string, code int) {
	s.t.Helper()
	if _, err := fmt.Fprintf(s.in, "%s </dev/null\nprintf '\\n%s%%d\\n' $?\n", command, mark); err != nil {
		s.t.Fatal(err)
	}
	end := time.After(2 * time.Minute)
	for {
		select {
		case line, open := <-s.lines:
			if !open {
				s.t.Fatalf("the shell ended in: %s\n%s", command, strings.Join(output, "\n"))
			}
			if rest, found := strings.CutPrefix(line, mark); found {
				code, err := strconv.Atoi(rest)
				if err != nil {
					s.t.Fatal(err)
				}
				for len(output) > 0 && output[len(output)-1] == "" {
					output = output[:len(output)-1] // The line break before the mark.
				}
				return output, code
			}
			output = append(output, strings.TrimRight(line, " "))
		case <-end:
			s.t.Fatalf("no end of: %s\n%s", command, strings.Join(output, "\n"))
		}
	}
}

// must is run for commands that end with 0.
func (s *shell) must(command string) string {
	s.t.Helper()
	out, code := s.run(command)
	if code != 0 {
		s.t.Fatalf("%s ended with %d:\n%s", command, code, strings.Join(out, "\n"))
	}
	return strings.Join(out, "\n")
}

// varying is what differs from one run to the next, and what stands for it.
var varying = []struct {
	what *regexp.Regexp
	word string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \((in )?[0-9hms.]+( ago)?\)`), "TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z| UTC)?`), "TIME"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d\b`), "CLOCK"},
	{regexp.MustCompile(`\b01[0-9A-HJKMNP-TV-Z]{24}\b`), "RUN"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "ID"},
	{regexp.MustCompile(`\b\d+(\.\d+)? ?(ns|µs|ms|s|MiB|GiB|MB|GB|TiB|KiB|kB)\b`), "MUCH"},
	{regexp.MustCompile(`\bpid \d+`), "pid N"},
	{regexp.MustCompile(`\b\d+ requests?`), "N requests"}, // What was written in the second of a read is read once more.
	{regexp.MustCompile(`\b\d\.\d of 10\b`), "N of 10"},
	{regexp.MustCompile(`\d+ files and directories`), "N files and directories"},
	{regexp.MustCompile(`\d+\.\d+\.\d+~dev[0-9a-z.+]*`), "VERSION"},
	{regexp.MustCompile(`\d+\.\d+\.\d+-dev[0-9a-z.+]*`), "VERSION"},
	{regexp.MustCompile(`^(SOURCE|TARGET|RUN) .*$`), "$1 head"}, // Widths of columns follow what is in them.
	{regexp.MustCompile(` {2,}`), "  "},
}

func same(line string) string {
	for _, v := range varying {
		line = v.what.ReplaceAllString(line, v.word)
	}
	return strings.TrimRight(line, " ")
}

// rest is a line that stands for any number of lines.
const rest = "…"

// agrees compares what a document shows with what was printed.
func agrees(shown, printed []string) bool {
	if len(shown) == 0 {
		return len(printed) == 0
	}
	if strings.TrimSpace(shown[0]) == rest {
		for skipped := range len(printed) + 1 {
			if agrees(shown[1:], printed[skipped:]) {
				return true
			}
		}
		return false
	}
	return len(printed) > 0 && same(shown[0]) == same(printed[0]) && agrees(shown[1:], printed[1:])
}
