package engine_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"groupsyncd/sync/engine"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// What a trace may say of the world at a point of it, beside what the oracle asks of every
// step of every history:
//
//	expect [no] member HUMAN GROUP          who is in a group of Open WebUI
//	expect [no] group NAME [COUNT]          a group, or so many of that name
//	expect [no] text GROUP WORD             the description of a group
//	expect [no] held CHECK [HUMAN GROUP]    what is held, and with it a change of somebody
//	expect [no] keys CHECK COUNT            so many changes are held by a check
//	expect [no] since CHECK DURATION        a hold is at least so old
//	expect [no] problem KIND [WORD...]      the last run told of it, with these words
//	expect [no] notice KIND                 the last run told people of it
//	expect [no] change OP OUTCOME [HUMAN]   the last run did it
//	expect [no] complete SOURCE             status shows a time of its last complete read
//	expect [no] exit CODE                   of the last run
//	expect [no] written                     the last run made a call that writes

// expectStep compares the world with what a trace says; false: the step is something else.
func (w *world) expectStep(s step) bool {
	if s.do != "expect" {
		return false
	}
	want := s.arg(0) != "no"
	what := s
	if !want {
		what = step{s.do, s.args[1:]}
	}
	if is := w.holds(what); is != want {
		w.fail("expect", "%s", strings.TrimPrefix(s.String(), "expect "))
	}
	return true
}

// holds reports whether something that can be expected is so.
func (w *world) holds(s step) bool {
	switch s.arg(0) {
	case "member":
		ids := w.web.Named(s.arg(2))
		return slices.ContainsFunc(ids, func(id string) bool { return w.web.Has(id, w.account[s.arg(1)]) })
	case "group":
		n := len(w.web.Named(s.arg(1)))
		return s.arg(2) == "" && n > 0 || s.arg(2) == strconv.Itoa(n)
	case "text":
		return slices.ContainsFunc(w.web.Named(s.arg(1)), func(id string) bool { return w.web.Description(id) == s.arg(2) })
	case "held", "keys", "since":
		return w.holdIs(s)
	case "complete":
		status, err := w.engine.Status()
		return err == nil && slices.ContainsFunc(status.Sources, func(src engine.SourceStatus) bool { return src.Name == s.arg(1) && !src.CompleteAsOf.IsZero() })
	case "problem", "notice", "change", "exit", "written":
		return w.reported(s)
	}
	panic(fmt.Sprintf("nothing can be expected of %q", s.arg(0)))
}

// holdIs reports whether a check holds what is expected of it.
func (w *world) holdIs(s step) bool {
	n := 0
	for _, h := range w.engine.Holds() {
		if string(h.Check) != s.arg(1) {
			continue
		}
		n += len(h.Keys)
		switch {
		case s.arg(0) == "held" && s.arg(2) == "":
			return true
		case s.arg(0) == "held":
			about := func(c run.Change) bool {
				return c.User != nil && c.User.ID == w.account[s.arg(2)] && (s.arg(3) == "" || c.Group.Name == s.arg(3))
			}
			if slices.ContainsFunc(h.Changes, about) {
				return true
			}
		case s.arg(0) == "since":
			d, err := time.ParseDuration(s.arg(2))
			return err == nil && w.clock.Now().Sub(h.Since) >= d
		}
	}
	return s.arg(0) == "keys" && strconv.Itoa(n) == s.arg(2)
}

// reported reports whether the last run said or did what is expected.
func (w *world) reported(s step) bool {
	if w.last == nil {
		return false
	}
	words := strings.Join(s.args[min(2, len(s.args)):], " ")
	switch s.arg(0) {
	case "exit":
		return strconv.Itoa(w.last.Exit) == s.arg(1)
	case "notice":
		return slices.ContainsFunc(w.last.Notices, func(n run.Notice) bool { return string(n.Kind) == s.arg(1) })
	}
	return slices.ContainsFunc(w.last.Targets, func(t run.TargetReport) bool {
		switch s.arg(0) {
		case "written":
			return t.Writes > 0
		case "problem":
			return slices.ContainsFunc(t.Problems, func(p run.Problem) bool { return string(p.Kind) == s.arg(1) && strings.Contains(p.Message, words) })
		}
		return slices.ContainsFunc(t.Changes, func(c run.Change) bool {
			return string(c.Op) == s.arg(1) && string(c.Outcome) == s.arg(2) && (s.arg(3) == "" || c.User != nil && c.User.ID == w.account[s.arg(3)])
		})
	})
}

// settings are what a history sets in the configuration beside sources and rules, and what
// it knows of people beside their names.
type settings struct {
	limits          plan.Limits
	reads           int
	protect, ignore []string
	domains         map[string][]string
	lag             map[string]time.Duration
	staleAfter      time.Duration
	signIn          string
	special         map[string]bool   // rules of which most histories know nothing
	noted           map[string]string // hashes of holds, by a name
}

func newSettings() settings {
	return settings{limits: plan.Limits{MaxPeople: plan.LimitBoth(500, 40), MaxPeople24h: plan.LimitBoth(1000, 60), MaxGroupLoss: plan.LimitPercent(50),
		MaxNewGroups: plan.LimitOff(), MaxSourceShrink: plan.LimitPercent(30), ApprovalTTL: 24 * time.Hour},
		reads: graceReads, domains: map[string][]string{}, lag: map[string]time.Duration{"hr": hrLag}, special: map[string]bool{}, noted: map[string]string{}}
}

// settingStep changes a setting; false: the step is about something else.
//
//	set max_people|max_people_24h|max_group_loss|max_new_groups|max_source_shrink LIMIT...
//	set approval_ttl|stale_after DURATION
//	set reads N
//	set protect|ignore HUMAN...
//	set domains SOURCE DOMAIN...
//	set signin SOURCE
func (w *world) settingStep(s step) bool {
	if s.do != "set" {
		return false
	}
	limits := map[string]*plan.Limit{"max_people": &w.set.limits.MaxPeople, "max_people_24h": &w.set.limits.MaxPeople24h, "max_group_loss": &w.set.limits.MaxGroupLoss,
		"max_new_groups": &w.set.limits.MaxNewGroups, "max_source_shrink": &w.set.limits.MaxSourceShrink}
	d, _ := time.ParseDuration(s.arg(1))
	var mails []string
	for _, h := range s.args[1:] {
		mails = append(mails, h+"@x.org")
	}
	switch s.arg(0) {
	case "approval_ttl":
		w.set.limits.ApprovalTTL = d
	case "stale_after":
		w.set.staleAfter = d
	case "reads":
		w.set.reads = s.number(1)
	case "protect":
		w.set.protect = mails
	case "ignore":
		w.set.ignore = mails
		w.rough = true
	case "domains":
		w.set.domains[s.arg(1)] = s.args[2:]
		w.rough = true
	case "signin":
		w.set.signIn = s.arg(1)
	default:
		*limits[s.arg(0)] = limitOf(s.args[1:])
	}
	w.reload()
	return true
}

// limitOf reads a limit as people write it: off, a number, a share, or both.
func limitOf(words []string) plan.Limit {
	var l plan.Limit
	for _, word := range words {
		share, percent := strings.CutSuffix(word, "%")
		n, err := strconv.Atoi(share)
		switch {
		case word == "off":
			return plan.LimitOff()
		case err != nil:
			panic(err)
		case percent:
			l.ByPercent, l.Percent = true, float64(n)
		case n > 0:
			l.ByCount, l.Count = true, n
		}
	}
	return l
}

// isSet reports whether somebody's account is on a list of the settings, by the mail
// address that it had when it was made.
func (w *world) isSet(list []string, account string) bool {
	return slices.Contains(list, w.human[account]+"@x.org")
}
