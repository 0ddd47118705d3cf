// Package logging makes the program's logger: coloured text on a terminal, JSON
// elsewhere, with a level of its own for changes.
package logging

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/lmittmann/tint"
)

// Format is how messages look.
type Format string

// The formats; Auto is Text on a terminal and JSON elsewhere.
const (
	Auto Format = "auto"
	Text Format = "text"
	JSON Format = "json"
)

// Options say where and how is logged.
type Options struct {
	Writer   io.Writer
	Level    slog.Level
	Format   Format
	Terminal bool
	NoColor  bool
}

// New makes a logger.
func New(o Options) *slog.Logger {
	if o.Format == JSON || o.Format != Text && !o.Terminal {
		return slog.New(slog.NewJSONHandler(o.Writer, &slog.HandlerOptions{Level: o.Level, ReplaceAttr: nameLevel}))
	}
	return slog.New(tint.NewHandler(o.Writer, &tint.Options{Level: o.Level, TimeFormat: time.TimeOnly,
		NoColor: o.NoColor || !o.Terminal, ReplaceAttr: shortLevel}))
}

// nameLevel writes CHANGE for what slog would call INFO+2.
func nameLevel(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.LevelKey && a.Value.Any() == Change {
		return slog.String(slog.LevelKey, "CHANGE")
	}
	return a
}

// cyan is the colour of changes in text.
const cyan = 6

// shortLevel writes CHG for what tint would call INF+2.
func shortLevel(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.LevelKey && a.Value.Any() == Change {
		return tint.Attr(cyan, slog.String(slog.LevelKey, "CHG"))
	}
	return a
}

// ParseLevel reads debug, info, change, warn or error.
func ParseLevel(s string) (slog.Level, error) {
	switch strings.ToLower(s) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "change":
		return Change, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("%q is not a level: write debug, info, change, warn or error", s)
}
