package logging

import "log/slog"

// Change is the level of mutations, between INFO and WARN: what a reader of the log
// wants to see even when nothing is wrong.
const Change = slog.LevelInfo + 2
