package engine

import (
	"fmt"
	"strings"

	"groupsyncd/sync/run"
)

// heldLines is how many held changes a condition shows.
const heldLines = 10

// Conditions gives what is wrong now, for those who are told outside: what is held, one
// for each hold, who is in quarantine, and what is stale.
func (e *Engine) Conditions() []run.Condition {
	s := e.current()
	var out []run.Condition
	holds := e.Holds()
	for i := range holds {
		out = append(out, heldCondition(&holds[i]))
	}
	for i := range s.Sources {
		src := &s.Sources[i]
		out = e.failing(out, src.party(), "")
		if why, is := e.stale(src); is {
			e.condition.mu.Lock()
			since, told := e.condition.kept.Stale[src.ID]
			e.condition.mu.Unlock()
			if !told {
				since = e.now()
			}
			out = append(out, conditionOf(staleNotice(src, why, since), ""))
		}
	}
	for i := range s.Targets {
		out = e.failing(out, s.Targets[i].party(), s.Targets[i].Name)
	}
	return out
}

// failing adds the quarantine of a party, if it is in one.
func (e *Engine) failing(list []run.Condition, p party, target string) []run.Condition {
	t, has := e.trouble(p)
	if !has || !t.Quarantined() {
		return list
	}
	c := conditionOf(quarantined(p, &t, false, t.Since), target)
	c.Reason = t.Kind
	return append(list, c)
}

func conditionOf(n run.Notice, target string) run.Condition {
	return run.Condition{Kind: n.Kind, Key: n.Key, Message: n.Message, Hint: n.Hint, Since: n.At, Target: target}
}

// heldCondition says what a hold keeps back, and how to let it through. Its lists may grow
// without making it another one.
func heldCondition(h *run.Hold) run.Condition {
	c := run.Condition{Kind: run.NoticeHeld, Key: strings.Join([]string{"held", h.Target, string(h.Check), h.Scope}, "/"), Reason: reasonKind(h),
		Since: h.Since, Target: h.Target,
		Message: fmt.Sprintf("target %s: %s held by the guard (%s): %s", h.Target, counted(len(h.Keys)), h.Check, h.Detail),
		Hint:    "let it through with: " + h.Approve}
	if h.Release != "" {
		c.Hint += "\nkeep what is there with: " + h.Release
	}
	c.Hint += "\nsee all of it with: groupsyncd holds"
	c.Lines, c.More = run.Lines(h.Changes, heldLines)
	c.More = max(c.More, len(h.Keys)-len(c.Lines))
	return c
}

func counted(n int) string {
	switch n {
	case 0:
		return "whatever would be taken away is"
	case 1:
		return "1 change is"
	}
	return fmt.Sprintf("%d changes are", n)
}

// Named gives the mail address of an account and the name of a group of a target, as far
// as they are known.
func (e *Engine) Named(target, account, group string) (mail, name string) {
	state := e.target(target)
	if state == nil {
		return "", "" // It is no longer configured.
	}
	state.mu.Lock()
	defer state.mu.Unlock()
	if n, known := state.mem.Mirror.Number(account); known {
		mail = state.mem.Mirror.Account(n).Email
	}
	if g := state.mem.Mirror.Group(group); g != nil {
		name = g.Name
	}
	return mail, name
}
