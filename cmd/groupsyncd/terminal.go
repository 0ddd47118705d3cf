package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
)

// terminal reports whether a stream is a terminal that a person looks at.
func terminal(w io.Writer) bool {
	if over, ok := w.(writeOver); ok {
		w = over.to
	}
	if out, ok := w.(*watched); ok {
		w = out.Writer
	}
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb"
}

func noColor() bool { return os.Getenv("NO_COLOR") != "" }

// progress is a line that shows how far a long run is; nil where nobody looks at a terminal.
func (c *command) progress() *liveLine {
	if !terminal(c.Err) || c.quiet || c.verbose {
		return nil
	}
	return &liveLine{out: c.Err, every: 100 * time.Millisecond}
}

// liveLine is one line of a terminal that is written anew, at most once in each interval.
// Whatever else is written takes it away first: a report does not begin in its middle.
type liveLine struct {
	out   io.Writer
	every time.Duration

	mu    sync.Mutex
	last  time.Time
	shown bool
}

// progress gives what runs tell how far they are; nil where nothing is shown.
func (l *liveLine) progress() func(where, what string, done, total int) {
	if l == nil {
		return nil
	}
	return l.show
}

func (l *liveLine) show(where, what string, done, total int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.last) < l.every {
		return
	}
	l.last, l.shown = time.Now(), true
	text := fmt.Sprintf("%s: %d %s", where, done, what)
	if total > 0 {
		text = fmt.Sprintf("%s: %d of %d %s", where, done, total, what)
	}
	fmt.Fprintf(l.out, "\r\x1b[K%s", harmless(text))
}

// clear takes the line away.
func (l *liveLine) clear() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away()
}

// away is clear for who holds mu.
func (l *liveLine) away() {
	if l.shown {
		l.shown = false
		fmt.Fprint(l.out, "\r\x1b[K")
	}
}

// over gives a stream that takes the line away before it writes.
func (l *liveLine) over(w io.Writer) io.Writer {
	if l == nil {
		return w
	}
	return writeOver{l, w}
}

type writeOver struct {
	line *liveLine
	to   io.Writer
}

func (o writeOver) Write(p []byte) (int, error) {
	o.line.mu.Lock()
	defer o.line.mu.Unlock()
	o.line.away()
	return o.to.Write(p)
}
