// Command groupsyncd keeps the groups of Open WebUI equal to what directories say.
//
// Each file beside this one holds one command. Nothing outside this package knows the
// terminal: commands print data to standard output, messages to standard error, and
// end with the exit codes that scripts rely on.
package main

import (
	"context"
	"io"
	"os"

	"groupsyncd/app"
)

func main() {
	os.Exit(realMain())
}

func realMain() int {
	ctx, hup, stop := app.Signals(context.Background())
	defer stop()
	return Main(ctx, hup, os.Args[1:], Streams{Out: os.Stdout, Err: os.Stderr})
}

// Streams are where a command writes: data to Out, messages to Err.
type Streams struct {
	Out, Err io.Writer
}
