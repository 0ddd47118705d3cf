package engine_test

import (
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// single reports whether a source knows single people only.
func single(source string) bool { return source == sso }

// newestToken gives the newest evidence of a person's groups that surely reached us by a
// time, and what may have reached us since, in runs that died.
func (o *oracle) newestToken(k key, by time.Time) (newest *enginetest.Read, maybe []*enginetest.Read) {
	reads := o.w.sources[k.source].Reads
	for i := range reads {
		r := &reads[i]
		if r.Person == k.person && !r.Got.After(by) && !r.Lost && (newest == nil || !r.AsOf.Before(newest.AsOf)) {
			newest = r
		}
	}
	for i := range reads {
		if r := &reads[i]; r.Person == k.person && !r.Got.After(by) && r.Lost && (newest == nil || !r.AsOf.Before(newest.AsOf)) {
			maybe = append(maybe, r)
		}
	}
	return newest, maybe
}

// claimed reports whether the newest token of somebody names a group, and whether a token of
// which nobody can tell whether we know it says otherwise.
func (o *oracle) claimed(k key, by time.Time) (named, doubted bool) {
	newest, maybe := o.newestToken(k, by)
	named = newest != nil && slices.Contains(newest.Named, k.group)
	return named, slices.ContainsFunc(maybe, func(r *enginetest.Read) bool { return slices.Contains(r.Named, k.group) != named })
}

// proofOf gives the time of what the newest proof about a grant showed.
func (o *oracle) proofOf(k key) time.Time {
	if !single(k.source) {
		return o.lastWhole(k.source)
	}
	if newest, _ := o.newestToken(k, o.w.clock.Now()); newest != nil {
		return newest.Data
	}
	return time.Time{}
}

// oldestOf gives the oldest knowledge that is held about a human now.
func (o *oracle) oldestOf(human string, sources []string) time.Time {
	oldest := o.w.clock.Now()
	for _, name := range sources {
		if !single(name) {
			oldest = earliest(oldest, o.lastWhole(name))
		} else if at := o.proofOf(key{source: name, person: personID(name, human)}); !at.IsZero() {
			oldest = earliest(oldest, at)
		}
	}
	return oldest
}

// judgeToken asks of a removal what tokens say: nobody loses what the newest token with a
// claim names, however old it is. A token without one, an older token, and the tokens of
// others say nothing.
func (o *oracle) judgeToken(p place, k key, e *enginetest.Effect) {
	if named, doubted := o.claimed(k, e.At); named && !doubted {
		o.w.fail("S1", "%s was removed, and the newest token of %s names %s", o.name(p), k.person, k.group)
	}
}

// atOnce asks of the run of somebody who signed in: have they got what their newest token
// names, and lost what only tokens gave and it does not name, where nothing stands in the way?
func (o *oracle) atOnce(req run.Request, report *run.Report) {
	smooth := func(t run.TargetReport) bool {
		return t.Error == "" && !slices.ContainsFunc(t.Changes, func(c run.Change) bool { return c.Outcome != run.Applied && c.Outcome != run.Skipped })
	}
	if req.Account == "" || report == nil || len(report.Targets) != 1 || !smooth(report.Targets[0]) || o.suspicious || o.unseen || o.heldAsChanged() || o.w.lied || o.w.unverified || !o.w.web.HasAccount(req.Account) {
		return
	}
	m, now := o.w.store.Peek(target), o.w.clock.Now()
	for _, k := range o.keys(o.w.human[req.Account]) {
		p := place{o.leads(m, k), req.Account}
		newest, maybe := o.newestToken(k, now)
		if !single(k.source) || !o.inForce(k) || newest == nil || len(maybe) > 0 || now.Sub(newest.AsOf) > maxAge-time.Minute || o.hindered(m, p) ||
			m.People.Link(directory.UserKey{Source: k.source, ID: k.person}).Account != p.account {
			continue
		}
		switch named, in := slices.Contains(newest.Named, k.group), o.w.web.Has(p.group, p.account); {
		case named && !in:
			o.w.fail("L5", "%s signed in with a token that names %s, and is not in %s", p.account, k.group, o.w.web.Name(p.group))
		case !named && in && o.byTokens(m, p) && !o.amnesia:
			o.w.fail("L5", "%s signed in with a token that does not name %s, and is in %s", p.account, k.group, o.w.web.Name(p.group))
		}
	}
}

// hindered reports whether a person, or a rule, or the server decides what becomes of a
// membership, and not the directories.
func (o *oracle) hindered(m *plan.Memory, p place) bool {
	held := func(h run.Hold) bool {
		return slices.ContainsFunc(h.Keys, func(key string) bool { q, _ := memberOf(key); return p == q })
	}
	return o.w.web.Name(p.group) == "" || o.contested(p.group) || o.spared(p.account) || o.addOnly(m, p.group) || slices.ContainsFunc(m.Holds, held)
}

// byTokens reports whether nothing but tokens could have given a membership that is ours, and
// none that counts names any group that leads to it.
func (o *oracle) byTokens(m *plan.Memory, p place) bool {
	n, known := m.Mirror.Number(p.account)
	if _, hand := o.hand[p]; hand || !known || m.Owned[p.group] == nil || !m.Owned[p.group].Has(n) || !slices.Equal(o.applied, o.now()) {
		return false
	}
	for _, k := range o.keys(o.w.human[p.account]) {
		if o.leads(m, k) == p.group && (!single(k.source) || len(catalogue[k.rule].from) != 1 || o.named(k)) {
			return false
		}
	}
	return true
}

// grounded asks of an addition that only tokens can have asked for: is there a token, is it
// the newest, and is it not too old?
func (o *oracle) grounded(p place, keys []key, e *enginetest.Effect) {
	for _, k := range keys {
		if !single(k.source) {
			return
		}
		newest, maybe := o.newestToken(k, e.At)
		for _, r := range append(maybe, newest) {
			if r != nil && slices.Contains(r.Named, k.group) && e.At.Sub(r.AsOf) <= maxAge+time.Minute {
				return
			}
		}
	}
	o.w.fail("S3", "%s was added, and no token that counts names it", o.name(p))
}

// neverAgain reports whether what tokens say of somebody can only grow old, because the
// provider knows them no longer, or another has their mail address.
func (o *oracle) neverAgain(k key) bool {
	_, known := o.w.dirs[k.source].Now().Users[k.person]
	return single(k.source) && (!known || o.w.recycled[humanOf(k.person)])
}

// wordless reports whether somebody has a membership of whom nobody will ever say more: they
// signed in through a provider that knows them no longer.
func (o *oracle) wordless(p place) bool {
	k := key{source: sso, person: personID(sso, o.w.human[p.account])}
	met := o.w.signIns.Knows(p.account) || slices.ContainsFunc(o.w.sources[sso].Reads, func(r enginetest.Read) bool { return slices.Contains(r.Shown, k.person) })
	return o.w.signsIn() && met && o.neverAgain(k)
}

// named reports whether the newest token of somebody names a group, as far as anybody can tell.
func (o *oracle) named(k key) bool {
	named, doubted := o.claimed(k, o.w.clock.Now())
	return named || doubted
}
