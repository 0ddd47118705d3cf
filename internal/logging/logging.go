// Package logging makes the logger of the program: coloured lines on a terminal, JSON
// elsewhere, with a level of its own for changes and one set of attribute keys.
//
// It owns how records look. What is logged, and that secrets are of a type that does
// not print, is up to those who log.
package logging

import (
	"encoding"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/lmittmann/tint"
)

// Format says how records are written.
type Format string

// The formats. Auto is Text on a terminal and JSON elsewhere.
const (
	Auto Format = "auto"
	Text Format = "text"
	JSON Format = "json"
)

// The keys of attributes, so that one thing has one name in every record.
const (
	KeyRun      = "run"
	KeySource   = "source"
	KeyTarget   = "target"
	KeyGroup    = "group"
	KeyResource = "resource"
	KeyUser     = "user"
	KeyRule     = "rule"
	KeyOp       = "op"
	KeyKind     = "kind"
	KeyErr      = "err"
	KeyHint     = "hint"
	KeyCount    = "count"
	KeyTrigger  = "trigger"
	KeyReason   = "reason"
	KeyName     = "name"
)

// Options say where records go and how they look.
type Options struct {
	Writer io.Writer
	// Format is Auto where it is empty or unknown.
	Format Format
	// Level is the lowest that is written; nil is INFO.
	Level slog.Leveler
	// Terminal says that Writer is a terminal.
	Terminal bool
	// NoColor switches colours off on a terminal; elsewhere there are none.
	NoColor bool
}

// New makes a logger. Each record is one call of Writer.Write.
func New(o Options) *slog.Logger {
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	if o.Format == Text || o.Format != JSON && o.Terminal {
		format := time.TimeOnly
		if !o.Terminal {
			format = time.RFC3339
		}
		return slog.New(tint.NewTextHandler(o.Writer, &tint.Options{
			Level: o.Level, TimeFormat: format, NoColor: o.NoColor || !o.Terminal, ReplaceAttr: forText,
		}))
	}
	return slog.New(slog.NewJSONHandler(o.Writer, &slog.HandlerOptions{Level: o.Level, ReplaceAttr: forJSON}))
}

// forJSON writes our level by its name instead of as INFO+2, and a duration as 5s instead
// of in nanoseconds, which nobody reads at night.
func forJSON(groups []string, a slog.Attr) slog.Attr {
	if empty(a) {
		return slog.Attr{}
	}
	switch v := a.Value.Any().(type) {
	case slog.Level:
		if a.Key == slog.LevelKey && len(groups) == 0 {
			a.Value = slog.StringValue(find(v).long)
		}
	case time.Duration:
		a.Value = slog.StringValue(v.String())
	}
	return a
}

// empty says that an attribute is a hint or an error that nobody has: it is left out.
func empty(a slog.Attr) bool {
	return (a.Key == KeyHint || a.Key == KeyErr) && a.Value.Kind() == slog.KindString && a.Value.String() == ""
}

// forText writes levels in three letters, errors in red, and no control sequence that
// came from a directory: a name there could otherwise move the cursor of the reader.
func forText(groups []string, a slog.Attr) slog.Attr {
	if empty(a) {
		return slog.Attr{}
	}
	switch v := a.Value.Any().(type) {
	case slog.Level:
		if a.Key == slog.LevelKey && len(groups) == 0 {
			l := find(v)
			return tint.Attr(l.colour, slog.String(a.Key, l.short))
		}
	case string:
		a.Value = slog.StringValue(harmless(v))
	case error:
		return tint.Attr(9, slog.String(a.Key, harmless(v.Error())))
	case encoding.TextMarshaler:
	default:
		if a.Value.Kind() == slog.KindAny {
			a.Value = slog.StringValue(harmless(fmt.Sprintf("%+v", v)))
		}
	}
	return a
}

// harmless replaces the characters that terminals take for commands.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r <= 0x9f {
			return '\uFFFD'
		}
		return r
	}, s)
}
