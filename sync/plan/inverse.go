package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"groupsyncd/permission"
	"groupsyncd/sync/run"
)

// Inverse plans how to undo what the run in.Undo really did to the target, as its report
// has it, and as the target is now. What somebody has changed since is refused, each change
// for itself, with the reason. Nothing is decided about what the directories want.
func Inverse(in *Input) *Plan {
	v := &inverse{in: in, plan: &Plan{Target: in.Memory.Target}, undone: reverted(in.Memory, in.Undo.Run), before: reverted(in.Memory, in.Undo.Reverts)}
	accounts := in.Memory.Mirror.Accounts()
	v.ignored, v.guarded = marks(accounts, in.Ignore), marks(accounts, in.Protect)
	if self, ok := in.Memory.Mirror.Number(in.Memory.Mirror.Self); ok {
		v.guarded[self] = true
	}
	for i := range in.Undo.Targets {
		t := &in.Undo.Targets[i]
		for j := range t.Changes {
			if t.Name == in.Memory.Target && t.Changes[j].Outcome == run.Applied {
				v.change(&t.Changes[j])
			}
		}
	}
	v.plan.sort()
	v.plan.Hash = hashOf(v.plan)
	return v.plan
}

// inverse carries the planning of one undoing.
type inverse struct {
	in               *Input
	plan             *Plan
	ignored, guarded []bool
	// undone are the changes that an earlier undoing of the same run holds: what they are
	// about was undone then. before are those that the run held, if it undid another.
	undone, before map[string]bool
}

// reverted gives the changes that are held because a run was undone.
func reverted(m *Memory, runID string) map[string]bool {
	keys := map[string]bool{}
	for i := range m.Holds {
		if h := &m.Holds[i]; h.Check == run.Reverted && h.Scope == runID {
			for _, k := range h.Keys {
				keys[k] = true
			}
		}
	}
	return keys
}

func (v *inverse) change(did *run.Change) {
	switch {
	case did.Op == run.SetRole:
		v.role(did)
		return
	case did.Op == run.CreateAccount:
		v.add(Change{Change: run.Change{Op: run.CreateAccount, User: did.User, Outcome: run.Skipped,
			Error: "groupsyncd deletes no accounts; delete it in Open WebUI, or make it pending"}})
		return
	case did.Op == run.SetGrants:
		v.grants(did)
		return
	case did.Op == run.SetPermissions && did.Group == nil:
		v.defaults(did)
		return
	case did.Group == nil:
		return
	}
	switch did.Op {
	case run.AddMember, run.RemoveMember, run.AdoptMember, run.ReleaseMember:
		if did.User != nil {
			v.member(did)
		}
	case run.UpdateGroup, run.SetPermissions:
		v.values(did)
	case run.CreateGroup:
		if g := v.in.Memory.Mirror.Group(did.GroupID()); g != nil {
			v.add(Change{Change: run.Change{Op: run.DeleteGroup, Group: &run.GroupRef{ID: g.ID, Name: g.Name}, Outcome: run.Skipped,
				Error: "groupsyncd deletes no groups; delete it in Open WebUI if nothing is shared with it"}})
		}
	}
}

// add adds a change that belongs to no wanted group of this plan.
func (v *inverse) add(c Change) {
	c.Want, c.Reverts = -1, v.in.Undo.Run
	v.plan.Changes = append(v.plan.Changes, c)
}

// undoes is the operation that undoes another.
var undoes = map[run.Op]run.Op{run.AddMember: run.RemoveMember, run.RemoveMember: run.AddMember,
	run.AdoptMember: run.ReleaseMember, run.ReleaseMember: run.AdoptMember}

// member undoes what happened to one membership.
func (v *inverse) member(did *run.Change) {
	if did.Op == run.ReleaseMember && v.in.Undo.Reverts == "" {
		return // Somebody else had taken them out; we only noted it.
	}
	m := v.in.Memory
	op := undoes[did.Op]
	c := Change{Change: run.Change{Op: op, Group: did.Group, User: did.User, Rule: did.Rule, Reason: "undoes run " + v.in.Undo.Run},
		Key: changeKey(op, did.GroupID(), did.User.ID)}
	c.Foreign = did.Foreign
	c.Proof.Reason, c.Proof.Rule = c.Reason, did.Rule
	back := *did
	back.Outcome, back.Hold, back.Error, back.Reverts = run.Held, nil, "", ""
	if key := changeKey(did.Op, did.GroupID(), did.User.ID); did.Op != run.ReleaseMember {
		c.Against = []Opposite{{Key: key, Change: back}}
	}
	a, known := m.Mirror.Number(did.User.ID)
	g := m.Mirror.Group(did.GroupID())
	switch {
	case g == nil:
		v.refuse(c, "the group was deleted in Open WebUI since then")
		return
	case !known || m.Mirror.Account(a).Deleted:
		v.refuse(c, "the account was deleted in Open WebUI since then")
		return
	case !g.MembersRead:
		v.refuse(c, "the members of the group could not be read")
		return
	}
	c.Account = a
	c.Group = &run.GroupRef{ID: g.ID, Name: g.Name}
	c.User = &run.UserRef{ID: did.User.ID, Email: m.Mirror.Account(a).Email}
	_, is := slices.BinarySearch(g.Numbers, a)
	ours := m.Owned[g.ID] != nil && m.Owned[g.ID].Has(a)
	switch {
	case v.ignored[a]:
		v.skip(c, "the account is on the target's ignore list")
	case op == run.RemoveMember || op == run.ReleaseMember:
		v.take(c, is, ours)
	default:
		v.give(c, did, is, ours)
	}
}

// take undoes that somebody got, or was noted for, a membership.
func (v *inverse) take(c Change, is, ours bool) {
	switch {
	case (!is || !ours) && v.undone[c.Against[0].Key]:
		v.skip(c, "undone already")
	case !is:
		v.refuse(c, "they are no longer a member: somebody took them out since then")
	case ours && c.Foreign:
		v.refuse(c, "the membership is ours now: a directory group gives it")
	case !ours && c.Op == run.RemoveMember && (v.before[c.Key] || c.Foreign):
		c.Proof.Exact = true // They were not ours either when they were taken out at first.
		v.add(c)
	case !ours:
		v.refuse(c, "the membership is no longer ours: it was released, or taken out and given back by hand, since then")
	case c.Op == run.RemoveMember && v.guarded[c.Account]:
		c.Hold = &run.HoldRef{Check: run.Protected, Detail: "the account is on the target's protect list, or our own"}
		v.skip(c, "")
	default:
		v.add(c)
	}
}

// give undoes that somebody lost a membership, or that it ceased to be ours.
func (v *inverse) give(c Change, did *run.Change, is, ours bool) {
	c.Feeds = v.feeds(did)
	exact := did.Absence == "" && (v.in.Undo.Reverts == "" || did.Foreign) // of nobody whom we had put there
	switch {
	case c.Op == run.AddMember && is && v.undone[RemovalKey(c.GroupID(), c.User.ID)], c.Op == run.AdoptMember && ours:
		v.skip(c, "undone already")
	case c.Op == run.AddMember && is:
		v.refuse(c, "they are a member again: somebody put them back since then")
	case c.Op == run.AdoptMember && !is:
		v.refuse(c, "they are no longer a member: somebody took them out since then")
	case len(c.Feeds) == 0 && !exact:
		v.refuse(c, fmt.Sprintf("nobody knows any more through what they were a member; that is kept for %d days", int(TombstoneMemory/(24*time.Hour))))
	default:
		v.add(c)
	}
}

// TombstoneMemory is how long it is remembered through what a membership of ours was given
// that has ended.
const TombstoneMemory = 90 * 24 * time.Hour

// feeds gives through what a membership was given that the run ended.
func (v *inverse) feeds(did *run.Change) []FeedKey { return v.feedsOf(did.GroupID(), did.User.ID) }

// feedsOf gives them for an account in a group, or for its role.
func (v *inverse) feedsOf(group, account string) []FeedKey {
	from := v.in.Undo.Started.Add(-time.Second)
	until := v.in.Undo.Started.Add(time.Duration(v.in.Undo.DurationMS)*time.Millisecond + time.Second)
	var feeds []FeedKey
	for i := range v.in.Memory.Tombstones {
		t := &v.in.Memory.Tombstones[i]
		if t.Group == group && t.Account == account && !t.At.Before(from) && !t.At.After(until) {
			feeds = append(feeds, t.Feed)
		}
	}
	slices.SortFunc(feeds, FeedKey.Compare)
	return slices.Compact(feeds)
}

func (v *inverse) refuse(c Change, why string) {
	c.Outcome, c.Error, c.Against = run.Failed, why, nil
	v.add(c)
}

func (v *inverse) skip(c Change, why string) {
	c.Outcome, c.Error, c.Against = run.Skipped, why, nil
	v.add(c)
}

// values puts values of a group back where they still are as the run left them: those that
// can be in one call, the others refused one by one.
func (v *inverse) values(did *run.Change) {
	m := v.in.Memory
	ch := func(fields ...run.Field) Change {
		return Change{Change: run.Change{Op: did.Op, Group: did.Group, Rule: did.Rule, Fields: fields, Foreign: did.Foreign, Reason: "undoes run " + v.in.Undo.Run},
			Key: valueKey(did.Op, did.GroupID(), fields...), Spec: specOf(fields)}
	}
	g := m.Mirror.Group(did.GroupID())
	all := ch()
	for _, f := range did.Fields {
		back := run.Field{Name: f.Name, From: f.To, To: f.From}
		if _, permitted := f.To.(bool); permitted && f.From == nil {
			back.To = false // A key that is not there grants as little.
		}
		c := ch(back)
		link, linked := v.link(did, f.Name)
		now := any(nil)
		if g != nil {
			c.Group = &run.GroupRef{ID: g.ID, Name: g.Name}
			now = value(g, f.Name)
		}
		switch key := valueKey(did.Op, did.GroupID(), f); {
		case g == nil:
			v.refuse(c, "the group was deleted in Open WebUI since then")
		case !linked && !did.Foreign:
			v.refuse(c, "no rule leads to the group any more")
		case f.Name == wholeTree:
			v.skip(c, "an explicit no takes nothing away")
		case !equal(now, f.To) && equal(now, back.To) && v.undone[key]:
			v.skip(c, "undone already")
		case !equal(now, f.To):
			v.refuse(c, fmt.Sprintf("it is %v now: somebody changed it since then", now))
		case back.To == nil || back.To == "" && !canBeEmpty(f.Name):
			v.refuse(c, "there was no value before, and it cannot be taken away")
		case f.Name == "name" && v.taken(g, back.To):
			v.refuse(c, "another group has that name now")
		default:
			all.Group = c.Group
			if !did.Foreign {
				all.Link = link
			}
			all.Fields = append(all.Fields, back)
			all.Against = append(all.Against, Opposite{Key: key, Change: run.Change{Op: did.Op, Group: c.Group, Rule: did.Rule,
				Fields: []run.Field{f}, Outcome: run.Held}})
			if equalJSON(m.Links[link].Before[f.Name], back.To) {
				all.Restored = append(all.Restored, f.Name)
			}
		}
	}
	if len(all.Fields) > 0 {
		v.apart(all, did.GroupID())
	}
}

// link finds the link of the group that keeps what we wrote there: one that has the value,
// of those, and else, one of the same rule, and the first.
func (v *inverse) link(did *run.Change, field string) (LinkKey, bool) {
	var links []LinkKey
	for l, link := range v.in.Memory.Links {
		if link.GroupID == did.GroupID() {
			links = append(links, l)
		}
	}
	if len(links) == 0 {
		return LinkKey{}, false
	}
	rank := func(l LinkKey) int {
		n := 0
		if _, has := v.in.Memory.Links[l].Applied[field]; has {
			n += 2
		}
		if l.Rule == did.Rule {
			n++
		}
		return n
	}
	return slices.MinFunc(links, func(a, b LinkKey) int {
		if d := rank(b) - rank(a); d != 0 {
			return d
		}
		return a.Compare(b)
	}), true
}

// value gives a value of a group as it is now, by the name of its field.
func value(g *MirrorGroup, field string) any {
	switch field {
	case "name":
		return g.Name
	case "description":
		return g.Description
	case "share":
		return g.Share
	case parentField:
		return g.Parent
	case modelsField:
		return defaultModels(g)
	}
	if strings.HasPrefix(field, dataField) {
		return dataValue(g.Data, field)
	}
	have, _, err := permission.Flatten(g.Permissions)
	on, known := have[field[min(len(permissionField), len(field)):]]
	if err != nil || !known {
		return nil
	}
	return on
}

// taken reports whether another group has a name.
func (v *inverse) taken(g *MirrorGroup, name any) bool {
	return slices.ContainsFunc(v.in.Memory.Mirror.Groups(), func(o *MirrorGroup) bool { return o.ID != g.ID && o.Name == name })
}

// equal compares values of a report, which may have been stored and loaded since, with
// values as they are. Texts and switches only.
func equal(a, b any) bool { return a == b }

func equalJSON(stored json.RawMessage, v any) bool { return len(stored) > 0 && sameJSON(stored, v) }
