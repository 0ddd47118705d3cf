package schedule

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func parse(t testing.TB, spec string, zone *time.Location) Schedule {
	t.Helper()
	s, err := Parse(spec, zone)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// list gives the times at which s is due after one time and before another.
func list(s Schedule, from, to time.Time) []string {
	var times []string
	for t := s.Next(from); t.Before(to) && len(times) < 100; t = s.Next(t) {
		times = append(times, t.Format("2006-01-02 15:04 -0700"))
	}
	return times
}

// In 2026 the clocks of Central Europe go from 02:00 to 03:00 on 29 March and from
// 03:00 back to 02:00 on 25 October.
func TestNextOnTheNightsOfTheClockChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, spec string
		month, day int
		hours      [2]int // From and to, counted from the day's midnight.
		want       []string
	}{
		{"daily in the gap runs once, at its end", "30 2 * * *", 3, 28, [2]int{0, 72},
			[]string{"2026-03-28 02:30 +0100", "2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200"}},
		{"daily in the hour that repeats runs once, at the first", "30 2 * * *", 10, 24, [2]int{0, 72},
			[]string{"2026-10-24 02:30 +0200", "2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"}},
		{"daily at the beginning of the gap", "0 2 * * *", 3, 29, [2]int{0, 40},
			[]string{"2026-03-29 03:00 +0200", "2026-03-30 02:00 +0200"}},
		{"daily at the end of the gap", "0 3 * * *", 3, 29, [2]int{0, 40},
			[]string{"2026-03-29 03:00 +0200", "2026-03-30 03:00 +0200"}},
		{"several in the gap and one at its end run once", "*/20 2,3 * * *", 3, 29, [2]int{0, 12},
			[]string{"2026-03-29 03:00 +0200", "2026-03-29 03:20 +0200", "2026-03-29 03:40 +0200"}},
		{"several in the hour that repeats run in its first half only", "*/20 2,3 * * *", 10, 25, [2]int{0, 12},
			[]string{"2026-10-25 02:00 +0200", "2026-10-25 02:20 +0200", "2026-10-25 02:40 +0200",
				"2026-10-25 03:00 +0100", "2026-10-25 03:20 +0100", "2026-10-25 03:40 +0100"}},
		{"daily before and after are not touched", "30 1,4 * * *", 10, 25, [2]int{0, 12},
			[]string{"2026-10-25 01:30 +0200", "2026-10-25 04:30 +0100"}},
		{"hourly keeps its pace in spring", "30 * * * *", 3, 29, [2]int{1, 5},
			[]string{"2026-03-29 01:30 +0100", "2026-03-29 03:30 +0200", "2026-03-29 04:30 +0200", "2026-03-29 05:30 +0200"}},
		{"hourly keeps its pace in autumn", "@hourly", 10, 25, [2]int{1, 5},
			[]string{"2026-10-25 02:00 +0200", "2026-10-25 02:00 +0100", "2026-10-25 03:00 +0100"}},
		{"every counts elapsed time", "every 90m", 3, 29, [2]int{0, 5},
			[]string{"2026-03-29 01:30 +0100", "2026-03-29 04:00 +0200", "2026-03-29 05:30 +0200"}},
		{"weekly on the night in spring", "30 2 * * sun", 3, 22, [2]int{0, 24 * 15},
			[]string{"2026-03-22 02:30 +0100", "2026-03-29 03:00 +0200", "2026-04-05 02:30 +0200"}},
	} {
		for _, place := range []string{"Europe/Berlin", "Europe/Zurich"} {
			t.Run(place+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				zone := load(t, place)
				from := time.Date(2026, time.Month(c.month), c.day, c.hours[0], 0, 0, 0, zone)
				to := from.Add(time.Duration(c.hours[1]-c.hours[0]) * time.Hour)
				if diff := cmp.Diff(c.want, list(parse(t, c.spec, zone), from, to)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", c.spec, diff)
				}
			})
		}
	}
}

func TestNextFromWithinTheHourThatRepeats(t *testing.T) {
	t.Parallel()
	zone := load(t, "Europe/Berlin")
	second := time.Date(2026, 10, 25, 1, 15, 0, 0, time.UTC).In(zone) // 02:15 for the second time.
	got := parse(t, "30 2 * * *", zone).Next(second).Format(time.RFC3339)
	if want := "2026-10-26T02:30:00+01:00"; got != want {
		t.Errorf("Next = %s, want %s: this day's run was an hour ago", got, want)
	}
}

func TestNextInOtherZones(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, zone, spec, after, want string }{
		{"a day that begins at one", "America/Sao_Paulo", "0 0 * * *", "2018-11-03T12:00:00Z", "2018-11-04T01:00:00-02:00"},
		{"a change of half an hour", "Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00:00Z", "2026-10-04T02:30:00+11:00"},
		{"a day that does not exist", "Pacific/Apia", "0 2 30 12 *", "2011-12-01T00:00:00Z", "2011-12-31T00:00:00+14:00"},
		{"a zone without changes", "Asia/Tokyo", "0 3 * * *", "2026-03-28T17:59:59Z", "2026-03-29T03:00:00+09:00"},
		{"leap day", "UTC", "0 0 29 2 *", "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"},
	} {
		after, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		zone := load(t, c.zone)
		if got := parse(t, c.spec, zone).Next(after).In(zone).Format(time.RFC3339); got != c.want {
			t.Errorf("%s: %s after %s is %s, want %s", c.name, c.spec, c.after, got, c.want)
		}
	}
}

func TestADailyScheduleIsDueOncePerDay(t *testing.T) {
	t.Parallel()
	zones := []*time.Location{load(t, "Europe/Berlin"), load(t, "America/Sao_Paulo"), load(t, "Australia/Lord_Howe"), load(t, "America/St_Johns"), time.UTC}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		spec := time.Date(0, 1, 1, rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute"), 0, 0, time.UTC).Format("4 15 * * *")
		s, err := Parse(spec, zone)
		if err != nil {
			t.Fatal(err)
		}
		after := time.Unix(rapid.Int64Range(1.4e9, 2e9).Draw(t, "after"), 0)
		last := s.Next(after)
		for range 400 {
			next := s.Next(last)
			y, m, d := last.In(zone).Date()
			if got := next.In(zone).Format(time.DateOnly); got != time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly) {
				t.Fatalf("%s in %s: %s is followed by %s", spec, zone, last.In(zone), next.In(zone))
			}
			last = next
		}
	})
}

func TestEqualComparesWhatIsDue(t *testing.T) {
	t.Parallel()
	berlin := load(t, "Europe/Berlin")
	for _, c := range []struct {
		a, b Schedule
		want bool
	}{
		{parse(t, "0 3 * * *", nil), parse(t, "0  3 * * *", time.UTC), true},
		{parse(t, "0 3 * * *", nil), parse(t, "0 3 * * *", berlin), false},
		{parse(t, "every 15m", nil), parse(t, "every 15m", berlin), true},
		{parse(t, "every 15m", nil), parse(t, "every 16m", nil), false},
		{Schedule{}, Schedule{}, true},
		{Schedule{}, parse(t, "@daily", nil), false},
	} {
		if got := c.a.Equal(c.b); got != c.want {
			t.Errorf("%q equal %q: %t", c.a, c.b, got)
		}
	}
	if next := (Schedule{}).Next(epoch()); !next.IsZero() {
		t.Errorf("the zero schedule is due at %s", next)
	}
}
