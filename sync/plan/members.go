package plan

import (
	"fmt"
	"slices"

	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// members compares who is wanted, who is there and whom we put there, for one group.
// The wanted and unknown people are painted already; w is nil for a group that no rule
// asks for any more, id empty for one that is still to be created.
func (c *computer) members(at int, id string, w *Want) {
	var observed []uint32
	if id != "" {
		g := c.in.Memory.Mirror.Group(id)
		if g == nil {
			if len(c.in.Memory.Lost[id]) > 0 {
				c.plan.Lost[id] = nil
			}
			return // deleted by somebody; what we gave there went with it
		}
		if !g.MembersRead {
			c.undecided(id)
			return
		}
		observed = g.Numbers
	}
	for _, a := range observed {
		if !c.hidden(a) {
			c.paint(a, isObserved)
		}
	}
	owned := c.in.Memory.Owned[id]
	if owned == nil {
		owned = &OwnedGroup{GroupID: id}
	}
	for f := range owned.Feeds {
		for _, a := range owned.Feeds[f].Accounts {
			if !c.hidden(a) {
				c.paint(a, isOwned)
			}
		}
	}
	lost := c.in.Memory.Lost[id]
	g := group{c: c, at: at, id: id, want: w, owned: owned, ref: c.ref(at, id)}
	for _, a := range lost {
		if c.hidden(a) {
			g.doubted = append(g.doubted, a)
		} else {
			c.paint(a, isLost)
		}
	}
	slices.Sort(c.touched)
	for _, a := range c.touched {
		g.member(a)
	}
	c.keepReverted(id, w)
	if slices.Sort(g.doubted); !slices.Equal(g.doubted, lost) {
		c.plan.Lost[id] = g.doubted
	}
	if c.in.Only != nil {
		g.clocks = g.sighted()
	}
	if !slices.Equal(g.clocks, owned.Clocks) {
		c.plan.Clocks[id] = g.clocks
	}
}

// sighted gives the clocks of a group as they are after a look at one person. Such a look
// counts no reads; but where it shows the directory group under a name that a rule
// selects, that is a sighting for everybody who has their membership through it.
func (g *group) sighted() []Clock {
	if g.want == nil || len(g.owned.Clocks) == 0 {
		return g.owned.Clocks
	}
	return slices.DeleteFunc(slices.Clone(g.owned.Clocks), func(k Clock) bool {
		return slices.ContainsFunc(g.owned.Grants(k.Account), func(key FeedKey) bool {
			return slices.ContainsFunc(g.want.Feeds, func(f Feed) bool { return f.Key == key && f.Where == nil && !g.c.missing(&f) })
		})
	})
}

// missing reports whether the directory group of a feed is not in its list.
func (c *computer) missing(f *Feed) bool {
	return !f.Everyone && c.in.Sources[f.Source].Replica.Groups()[f.Group].Missing.Is()
}

// undecided keeps everything in a group whose members were not read.
func (c *computer) undecided(id string) {
	c.judged[id] = true
	c.doubtReverted(id)
	if owned := c.in.Memory.Owned[id]; owned != nil {
		for f := range owned.Feeds {
			for _, a := range owned.Feeds[f].Accounts {
				c.plan.Unknown[changeKey(run.RemoveMember, id, c.in.Memory.Mirror.Account(a).ID)] = true
			}
		}
	}
}

// ref names the group for the report, by the name that it has or will have.
func (c *computer) ref(at int, id string) *run.GroupRef {
	if id != "" {
		return &run.GroupRef{ID: id, Name: c.in.Memory.Mirror.Group(id).Name}
	}
	return &run.GroupRef{Name: c.in.Desired.Wants[at].Name}
}

// group carries the comparison of one group.
type group struct {
	c      *computer
	at     int
	id     string
	want   *Want
	owned  *OwnedGroup
	ref    *run.GroupRef
	clocks []Clock
	// doubted are the members who are still in doubt since the state was lost.
	doubted []uint32
}

// member decides about one account. The cases are the table of ownership: what is
// wanted, what is there, and what we gave.
func (g *group) member(a uint32) {
	c, mark := g.c, g.c.painted[a]
	wanted, observed, owned, lost := mark&isWanted != 0, mark&isObserved != 0, mark&isOwned != 0, mark&isLost != 0
	if lost && observed && !wanted {
		g.doubted = append(g.doubted, a)
	}
	switch {
	case wanted && observed && owned:
		c.plan.Summary.Unchanged++
		g.regrant(a)
	case wanted && observed && !owned:
		if g.want.Adopt == (Adopt{}) && !lost {
			c.plan.Summary.Foreign++
			return
		}
		g.change(run.AdoptMember, a, Proof{}, "already a member; named by the directory")
	case wanted && owned:
		c.plan.Summary.Drift++
		c.problem(run.KindDrift, fmt.Sprintf("%s was taken out of %q in Open WebUI and is put back", g.email(a), g.ref.Name),
			"take the person out in the directory, or except the group in the rule")
		g.change(run.AddMember, a, Proof{}, "taken out by somebody in Open WebUI; the directory names them")
	case wanted:
		g.change(run.AddMember, a, Proof{}, "")
	case owned:
		g.unwanted(a, observed)
	case observed && mark&isUnknown == 0 && lost:
		g.lost(a)
	case observed && mark&isUnknown == 0:
		g.foreign(a)
	case observed && lost:
		c.plan.Unknown[changeKey(run.RemoveMember, g.id, c.in.Memory.Mirror.Account(a).ID)] = true
	case observed:
		c.plan.Summary.Foreign++
	}
}

// unwanted deals with somebody whom we gave the membership and whom no rule names now.
func (g *group) unwanted(a uint32, observed bool) {
	c := g.c
	if observed && g.addOnly(a) {
		return
	}
	v := c.verdict(a, g.id, g.want, g.owned)
	if v.clock != nil {
		g.clocks = append(g.clocks, *v.clock)
	}
	key := changeKey(run.RemoveMember, g.id, c.in.Memory.Mirror.Account(a).ID)
	for _, s := range v.sources {
		c.plan.SourceLosses[s] = true
	}
	switch {
	case v.unknown:
		c.plan.Unknown[key] = true
		for _, s := range v.waitsFor {
			c.plan.Waiting[s]++
		}
		c.confirm(v.confirmAt)
	case !observed:
		g.change(run.ReleaseMember, a, v.proof, "no longer a member, and "+v.proof.Reason)
	case c.guarded[a]:
		g.change(run.RemoveMember, a, v.proof, v.proof.Reason)
		last := &c.plan.Changes[len(c.plan.Changes)-1]
		last.Outcome = run.Skipped
		last.Hold = &run.HoldRef{Check: run.Protected, Detail: "the account is on the target's protect list, or our own"}
	default:
		if v.proof.Word == "unruled" && !c.approved[key] {
			c.plan.Accepts = false
		}
		g.change(run.RemoveMember, a, v.proof, v.proof.Reason)
	}
	// What is unselected may be selected again by an old form of its rule, whose name for it
	// a lagging server has just shown otherwise.
	if v.unknown && (v.unruled || v.clock != nil) {
		c.plan.Accepts = false
	}
}

// addOnly reports whether the rules that fill the group, those that gave the membership, or
// those that name the group and select nothing for it now, never take one away.
func (g *group) addOnly(a uint32) bool {
	if g.want != nil && g.want.Members == AddOnly {
		return true
	}
	rules := g.c.in.Desired.AddOnly
	return len(rules) > 0 && (g.c.gentle[g.id] || slices.ContainsFunc(g.owned.Grants(a), func(k FeedKey) bool { return rules[k.Rule] }))
}

// foreign deals with a member who is not ours and whom nobody names: left alone, unless
// the group takes only whom the directory names.
func (g *group) foreign(a uint32) {
	c := g.c
	if g.want == nil || g.want.Members != ExactMembers {
		c.plan.Summary.Foreign++
		return
	}
	for _, s := range g.want.Could {
		// Nobody can be missing from a source of single people.
		if _, fresh := c.ready(s, g.want.selected(s)); !fresh || c.in.Sources[s].Single {
			c.plan.Summary.Foreign++
			return
		}
	}
	if c.unsettled || len(c.people.contested[a]) > 0 || c.guarded[a] || c.kept[g.id][c.in.Memory.Mirror.Account(a).ID] {
		c.plan.Summary.Foreign++
		return
	}
	proof := Proof{Exact: true, Reason: "not named by the directory, and the group takes nobody else", Rule: g.want.Rule()}
	for _, s := range g.want.Could {
		proof.Sources = append(proof.Sources, c.in.Sources[s].ID)
	}
	g.change(run.RemoveMember, a, proof, proof.Reason)
}

func (g *group) email(a uint32) string { return g.c.in.Memory.Mirror.Account(a).Email }

// change adds a change about one member.
func (g *group) change(op run.Op, a uint32, proof Proof, reason string) {
	account := g.c.in.Memory.Mirror.Account(a)
	scope := g.id
	ch := Change{
		Change: run.Change{Op: op, Group: g.ref, User: &run.UserRef{ID: account.ID, Email: account.Email},
			Absence: proof.Word, Reason: reason, Rule: proof.Rule},
		Want: g.at, Account: a, Proof: proof,
	}
	if g.want != nil {
		ch.Link = g.want.Links[0]
		if ch.Rule == "" {
			ch.Rule = g.want.Rule()
		}
		if scope == "" {
			scope = ch.Link.String()
			ch.Leaves = g.c.leaves(g.want)
		}
	}
	if op == run.AddMember || op == run.AdoptMember {
		var why string
		ch.Feeds, why = g.grants(a)
		if reason == "" {
			ch.Reason = why
		}
	}
	ch.Key = changeKey(op, scope, account.ID)
	g.c.plan.Changes = append(g.c.plan.Changes, ch)
}

// grants lists through what an account is wanted, and says it in words.
func (g *group) grants(a uint32) ([]FeedKey, string) {
	c := g.c
	var feeds []FeedKey
	why := ""
	for f := range g.want.Feeds {
		feed := &g.want.Feeds[f]
		if c.grants(feed, a) {
			feeds = append(feeds, feed.Key)
			if why == "" {
				src := &c.in.Sources[feed.Source]
				why = "everybody in " + src.Name
				if !feed.Everyone {
					row := &src.Replica.Groups()[feed.Group]
					why = fmt.Sprintf("in %s (%s)", firstOf(row.DN, row.Path, row.Name), src.Name)
				}
			}
		}
	}
	return feeds, why
}

// grants reports whether a feed grants an account the membership now.
func (c *computer) grants(f *Feed, a uint32) bool {
	src := &c.in.Sources[f.Source]
	for _, p := range c.people.of(a) {
		if p.source != f.Source || !src.Replica.Active(p.user) {
			continue
		}
		if f.Where != nil && !f.Where(&src.Replica.Users()[p.user]) {
			continue
		}
		if f.Everyone {
			return true
		}
		row := &src.Replica.Groups()[f.Group]
		if _, in := slices.BinarySearch(row.Members, p.user); in && !row.Missing.Is() && (!f.Direct || src.membership(f, p.user, f.Group).Standing == replica.Shown) {
			return true
		}
	}
	return false
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
