package engine_test

import (
	"maps"
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// key is a membership that a directory may grant: a person through one form of a rule
// and one directory group.
type key struct {
	source, person, group, rule string
}

// grant is how long a directory has granted it, whatever anybody knows about that.
type grant struct {
	now         bool
	since, till time.Time
	// again: it was granted before, and nobody read that it was not in between. What a
	// lagging server answers about it can then not be told from its end.
	again bool
	// used: a rule in force granted it while its source was fresh.
	used bool
	// byFilter: it ended because the filter was changed, not the directory.
	byFilter bool
}

// place is a membership in Open WebUI.
type place struct{ group, account string }

// oracle knows the truth, and what evidence there was of it, and judges what the engine
// did. It looks into the engine's memory for one thing only: which Open WebUI group a
// rule and directory group are linked to, and which account a person.
type oracle struct {
	w      *world
	grants map[key]*grant
	// hand are memberships that an administrator made, with the oldest knowledge that
	// could have been held when he did.
	hand map[place]time.Time
	// put: when the present membership began.
	put map[place]time.Time
	// lastGranted is when any form of any rule last granted a membership.
	lastGranted map[place]time.Time
	// unruled are memberships that only a change of the configuration ended, with the
	// form of the rule, or the source, that gave them.
	unruled map[place]key
	// let are removals that were approved.
	let     map[string]time.Time
	applied []string // rules as a full run last applied them
	seen    int      // effects that were judged
	held    map[string]run.Check
	counts  map[string]int // owned members by group before the run
	whole   map[string]bool
	shown   map[directory.UserKey]bool
	// exact are groups from which somebody agreed to take who is not ours: only the first
	// such removal is held.
	exact   map[string]bool
	counted map[string]int // reads of a source that were taken in
	// decided are members in doubt, after the state was lost, whom somebody let go.
	decided map[place]time.Time
	// amnesia: the state was lost or restored at some time; suspicious: Open WebUI was
	// restored, it can be seen, and nobody has accepted that yet.
	amnesia, suspicious, frozen bool
	// kept are members of whom somebody said that they stay: that is in our state and not
	// in Open WebUI.
	kept map[place]time.Time
	// unseen: Open WebUI was restored, and nobody has said so.
	unseen, blind bool
	// unblocked are sources of which somebody released a reference that leads nowhere.
	unblocked map[string]bool
	// undoing: the run that goes on undoes another one.
	undoing  bool
	handKept map[place]time.Time
	owners   int // who owned something before the run
	sight    sight
	between  bool // a run of one person went in between of the run that goes on
}

func newOracle(w *world) *oracle {
	return &oracle{w: w, kept: map[place]time.Time{}, unblocked: map[string]bool{}, grants: map[key]*grant{}, hand: map[place]time.Time{}, put: map[place]time.Time{}, lastGranted: map[place]time.Time{},
		unruled: map[place]key{}, let: map[string]time.Time{}, held: map[string]run.Check{}, counts: map[string]int{},
		exact: map[string]bool{}, whole: map[string]bool{}, shown: map[directory.UserKey]bool{}, counted: map[string]int{}, decided: map[place]time.Time{}}
}

func (o *oracle) everWhole(source string) bool { return o.whole[source] }

func (o *oracle) everShown(source, person string) bool {
	return o.whole[source] && o.shown[directory.UserKey{Source: source, ID: person}]
}

// look brings the grants up to date with the directories.
func (o *oracle) look() {
	if !o.differs() {
		o.note()
		return
	}
	now := o.w.clock.Now()
	present := map[key]bool{}
	for _, source := range allSources {
		src := o.w.sources[source]
		state := src.Directory.Now()
		closure := map[string]map[string]bool{}
		for g := range state.Groups {
			closure[g] = state.Closure(g)
		}
		for name, rule := range catalogue {
			if !rule.covers(source) || rule.special && !o.w.set.special[name] {
				continue
			}
			for g, people := range rule.grants(state, src.Narrow, closure) {
				for _, p := range people {
					present[key{source, p, g, name}] = true
				}
			}
		}
	}
	for k := range present {
		g := o.grants[k]
		if g == nil {
			g = &grant{}
			o.grants[k] = g
		}
		if !g.now {
			*g = grant{now: true, since: now, again: !g.till.IsZero() && !o.read(k.source, g.till)}
		}
	}
	for k, g := range o.grants {
		if g.now && !present[k] {
			g.now, g.till = false, now
			g.byFilter = o.onlyFiltered(k)
		}
	}
	o.note()
}

// sight is all that what directories grant depends on.
type sight struct {
	states  [4]*enginetest.State
	narrow  [4]bool
	special int
}

// differs reports whether anything that grants depend on has changed since the last look.
func (o *oracle) differs() bool {
	var is sight
	for i, source := range allSources {
		is.states[i], is.narrow[i] = o.w.dirs[source].Now(), o.w.sources[source].Narrow
	}
	for _, used := range o.w.set.special {
		if used {
			is.special++
		}
	}
	was := o.sight
	o.sight = is
	return is != was
}

// read reports whether a source has been read since a time.
func (o *oracle) read(source string, since time.Time) bool {
	return slices.ContainsFunc(o.w.sources[source].Reads, func(r enginetest.Read) bool { return !r.Data.Before(since) && r.Whole })
}

// onlyFiltered reports whether a grant would be there with the wide filter.
func (o *oracle) onlyFiltered(k key) bool {
	src := o.w.sources[k.source]
	if !src.Narrow {
		return false
	}
	state := src.Directory.Now()
	g, ok := state.Groups[k.group]
	if !ok || !g.Wide || g.Place != enginetest.Inside || !catalogue[k.rule].selects(g.Name) || !state.Closure(k.group)[k.person] {
		return false
	}
	u := state.Users[k.person]
	return catalogue[k.rule].takes(&u)
}

func (o *oracle) inForce(k key) bool {
	return slices.Contains(o.w.rules, k.rule) && slices.Contains(o.w.order, k.source)
}

// leads gives the Open WebUI group that a grant is about; empty: none yet.
func (o *oracle) leads(m *plan.Memory, k key) string {
	return m.Links[catalogue[k.rule].link(k.source, k.group)].GroupID
}

// note keeps when memberships were last granted by any rule in force.
func (o *oracle) note() {
	m := o.w.store.Peek(target)
	now := o.w.clock.Now()
	for k, g := range o.grants {
		account := o.w.account[humanOf(k.person)]
		if account == "" || !o.inForce(k) {
			continue
		}
		id := o.leads(m, k)
		if id == "" || !g.now && !g.till.After(o.proofOf(k)) && now.Sub(g.till) > 2*hrLag {
			continue
		}
		// It is granted, or nobody can know yet that it is not.
		p := place{id, account}
		delete(o.unruled, p)
		users, groups := o.lists(k.source)
		if single(k.source) {
			users, groups = o.proofOf(k), o.proofOf(k)
		}
		g.used = g.used || g.now && now.Sub(users) <= maxAge && now.Sub(groups) <= maxAge
		o.lastGranted[p] = now
	}
	for p, k := range o.unruled {
		if g := o.grants[k]; !g.now && !g.byFilter || single(k.source) && !o.known(k, g, now) {
			delete(o.unruled, p)
		}
	}
}

// configured is told before rules, sources or filters change: what only the change ends
// must not be taken away without approval.
func (o *oracle) configured() {
	o.note()
	if o.w.engine == nil || !slices.Equal(o.applied, o.now()) {
		return
	}
	m := o.w.store.Peek(target)
	for k, g := range o.grants {
		account := o.w.account[humanOf(k.person)]
		if !g.now || account == "" || !slices.Contains(o.applied, k.rule) || !slices.Contains(o.applied, k.source) {
			continue
		}
		id := o.leads(m, k)
		if o.addOnly(m, id) {
			continue // nothing could be lost there when it ended
		}
		p := place{id, account}
		if n, known := m.Mirror.Number(account); id != "" && known && m.Owned[id] != nil && m.Owned[id].Has(n) && o.known(k, g, o.w.clock.Now()) &&
			m.People.Link(directory.UserKey{Source: k.source, ID: k.person}).Account == account {
			o.unruled[p] = k
		}
	}
}

// now is the configuration in force: rules and sources in one list.
func (o *oracle) now() []string { return slices.Concat(o.w.rules, o.w.order) }

// known reports whether evidence of a grant reached the engine by a time: a read that
// showed it.
func (o *oracle) known(k key, g *grant, by time.Time) bool {
	if single(k.source) {
		named, doubted := o.claimed(k, by)
		return named && !doubted
	}
	return slices.ContainsFunc(o.w.sources[k.source].Reads, func(r enginetest.Read) bool {
		if r.Lost || r.AsOf.After(by) || r.Data.Before(g.since) || !slices.Contains(r.Shown, k.person) {
			return false
		}
		return k.group == plan.Everyone && r.Whole || slices.Contains(r.Covered, k.group) || r.Person == k.person && k.group != plan.Everyone
	})
}

func (o *oracle) byHand(group, account string, in bool) {
	p := place{group, account}
	if !in {
		return
	}
	m := o.w.store.Peek(target)
	if n, known := m.Mirror.Number(account); known && m.Owned[group] != nil && m.Owned[group].Has(n) {
		return // put back before anybody could see that it was taken away
	}
	o.hand[p], o.put[p] = o.oldestOf(o.w.human[account], allSources), o.w.clock.Now()
}

// released is told which removals somebody said must not happen: whoever is there stays as
// if put there by hand, until a directory names them again.
func (o *oracle) released(keys []string) {
	for _, k := range keys {
		p, removal := removalOf(k)
		oldest := o.oldestOf(o.w.human[p.account], allSources)
		if removal && o.w.web.Name(p.group) == "" {
			o.kept[p] = oldest // With a backup the group may come back.
		}
		if !removal || !o.w.web.Has(p.group, p.account) {
			continue
		}
		delete(o.held, k)
		delete(o.let, k)
		delete(o.unruled, p)
		o.hand[p], o.put[p], o.kept[p] = oldest, o.w.clock.Now(), oldest
	}
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// lastWhole is the time of the directory that a source's last whole read showed.
func (o *oracle) lastWhole(source string) time.Time {
	var last enginetest.Read
	for _, r := range o.w.sources[source].Reads {
		if r.Whole && !r.Lost && !r.AsOf.Before(last.AsOf) {
			last = r
		}
	}
	return last.Data
}

func (o *oracle) forgetAccount(account string) {
	drop := func(p place) bool { return p.account == account }
	deleteFunc(o.hand, drop)
	deleteFunc(o.put, drop)
	deleteFunc(o.unruled, drop)
}

func (o *oracle) forgetGroup(group string) {
	drop := func(p place) bool { return p.group == group }
	deleteFunc(o.hand, drop)
	deleteFunc(o.put, drop)
	deleteFunc(o.unruled, drop)
}

func deleteFunc[V any](m map[place]V, drop func(place) bool) {
	maps.DeleteFunc(m, func(p place, _ V) bool { return drop(p) })
}

func (o *oracle) approved(a *run.Approval) {
	o.decide(a)
	if (a.Check == run.SourceChanged || a.Check == run.MaxSourceShrink) && o.w.store.Peek(target).Scopes[a.Scope].Scope == o.w.scope(a.Scope) {
		// Such an approval is about the source as it was read then, whatever the hold lists.
		maps.DeleteFunc(o.unruled, func(_ place, k key) bool { return k.source == a.Scope && o.grants[k].byFilter })
	}
	for _, k := range a.Keys {
		o.let[k] = a.Until
		if p, removal := removalOf(k); removal && a.Check == run.Exact {
			o.exact[p.group] = true
		}
	}
}

// before is told when a run begins.
func (o *oracle) before() {
	o.look()
	o.keepHolds()
	o.frozen = o.suspicious && o.heldAsChanged() && o.looksOlder()
	m := o.w.store.Peek(target)
	clear(o.counts)
	owning := map[uint32]bool{}
	for id, owned := range m.Owned {
		o.counts[id] = owned.Count()
		for f := range owned.Feeds {
			for _, a := range owned.Feeds[f].Accounts {
				owning[a] = true
			}
		}
	}
	o.owners = len(owning)
}

// after judges what a run did. report is nil when the process died.
func (o *oracle) after(req run.Request, report *run.Report, dead bool) {
	o.evidence(dead)
	o.note()
	removed := map[string]int{}
	o.limited(o.w.web.Effects[o.seen:])
	for ; o.seen < len(o.w.web.Effects); o.seen++ {
		e := &o.w.web.Effects[o.seen]
		if o.frozen && o.suspicious {
			o.w.fail("S6", "%s in %s was written although the server looked like a restored one and nobody had accepted it", e.Op, o.w.web.Name(e.Group))
		}
		switch e.Op {
		case run.RemoveMember:
			o.judgeRemoval(e)
			if !o.letThrough(e) {
				removed[e.Group]++
			}
		case run.AddMember:
			o.judgeAdd(e)
		case run.CreateGroup:
			if o.twice(e) {
				o.w.fail("S5", "group %q was made although %v is there with its mark", e.Name, e.SameMark)
			}
		}
	}
	for id, n := range removed {
		left := o.w.store.Peek(target).Owned[id] // of a restored server more may be ours than before the run
		if had := o.counts[id]; had >= 3 && n == had && left == nil {
			o.w.fail("guard", "all %d members of %s were removed without being held", n, o.w.web.Name(id))
		}
	}
	if dead {
		return
	}
	if what := o.w.store.Unsaved(target); what != "" {
		o.w.fail("state", "%s differ between the process and the store", what)
	}
	if req.Revert != "" {
		o.letGo()
	}
	o.atOnce(req, report)
	o.blind = o.blind || o.unseen && report != nil && !o.heldAsChanged()
	o.judgeHolds()
	o.exactly()
	if report != nil && !req.Single() && req.Revert == "" && report.Mode == run.Apply && report.Exit != run.ExitInterrupted && req.Target == "" && len(report.Targets) == 1 && report.Targets[0].Error == "" {
		o.applied = o.now()
	}
	if report != nil {
		o.settle(report)
	}
	o.keepHolds() // for a run that this one went in between of
	o.between = o.w.depth > 1
}

// letGo notes what is held and not ours any more, because an adoption was undone: it stays
// as if somebody had put it there by hand.
func (o *oracle) letGo() {
	m := o.w.store.Peek(target)
	for k := range o.held {
		p, removal := removalOf(k)
		n, known := m.Mirror.Number(p.account)
		if removal && o.w.web.Has(p.group, p.account) && (!known || m.Owned[p.group] == nil || !m.Owned[p.group].Has(n)) {
			o.hand[p] = o.w.clock.Now()
		}
	}
}

// keepHolds keeps what is held now.
func (o *oracle) keepHolds() {
	clear(o.held)
	for _, h := range o.w.store.Peek(target).Holds {
		for _, k := range h.Keys {
			o.held[k] = h.Check
		}
	}
}

// twice reports whether a group was made for a link that a group of ours stands for.
func (o *oracle) twice(e *enginetest.Effect) bool {
	elsewhere := map[string]bool{}
	for _, l := range o.w.store.Peek(target).Links {
		elsewhere[l.GroupID] = true
	}
	// A mark of a state that was lost meanwhile is not ours any more.
	return !o.amnesia && slices.ContainsFunc(e.SameMark, func(id string) bool { return !elsewhere[id] && o.w.web.Name(id) != "" })
}

// settle takes adoptions and used approvals out of a report.
func (o *oracle) settle(report *run.Report) {
	for t := range report.Targets {
		for i := range report.Targets[t].Changes {
			c := &report.Targets[t].Changes[i]
			if c.User == nil || c.Outcome != run.Applied {
				continue
			}
			p := place{c.Group.ID, c.User.ID}
			switch c.Op {
			case run.RemoveMember:
				delete(o.let, plan.RemovalKey(p.group, p.account))
			case run.AdoptMember:
				if at, hand := o.hand[p]; hand && o.lastGranted[p].Before(at) {
					o.w.fail("S2", "%s in %s was adopted, and no directory names them", p.account, o.w.web.Name(p.group))
				}
			}
		}
	}
}

func (o *oracle) evidence(dead bool) {
	for name, src := range o.w.sources {
		for i := o.counted[name]; i < len(src.Reads); i++ {
			r := &src.Reads[i]
			r.Lost = dead
			o.whole[name] = o.whole[name] || r.Whole && !dead
			for _, p := range r.Shown {
				if !dead {
					o.shown[directory.UserKey{Source: name, ID: p}] = true
				}
			}
		}
		o.counted[name] = len(src.Reads)
	}
}
