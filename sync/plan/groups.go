package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"groupsyncd/sync/run"
)

// recreateAgain is how long after a group was made again a second deletion by hand is
// taken as meant.
const recreateAgain = 24 * time.Hour

// resolved is the Open WebUI group that a want came to.
type resolved struct {
	id string
	// hold is why creating the group must be let through by a person.
	hold *run.HoldRef
	// blocked: nothing can be done for this want in this run; a problem says why.
	blocked bool
	// again: the group was there, and somebody deleted it.
	again bool
	// inherited is the link whose group this want takes over.
	inherited *LinkKey
}

// resolve finds the Open WebUI group of every want: by stored link, else by our mark,
// else by adoption; wants that stay without one are to be created.
func (c *computer) resolve() {
	wants := c.in.Desired.Wants
	c.group = make([]resolved, len(wants))
	c.taken = map[string]int{}
	for w := range wants {
		if id, lost := c.stored(&wants[w]); id != "" {
			c.take(w, id)
		} else {
			c.group[w].again = lost
		}
	}
	names := c.byName()
	marks := c.byMark()
	for w := range wants {
		if c.group[w].id == "" {
			c.findMarked(w, marks)
		}
	}
	for w := range wants {
		if c.group[w].id == "" && !c.succeed(w) {
			c.adopt(w, names)
		}
	}
	c.collisions()
}

// stored gives the group that a want is linked to; lost says that a link exists and
// its group does not.
func (c *computer) stored(w *Want) (id string, lost bool) {
	for _, l := range w.Links {
		link, ok := c.in.Memory.Links[l]
		if !ok {
			continue
		}
		if c.in.Memory.Mirror.Group(link.GroupID) != nil {
			return link.GroupID, false
		}
		lost = true
	}
	return "", lost
}

// take gives a group to a want; a second want for the same group is blocked.
func (c *computer) take(w int, id string) {
	want := &c.in.Desired.Wants[w]
	if other, ok := c.taken[id]; ok && other != w {
		c.group[w].blocked = true
		c.problem(run.KindConflict, fmt.Sprintf("rules %q and %q lead to the same Open WebUI group %q by different names",
			c.in.Desired.Wants[other].Rule(), want.Rule(), c.in.Memory.Mirror.Group(id).Name), "let both rules use the same `to`")
		return
	}
	c.taken[id] = w
	c.group[w].id = id
	for _, l := range want.Links {
		if c.in.Memory.Links[l].GroupID != id {
			c.plan.Links = append(c.plan.Links, FoundLink{Link: l, GroupID: id})
		}
	}
}

func (c *computer) byName() map[string][]string {
	names := map[string][]string{}
	for _, g := range c.in.Memory.Mirror.Groups() {
		names[g.Name] = append(names[g.Name], g.ID)
	}
	return names
}

func (c *computer) byMark() map[LinkKey][]string {
	marks := map[LinkKey][]string{}
	for _, g := range c.in.Memory.Mirror.Groups() {
		if g.Mark != nil {
			marks[g.Mark.Link()] = append(marks[g.Mark.Link()], g.ID)
		}
	}
	return marks
}

// findMarked looks for a group that carries our mark for the want: by the same rule,
// or by another rule for the same directory group when that rule is no longer there.
func (c *computer) findMarked(w int, marks map[LinkKey][]string) {
	want := &c.in.Desired.Wants[w]
	for _, l := range want.Links {
		for _, key := range slices.SortedFunc(maps.Keys(marks), LinkKey.Compare) {
			same := key == l || !c.in.Rules[key.Rule] && key.Group == l.Group && key.To == l.To
			if !same {
				continue
			}
			for _, id := range marks[key] {
				if _, used := c.taken[id]; !used {
					c.take(w, id)
					return
				}
			}
		}
	}
}

// succeed lets a directory group take over the Open WebUI group of another that had
// the same name in the same rule, and that is gone or no longer selected. It waits
// until everybody who would lose the membership thereby may lose it.
func (c *computer) succeed(w int) bool {
	want := &c.in.Desired.Wants[w]
	if len(want.Links) != 1 || want.Links[0].To != "" || !c.alive(want) {
		return false
	}
	for _, old := range slices.SortedFunc(maps.Keys(c.in.Memory.Links), LinkKey.Compare) {
		link := c.in.Memory.Links[old]
		g := c.in.Memory.Mirror.Group(link.GroupID)
		if g == nil || old == want.Links[0] || old.Rule != want.Links[0].Rule || old.To != "" || g.Name != want.Name {
			continue
		}
		holder, taken := c.taken[link.GroupID]
		if taken && c.alive(&c.in.Desired.Wants[holder]) {
			continue
		}
		if !c.mayLeave(link.GroupID, want) {
			c.group[w].blocked = true
			c.problem(run.KindNaming, fmt.Sprintf("the directory group %q takes the place of an earlier one of that name; it waits until the earlier one is proved gone", want.Name), "")
			return true
		}
		if taken {
			c.group[holder] = resolved{blocked: true}
			delete(c.taken, link.GroupID)
		}
		c.take(w, link.GroupID)
		c.group[w].inherited = &old
		return true
	}
	return false
}

// alive reports whether any directory group behind a want is still in its list.
func (c *computer) alive(w *Want) bool {
	return slices.ContainsFunc(w.Feeds, func(f Feed) bool {
		return f.Everyone || !c.in.Sources[f.Source].Replica.Groups()[f.Group].Missing.Is()
	})
}

// mayLeave reports whether nobody owned in a group would be left in doubt if a want
// took the group over: everybody is wanted by it, or proved absent.
func (c *computer) mayLeave(id string, w *Want) bool {
	owned := c.in.Memory.Owned[id]
	if owned == nil {
		return true
	}
	for f := range w.Feeds {
		c.paintFeed(&w.Feeds[f])
	}
	defer c.wipe()
	for f := range owned.Feeds {
		for _, a := range owned.Feeds[f].Accounts {
			if c.painted[a]&isWanted != 0 || c.hidden(a) {
				continue
			}
			if v := c.verdict(a, id, w, owned, false); v.unknown {
				return false
			}
		}
	}
	return true
}

// adopt takes over an existing group by its name, id or path.
func (c *computer) adopt(w int, names map[string][]string) {
	want := &c.in.Desired.Wants[w]
	if c.group[w].again || c.group[w].blocked {
		return
	}
	var found []string
	look := func(use bool, name string) {
		if use && name != "" {
			for _, id := range names[name] {
				if _, used := c.taken[id]; !used && !slices.Contains(found, id) {
					found = append(found, id)
				}
			}
		}
	}
	look(want.Adopt.Name, want.Name)
	look(want.Adopt.ID, want.DirID)
	look(want.Adopt.Path, want.DirPath)
	free := func(id string) bool { _, used := c.taken[id]; return !used }
	switch {
	case len(found) == 1:
		c.take(w, found[0])
	case len(found) > 1:
		c.group[w].blocked = true
		c.problem(run.KindConflict, fmt.Sprintf("%d groups in Open WebUI are named %q; none of them is taken over", len(found), want.Name),
			"rename or delete all but one of them")
	case slices.ContainsFunc(names[want.Name], free):
		c.group[w].blocked = true
		c.problem(run.KindCollision, fmt.Sprintf("Open WebUI already has a group named %q, and rule %q may not take it over", want.Name, want.Rule()),
			"rename that group, give the rule another `to`, or allow `adopt: [name]`")
	}
}

// collisions deals with wants that would share a name: the linked one goes on and the
// others are held; when none is linked, all are.
func (c *computer) collisions() {
	byName := map[string][]int{}
	for w := range c.in.Desired.Wants {
		byName[c.in.Desired.Wants[w].Name] = append(byName[c.in.Desired.Wants[w].Name], w)
	}
	for w := range c.in.Desired.Wants {
		want, r := &c.in.Desired.Wants[w], &c.group[w]
		if r.id != "" || r.blocked {
			continue
		}
		if !c.alive(want) {
			r.blocked = true
			continue
		}
		rivals := c.rivals(byName[want.Name])
		if len(rivals) > 1 {
			r.hold = &run.HoldRef{Check: run.Collision, Detail: fmt.Sprintf("%d directory groups lead to the name %q", len(rivals), want.Name)}
			c.problem(run.KindCollision, fmt.Sprintf("%d directory groups lead to the Open WebUI name %q: %s", len(rivals), want.Name, c.describe(rivals)),
				"tell them apart with `to` (for example by .Path), or unite them with `merge: true`")
		}
		if r.again && c.recreated(want) {
			r.hold = &run.HoldRef{Check: run.Recreated, Detail: fmt.Sprintf("group %q was deleted in Open WebUI a second time within 24 hours", want.Name)}
		}
	}
}

func (c *computer) rivals(wants []int) []int {
	return slices.DeleteFunc(slices.Clone(wants), func(w int) bool {
		return c.group[w].id == "" && !c.alive(&c.in.Desired.Wants[w])
	})
}

// describe lists the directory groups behind wants, for people.
func (c *computer) describe(wants []int) string {
	var names []string
	for _, w := range wants {
		for _, f := range c.in.Desired.Wants[w].Feeds {
			src := &c.in.Sources[f.Source]
			text := src.Name
			if !f.Everyone {
				g := &src.Replica.Groups()[f.Group]
				text = cmp.Or(g.DN, g.Path, g.ID) + " (" + src.Name + ")"
			}
			names = append(names, text)
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// recreated reports whether the group of a want was made again less than a day ago.
func (c *computer) recreated(w *Want) bool {
	return slices.ContainsFunc(w.Links, func(l LinkKey) bool {
		at := c.in.Memory.Links[l].RecreatedAt
		return !at.IsZero() && c.in.Now.Sub(at) < recreateAgain
	})
}

func (c *computer) problem(kind run.ProblemKind, message, hint string) {
	c.plan.Problems = append(c.plan.Problems, run.Problem{Kind: kind, Message: message, Hint: hint})
}
