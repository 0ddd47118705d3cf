package plan

import (
	"fmt"

	"groupsyncd/sync/run"
)

// demotions judges how many people lose a role, in this run and with those of the last day:
// any step down counts.
func (g *guard) demotions() {
	losing := map[string]bool{}
	var changes []int
	for _, i := range g.fresh {
		if c := &g.p.Changes[i]; c.Outcome != run.Held && c.Demotes() {
			losing[c.User.ID] = true
			changes = append(changes, i)
		}
	}
	if len(losing) == 0 {
		return
	}
	now := len(losing)
	for scope, accounts := range g.lost() {
		for _, id := range accounts {
			if IsRole(scope) {
				losing[id] = true
			}
		}
	}
	having := 0
	for _, a := range g.in.Memory.Mirror.Accounts() {
		if !a.Deleted && RoleRank(a.Role) > RoleRank(RolePending) {
			having++
		}
	}
	if had := having + len(losing) - now; g.limits.MaxDemotions.Exceeded(len(losing), had) {
		g.holdAll(changes, run.MaxDemotions, "", count(len(losing), had, g.limits.MaxDemotions)+" would lose a role within 24 hours")
	}
}

// promotions judges how many people become administrator in one run.
func (g *guard) promotions() {
	var fresh []int
	admins := 0
	for i := range g.p.Changes {
		c := &g.p.Changes[i]
		if _, to := c.Roles(); c.Promotes() && to == RoleAdmin && !c.Approved && c.Outcome == run.Planned {
			fresh = append(fresh, i)
		}
	}
	for _, a := range g.in.Memory.Mirror.Accounts() {
		if !a.Deleted && a.Role == RoleAdmin {
			admins++
		}
	}
	if len(fresh) > 0 && g.limits.MaxNewAdmins.Exceeded(len(fresh), admins) {
		g.holdAll(fresh, run.MaxNewAdmins, "", fmt.Sprintf("%d new administrators > %s in one run", len(fresh), g.limits.MaxNewAdmins))
	}
}

// lastAdmin keeps an administrator: where none would be left but those who stop being one, all
// of them stay. No approval lets that through, and it ends as soon as there is another one.
func (g *guard) lastAdmin() {
	left := 0
	for _, a := range g.in.Memory.Mirror.Accounts() {
		if !a.Deleted && a.Role == RoleAdmin {
			left++
		}
	}
	var going []int
	for i := range g.p.Changes {
		c := &g.p.Changes[i]
		if from, _ := c.Roles(); from == RoleAdmin && c.Demotes() && c.Outcome == run.Planned {
			going = append(going, i)
		}
	}
	if len(going) == 0 || len(going) < left {
		return
	}
	for _, i := range going {
		g.p.Changes[i].Approved = false
		g.hold(i, run.LastAdmin, "", "no administrator would be left")
	}
}
