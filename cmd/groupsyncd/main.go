// Command groupsyncd keeps the groups of Open WebUI equal to what directories say.
//
// Each file beside this one holds one command. Nothing outside this package knows the
// terminal: commands print data to standard output, messages to standard error, and
// end with the exit codes that scripts rely on.
package main

import (
	"context"
	"io"
	"net/http"
	"os"

	"groupsyncd/app"
)

func main() {
	guardNetwork()
	os.Exit(realMain())
}

func realMain() int {
	ctx, hup, stop := app.Signals(context.Background())
	defer stop()
	return Main(ctx, hup, os.Args[1:], Streams{Out: os.Stdout, Err: os.Stderr})
}

// guardNetwork puts our own transport into the place of the one that libraries use unless
// they are given another, before anything is sent.
func guardNetwork() {
	http.DefaultTransport = app.NoticeTransport() //nolint:reassign // services for notices take no transport; nothing else of ours uses the default one
}

// Streams are where a command writes: data to Out, messages to Err.
type Streams struct {
	Out, Err io.Writer
}
