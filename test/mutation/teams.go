package main

import "slices"

// teams are the guards of teams, of owners of directory groups, and of parents.
func teams() []mutation {
	return slices.Concat(in("teams: owners", "sync/replica",
		mutation{name: "a look-up says nothing about owners", file: "sync/replica/lookup.go", old: "if m.new.groups[n].OwnersOf != \"\" {", new: "if false {", run: "TestALookUpSaysNothingAboutOwners"},
		mutation{name: "a look-up proves no owner absent", file: "sync/replica/absence.go", old: "(g.OwnersOf != \"\" || !g.MembersAt.Before(u.GroupsAt)):", new: "!g.MembersAt.Before(u.GroupsAt):", run: "TestALookUpSaysNothingAboutOwners"},
	), in("teams: owners", "sync/mapping",
		mutation{name: "only a rule for owners selects owners", file: "sync/mapping/apply.go", old: "|| groups[n].OwnersOf != \"\" {", new: "{", run: "TestOnlyARuleForOwnersSelectsThem"},
	), in("teams: parents", "sync/plan",
		mutation{name: "no group is above itself", file: "sync/plan/parent.go", old: "\t\t\treturn above{}, false\n\t\t}\n\t\tseen[next] = true", new: "\t\t\treturn up, true\n\t\t}\n\t\tseen[next] = true", run: "TestNoGroupIsAboveItself"},
		mutation{name: "a parent that is gone is not put back", file: "sync/plan/parent.go", old: "before == \"\" || c.in.Memory.Mirror.Group(before) != nil", new: "true", run: "TestAParentThatIsGoneIsNotPutBack"},
	))
}
