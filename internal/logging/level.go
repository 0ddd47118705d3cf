package logging

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// Change is the level of mutations, between INFO and WARN: what a reader of the log
// wants to see even when nothing is wrong.
const Change = slog.LevelInfo + 2

// Changed logs one change that was made in the target or in our own state.
func Changed(ctx context.Context, log *slog.Logger, message string, attrs ...slog.Attr) {
	log.LogAttrs(ctx, Change, message, attrs...)
}

// level pairs a level with its word in the configuration and its two forms in logs.
type level struct {
	level             slog.Level
	word, long, short string
	colour            uint8 // Of the 16 colours of terminals.
}

func levels() []level {
	return []level{
		{slog.LevelDebug, "debug", "DEBUG", "DBG", 8},
		{slog.LevelInfo, "info", "INFO", "INF", 10},
		{Change, "change", "CHANGE", "CHG", 14},
		{slog.LevelWarn, "warn", "WARN", "WRN", 11},
		{slog.LevelError, "error", "ERROR", "ERR", 9},
	}
}

// find gives the entry of a level; those between two belong to the lower one.
func find(l slog.Level) level {
	all := levels()
	found := all[0]
	for _, e := range all {
		if l >= e.level {
			found = e
		}
	}
	return found
}

// ParseLevel reads one of the words debug, info, change, warn and error, in any case.
func ParseLevel(s string) (slog.Level, error) {
	for _, e := range levels() {
		if strings.EqualFold(s, e.word) {
			return e.level, nil
		}
	}
	return 0, fmt.Errorf("%q is not a log level: write debug, info, change, warn or error", s)
}
