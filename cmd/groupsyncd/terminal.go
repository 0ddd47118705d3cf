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
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb"
}

func noColor() bool { return os.Getenv("NO_COLOR") != "" }

// progress shows how far a long run is, in one line of the terminal that is written
// anew; nothing where there is no terminal. done clears the line.
func (c *command) progress() (show func(where, what string, done, total int), done func()) {
	if !terminal(c.Err) || c.quiet || c.verbose {
		return nil, func() {}
	}
	return liveLine(c.Err, 100*time.Millisecond)
}

// liveLine writes how far a run is into one line, anew at most once in each interval.
func liveLine(out io.Writer, every time.Duration) (show func(where, what string, done, total int), done func()) {
	var (
		mu    sync.Mutex
		last  time.Time
		shown bool
	)
	show = func(where, what string, done, total int) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(last) < every {
			return
		}
		last, shown = time.Now(), true
		text := fmt.Sprintf("%s: %d %s", where, done, what)
		if total > 0 {
			text = fmt.Sprintf("%s: %d of %d %s", where, done, total, what)
		}
		fmt.Fprintf(out, "\r\x1b[K%s", harmless(text))
	}
	return show, func() {
		mu.Lock()
		defer mu.Unlock()
		if shown {
			fmt.Fprint(out, "\r\x1b[K")
		}
	}
}
