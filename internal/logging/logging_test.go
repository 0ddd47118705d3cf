package logging

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/internal/secret"
)

// styles are all ways in which a record can look.
func styles() map[string]Options {
	return map[string]Options{
		"terminal":            {Format: Auto, Terminal: true},
		"terminal, no colour": {Format: Auto, Terminal: true, NoColor: true},
		"text in a file":      {Format: Text},
		"auto in a file":      {Format: Auto},
		"JSON on a terminal":  {Format: JSON, Terminal: true},
	}
}

// write logs through a new logger and gives what was written.
func write(o Options, log func(*slog.Logger)) string {
	var b bytes.Buffer
	o.Writer = &b
	log(New(o))
	return b.String()
}

func TestFormatFollowsTheTerminal(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][3]bool{ // JSON, colour, date.
		"terminal":            {false, true, false},
		"terminal, no colour": {false, false, false},
		"text in a file":      {false, false, true},
		"auto in a file":      {true, false, true},
		"JSON on a terminal":  {true, false, true},
	} {
		line := write(styles()[name], func(l *slog.Logger) { l.Info("ready", KeyCount, 3) })
		got := [3]bool{json.Valid([]byte(line)), strings.Contains(line, "\x1b["), strings.Contains(line, "T") && strings.Contains(line, "-")}
		if got != want || !strings.Contains(line, "ready") || strings.Count(line, "\n") != 1 {
			t.Errorf("%s: JSON, colour, date are %v, want %v: %q", name, got, want, line)
		}
	}
}

func TestLevelsAreNamed(t *testing.T) {
	t.Parallel()
	log := func(l *slog.Logger) {
		for _, level := range []slog.Level{slog.LevelDebug - 4, slog.LevelDebug, slog.LevelInfo, Change, slog.LevelWarn, slog.LevelError, slog.LevelError + 4} {
			l.Log(context.Background(), level, "m", slog.Any("level", slog.LevelError))
		}
	}
	all := slog.LevelDebug - 8
	var short, long []string
	for line := range strings.Lines(write(Options{Format: Text, Level: all}, log)) {
		short = append(short, strings.Fields(line)[1])
	}
	for line := range strings.Lines(write(Options{Format: JSON, Level: all}, log)) {
		long = append(long, strings.Split(line, `"`)[7])
	}
	if diff := cmp.Diff(strings.Fields("DBG DBG INF CHG WRN ERR ERR"), short); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(strings.Fields("DEBUG DEBUG INFO CHANGE WARN ERROR ERROR"), long); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

func TestLevelFilters(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{"debug": "dicwe", "info": "icwe", "Change": "cwe", "WARN": "we", "error": "e", "": "icwe"} {
		o := Options{Format: Text}
		if word != "" {
			level, err := ParseLevel(word)
			if err != nil {
				t.Fatal(err)
			}
			o.Level = level
		}
		var got strings.Builder
		for line := range strings.Lines(write(o, func(l *slog.Logger) {
			l.Debug("d")
			l.Info("i")
			Changed(t.Context(), l, "c")
			l.Warn("w")
			l.Error("e")
		})) {
			fields := strings.Fields(line)
			got.WriteString(fields[len(fields)-1])
		}
		if got.String() != want {
			t.Errorf("level %q writes %q, want %q", word, &got, want)
		}
	}
	for _, word := range []string{"", "trace", "info "} {
		if _, err := ParseLevel(word); err == nil || !strings.Contains(err.Error(), "debug, info, change, warn or error") {
			t.Errorf("ParseLevel(%q): %v", word, err)
		}
	}
}

type holder struct {
	Name   string
	Open   secret.Value
	hidden secret.Value
}

// TestNoShapeOfASecretIsPrinted logs a secret in everything that can hold one.
func TestNoShapeOfASecretIsPrinted(t *testing.T) {
	t.Parallel()
	const canary = "hunter2-correct-horse"
	v := secret.New(canary)
	h := holder{"corp", v, v}
	var none *secret.Value
	shapes := map[string]any{
		"value": v, "pointer": &v, "struct": h, "pointer to struct": &h, "map": map[string]secret.Value{"k": v},
		"map of structs": map[string]holder{"k": h}, "key of a map": map[secret.Value]int{v: 1}, "slice": []secret.Value{v},
		"slice of pointers": []*secret.Value{&v}, "slice of structs": []holder{h}, "array": [1]holder{h}, "interface": []any{v, &v, h, &h},
		"anonymous": struct{ s secret.Value }{v}, "embedded": struct{ secret.Value }{v}, "deep": map[string]any{"a": []any{&h, struct{ p *holder }{&h}}},
		"error": errors.Join(fmt.Errorf("bind as %v with %v", h.Name, v), fmt.Errorf("%+v %#v", h, &h)),
		"group": slog.GroupValue(slog.Any("v", v), slog.Any("h", h)), "nil": none, "zero": secret.Value{},
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T"} {
		shapes["Sprintf "+verb] = fmt.Sprintf(strings.Repeat(verb+" ", 6), v, &v, h, &h, []holder{h}, map[string]*holder{"k": &h})
	}
	for style, o := range styles() {
		for name, shape := range shapes {
			line := write(o, func(l *slog.Logger) {
				l.With("with", shape).WithGroup("g").Error("bind", "s", shape)
			})
			for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprint([]byte(canary))} {
				if strings.Contains(line, form) {
					t.Errorf("%s, %s: the secret is in %q", style, name, line)
				}
			}
			if !strings.Contains(line, "bind") {
				t.Errorf("%s, %s: no record: %q", style, name, line)
			}
		}
	}
	if v.Reveal() != canary || h.hidden.Reveal() != canary || (secret.Value{}).Reveal() != "" {
		t.Error("Reveal does not give the secret")
	}
}

func TestControlSequencesOfADirectoryDoNotReachTheTerminal(t *testing.T) {
	t.Parallel()
	const evil = "sales\x1b[2J\x9b1m\x07\u009b"
	for style, o := range styles() {
		o.NoColor = true
		line := write(o, func(l *slog.Logger) {
			l.With(KeyRule, evil).Warn("renamed", KeyGroup, evil, KeyErr, errors.New(evil), "list", []string{evil}, "holder", &holder{Name: evil})
		})
		control := "\x1b\x07\u009b"
		if json.Valid([]byte(line)) {
			control = "\x1b\x07" // What is above ASCII is data to readers of JSON.
		}
		if strings.ContainsAny(line, control) || !strings.Contains(line, "sales") {
			t.Errorf("%s: %q", style, line)
		}
	}
	line := write(Options{Terminal: true}, func(l *slog.Logger) { l.Warn("renamed", KeyGroup, evil, KeyErr, errors.New(evil)) })
	if strings.Contains(line, "\x1b[2J") || strings.Contains(line, "\x07") {
		t.Errorf("in colour: %q", line)
	}
}

func TestEachRecordIsOneWrite(t *testing.T) {
	t.Parallel()
	for style, o := range styles() {
		w := &counter{}
		o.Writer = w
		New(o).Info("line", KeyReason, "two\nlines", KeyErr, errors.New("two\nlines"))
		if w.writes != 1 || w.lines != 1 {
			t.Errorf("%s: %d writes with %d lines", style, w.writes, w.lines)
		}
	}
}

type counter struct{ writes, lines int }

func (c *counter) Write(p []byte) (int, error) {
	c.writes++
	c.lines += bytes.Count(p, []byte("\n"))
	return len(p), nil
}

func TestWhatNobodyHasIsLeftOutAndDurationsAreReadable(t *testing.T) {
	t.Parallel()
	for name, o := range styles() {
		line := write(o, func(l *slog.Logger) {
			l.Warn("m", slog.String(KeyHint, ""), slog.String(KeyErr, ""), slog.String(KeyReason, ""), slog.Duration("every", 5*time.Second))
		})
		if strings.Contains(line, KeyHint) || strings.Contains(line, KeyErr+"=") || strings.Contains(line, `"`+KeyErr+`"`) {
			t.Errorf("%s: a hint or an error that is not there is written: %s", name, line)
		}
		if !strings.Contains(line, KeyReason) || !strings.Contains(line, "5s") || strings.Contains(line, "000000") {
			t.Errorf("%s: the reason or the duration is missing: %s", name, line)
		}
	}
}
