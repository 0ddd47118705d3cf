package notice

import (
	"fmt"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/permission"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

const (
	// patience is after how many runs in a row with failed calls people hear of it.
	patience = 3
	// shownLines is how many lines a letter shows of what happened.
	shownLines = 10
	// permissions is how the name of a field begins that is a permission.
	permissions = "permissions."
)

// happenings are what the audit has since it was looked at last.
type happenings struct {
	read    uint64
	letters []run.Letter
	partly  run.Desk
	changed bool
}

// power gathers what one run gave in one target that makes people powerful.
type power struct {
	run, target                       string
	admins, raised, rights, protected int
	lines                             []string
	letter                            run.Letter
}

// happened reads the audit behind a record. The audit has each change in the transaction
// that made it known, so that nothing is missed when the process ends in between.
func (d *Desk) happened(from uint64) (happenings, error) {
	d.mu.Lock()
	h := happenings{read: from, partly: run.Desk{Partly: d.kept.Partly, PartlySince: d.kept.PartlySince, PartlyRun: d.kept.PartlyRun}}
	d.mu.Unlock()
	var powers []*power
	err := d.o.Store.Audit(from+1, func(r run.AuditRecord) error {
		h.read = r.Seq
		e := &r.Event
		if d.o.Now().Sub(e.At) > maxAge {
			return nil
		}
		switch e.Kind {
		case run.EventChange:
			powers = d.powerful(powers, e)
		case run.EventRun:
			return d.ended(&h, e)
		}
		return nil
	})
	for _, p := range powers {
		h.letters = append(h.letters, p.write())
	}
	return h, err
}

// ended takes in the end of a run.
func (d *Desk) ended(h *happenings, e *run.Event) error {
	r, err := d.o.Store.Run(e.Run)
	if fault.KindOf(err) == fault.NotFound {
		return nil // So many runs came after it that the history has dropped it.
	}
	if err != nil || r.Mode != run.Apply {
		return err
	}
	failed := 0
	for i := range r.Targets {
		t := &r.Targets[i]
		failed += t.Summary.Failed
		if l, changed := applied(r, t); changed && e.Count > 0 {
			l.At = e.At
			h.letters = append(h.letters, l)
		}
	}
	switch {
	case r.User != "":
	case failed == 0:
		h.partly = run.Desk{}
	default:
		if h.partly.Partly == 0 {
			h.partly.PartlySince = r.Started.UTC()
		}
		h.partly.Partly++
		h.partly.PartlyRun = r.Run
	}
	return nil
}

// applied writes the letter about what a run changed in a target, if it did.
func applied(r *run.Report, t *run.TargetReport) (run.Letter, bool) {
	var made []run.Change
	for i := range t.Changes {
		if t.Changes[i].Outcome == run.Applied {
			made = append(made, t.Changes[i])
		}
	}
	if len(made) == 0 {
		return run.Letter{}, false
	}
	s := t.Summary
	s.Held, s.Failed, s.Drift = 0, 0, 0
	l := run.Letter{Kind: run.NoticeApplied, Event: run.LetterNew, Key: "applied/" + t.Name + "/" + r.Run, Target: t.Name, Run: r.Run,
		Message: fmt.Sprintf("target %s: %s", t.Name, s.Words()), Hint: "see all of it with: groupsyncd history " + r.Run}
	l.Lines, l.More = run.Lines(made, shownLines)
	return l, true
}

// partly is the condition that calls fail run after run.
func partly(d *run.Desk) (run.Condition, bool) {
	if d.Partly < patience {
		return run.Condition{}, false
	}
	return run.Condition{Kind: run.NoticeQuarantined, Key: "failed/calls", Since: d.PartlySince,
		Message: fmt.Sprintf("calls failed in each of the last %d runs", d.Partly), Hint: "see which, and why, with: groupsyncd history " + d.PartlyRun}, true
}

// powerful takes in a change that makes somebody powerful, or that touches an account that
// is protected.
func (d *Desk) powerful(list []*power, e *run.Event) []*power {
	if e.Outcome != run.Applied {
		return list
	}
	mail, group := e.UserName, e.GroupName
	if m, g := d.o.Named(e.Target, e.User, e.Group); m != "" || g != "" {
		mail, group = or(mail, m), or(group, g)
	}
	who, where := or(mail, e.User), or(group, e.Group)
	p := &power{run: e.Run, target: e.Target}
	switch {
	case e.Op == run.SetRole || e.Op == run.CreateAccount:
		p.role(e, who)
	case len(e.Fields) > 0 && (e.Op == run.SetPermissions || e.Op == run.CreateGroup || e.Op == run.UpdateGroup):
		p.permissions(e, where)
	}
	if mail != "" && d.o.Protected(e.Target, mail) {
		p.protected++
		p.lines = append(p.lines, strings.TrimSpace("protected account "+mail+": "+strings.ReplaceAll(string(e.Op), "_", " ")+" "+where))
	}
	if len(p.lines) == 0 {
		return list
	}
	p.letter.At = e.At
	for _, have := range list {
		if have.run == p.run && have.target == p.target {
			have.admins, have.raised, have.rights, have.protected = have.admins+p.admins, have.raised+p.raised, have.rights+p.rights, have.protected+p.protected
			have.lines = append(have.lines, p.lines...)
			return list
		}
	}
	return append(list, p)
}

func (p *power) role(e *run.Event, who string) {
	from, to := "", ""
	for _, f := range e.Fields {
		if f.Name == "role" {
			from, _ = f.From.(string)
			to, _ = f.To.(string)
		}
	}
	switch {
	case len(e.Fields) == 0 && e.Op == run.SetRole:
		p.raised++
		p.lines = append(p.lines, "the role of "+who+" was changed by a run that was interrupted; look at it")
	case to == plan.RoleAdmin:
		p.admins++
		p.lines = append(p.lines, who+" is administrator now")
	case e.Op == run.SetRole && plan.RoleRank(to) > plan.RoleRank(from):
		p.raised++
		p.lines = append(p.lines, "role of "+who+": "+or(from, "none")+" → "+to)
	}
}

func (p *power) permissions(e *run.Event, where string) {
	for _, f := range e.Fields {
		key, is := strings.CutPrefix(f.Name, permissions)
		if on, _ := f.To.(bool); !is || !on {
			continue
		}
		if why := permission.Danger(key); why != "" {
			p.rights++
			p.lines = append(p.lines, fmt.Sprintf("%s: %s, which %s", or(where, "default permissions"), key, why))
		}
	}
}

func (p *power) write() run.Letter {
	var parts []string
	for _, part := range []struct {
		n         int
		one, many string
	}{{p.admins, "new administrator", "new administrators"}, {p.raised, "role raised", "roles raised"},
		{p.rights, "right that gives more than its name tells", "rights that give more than their names tell"},
		{p.protected, "change of a protected account", "changes of protected accounts"}} {
		switch {
		case part.n == 1:
			parts = append(parts, "1 "+part.one)
		case part.n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.many))
		}
	}
	l := p.letter
	l.Kind, l.Event, l.Key, l.Target, l.Run = run.NoticePrivileged, run.LetterNew, "privileged/"+p.target+"/"+p.run, p.target, p.run
	l.Message = "target " + p.target + ": " + strings.Join(parts, ", ")
	l.Lines = p.lines[:min(len(p.lines), shownLines)]
	l.More = len(p.lines) - len(l.Lines)
	l.Hint = "if that is wrong: groupsyncd revert " + p.run
	return l
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
