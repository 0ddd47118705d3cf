package main

import "slices"

// teams are the guards of teams, of owners of directory groups, and of parents.
func teams() []mutation {
	return slices.Concat(in("teams: owners", "sync/replica",
		mutation{name: "a look-up says nothing about owners", file: "sync/replica/lookup.go", old: "if m.new.groups[n].OwnersOf != \"\" {", new: "if false {", run: "TestALookUpSaysNothingAboutOwners"},
		mutation{name: "a look-up proves no owner absent", file: "sync/replica/absence.go", old: "(g.OwnersOf != \"\" || !g.MembersAt.Before(u.GroupsAt)):", new: "!g.MembersAt.Before(u.GroupsAt):", run: "TestALookUpSaysNothingAboutOwners"},
	), in("teams: owners", "sync/mapping",
		mutation{name: "only a rule for owners selects owners", file: "sync/mapping/apply.go", old: "|| groups[n].OwnersOf != \"\" {", new: "{", run: "TestOnlyARuleForOwnersSelectsThem"},
		mutation{name: "a name from the directory is no pattern", file: "sync/mapping/team.go", old: "if strings.ContainsAny(text, \"*?\") {", new: "if strings.ContainsAny(text, \"\") {", run: "TestResourcesByTheNameOfATeam"},
	), in("teams: parents", "sync/plan",
		mutation{name: "no group is above itself", file: "sync/plan/parent.go", old: "\t\t\treturn above{}, false\n\t\t}\n\t\tseen[next] = true", new: "\t\t\treturn up, true\n\t\t}\n\t\tseen[next] = true", run: "TestNoGroupIsAboveItself"},
		mutation{name: "a parent that is gone is not put back", file: "sync/plan/parent.go", old: "before == \"\" || c.in.Memory.Mirror.Group(before) != nil", new: "before != \"none\"", run: "TestAParentThatIsGoneIsNotPutBack"},
	), in("teams: isolation", "sync/plan",
		mutation{name: "nothing is taken away in doubt", file: "sync/plan/isolation.go", old: "t.Isolation == IsolationEnforce, c.certain(t)", new: "t.Isolation == IsolationEnforce, true", run: "TestNothingIsTakenAwayInDoubt"},
		mutation{name: "a report takes nothing away", file: "sync/plan/isolation.go", old: "case !enforced || !l.Closable:", new: "case !l.Closable:", run: "TestWhatLetsOthersIn"},
		mutation{name: "what a rule shares stays shared", file: "sync/plan/leaks.go", old: "leak.Closable, leak.Why = false, ", new: "leak.Closable, leak.Why = true, ", run: "TestEnforceTakesAwayWhatCanBeTakenAway"},
		mutation{name: "who joins the team in this run is in it", file: "sync/plan/isolation.go", old: "\t\tc.joining(t)\n", new: "", run: "TestWhoJoinsTheTeamKeepsTheirGrant"},
		mutation{name: "what is held stays held in doubt", file: "sync/plan/isolation.go", old: "c.plan.Unknown[grantKey(*l.Resource, removing, *l.Grant)] = true", new: "", run: "TestEnforcementPassesTheGuard"},
		mutation{name: "groups of the team let nobody else in", file: "sync/plan/leaks.go", old: "if o.owns(up) && ", new: "if o.owns(up+\"no\") && ", run: "TestWhatLetsOthersIn"},
		mutation{name: "people of the team keep their own grants", file: "sync/plan/leaks.go", old: "|| in || g.ID == r.Owner", new: "|| in && false || g.ID == r.Owner", run: "TestWhatLetsOthersIn"},
		mutation{name: "what is not of the team is none of its business", file: "sync/plan/teams.go", old: "(globs[r.Type].Match(r.ID, r.Name) || ", new: "(true || ", run: "TestEnforceTakesAwayWhatCanBeTakenAway"},
		mutation{name: "what a manager made stays with the team", file: "sync/plan/grants.go", old: " || s.stays(rule, key, permission))", new: ")", run: "TestWhatAManagerMadeStaysWithTheTeam"},
	))
}
