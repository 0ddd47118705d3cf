package schedule

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/scalar"
)

// Shortest is the shortest interval of an `every` schedule: a directory that has to
// be asked more often wants a webhook.
const Shortest = 10 * time.Second

const (
	formsHint = "write five fields as in 0 3 * * * (minute hour day month weekday), or @hourly, @daily, @weekly, @monthly, or every 15m"
	zoneHint  = "set time_zone in the configuration; it holds for all schedules"
)

// field describes one of the five fields for an error.
type field struct{ name, allowed string }

func fields() [5]field {
	return [5]field{
		{"minute", "0 to 59"},
		{"hour", "0 to 23"},
		{"day", "1 to 31"},
		{"month", "1 to 12 or jan to dec"},
		{"weekday", "0 to 6 or sun to sat; Sunday is 0"},
	}
}

// listItem is one member of the list in a field. The library would read more than this
// and mean something else by it: *-5 as *, and an empty item as never.
var listItem = regexp.MustCompile(`^(?:[*?]|[0-9]+(?:-[0-9]+)?|[A-Za-z]{3}(?:-[A-Za-z]{3})?)(?:/[0-9]+)?$`)

// Parse reads a schedule: five-field cron, one of the words @hourly, @daily,
// @midnight, @weekly, @monthly, @yearly and @annually, or `every` with a duration of
// at least ten seconds. zone is where the fields are read; nil is UTC.
//
// Errors are of the kind fault.Invalid, quote the text and carry a hint.
func Parse(spec string, zone *time.Location) (Schedule, error) {
	if zone == nil {
		zone = time.UTC
	}
	s := Schedule{spec: strings.Join(strings.Fields(spec), " "), zone: zone}
	word, rest, _ := strings.Cut(s.spec, " ")
	switch {
	case s.spec == "":
		return Schedule{}, invalid(formsHint, "the schedule is empty")
	case word == "every":
		return s.parseEvery(rest)
	case strings.HasPrefix(word, "TZ=") || strings.HasPrefix(word, "CRON_TZ="):
		return Schedule{}, invalid(zoneHint, "%q: a schedule carries no time zone", spec)
	case word == "@every":
		return Schedule{}, invalid(fmt.Sprintf("write every %s", rest), "%q: not a word we know", spec)
	case word == "@reboot":
		return Schedule{}, invalid("a daemon that starts catches up what it missed, so leave the word out", "%q: not a word we know", spec)
	case strings.HasPrefix(word, "@") || strings.Count(s.spec, " ") == 4:
		return s.parseCron()
	}
	var d scalar.Duration
	if d.UnmarshalText([]byte(s.spec)) == nil {
		return Schedule{}, invalid(fmt.Sprintf("write every %s", s.spec), "%q is a duration, not a schedule", spec)
	}
	return Schedule{}, invalid(formsHint, "%q is not a schedule", spec)
}

func (s Schedule) parseEvery(text string) (Schedule, error) {
	var d scalar.Duration
	if err := d.UnmarshalText([]byte(text)); err != nil {
		return Schedule{}, invalid("as in every 15m, every 12h, every 1d", "%q: %q is not a duration", s.spec, text)
	}
	if d.Std() < Shortest {
		return Schedule{}, invalid("at least "+Shortest.String(), "%q: too often", s.spec)
	}
	s.every, s.interval = d.Std(), d.Std()
	return s, nil
}

func (s Schedule) parseCron() (Schedule, error) {
	if !strings.HasPrefix(s.spec, "@") {
		if err := s.checkFields(); err != nil {
			return Schedule{}, err
		}
	}
	c, err := standard(s.spec)
	if err != nil {
		return Schedule{}, invalid(formsHint, "%q is not a schedule", s.spec)
	}
	if c.Next(epoch()).IsZero() {
		return Schedule{}, invalid("no such day exists in any year", "%q never comes", s.spec)
	}
	s.cron, s.interval = c, longestGap(c)
	return s, nil
}

// checkFields reads the fields one by one, so that an error names the right one.
func (s Schedule) checkFields() error {
	for i, text := range strings.Fields(s.spec) {
		f := fields()[i]
		for part := range strings.SplitSeq(text, ",") {
			alone := [5]string{"*", "*", "*", "*", "*"}
			alone[i] = part
			if listItem.MatchString(part) {
				if _, err := standard(strings.Join(alone[:], " ")); err == nil {
					continue
				}
			}
			return invalid(fmt.Sprintf("the %s takes %s, *, ranges as 1-5, lists as 1,3 and steps as */2", f.name, f.allowed),
				"%q: the %s cannot be %q", s.spec, f.name, part)
		}
	}
	return nil
}

// standard is the library's parser without its panics, for which it has open
// issues (470, 554). The schedule counts in UTC.
func standard(spec string) (c *cron.SpecSchedule, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("parse schedule: %v", r)
		}
	}()
	parsed, err := cron.ParseStandard(spec)
	if err != nil {
		return nil, err
	}
	c, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, errors.New("not a schedule of the wall clock")
	}
	c.Location = time.UTC
	return c, nil
}

func invalid(hint, format string, args ...any) error {
	return fault.New(fault.Invalid, "", "", fmt.Errorf(format, args...), hint)
}
