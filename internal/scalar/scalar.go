// Package scalar holds the small value types that configuration files use in more
// than one package: durations with days, and paths relative to the file.
package scalar

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration written as 90s, 15m, 24h or 7d.
type Duration time.Duration

// UnmarshalText reads a duration; days are 24 hours.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36500 {
			return fmt.Errorf("%q is not a duration: write 90s, 15m, 24h or 7d", s)
		}
		*d = Duration(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration: write 90s, 15m, 24h or 7d", s)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes the duration in the shortest of the accepted forms.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String gives the shortest of the accepted forms.
func (d Duration) String() string {
	v := time.Duration(d)
	switch {
	case v == 0:
		return "0s"
	case v%(24*time.Hour) == 0:
		return strconv.FormatInt(int64(v/(24*time.Hour)), 10) + "d"
	case v%time.Hour == 0:
		return strconv.FormatInt(int64(v/time.Hour), 10) + "h"
	case v%time.Minute == 0:
		return strconv.FormatInt(int64(v/time.Minute), 10) + "m"
	}
	return v.String()
}

// Std gives the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// Path is the name of a file; a relative one belongs to the folder of the
// configuration file and is made absolute when that is loaded.
type Path string

// In gives the path with a relative one taken from dir.
func (p Path) In(dir string) Path {
	if p == "" || filepath.IsAbs(string(p)) {
		return p
	}
	return Path(filepath.Join(dir, string(p)))
}
