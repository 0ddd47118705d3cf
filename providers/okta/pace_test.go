package okta

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
)

func TestOktasLimitsAreObeyedByItsOwnClock(t *testing.T) {
	t.Parallel()
	okta := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	headers := func(limit, remaining, in int) http.Header {
		return http.Header{
			"Date":                   {okta.Format(http.TimeFormat)},
			"X-Rate-Limit-Limit":     {strconv.Itoa(limit)},
			"X-Rate-Limit-Remaining": {strconv.Itoa(remaining)},
			"X-Rate-Limit-Reset":     {strconv.FormatInt(okta.Add(time.Duration(in)*time.Second).Unix(), 10)},
		}
	}
	without := func(h http.Header, name string) http.Header {
		h.Del(name)
		return h
	}
	for name, c := range map[string]struct {
		status int
		h      http.Header
		now    time.Time // of our clock; zero: years away
		wait   time.Duration
		told   bool
	}{
		"plenty is left":                       {200, headers(600, 500, 30), time.Time{}, 0, false},
		"a little more than is left to others": {200, headers(600, 91, 30), time.Time{}, 0, false},
		"what is left to others":               {200, headers(600, 90, 30), time.Time{}, 31 * time.Second, true},
		"a small limit":                        {200, headers(20, 5, 30), time.Time{}, 0, false},
		"what may be under way":                {200, headers(20, 4, 30), time.Time{}, 31 * time.Second, true},
		"no limit at all":                      {200, headers(0, 0, 30), time.Time{}, 0, false},
		"the limit begins anew":                {200, headers(600, 1, -30), time.Time{}, 0, true},
		"too many":                             {429, headers(600, 0, 42), time.Time{}, 43 * time.Second, true},
		"too many, and it is over":             {429, headers(600, 0, -5), time.Time{}, time.Second, true},
		"too many, for a day":                  {429, headers(600, 0, 86400), time.Time{}, window, true},
		"too many at a time":                   {429, headers(0, 0, 50), time.Time{}, crowded, true},
		"too many at a time, for a moment":     {429, headers(0, 0, 2), time.Time{}, 3 * time.Second, true},
		"no clock of theirs":                   {429, without(headers(600, 0, 42), "Date"), okta.Add(-2 * time.Second), 45 * time.Second, true},
		"no limit":                             {429, without(headers(600, 0, 42), "X-Rate-Limit-Limit"), time.Time{}, 0, false},
		"nothing about what is left":           {200, without(headers(600, 0, 42), "X-Rate-Limit-Remaining"), time.Time{}, 0, false},
		"nothing about the end":                {200, without(headers(600, 0, 42), "X-Rate-Limit-Reset"), time.Time{}, 0, false},
		"an error of another kind":             {500, headers(600, 0, 42), time.Time{}, 43 * time.Second, true},
	} {
		if wait, told := pace(c.status, c.h, c.now); wait != c.wait || told != c.told {
			t.Errorf("%s: %s, %t, want %s, %t", name, wait, told, c.wait, c.told)
		}
	}
}

func TestTheNextPageIsFoundAmongLinks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		headers []string
		want    string
	}{
		{nil, ""},
		{[]string{`<https://x/a>; rel="self"`}, ""},
		{[]string{`<https://x/a>; rel="self"`, `<https://x/b?after=1>; rel="next"`}, "https://x/b?after=1"},
		{[]string{`<https://x/a>; rel="self", <https://x/b>; rel="next"`}, "https://x/b"},
		{[]string{`<https://x/b?after=1,2;3>; rel="next"`}, "https://x/b?after=1,2;3"},
		{[]string{`<https://x/b>;rel=next`}, "https://x/b"},
		{[]string{`<https://x/b>; title="a, \"b\"; rel=\"self\""; rel="prev Next"`}, "https://x/b"},
		{[]string{`<https://x/b>; rel="self"; rel="next"`}, ""}, // The first one counts (RFC 8288, 3.3).
		{[]string{`<https://x/b>; rel="next-ish", <https://x/c>; rel="up next"`}, "https://x/c"},
		{[]string{`<https://x/b; rel="next"`, `rel="next"`, `<>`, `<https://x/d>; rel="next`}, "https://x/d"},
		{[]string{`<https://x/b> nonsense; rel="self", <https://x/c>; rel="next"`}, "https://x/c"},
	} {
		if got := next(c.headers); got != c.want {
			t.Errorf("%q gives %q, want %q", c.headers, got, c.want)
		}
	}
}

func FuzzLinks(f *testing.F) {
	f.Add(`<https://x/a>; rel="self", <https://x/b?after=1,2>; rel="next"`)
	f.Add(`<https://x/b>; title="a \" <y>, b"; rel=next;`)
	f.Add(`<;=",<>;rel=`)
	f.Fuzz(func(t *testing.T, h string) {
		to := next([]string{h})
		if to != "" && (!strings.Contains(h, "<"+to+">") || !strings.Contains(strings.ToLower(h), "next")) {
			t.Errorf("%q leads to %q", h, to)
		}
	})
}

func TestACursorIsWhatItWasOrNothing(t *testing.T) {
	t.Parallel()
	c := &cursor{At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Groups: map[string]mark{"g": {"2026-03-01T11:00:00.000Z", 7}}}
	raw, err := c.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeCursor(raw)
	if err != nil || !got.At.Equal(c.At) || got.Groups["g"] != c.Groups["g"] {
		t.Errorf("%+v, %v", got, err)
	}
	for i := range raw {
		bad := append([]byte{}, raw...)
		bad[i] ^= 1
		if _, err := decodeCursor(bad); err == nil {
			t.Errorf("a cursor with another byte %d is taken", i)
		}
	}
	for _, bad := range [][]byte{nil, []byte("x"), raw[:len(raw)-1], []byte(cursorForm)} {
		if _, err := decodeCursor(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestMembersAreToldApart(t *testing.T) {
	t.Parallel()
	s := &directory.Snapshot{Users: []directory.User{{ID: "a"}, {ID: "b"}, {ID: "c"}}}
	seen := map[uint64]string{}
	for name, list := range map[string][]uint32{"nobody": nil, "a": {0}, "b": {1}, "ab": {0, 1}, "ac": {0, 2}, "bc": {1, 2}, "abc": {0, 1, 2}} {
		sum := fingerprint(s, &directory.Group{Direct: list})
		if seen[sum] != "" {
			t.Errorf("%s looks like %s", name, seen[sum])
		}
		seen[sum] = name
	}
}
