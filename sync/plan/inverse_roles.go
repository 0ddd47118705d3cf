package plan

import (
	"fmt"

	"groupsyncd/sync/run"
)

// role undoes that an account got another role, where it still has that one.
func (v *inverse) role(did *run.Change) {
	was, is := (&Change{Change: *did}).Roles()
	if did.User == nil || RoleRank(was) < 0 || RoleRank(is) < 0 {
		return
	}
	m := v.in.Memory
	did = &run.Change{Op: did.Op, User: did.User, Fields: did.Fields, Absence: did.Absence, Rule: did.Rule, Reason: did.Reason}
	key := roleKey(did, was, is)
	c := Change{Change: run.Change{Op: run.SetRole, User: did.User, Fields: roleField(is, was), Rule: did.Rule, Reason: "undoes run " + v.in.Undo.Run},
		Key: changeKey(run.SetRole, "undo>"+was, did.User.ID)}
	c.Proof.Reason, c.Proof.Rule = c.Reason, did.Rule
	back := *did
	back.Outcome = run.Held
	c.Against = []Opposite{{Key: key, Change: back}}
	a, known := m.Mirror.Number(did.User.ID)
	if !known || m.Mirror.Account(a).Deleted {
		v.refuse(c, "the account was deleted in Open WebUI since then")
		return
	}
	c.Account, c.Record = a, &OwnedRole{Role: was, Before: was, Since: v.in.Now, Why: whyRole}
	now := m.Mirror.Account(a).Role
	switch {
	case v.ignored[a]:
		v.skip(c, "the account is on the target's ignore list")
	case was == is:
		v.skip(c, "only who answers for the role was noted; end that with: groupsyncd release --group "+RoleGroup(is)+" --reason TEXT")
	case now == was && v.undone[key]:
		v.skip(c, "undone already")
	case now != is:
		v.refuse(c, fmt.Sprintf("its role is %s now: somebody changed it since then", now))
	case c.Demotes() && v.guarded[a]:
		c.Hold = &run.HoldRef{Check: run.Protected, Detail: "the account is on the target's protect list, or our own"}
		v.skip(c, "")
	default:
		if feeds := v.feedsOf(RoleGroup(was), did.User.ID); len(feeds) > 0 && RoleRank(was) > RoleRank(is) {
			c.Role, c.Feeds = RoleGroup(was), feeds
			c.Record.Before, c.Record.Rule, c.Record.Group = is, feeds[0].Rule, feeds[0].Group
			if last := m.Roles[did.User.ID]; last.Role == is && RoleRank(last.Before) >= 0 { // What was before us is still that.
				c.Record.Before = last.Before
			}
		}
		v.add(c)
	}
}

// roleKey gives the key that the plan of a run gave a change of a role, by what its report
// says of it.
func roleKey(did *run.Change, was, is string) string {
	id := did.User.ID
	up := RoleRank(is) > RoleRank(was)
	switch {
	case up && did.Rule != "":
		return changeKey(run.AddMember, RoleGroup(is), id)
	case up:
		return changeKey(run.SetRole, "back", id)
	case did.Rule != "":
		return RemovalKey(RoleGroup(was), id)
	case did.Absence != "":
		return suspensionKey(id)
	}
	return changeKey(run.SetRole, "otherwise", id)
}
