package schedule

import (
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
)

func TestParseAcceptsTheThreeForms(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for spec, interval := range map[string]time.Duration{
		"every 15m":            15 * time.Minute,
		" every   10s ":        10 * time.Second,
		"every 7d":             7 * day,
		"@hourly":              time.Hour,
		"@daily":               day,
		"@midnight":            day,
		"@weekly":              7 * day,
		"@monthly":             31 * day,
		"@yearly":              366 * day,
		"*/15 * * * *":         15 * time.Minute,
		"* * * * *":            time.Minute,
		"0 3 * * *":            day,
		"0 8-18 * * mon-fri":   62 * time.Hour,
		"0,30 6 1,15 * ?":      17*day - 30*time.Minute,
		"0 0 29 feb *":         1461 * day,
		"5/20 * * * *":         20 * time.Minute,
		"0 0 31 2 mon":         343 * day,
		"59 23 31 12 *":        366 * day,
		"0\t3 * * *":           day,
		"*/20,50 0-23/2 * * 6": 6*day + time.Hour + 10*time.Minute,
	} {
		s, err := Parse(spec, nil)
		if err != nil {
			t.Errorf("Parse(%q): %v", spec, err)
			continue
		}
		if s.Interval() != interval {
			t.Errorf("Parse(%q).Interval() = %s, want %s", spec, s.Interval(), interval)
		}
		if want := strings.Join(strings.Fields(spec), " "); s.String() != want || s.IsZero() {
			t.Errorf("Parse(%q) prints as %q, zero %t", spec, s, s.IsZero())
		}
	}
}

func TestParseRefusesWhatWouldNotRunAsMeant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ spec, message, hint string }{
		{"", `the schedule is empty`, "five fields"},
		{"  ", `the schedule is empty`, "five fields"},
		{"TZ=", `"TZ=": a schedule carries no time zone`, "time_zone"},
		{"TZ=0", `"TZ=0": a schedule carries no time zone`, "time_zone"},
		{"CRON_TZ=Europe/Berlin 0 3 * * *", `"CRON_TZ=Europe/Berlin 0 3 * * *": a schedule carries no time zone`, "time_zone"},
		{"TZ=UTC 0 3 * *", `"TZ=UTC 0 3 * *": a schedule carries no time zone`, "time_zone"},
		{"@every 15m", `"@every 15m": not a word we know`, "write every 15m"},
		{"@reboot", `"@reboot": not a word we know`, "catches up"},
		{"@often", `"@often" is not a schedule`, "@hourly"},
		{"@daily * * * *", `"@daily * * * *" is not a schedule`, "@hourly"},
		{"every", `"every": "" is not a duration`, "every 15m"},
		{"every day", `"every day": "day" is not a duration`, "every 15m"},
		{"every -5m", `"every -5m": "-5m" is not a duration`, "every 15m"},
		{"every 0s", `"every 0s": too often`, "at least 10s"},
		{"every 9s", `"every 9s": too often`, "at least 10s"},
		{"15m", `"15m" is a duration, not a schedule`, "write every 15m"},
		{"daily", `"daily" is not a schedule`, "five fields"},
		{"0 0 3 * * *", `"0 0 3 * * *" is not a schedule`, "five fields"},
		{"0 3 * *", `"0 3 * *" is not a schedule`, "five fields"},
		{"60 3 * * *", `"60 3 * * *": the minute cannot be "60"`, "0 to 59"},
		{"0 24 * * *", `"0 24 * * *": the hour cannot be "24"`, "0 to 23"},
		{"0 3 0 * *", `"0 3 0 * *": the day cannot be "0"`, "1 to 31"},
		{"0 3 * 13 *", `"0 3 * 13 *": the month cannot be "13"`, "jan to dec"},
		{"0 3 * * 7", `"0 3 * * 7": the weekday cannot be "7"`, "Sunday is 0"},
		{"0 3 * * mon,xyz", `"0 3 * * mon,xyz": the weekday cannot be "xyz"`, "sun to sat"},
		{"*/0 * * * *", `"*/0 * * * *": the minute cannot be "*/0"`, "*/2"},
		{"1,,2 * * * *", `"1,,2 * * * *": the minute cannot be ""`, "1,3"},
		{", * * * *", `", * * * *": the minute cannot be ""`, "1,3"},
		{"*-5 * * * *", `"*-5 * * * *": the minute cannot be "*-5"`, "1-5"},
		{"30-10 * * * *", `"30-10 * * * *": the minute cannot be "30-10"`, "1-5"},
		{"99999999999999999999 * * * *", `"99999999999999999999 * * * *": the minute cannot be "99999999999999999999"`, "0 to 59"},
		{"0 0 31 2 *", `"0 0 31 2 *" never comes`, "no such day"},
		{"0 0 31 2,4,6,9,11 *", `"0 0 31 2,4,6,9,11 *" never comes`, "no such day"},
	} {
		s, err := Parse(c.spec, nil)
		if err == nil || !s.IsZero() {
			t.Errorf("Parse(%q) gives %q and no error", c.spec, s)
			continue
		}
		if err.Error() != c.message || !strings.Contains(fault.HintOf(err), c.hint) || fault.KindOf(err) != fault.Invalid {
			t.Errorf("Parse(%q):\n got %s (%s; %s)\nwant %s (invalid; %s)", c.spec, err, fault.KindOf(err), fault.HintOf(err), c.message, c.hint)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, spec := range []string{"TZ=", "TZ=0", "@every 0s", "*/15 * * * *", "0 0 31 2 *", "every 15m", "@daily", "1-5/2,7 * * jan mon"} {
		f.Add(spec)
	}
	zone := load(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := Parse(spec, zone)
		if err != nil {
			if !s.IsZero() || fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
				t.Fatalf("Parse(%q) gives %q, %v", spec, s, err)
			}
			return
		}
		after := epoch()
		next := s.Next(after)
		if !next.After(after) || s.Interval() <= 0 {
			t.Fatalf("Parse(%q): next %s after %s, interval %s", spec, next, after, s.Interval())
		}
	})
}

func load(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}
