package main

import "slices"

// googleGroups gives the guards of what the Directory API of Google proves.
func googleGroups() []mutation {
	const at = "providers/google/"
	return slices.Concat(in("8 google lists", "providers/google",
		mutation{name: "an object that says no kind is no empty list", file: at + "api.go", old: "if p.Kind != l.kind {", new: "if false {", run: "TestAnObjectWithoutKindIsNoEmptyGroup"},
		mutation{name: "an empty page is not the last", file: at + "api.go", old: `if p.Next == "" {`, new: `if p.Next == "" || len(p.Users)+len(p.Groups)+len(p.Members) == 0 {`, run: "TestAnEmptyPageIsNotTheLast"},
		mutation{name: "who is missing from several pages is looked for once more", file: at + "members.go", old: "if pages == 1 || before != nil && before.pages > 1 && !n.lacks(before) {", new: "if pages > 0 || before != nil && before.pages > 1 && !n.lacks(before) {", run: "TestSomebodyWhomAWalkPassesByStaysAMember"},
		mutation{name: "the first walk through several pages is not believed", file: at + "members.go", old: "before != nil && before.pages > 1 &&", new: "(before == nil || before.pages > 1) &&", run: "TestSomebodyWhomAWalkPassesByStaysAMember"},
		mutation{name: "a group that is listed and not found is not deleted", file: at + "pull.go", old: "\t\tif now[id] {\n\t\t\tagain", new: "\t\tif now[id] && false {\n\t\t\tagain", run: "TestAGroupThatIsThereButNotFoundIsNotEmpty"},
		mutation{name: "a listed group that may not be read is not left out", file: at + "members.go", old: "case !listed[id] && refused(err):", new: "case refused(err):", run: "TestWhetherEverybodyIsInAGroupThatCannotBeReadIsNotKnown"},
		mutation{name: "a value of unknown form is not an absent one", file: at + "attributes.go", old: "\tif err := json.Unmarshal(data, &many); err != nil {\n\t\treturn errValue", new: "\tif err := json.Unmarshal(data, &many); err != nil {\n\t\treturn nil", run: "TestAnAttributeOfUnknownFormIsNotAnAbsentOne"},
		mutation{name: "a status that is not shown is not known", file: at + "api.go", old: "StatusKnown: u.Suspended != nil,", new: "StatusKnown: true,", run: "TestAStatusThatIsNotShownIsNotKnown"},
		mutation{name: "who was restored is not deleted", file: at + "pull.go", old: "slices.DeleteFunc(deleted, p.people.HasUser)", new: "slices.DeleteFunc(deleted, func(string) bool { return false })", run: "TestWhoIsInBothListsIsNotDeleted"},
	), in("8 google look-ups", "providers/google",
		mutation{name: "groups of other customers are nobody's", file: at + "climb.go", old: "if !c.view.listed[g.ID] {", new: "if false {", run: "TestGroupsOfOtherCustomersAreNobodys"},
		mutation{name: "an address that was somebody else's finds nobody", file: at + "lookup.go", old: `case who.ID == "" && directory.FoldEmail(u.PrimaryEmail) != directory.FoldEmail(key):`, new: `case false:`, run: "TestALookUpFindsPrimaryAddressesOnly"},
		mutation{name: "an id is no address", file: at + "lookup.go", old: `case who.ID != "" && u.ID != who.ID:`, new: `case false:`, run: "TestALookUpFindsPrimaryAddressesOnly"},
		mutation{name: "a search that misses a group proves nothing", file: at + "climb.go", old: "\t\tif is {\n", new: "\t\tif is && false {\n", run: "TestAGroupAroundThatASearchDoesNotFindIsAsked"},
		mutation{name: "groups of everybody are asked for", file: at + "climb.go", old: "range c.view.everybodys(u.CustomerID) {", new: "range []string(nil) {", run: "TestAGroupOfEverybodyHasEverybody"},
		mutation{name: "a group that nobody could read leaves a doubt", file: at + "lookup.go", old: "case len(v.unread) > 0:", new: "case false:", run: "TestWhetherEverybodyIsInAGroupThatCannotBeReadIsNotKnown"},
		mutation{name: "a group of everybody that is refused leaves a doubt", file: at + "climb.go", old: "\t\tcase refused(err):\n\t\t\tc.doubts(id)\n", new: "\t\tcase refused(err):\n", run: "TestWhetherEverybodyIsInAGroupThatCannotBeReadIsNotKnown"},
		mutation{name: "nobody is only who is missing while others are shown", file: at + "lookup.go", old: "\tif refused(err) {\n", new: "\tif refused(err) {\n\t\treturn nil, \"nobody\", nil\n\t}\n\tif refused(err) {\n", run: "TestNobodyIsMissingWhileNothingIsShown"},
	), in("8 google limits", "providers/google",
		mutation{name: "too much at once lets everybody wait", file: at + "throttle.go", old: "b.limiter.Pause(wait)", new: "_ = wait", run: "TestAQuotaThatOthersUseUpIsNoStorm"},
		mutation{name: "the quota of the day is not asked for again", file: at + "throttle.go", old: `"rateLimitExceeded", "quotaExceeded"}`, new: `"rateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"}`, run: "TestErrorsSayWhatToClick"},
	))
}
