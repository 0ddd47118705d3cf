package scalar

import (
	"math"
	"testing"
	"time"
)

func TestDurations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"0s": 0, "0": 0, "90s": 90 * time.Second, "15m": 15 * time.Minute, "24h": 24 * time.Hour, "7d": 7 * 24 * time.Hour,
		"0d": 0, "1h30m": 90 * time.Minute, "36500d": 36500 * 24 * time.Hour, "250ms": 250 * time.Millisecond,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.Std() != want {
			t.Errorf("%q is %s, %v", text, d.Std(), err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "-1s", "1.5d", "15", "15 m", "1w", "1d12h", "36501d", "99999999999999999999d", "9999999999h", "x"} {
		d := Duration(7)
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %s", text, d.Std())
		}
		if d != 7 {
			t.Errorf("%q has changed the value to %s", text, d.Std())
		}
	}
}

func TestDurationsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 90 * time.Second: "1m30s", 15 * time.Minute: "15m", 90 * time.Minute: "90m", 2 * time.Hour: "2h", 48 * time.Hour: "2d",
		36500 * 24 * time.Hour: "36500d", time.Millisecond: "1ms", time.Duration(math.MaxInt64): time.Duration(math.MaxInt64).String(),
	} {
		text, err := Duration(d).MarshalText()
		if err != nil || string(text) != want {
			t.Errorf("%s is written %q, %v", d, text, err)
		}
		var back Duration
		if err := back.UnmarshalText(text); err != nil || back.Std() != d {
			t.Errorf("%q is read back as %s, %v", text, back.Std(), err)
		}
	}
}

func TestRelativePathsBelongToTheirFolder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, dir, want Path }{
		{"", "/etc", ""}, {"a", "/etc", "/etc/a"}, {"./a/../b", "/etc", "/etc/b"}, {"../a", "/etc/x", "/etc/a"}, {"/a", "/etc", "/a"},
	} {
		if got := c.path.In(string(c.dir)); got != c.want {
			t.Errorf("%q in %s is %q", c.path, c.dir, got)
		}
	}
}
