package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// statement is what the sources that decide about accounts say of whoever has one: that all of
// them are disabled or gone, or that this cannot be told.
type statement struct {
	// off: every one of them who has a person there says that they are disabled or gone.
	off bool
	// disabled and gone say which of the two it is; both, when sources differ. explicit says
	// that one of them said so in words, so that it holds for all sources.
	disabled, gone, explicit bool
	unknown                  bool
	confirmAt                time.Time
	reason                   string
	sources                  []string
	// since is the time of the evidence.
	since time.Time
}

// askAuthorities finds out what the deciding sources say of accounts about whom they say
// anything but that all is well.
func (c *computer) askAuthorities() {
	in := c.in
	if in.Accounts == nil {
		return
	}
	for n := range in.Memory.Mirror.Accounts() {
		a := in.Memory.Mirror.Account(uint32(n))
		switch {
		case a.Deleted || a.CreatedAt == 0:
		case c.primary == 0 || a.CreatedAt < c.primary:
			c.primary, c.asOld = a.CreatedAt, 0
		case a.CreatedAt == c.primary:
			c.asOld++
		}
	}
	for _, id := range in.Accounts.Authority {
		s, configured := c.sourceAt[id]
		if !configured {
			c.noAuthority = true // What it would say nobody knows.
			continue
		}
		c.authority = append(c.authority, s)
	}
	if len(in.Accounts.Authority) == 0 && len(in.Sources) == 1 {
		c.authority = []int{0}
	}
	c.evidence = map[uint32]*statement{}
	for _, s := range c.authority {
		rows := in.Sources[s].Replica.Users()
		for n, account := range c.people.account[s] {
			if account < 0 || !rows[n].Disabled && !rows[n].Missing.Is() || c.hidden(uint32(account)) {
				continue
			}
			if a := uint32(account); c.evidence[a] == nil {
				c.evidence[a] = c.ask(a)
			}
		}
	}
	c.unread()
}

// ask gathers what the deciding sources say of whoever has an account.
func (c *computer) ask(a uint32) *statement {
	e := &statement{}
	var since time.Time
	var asked []int
	enabled := false
	for _, p := range c.people.of(a) {
		if !slices.Contains(c.authority, p.source) {
			continue
		}
		src := &c.in.Sources[p.source]
		asked = append(asked, p.source)
		v, u := src.Replica.Listing(p.user, src.Grace), &src.Replica.Users()[p.user]
		told := func(at time.Time) bool { return c.fresh(p.source) || c.in.Now.Sub(at) <= src.MaxAge }
		switch {
		case v.Standing == replica.Shown && told(u.SeenAt):
			enabled = true
		case v.Standing != replica.Absent:
			e.doubt(v.ConfirmAt)
		case v.Absence.Kind() == replica.Explicit && told(later(u.StatusAt, u.DeletedAt)):
			e.explicit = true
			e.disabled, e.gone = e.disabled || u.DeletedAt.IsZero(), e.gone || !u.DeletedAt.IsZero()
		case v.Absence.Kind() == replica.Gone && c.fresh(p.source):
			e.gone = true
			since = later(since, v.Absence.Since())
		default:
			e.doubt(time.Time{})
		}
		if v.Standing == replica.Absent {
			e.since = later(e.since, v.Absence.Since())
		}
		if e.reason == "" && v.Standing == replica.Absent {
			e.reason = v.Absence.Reason() + " (" + src.Name + ")"
		}
		e.sources = append(e.sources, src.ID)
	}
	for _, s := range asked {
		if src := &c.in.Sources[s]; !since.IsZero() && !src.Single && !src.Replica.ReadSince(nil, since) {
			e.doubt(since)
		}
	}
	if c.claimedByOther(a) || c.neverRead() {
		e.doubt(time.Time{})
	}
	slices.Sort(e.sources)
	e.sources = slices.Compact(e.sources)
	e.unknown = e.unknown || c.noAuthority
	e.off = !enabled && !e.unknown && (e.disabled || e.gone)
	e.unknown = e.unknown && !enabled
	return e
}

func (e *statement) doubt(confirmAt time.Time) {
	e.unknown = true
	if !confirmAt.IsZero() && (e.confirmAt.IsZero() || confirmAt.Before(e.confirmAt)) {
		e.confirmAt = confirmAt
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// neverRead reports whether a deciding source was never read, so that nobody knows whom it would
// show.
func (c *computer) neverRead() bool {
	return slices.ContainsFunc(c.authority, func(s int) bool {
		src := &c.in.Sources[s]
		return !src.Single && src.Replica.UsersAt.IsZero()
	})
}

// claimedByOther reports whether somebody else whom a deciding source shows claims the account.
func (c *computer) claimedByOther(a uint32) bool {
	return slices.ContainsFunc(c.people.contested[a], func(p person) bool {
		return slices.Contains(c.authority, p.source) && c.in.Sources[p.source].Replica.Active(p.user)
	})
}

// unread makes it unknown what becomes of accounts that are linked to somebody whom a deciding
// source has not shown since our state began.
func (c *computer) unread() {
	if !c.anyOff() {
		return
	}
	for key, link := range c.in.Memory.People.All() {
		s, configured := c.sourceAt[key.Source]
		if !configured || !slices.Contains(c.authority, s) {
			continue
		}
		if _, known := c.in.Sources[s].Replica.User(key.ID); known {
			continue
		}
		if a, met := c.in.Memory.Mirror.Number(link.Account); met && c.evidence[a] != nil {
			c.evidence[a].off, c.evidence[a].unknown = false, true
		}
	}
}

func (c *computer) anyOff() bool {
	for _, e := range c.evidence {
		if e.off {
			return true
		}
	}
	return false
}

// disabled gives what the deciding sources say, where they say in words that whoever has an
// account is not to have anything, from no source; nil: they do not.
func (c *computer) disabled(a uint32) *statement {
	if e := c.evidence[a]; e != nil && e.off && e.explicit {
		return e
	}
	return nil
}

func (c *computer) disabledUser(source int, user uint32) bool {
	a := c.people.account[source][user]
	return a >= 0 && c.disabled(uint32(a)) != nil
}

// ends is the verdict on everything that somebody has whom the deciding sources disabled.
func (e *statement) ends(grants []FeedKey) verdict {
	p := Proof{Word: replica.Explicit.String(), Reason: e.reason, Sources: slices.Clone(e.sources)}
	if len(grants) > 0 {
		p.Rule = grants[0].Rule
	}
	return verdict{proof: p, sources: p.Sources}
}

// enabled reports whether a deciding source shows whoever has an account as enabled, and none
// is in doubt about it.
func (c *computer) enabled(a uint32) bool {
	if c.evidence[a] != nil && (c.evidence[a].off || c.evidence[a].unknown) || c.noAuthority {
		return false
	}
	return slices.ContainsFunc(c.people.of(a), func(p person) bool {
		src := &c.in.Sources[p.source]
		if !slices.Contains(c.authority, p.source) || !src.Replica.Active(p.user) {
			return false
		}
		u := &src.Replica.Users()[p.user]
		return c.fresh(p.source) || c.in.Now.Sub(u.SeenAt) <= src.MaxAge
	})
}

// suspends says for what reason an account becomes pending; empty: for none.
func (c *computer) suspends(e *statement) string {
	switch {
	case e == nil || !e.off:
		return ""
	case e.disabled && c.in.Accounts.Disabled == RolePending:
		return whyDisabled
	case e.gone && c.in.Accounts.Gone == RolePending:
		return whyGone
	}
	return ""
}

func suspensionKey(account string) string { return changeKey(run.SetRole, "suspended", account) }

// suspend makes an account pending because the directory says so of its person.
func (d *roleDecision) suspend(e *statement, why string) {
	c := d.c
	if d.account.Role == RolePending {
		if d.admin.is(d.a, isOwned) || d.user.is(d.a, isOwned) {
			record := (*OwnedRole)(nil)
			if d.mine() && d.entry.Suspends() {
				record = &d.entry
			}
			d.note(record, "", nil)
		}
		return
	}
	given := d.admin.is(d.a, isOwned) || d.mine()
	if d.account.Role == RoleAdmin && !given && c.byMail(d.a) {
		c.problem(run.KindConflict, fmt.Sprintf("%s, and the account %s stays administrator: it already was one when it was linked by its mail address", e.reason, d.account.Email),
			"confirm whose account it is with: groupsyncd link set; or take the role in Open WebUI")
		return
	}
	before := d.account.Role
	if d.mine() {
		before = d.base()
	}
	if d.known && d.entry.Suspends() && !d.mine() {
		c.plan.Summary.Drift++
		c.problem(run.KindDrift, fmt.Sprintf("%s was let in again in Open WebUI, although %s", d.account.Email, e.reason),
			"enable the person in the directory, or put the account on the target's protect list")
		before = d.entry.Before
	}
	word := replica.Gone.String()
	if e.explicit {
		word = replica.Explicit.String()
	}
	for _, source := range e.sources {
		c.plan.SourceLosses[source] = true
	}
	ch := d.change(RolePending, suspensionKey(d.account.ID), e.reason)
	ch.Absence, ch.Revoke = word, c.in.Accounts.RevokeSessions
	ch.Proof = Proof{Word: word, Reason: e.reason, Sources: e.sources}
	ch.Record, ch.Since = &OwnedRole{Role: RolePending, Before: before, Since: c.in.Now, Why: why}, e.since
	d.add(ch)
}

// reportOwners names what people still own whom we suspended: leaving ends no ownership.
func (c *computer) reportOwners() {
	owned := map[string][]*Resource{}
	for _, r := range c.in.Memory.Mirror.Resources() {
		if r.Owner != "" {
			owned[r.Owner] = append(owned[r.Owner], r)
		}
	}
	if len(owned) == 0 {
		return
	}
	leaving := map[string]bool{}
	for i := range c.plan.Changes {
		if ch := &c.plan.Changes[i]; ch.Record != nil && ch.Record.Suspends() && ch.Outcome != run.Skipped {
			leaving[ch.User.ID] = true
		}
	}
	accounts := c.in.Memory.Mirror.Accounts()
	for n := range accounts {
		a := &accounts[n]
		entry := c.in.Memory.Roles[a.ID]
		if len(owned[a.ID]) == 0 || c.hidden(uint32(n)) || !leaving[a.ID] && (a.Role != RolePending || !entry.Suspends()) {
			continue
		}
		c.problem(run.KindSuspended, a.Email+" is suspended and still owns "+listResources(owned[a.ID]),
			"give them to somebody else in Open WebUI; what a group may use of them stays as it is")
	}
}

// listResources counts resources by type and names a few.
func listResources(all []*Resource) string {
	const shown = 5
	words := map[string]string{Models: "model", Knowledge: "knowledge base", Prompts: "prompt", Tools: "tool", Skills: "skill"}
	var counts, names []string
	for _, t := range ResourceTypes() {
		n := 0
		for _, r := range all {
			if r.Type == t {
				n++
				names = append(names, firstOf(r.Name, r.ID))
			}
		}
		if n == 1 {
			counts = append(counts, "1 "+words[t])
		} else if n > 1 {
			counts = append(counts, fmt.Sprintf("%d %ss", n, words[t]))
		}
	}
	if len(names) > shown {
		names = append(names[:shown], "…")
	}
	return strings.Join(counts, ", ") + ": " + strings.Join(names, ", ")
}
