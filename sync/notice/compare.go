package notice

import (
	"cmp"
	"maps"
	"slices"

	"groupsyncd/sync/run"
)

// wants says that a service is told of a kind.
func (s *Service) wants(kind run.NoticeKind) bool { return slices.Contains(s.On, kind) }

// about says that what concerns a target concerns the service.
func (s *Service) about(target string) bool {
	return target == "" || len(s.Targets) == 0 || slices.Contains(s.Targets, target)
}

// compare writes letters to one service: about what is open and was not told, what is told
// for another reason, what is open for so long that it is told again, what is over, and
// what happened. It reports whether something changed. d.mu is held.
func (d *Desk) compare(p *post, open []run.Condition, happened []run.Letter) bool {
	s, now := &p.Service, d.o.Now().UTC()
	told, changed := d.kept.Told[s.Name], false
	slices.SortStableFunc(open, func(a, b run.Condition) int { return cmp.Compare(a.Key, b.Key) })
	seen := map[string]bool{}
	for i := range open {
		c := &open[i]
		if !s.wants(c.Kind) || !s.about(c.Target) || seen[c.Key] {
			continue
		}
		seen[c.Key] = true
		was, known := told[c.Key]
		event := run.LetterReminder
		switch {
		case !known:
			event = run.LetterNew
		case was.Reason != c.Reason:
			event = run.LetterChanged
		case s.Remind <= 0 || now.Sub(was.Last) < s.Remind:
			continue
		}
		changed = true
		if told == nil {
			told = map[string]run.Told{}
			set(&d.kept.Told, s.Name, told)
		}
		since := c.Since
		if known && !was.Since.IsZero() {
			since = was.Since
		}
		told[c.Key] = run.Told{Kind: c.Kind, Reason: c.Reason, Message: c.Message, Target: c.Target, Since: since.UTC(), Last: now}
		if event == run.LetterReminder && d.waits(s.Name, c.Key) {
			continue // What waits says it as well.
		}
		d.add(s.Name, run.Letter{Kind: c.Kind, Event: event, Key: c.Key, Message: c.Message, Hint: c.Hint, Since: since, Target: c.Target, Lines: c.Lines, More: c.More})
	}
	for _, key := range slices.Sorted(maps.Keys(told)) {
		t := told[key]
		if seen[key] {
			continue
		}
		delete(told, key)
		changed = true
		if s.wants(run.NoticeRecovered) && s.wants(t.Kind) && s.about(t.Target) {
			d.add(s.Name, run.Letter{Kind: run.NoticeRecovered, Event: run.LetterOver, Key: key, Message: t.Message, Since: t.Since, Target: t.Target})
		}
	}
	for i := range happened {
		if l := happened[i]; s.wants(l.Kind) && s.about(l.Target) {
			d.add(s.Name, l)
			changed = true
		}
	}
	return changed
}

// waits says that a letter about a key has not arrived yet. d.mu is held.
func (d *Desk) waits(service, key string) bool {
	return slices.ContainsFunc(d.letters, func(l run.Letter) bool { return l.Service == service && l.Key == key })
}
