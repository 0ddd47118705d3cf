package main

import (
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
)

// release is the version of a build that is handed out. The linker sets it: the Go
// toolchain names versions by tags of modules, which packages do not always have.
var release string

// build says which program this is.
type build struct {
	Version  string    `json:"version"`
	Revision string    `json:"revision,omitempty"`
	Modified bool      `json:"modified,omitempty"`
	Date     time.Time `json:"date,omitzero"` // of the revision
	Go       string    `json:"go"`
	Platform string    `json:"platform"`
}

// version reads what the Go toolchain and the linker wrote into the binary.
func version() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return buildOf(info, release)
}

// buildOf says which program it is that has this information in it.
func buildOf(info *debug.BuildInfo, release string) build {
	b := build{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		b.Version = info.Main.Version
	}
	if release != "" {
		b.Version = release
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "vcs.time":
			if at, err := time.Parse(time.RFC3339, s.Value); err == nil {
				b.Date = at
			}
		}
	}
	return b
}

func (c *command) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which version this is",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := version()
			return c.print(b, func() {
				c.line("groupsyncd %s (%s, %s)", b.Version, b.Go, b.Platform)
				if b.Revision == "" {
					return
				}
				changed := ""
				if b.Modified {
					changed = ", with changes that are in no commit"
				}
				c.line("revision %s of %s%s", b.Revision, b.Date.UTC().Format(time.DateOnly), changed)
			})
		},
	}
}
