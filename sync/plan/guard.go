package plan

import (
	"fmt"
	"slices"
	"time"

	"groupsyncd/sync/run"
)

// Limits are what the guard allows without asking.
type Limits struct {
	MaxPeople       Limit
	MaxPeople24h    Limit
	MaxGroupLoss    Limit
	MaxDemotions    Limit
	MaxNewAdmins    Limit
	MaxCuts         Limit
	MaxNewGroups    Limit
	MaxSourceShrink Limit
	// ApprovalTTL is how long an approval, and the list behind a hash, stays good.
	ApprovalTTL time.Duration
}

// The floors below which a share says nothing.
const (
	minPeople  = 5  // a run that touches fewer people never trips a limit on people
	minGroup   = 10 // owned members from which the loss of one group is limited
	minEmptied = 3  // owned members from which emptying a group is held
	minShrink  = 5  // entries that a source must have lost to have shrunk, or all of them
	window     = 24 * time.Hour
)

// Guarded is what Guard decided beside marking the changes.
type Guarded struct {
	// Holds are all holds of the target as they are now, sorted by check and scope.
	Holds []run.Hold
	// Scopes are the accepted scope and size of each source as they are now.
	Scopes map[string]run.AcceptedSource
}

// Guard marks every change as planned or held. It looks only at losses and at groups
// to be created; everything else goes on. A change that was held stays held until it is
// approved or no longer wanted to be taken away, and what is held or approved counts in
// no limit, so that neither joiners nor small runs can move a hold. What a person undid
// stays undone in the same way, gains and values too.
func Guard(p *Plan, in *Input, limits Limits) *Guarded {
	g := &guard{p: p, in: in, limits: limits, found: map[holdKey]*found{}, approved: map[string]int{}}
	g.mark()
	g.sources()
	g.configuration()
	g.groups()
	g.people()
	g.demotions()
	g.promotions()
	g.cuts()
	g.creations()
	g.lastAdmin()
	g.undone()
	return g.conclude()
}

type holdKey struct {
	check run.Check
	scope string
}

// found is a hold as this run finds it.
type found struct {
	detail string
	keys   []string
	// listed are changes that this run does not plan, by their key.
	listed map[string]run.Change
	// accepts is what approving takes as the new word of the source that it is about.
	accepts *run.AcceptedSource
}

type guard struct {
	p      *Plan
	in     *Input
	limits Limits
	found  map[holdKey]*found
	// fresh are positions of losses that are neither held nor approved from before.
	fresh []int
	// cutting are those of permissions and grants that go, in the same sense.
	cutting []int
	scopes  map[string]run.AcceptedSource
	// approved counts the losses that are let through, by group.
	approved map[string]int
}

// mark sorts the changes: approved ones go through, losses that some hold already lists
// stay held, the rest is fresh and will be judged. Groups to be created are judged anew
// each time, because what speaks against them can be seen each time.
func (g *guard) mark() {
	approved := g.in.Memory.approved(g.in.Now)
	held := map[string][]holdKey{}
	details := map[holdKey]string{}
	for i := range g.in.Memory.Holds {
		h := &g.in.Memory.Holds[i]
		for _, k := range h.Keys {
			held[k] = append(held[k], holdKey{h.Check, h.Scope})
		}
		details[holdKey{h.Check, h.Scope}] = h.Detail
	}
	for i := range g.p.Changes {
		c := &g.p.Changes[i]
		if c.Outcome == run.Skipped || c.Outcome == run.Failed {
			continue
		}
		c.Outcome = run.Planned
		if c.Op == run.ReleaseMember { // somebody else took them out; they are not left to be lost
			g.approved[c.GroupID()]++
		}
		switch {
		case approved[c.Key]:
			c.Approved = true
			c.Hold = nil
			if c.Loss() && c.Proof.ours() {
				g.approved[c.LossScope()]++
			}
		case g.stays(i, held[c.Key], details):
		case c.Loss():
			g.fresh = append(g.fresh, i)
		case c.Cut():
			g.cutting = append(g.cutting, i)
		}
	}
}

// stays holds a change that holds list already: a loss by all of them, anything else by
// those that say that a person undid it. Undoing the undoing is a decision about its hold.
func (g *guard) stays(i int, listed []holdKey, details map[holdKey]string) bool {
	c := &g.p.Changes[i]
	for _, k := range listed {
		if k.check == run.LastAdmin {
			continue // That is seen anew each time, and ends with its cause.
		}
		if k.check != run.Reverted && k.check != run.MaxNewAdmins && !c.Loss() && !c.Cut() || g.in.Undo != nil && k == (holdKey{run.Reverted, g.in.Undo.Reverts}) {
			continue
		}
		g.hold(i, k.check, k.scope, details[k])
		if k.check == run.Emptied {
			emptied(c)
		}
	}
	return c.Outcome == run.Held
}

// undone holds, from now on, what would undo this run, which undoes another.
func (g *guard) undone() {
	if g.in.Undo == nil {
		return
	}
	key := holdKey{run.Reverted, g.in.Undo.Run}
	for i := range g.p.Changes {
		c := &g.p.Changes[i]
		if c.Outcome != run.Planned || len(c.Against) == 0 {
			continue
		}
		f := g.found[key]
		if f == nil {
			f = &found{}
			g.found[key] = f
		}
		f.detail = revertedDetail(g.in.Undo.Run)
		if f.listed == nil {
			f.listed = map[string]run.Change{}
		}
		for _, o := range c.Against {
			f.keys = append(f.keys, o.Key)
			f.listed[o.Key] = o.Change
		}
	}
}

// hold keeps a change back. The check that comes first is the one that is shown.
func (g *guard) hold(i int, check run.Check, scope, detail string) {
	c := &g.p.Changes[i]
	key := holdKey{check, scope}
	f := g.found[key]
	if f == nil {
		f = &found{detail: detail}
		g.found[key] = f
	}
	f.keys = append(f.keys, c.Key)
	if c.Outcome != run.Held || rankOf(check) < rankOf(c.Hold.Check) {
		c.Hold = &run.HoldRef{Check: check, Detail: detail}
	}
	c.Outcome = run.Held
}

func rankOf(check run.Check) int { return slices.Index(run.Checks(), check) }

// configuration holds what is lost because rules or sources changed, and what an exact
// group would take from others.
func (g *guard) configuration() {
	for _, i := range g.fresh {
		c := &g.p.Changes[i]
		if g.in.Memory.inDoubt(c.GroupID(), c.Account) {
			g.doubt(i)
		}
		switch {
		case c.Proof.SourceRemoved:
			g.hold(i, run.SourceRemoved, c.Proof.Sources[0], "source "+c.Proof.Sources[0]+" is no longer configured")
		case c.Proof.Word == "unruled":
			g.hold(i, run.Unruled, c.Proof.Rule, "rule "+c.Proof.Rule+" was changed or taken out")
		case c.Proof.Exact && !g.in.Memory.Links[c.Link].Exact && (c.Reverts == "" || !c.Foreign):
			g.hold(i, run.Exact, c.GroupID(), "members whom nobody gave the group "+c.GroupName()+" through groupsyncd")
		}
	}
}

// doubt holds what is in doubt since the state was lost; accounts that belong to nobody in
// any directory are listed apart, because nothing but a hand can have put them there.
func (g *guard) doubt(i int) {
	scope, detail := "", "members of our groups from before the state was lost or restored"
	if g.p.Changes[i].Proof.Nobody {
		scope, detail = "unmatched", "the same, of accounts that belong to nobody in any directory"
	}
	g.hold(i, run.StateLost, scope, detail)
}

// groups judges what each group loses within a day.
func (g *guard) groups() {
	byGroup := map[string][]int{}
	var ids []string
	for _, i := range g.fresh {
		if c := &g.p.Changes[i]; !c.Proof.ours() || c.Op == run.SetRole && !g.in.Memory.owns(c.LossScope(), c.Account) {
			continue
		}
		id := g.p.Changes[i].LossScope()
		if byGroup[id] == nil {
			ids = append(ids, id)
		}
		byGroup[id] = append(byGroup[id], i)
	}
	before := g.lost()
	for _, id := range ids {
		have := 0
		if o := g.in.Memory.Owned[id]; o != nil {
			have = o.Count() - g.approved[id]
		}
		losing, had := g.unheld(byGroup[id]), have+len(before[id])
		lost := losing + len(before[id])
		name := g.p.Changes[byGroup[id][0]].lossName()
		if had >= minGroup && losing > 0 && g.limits.MaxGroupLoss.Exceeded(lost, had) {
			g.holdAll(byGroup[id], run.MaxGroupLoss, id,
				fmt.Sprintf("%d of %d members of %s (%d %%) > %s within 24 hours", lost, had, name, lost*100/had, g.limits.MaxGroupLoss))
		}
		if had >= minEmptied && losing > 0 && len(byGroup[id]) == have {
			detail := fmt.Sprintf("all %d members of %s", had, name)
			if have < had {
				detail = fmt.Sprintf("the last %d of %d members of %s, with those of the last 24 hours", have, had, name)
			}
			g.holdAll(byGroup[id], run.Emptied, id, detail)
			for _, i := range byGroup[id] {
				emptied(&g.p.Changes[i])
			}
		}
	}
}

// emptied gives a loss the word for a group that loses everybody.
func emptied(c *Change) {
	if c.Proof.Word != "unruled" {
		c.Absence = "emptied"
	}
}

// unheld counts the changes that no other check holds yet.
func (g *guard) unheld(changes []int) int {
	n := 0
	for _, i := range changes {
		if g.p.Changes[i].Outcome != run.Held {
			n++
		}
	}
	return n
}

func (g *guard) holdAll(changes []int, check run.Check, scope, detail string) {
	for _, i := range changes {
		g.hold(i, check, scope, detail)
	}
}

// lost gives who lost a membership of each group within a day, approved losses apart.
func (g *guard) lost() map[string][]string {
	lost := map[string][]string{}
	for _, l := range g.in.Memory.Losses {
		if !l.Approved && !l.Cut && g.in.Now.Sub(l.At) < window {
			lost[l.Group] = append(lost[l.Group], l.Account)
		}
	}
	return lost
}

// people judges how many people lose something: in this run, and within a day. What is
// held by other checks does not happen and so does not count.
func (g *guard) people() {
	losing := map[string]bool{}
	var changes []int
	for _, i := range g.fresh {
		if g.p.Changes[i].Outcome != run.Held {
			losing[g.p.Changes[i].User.ID] = true
			changes = append(changes, i)
		}
	}
	if len(losing) == 0 {
		return
	}
	owning := owners(g.in.Memory)
	if len(losing) >= minPeople && g.limits.MaxPeople.Exceeded(len(losing), owning) {
		g.holdAll(changes, run.MaxPeople, "", count(len(losing), owning, g.limits.MaxPeople)+" in one run")
	}
	day := map[string]bool{}
	for id := range losing {
		day[id] = true
	}
	for _, accounts := range g.lost() {
		for _, id := range accounts {
			day[id] = true
		}
	}
	// The floor is one of the day as well: otherwise many small runs would take everything.
	if had := owning + g.emptyHanded(day); len(day) >= minPeople && g.limits.MaxPeople24h.Exceeded(len(day), had) {
		g.holdAll(changes, run.MaxPeople24h, "", count(len(day), had, g.limits.MaxPeople24h)+" within 24 hours")
	}
}

// gaveRole reports whether an account has a role that it would not have without us.
func (m *Memory) gaveRole(id string) bool {
	r, known := m.Roles[id]
	return known && RoleRank(r.Role) > RoleRank(r.Before)
}

// owners counts the accounts that own a membership in the whole target.
func owners(m *Memory) int {
	owning, n := make([]bool, len(m.Mirror.Accounts())), 0
	for id := range m.Roles {
		if a, known := m.Mirror.Number(id); known && m.gaveRole(id) {
			owning[a] = true
			n++
		}
	}
	for id, o := range m.Owned {
		if IsRole(id) {
			continue // Most of them have it anyhow, and would hide how many others lose something.
		}
		for f := range o.Feeds {
			for _, a := range o.Feeds[f].Accounts {
				if !owning[a] {
					owning[a] = true
					n++
				}
			}
		}
	}
	return n
}

// emptyHanded counts those of a day's losers who own nothing any more.
func (g *guard) emptyHanded(day map[string]bool) int {
	owning := make(map[string]bool, len(day))
	for id := range day {
		if g.in.Memory.gaveRole(id) {
			owning[id] = true
		}
	}
	for scope, o := range g.in.Memory.Owned {
		if IsRole(scope) {
			continue
		}
		for f := range o.Feeds {
			for _, a := range o.Feeds[f].Accounts {
				if id := g.in.Memory.Mirror.Account(a).ID; day[id] {
					owning[id] = true
				}
			}
		}
	}
	return len(day) - len(owning)
}

func count(n, of int, limit Limit) string {
	percent := 100
	if of > 0 {
		percent = n * 100 / of
	}
	return fmt.Sprintf("%d of %d people (%d %%) > %s", n, of, percent, limit)
}

// creations judges new groups: too many in one run, and those that Compute could not
// tell apart or that somebody keeps deleting.
func (g *guard) creations() {
	var fresh []int
	for i := range g.p.Changes {
		c := &g.p.Changes[i]
		if c.Op != run.CreateGroup || c.Approved || c.Outcome == run.Held {
			continue
		}
		if c.Hold != nil {
			hold := *c.Hold
			g.hold(i, hold.Check, c.GroupName(), hold.Detail)
			continue
		}
		fresh = append(fresh, i)
	}
	known := len(g.in.Memory.Mirror.Groups())
	if len(fresh) == 0 || !g.limits.MaxNewGroups.Exceeded(len(fresh), known) {
		return
	}
	detail := fmt.Sprintf("%d new groups > %s in one run", len(fresh), g.limits.MaxNewGroups)
	links := map[LinkKey]bool{}
	for _, i := range fresh {
		g.hold(i, run.MaxNewGroups, "", detail)
		links[g.p.Changes[i].Link] = true
	}
	for i := range g.p.Changes {
		if c := &g.p.Changes[i]; (c.Op == run.AddMember || c.Op == run.SetGrants) && c.GroupID() == "" && links[c.Link] {
			g.hold(i, run.MaxNewGroups, "", detail)
		}
	}
}
