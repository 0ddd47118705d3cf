package engine_test

import (
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

func (o *oracle) letThrough(e *enginetest.Effect) bool {
	until, ok := o.let[plan.RemovalKey(e.Group, e.Account)]
	return ok && e.At.Before(until)
}

func (o *oracle) name(p place) string { return p.account + " in " + o.w.web.Name(p.group) }

func (o *oracle) judgeAdd(e *enginetest.Effect) {
	p := place{e.Group, e.Account}
	if !e.Had {
		delete(o.hand, p)
		o.put[p] = e.At
	}
	m := o.w.store.Peek(target)
	if o.undoing {
		// It was there before, and whoever was not ours then is not ours now; what a process left
		// open when it died is settled by the next one.
		if n, known := m.Mirror.Number(e.Account); known && (m.Owned[e.Group] == nil || !m.Owned[e.Group].Has(n)) && !o.w.store.Power.Off() {
			o.hand[p] = e.At
		}
		return
	}
	human := o.w.human[e.Account]
	// A name that is newer than what is known of the members counts for all of them.
	feeds := map[directory.GroupKey]bool{}
	for l, link := range m.Links {
		if link.GroupID == e.Group {
			feeds[l.Group] = true
		}
	}
	for k := range o.grants {
		if o.leads(m, k) == e.Group {
			feeds[directory.GroupKey{Source: k.source, ID: k.group}] = true
		}
	}
	var named []key
	for _, k := range o.keys(human) {
		if feeds[directory.GroupKey{Source: k.source, ID: k.group}] {
			named = append(named, k)
		}
	}
	if len(named) > 0 {
		o.grounded(p, named, e)
		return
	}
	if o.everShown("hr", personID("hr", human)) {
		return // a lagging server may have shown an old name or an old status
	}
	o.w.fail("S5", "%s was added, and no directory has ever named that person", o.name(p))
}

// judgeRemoval asks of every removal: was it ours, was it proved, and was it not granted.
func (o *oracle) judgeRemoval(e *enginetest.Effect) {
	p := place{e.Group, e.Account}
	let := o.letThrough(e)
	m := o.w.store.Peek(target)
	human := o.w.human[e.Account]
	o.bounded(e)
	if at, hand := o.hand[p]; hand && !o.put[p].After(e.At) && o.lastGranted[p].Before(at) && !o.exact[p.group] && !e.At.Before(o.decided[p]) {
		o.w.fail("S2", "%s was removed: an administrator added it, and no directory has named it since", o.name(p))
	}
	if check, held := o.held[plan.RemovalKey(p.group, p.account)]; held && !let && (!o.undoing || check != run.Reverted) {
		o.w.fail("S4", "%s was removed while %s held it", o.name(p), check)
	}
	if o.undoing {
		// A person said so; only what is ours, and not held for another reason, may go.
		delete(o.hand, p)
		delete(o.put, p)
		delete(o.unruled, p)
		return
	}
	if k, unruled := o.unruled[p]; unruled && !let {
		o.w.fail("unruled", "%s was removed without approval: only the configuration changed (%v)", o.name(p), k)
	}
	for _, k := range o.keys(human) {
		g := o.grants[k]
		if o.leads(m, k) != e.Group || !o.inForce(k) || m.People.Link(directory.UserKey{Source: k.source, ID: k.person}).Account != e.Account {
			continue
		}
		switch {
		case single(k.source):
			o.judgeToken(p, k, e)
		case g.now && o.known(k, g, e.At) && (k.source != "hr" || !g.again):
			o.w.fail("S1", "%s was removed, and %s has granted it through %s to %s since %s", o.name(p), k.source, k.group, k.person, clock(g.since))
		case !g.now && !let && g.used && o.everKnown(k, g) && g.since.Before(g.till) && !g.till.Before(o.put[p]):
			o.proved(p, k, g, e)
		}
	}
	if !let {
		o.fresh(p, m, e)
	}
	if o.put[p].After(e.At) {
		return // put in by hand since
	}
	delete(o.hand, p)
	delete(o.put, p)
	delete(o.unruled, p)
}

func clock(t time.Time) string { return t.Format("15:04:05") }

// keys gives the grants that concern a human, in a fixed order.
func (o *oracle) keys(human string) []key {
	var keys []key
	for k := range o.grants {
		if humanOf(k.person) == human {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmpStrings(a.source, b.source, a.group, b.group, a.rule, b.rule, a.person, b.person)
	})
	return keys
}

func cmpStrings(pairs ...string) int {
	for i := 0; i < len(pairs); i += 2 {
		switch {
		case pairs[i] < pairs[i+1]:
			return -1
		case pairs[i] > pairs[i+1]:
			return 1
		}
	}
	return 0
}

// sightings counts complete reads in which something is missing.
type sightings struct {
	first, last time.Time
	count       int
}

func (s *sightings) add(at time.Time, missing bool) {
	switch {
	case !missing && at.Before(s.first):
	case !missing:
		*s = sightings{}
	case s.count == 0:
		s.sight(at)
		s.last, s.count = at, 1
	case at.After(s.last):
		s.last = at
		s.count++
	}
}

// sight is a first sighting by less than a complete read: time counts from it.
func (s *sightings) sight(at time.Time) {
	if s.first.IsZero() {
		s.first = at
	}
}

func (s *sightings) done(reads int) bool {
	return s.count >= reads && s.last.Sub(s.first) >= graceOver
}

// shows reports whether a read could show a grant.
func shows(r *enginetest.Read, k key) bool {
	if !slices.Contains(r.Shown, k.person) {
		return false
	}
	return k.group == plan.Everyone || slices.Contains(r.Covered, k.group) || r.Person == k.person
}

// everKnown reports whether a read showed a grant while it lasted.
func (o *oracle) everKnown(k key, g *grant) bool {
	return slices.ContainsFunc(o.w.sources[k.source].Reads, func(r enginetest.Read) bool {
		return !r.Lost && !r.Data.Before(g.since) && r.Data.Before(g.till) && shows(&r, k)
	})
}

// proved asks whether any evidence says that a grant ended.
func (o *oracle) proved(p place, k key, g *grant, e *enginetest.Effect) {
	src := o.w.sources[k.source]
	rule := catalogue[k.rule]
	before := src.Directory.At(g.till.Add(-time.Second))
	var person, group, unselected, unfit sightings
	var since time.Time
	// A read of a run that died may be known or not: it can count, and it settles nothing.
	count := func(s *sightings, r *enginetest.Read, missing bool) {
		if missing && r.Delta && s != &unfit {
			s.sight(r.AsOf) // However often changes do not bring it back.
			return
		}
		if missing || !r.Lost {
			s.add(r.AsOf, missing)
		}
	}
	for i := range src.Reads {
		r := &src.Reads[i]
		if r.AsOf.After(e.At) {
			continue
		}
		s := src.Directory.At(r.Data)
		u, there := s.Users[k.person]
		shown := slices.Contains(r.Shown, k.person)
		listed := slices.Contains(r.Listed, k.group)
		covered := slices.Contains(r.Covered, k.group) || r.Person == k.person
		in := k.group == plan.Everyone || s.Closure(k.group)[k.person]
		if t, exists := s.Groups[k.group]; r.Person == k.person && k.group != plan.Everyone {
			// A look-up shows the groups of one person as they can be found.
			in = in && exists && t.Visible(src.Narrow)
		}
		// What a lagging server did not show yet counts as missing, but never as left.
		// A reference that led to somebody and leads nowhere now proves nothing, until a
		// person lets it go.
		lost := r.Whole || slices.ContainsFunc(src.Reads[:i], func(w enginetest.Read) bool {
			return w.Whole && !w.Lost && before.Through(k.group, k.person, src.Directory.At(w.Data))
		})
		blind := lost && !o.unblocked[k.source] && k.group != plan.Everyone && before.Through(k.group, k.person, s)
		if !r.Data.Before(g.till) && there && shown && (u.Disabled || covered && !in && !blind) {
			return
		}
		if !r.Data.Before(g.till) && says(r, k) {
			return
		}
		if r.Users || shown {
			count(&person, r, !shown)
		}
		if r.Groups && k.group != plan.Everyone {
			count(&group, r, !listed)
		}
		switch t := s.Groups[k.group]; {
		case rule.selects == nil || rule.selects(t.Name):
			count(&unselected, r, false)
		case r.Groups:
			unselected.add(r.AsOf, true)
		default:
			unselected.sight(r.AsOf)
		}
		switch {
		case r.Users && shown:
			count(&unfit, r, !rule.takes(&u))
		case shown && !rule.takes(&u):
			unfit.sight(r.AsOf)
		}
		for _, miss := range []*sightings{&person, &group, &unselected, &unfit} {
			if miss.done(o.w.set.reads) && since.IsZero() {
				since = miss.first
			}
		}
	}
	if !since.IsZero() {
		o.others(p, k, since)
		return
	}
	o.w.fail("S3", "%s was removed, and nothing that was read proves that %s does not grant it through %s since %s (people %d, groups %d, selected %d)",
		o.name(p), k.source, k.group, clock(g.till), person.count, group.count, unselected.count)
}

// others asks whether every other source that could grant a membership was read since
// the first sighting of what is missing.
func (o *oracle) others(p place, missing key, since time.Time) {
	for source := range o.could(o.w.store.Peek(target), p.group) {
		if single(source) {
			continue // what it says of the person is judged by their tokens
		}
		users, groups := o.lists(source)
		if users.Before(since) || groups.Before(since) {
			o.w.fail("S3", "%s was removed because something was missing from %s since %s, and %s was not read completely since", o.name(p), missing.source, clock(since), source)
		}
	}
}

// could gives the sources that the rules in force name for a group.
func (o *oracle) could(m *plan.Memory, group string) map[string]bool {
	could := map[string]bool{}
	for k, g := range o.grants {
		if !o.inForce(k) || !g.now || o.leads(m, k) != group {
			continue
		}
		for _, source := range o.w.order {
			if catalogue[k.rule].covers(source) {
				could[source] = true
			}
		}
	}
	return could
}

// lists gives when the lists of a source were last read completely.
func (o *oracle) lists(source string) (users, groups time.Time) {
	for _, r := range o.w.sources[source].Reads {
		if r.Users && r.AsOf.After(users) {
			users = r.AsOf
		}
		if r.Groups && r.AsOf.After(groups) {
			groups = r.AsOf
		}
	}
	return users, groups
}

// fresh asks whether every source that could grant a membership was read not long ago.
func (o *oracle) fresh(p place, m *plan.Memory, e *enginetest.Effect) {
	for source := range o.could(m, p.group) {
		if single(source) {
			continue
		}
		users, groups := o.lists(source)
		if e.At.Sub(users) > maxAge+time.Minute || e.At.Sub(groups) > maxAge+time.Minute {
			o.w.fail("S3", "%s was removed, and %s was last read completely at %s", o.name(p), source, clock(users))
		}
	}
}

// judgeHolds asks of every removal that was held: why is it held no longer?
func (o *oracle) judgeHolds() {
	m := o.w.store.Peek(target)
	now := map[string]bool{}
	for _, h := range m.Holds {
		for _, k := range h.Keys {
			now[k] = true
		}
	}
	for k, check := range o.held {
		if until, let := o.let[k]; now[k] || let && o.w.clock.Now().Before(until) || check == run.Exact {
			continue
		}
		p, removal := removalOf(k)
		if !removal || !o.w.web.Has(p.group, p.account) || o.addOnly(m, p.group) {
			continue
		}
		if n, known := m.Mirror.Number(p.account); !known || m.Owned[p.group] == nil || !m.Owned[p.group].Has(n) {
			// Somebody took the member out and put it in again by hand meanwhile.
			if _, hand := o.hand[p]; hand {
				continue
			}
		}
		if o.throughNowhere(m, p) {
			continue
		}
		oldest := o.oldestOf(o.w.human[p.account], o.w.order)
		if o.lastGranted[p].Before(oldest) {
			o.w.fail("S4", "the hold %s of the removal of %s disappeared", check, o.name(p))
		}
	}
}

// throughNowhere reports whether somebody has a membership through references that led to
// a nested group and lead nowhere now: what is known of it stays, and with it what is wanted.
func (o *oracle) throughNowhere(m *plan.Memory, p place) bool {
	for _, k := range o.keys(o.w.human[p.account]) {
		dir := o.w.dirs[k.source]
		if g := o.grants[k]; !g.now && k.group != plan.Everyone && o.leads(m, k) == p.group && dir.At(g.till.Add(-time.Second)).Through(k.group, k.person, dir.Now()) {
			return true
		}
	}
	return false
}

// addOnly reports whether a rule in force lets nobody be taken out of a group.
func (o *oracle) addOnly(m *plan.Memory, group string) bool {
	return slices.ContainsFunc(o.w.rules, func(name string) bool {
		rule := catalogue[name]
		return rule.spec.Members == "add-only" && m.Links[rule.link("", "")].GroupID == group
	})
}

// memberOf gives the membership that the key of a change is about.
func memberOf(k string) (place, bool) {
	parts := splitKey(k)
	if len(parts) != 3 || !slices.Contains([]run.Op{run.RemoveMember, run.AddMember, run.AdoptMember}, run.Op(parts[0])) {
		return place{}, false
	}
	return place{parts[1], parts[2]}, true
}

func removalOf(k string) (place, bool) {
	var p place
	parts := splitKey(k)
	if len(parts) != 3 || parts[0] != string(run.RemoveMember) {
		return p, false
	}
	return place{parts[1], parts[2]}, true
}

func splitKey(k string) []string {
	var parts []string
	at := 0
	for i := range len(k) {
		if k[i] == '\x1f' {
			parts = append(parts, k[at:i])
			at = i + 1
		}
	}
	return append(parts, k[at:])
}
