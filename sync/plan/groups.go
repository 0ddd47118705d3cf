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
}

// resolve finds the Open WebUI group of every want: by stored link, else by our mark,
// else by adoption; wants that stay without one are to be created.
func (c *computer) resolve() {
	wants := c.in.Desired.Wants
	c.group = make([]resolved, len(wants))
	c.taken = map[string]int{}
	c.linked()
	c.open(c.linkless())
	for w := range wants {
		if c.group[w].id != "" {
			continue
		}
		for f := range wants[w].Feeds {
			c.homeless[wants[w].Feeds[f].Key] = true
		}
		if id, _, _ := c.stored(&wants[w]); id != "" {
			c.claimed[id] = append(c.claimed[id], w)
		}
	}
}

// linkless gives the wants that have no group by a stored link.
func (c *computer) linkless() []int {
	var open []int
	for w := range c.group {
		if c.group[w].id == "" && !c.group[w].blocked {
			open = append(open, w)
		}
	}
	return open
}

// open finds a group for wants without link.
func (c *computer) open(open []int) {
	wants := c.in.Desired.Wants
	if len(open) == 0 {
		return
	}
	names := c.byName()
	marks := c.byMark()
	orphaned := slices.SortedFunc(maps.Keys(marks), LinkKey.Compare)
	orphaned = slices.DeleteFunc(orphaned, func(k LinkKey) bool { return c.in.Rules[k.Rule] || !strings.HasPrefix(k.Rule, UnnamedRule) })
	for _, w := range open {
		c.findMarked(w, marks, orphaned)
	}
	byName := map[string][]int{}
	for w := range wants {
		byName[wants[w].Name] = append(byName[wants[w].Name], w)
	}
	// What may be followed is settled before anything is: a group is followed once.
	heirs := c.earlier()
	for _, w := range open {
		if c.group[w].id == "" && !c.succeed(w, heirs) {
			c.adopt(w, names, byName)
		}
	}
	c.collisions(byName)
}

// linked gives every stored group to the want that it belongs to. Several wants may have
// a link to one group: united directory groups that parted, or one that took the place
// of another. The one that has its name goes on with it, of those one that is still
// there, of those the one that was linked last; the others look for a group of their own.
func (c *computer) linked() {
	wants := c.in.Desired.Wants
	ids := make([]string, len(wants))
	since := make([]time.Time, len(wants))
	for w := range wants {
		ids[w], since[w], c.group[w].again = c.stored(&wants[w])
		if ids[w] == "" {
			continue
		}
		best, claimed := c.taken[ids[w]]
		if claimed {
			name := c.in.Memory.Mirror.Group(ids[w]).Name
			better := cmp.Or(compareBool(wants[w].Name == name, wants[best].Name == name),
				compareBool(c.alive(&wants[w]), c.alive(&wants[best])), since[w].Compare(since[best]))
			if better <= 0 {
				continue
			}
		}
		c.taken[ids[w]] = w
	}
	for w := range wants {
		if ids[w] == "" {
			continue
		}
		switch holder := c.taken[ids[w]]; {
		case holder == w:
			c.take(w, ids[w])
		case wants[w].Name == "":
			c.join(holder, w)
		case !c.alive(&wants[w]):
			c.group[w].blocked = true
		}
	}
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// join lets the people of a want without a usable name count in the group that it was
// united in.
func (c *computer) join(holder, w int) {
	h, want := &c.in.Desired.Wants[holder], &c.in.Desired.Wants[w]
	h.Feeds = slices.Concat(h.Feeds, want.Feeds)
	slices.SortFunc(h.Feeds, func(a, b Feed) int { return a.Key.Compare(b.Key) })
	h.Could = slices.Concat(h.Could, want.Could)
	slices.Sort(h.Could)
	h.Could = slices.Compact(h.Could)
	h.Members = min(h.Members, want.Members)
	c.group[w].blocked = true
}

// stored gives the group that a want is linked to; lost says that a link exists and
// its group does not.
func (c *computer) stored(w *Want) (id string, since time.Time, lost bool) {
	for _, l := range w.Links {
		link, ok := c.in.Memory.Links[l]
		if !ok {
			continue
		}
		if c.in.Memory.Mirror.Group(link.GroupID) != nil {
			return link.GroupID, link.Since, false
		}
		lost = true
	}
	return "", time.Time{}, lost
}

// take gives a group to a want.
func (c *computer) take(w int, id string) {
	want := &c.in.Desired.Wants[w]
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
		if c.in.Memory.knownMark(g.Mark, c.in.Now) {
			marks[g.Mark.Link()] = append(marks[g.Mark.Link()], g.ID)
		}
	}
	return marks
}

// findMarked looks for a group that carries our mark for the want: by the same rule, or
// for the same directory group by a rule without name that is no longer there, for such
// a rule has another key whenever its match is edited.
func (c *computer) findMarked(w int, marks map[LinkKey][]string, orphaned []LinkKey) {
	take := func(ids []string) bool {
		for _, id := range ids {
			if _, used := c.taken[id]; !used {
				c.take(w, id)
				return true
			}
		}
		return false
	}
	for _, l := range c.in.Desired.Wants[w].Links {
		if take(marks[l]) {
			return
		}
		for _, key := range orphaned {
			if key.Group == l.Group && key.To == l.To && take(marks[key]) {
				return
			}
		}
	}
}

// heir is what a want may follow: the rule, and the present name of its group.
type heir struct{ rule, name string }

// earlier lists the links of single directory groups by their rule and the name of their
// group, in order.
func (c *computer) earlier() map[heir][]LinkKey {
	links := map[heir][]LinkKey{}
	for l, link := range c.in.Memory.Links {
		if g := c.in.Memory.Mirror.Group(link.GroupID); g != nil && l.To == "" {
			key := heir{l.Rule, g.Name}
			links[key] = append(links[key], l)
		}
	}
	for _, l := range links {
		slices.SortFunc(l, LinkKey.Compare)
	}
	return links
}

// succeed lets a directory group take over the Open WebUI group of another that had
// the same name in the same rule, and that is gone or no longer selected. It waits
// until everybody who would lose the membership thereby may lose it.
func (c *computer) succeed(w int, heirs map[heir][]LinkKey) bool {
	want := &c.in.Desired.Wants[w]
	if len(want.Links) != 1 || want.Links[0].To != "" || want.Name == "" || !c.alive(want) {
		return false
	}
	for _, old := range heirs[heir{want.Links[0].Rule, want.Name}] {
		if old == want.Links[0] {
			continue
		}
		link := c.in.Memory.Links[old]
		holder, taken := c.taken[link.GroupID]
		if taken && c.alive(&c.in.Desired.Wants[holder]) {
			continue
		}
		// A run of one person does not see who else would be left in doubt.
		if c.in.Only != nil {
			c.group[w].blocked = true
			return true
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
			if v := c.verdict(a, id, w, owned); v.unknown {
				return false
			}
		}
	}
	return true
}

// adopt takes over an existing group by its name, id or path.
func (c *computer) adopt(w int, names map[string][]string, byName map[string][]int) {
	want := &c.in.Desired.Wants[w]
	if c.group[w].blocked || c.shared(w, byName) {
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
		if c.in.Only == nil {
			c.problem(run.KindNaming, fmt.Sprintf("the existing group %q is taken over by rule %q", c.in.Memory.Mirror.Group(found[0]).Name, want.Rule()),
				"who was put there by hand stays; to leave such groups alone give the rule `adopt: never`")
		}
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

// shared reports whether a want has no usable name, or one that another directory group
// leads to as well: who of them an existing group belongs to is for a person to say.
func (c *computer) shared(w int, byName map[string][]int) bool {
	name := c.in.Desired.Wants[w].Name
	return name == "" || slices.ContainsFunc(byName[name], func(o int) bool {
		return o != w && !c.group[o].blocked && c.alive(&c.in.Desired.Wants[o])
	})
}

// collisions deals with wants that would share a name: the linked one goes on and the
// others are held; when none is linked, all are.
func (c *computer) collisions(byName map[string][]int) {
	for w := range c.in.Desired.Wants {
		want, r := &c.in.Desired.Wants[w], &c.group[w]
		if r.id != "" || r.blocked {
			continue
		}
		if !c.alive(want) || want.Name == "" {
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

// recreated reports whether the group of a want was made again less than a day ago, or is
// held for that: a hold does not end because the day does.
func (c *computer) recreated(w *Want) bool {
	for i := range c.in.Memory.Holds {
		if h := &c.in.Memory.Holds[i]; h.Check == run.Recreated && slices.Contains(h.Keys, createKey(w.Links[0])) {
			return true
		}
	}
	return slices.ContainsFunc(w.Links, func(l LinkKey) bool {
		at := c.in.Memory.Links[l].RecreatedAt
		return !at.IsZero() && c.in.Now.Sub(at) < recreateAgain
	})
}

func (c *computer) problem(kind run.ProblemKind, message, hint string) {
	c.plan.Problems = append(c.plan.Problems, run.Problem{Kind: kind, Message: message, Hint: hint})
}
