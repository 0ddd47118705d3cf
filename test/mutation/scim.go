package main

// scimLists gives the guards of what lists and members of a SCIM server prove.
func scimLists() []mutation {
	walk, pages, confirm, explore := "providers/scim/walk.go", "providers/scim/pages.go", "providers/scim/confirm.go", "providers/scim/explore.go"
	list := in("1.1 scim", "providers/scim",
		mutation{name: "a page begins with the last entry of the one before", file: pages, old: "if ids[0] != last {", new: "if ids[0] != last && false {", run: "TestADeletionIsSeenBesideANewPerson"},
		mutation{name: "one entry a page is walked twice", file: walk, old: "case err == nil && !plain:", new: "case err == nil && (plain || !plain):", run: "TestOneEntryAPageIsWalkedTwice"},
		mutation{name: "more are counted than shown", file: pages, old: "case *c.last > n:", new: "case false:", run: "TestPagesOfEveryKindProveTheirEnd"},
		mutation{name: "an empty object is no empty list", file: "providers/scim/wire.go", old: "if w.Resources == nil && (l.total == nil || *l.total != 0) {", new: "if false {", run: "TestConformance"},
		mutation{name: "hidden members are no empty groups", file: "providers/scim/groups.go", old: "case how == unknown:", new: "case how == way(\"no way\"):", run: "TestHiddenMembersAreNoEmptyGroups"},
		mutation{name: "a list may show some members only", file: explore, old: "case g.count() > o.groups[id].count():", new: "case g == nil:", run: "TestHiddenMembersAreNoEmptyGroups"},
		mutation{name: "a filter that finds everything finds nobody", file: explore, old: "return none == nil || len(none.order) == 0, nil", new: "return none == nil || none != nil, nil", run: "TestHiddenMembersAreNoEmptyGroups"},
		mutation{name: "who is missing is asked for", file: confirm, old: "for id := range last.users {", new: "for id := range map[string]bool{} {", run: "TestWhoIsMissingIsAskedFor"},
		mutation{name: "a filter is tried for groups in groups too", file: "providers/scim/personsgroups.go", old: "{last.child, last.parent}, ", new: "", run: "TestAFilterThatFindsNothingIsNotBelieved"},
		mutation{name: "an id of two things is neither", file: "providers/scim/pull.go", old: "lost || either {", new: "lost {", run: "TestMembersAreToldApart"},
		mutation{name: "neither gets in", file: "providers/scim/pull.go", old: "ref.ID != \"\" && !either {", new: "ref.ID != \"\" {", run: "TestAUserIsNotTakenForTheGroupOfTheSameID"},
		mutation{name: "filters by such an id count for nothing", file: "providers/scim/personsgroups.go", old: "if last != nil && last.shared {", new: "if false {", run: "TestAUserIsNotTakenForTheGroupOfTheSameID"},
		mutation{name: "groups in groups are asked for by filter too", file: "providers/scim/groups.go", old: "if r.config.Nested {", new: "if false {", run: "TestALookUpShowsWhatAReadShows"},
		mutation{name: "tags that do not change are not believed", file: "providers/scim/etag.go", old: "r.lies = true", new: "r.lies = false", run: "TestETagsSpareWhatDidNotChange"},
		mutation{name: "no word on active is no word", file: "providers/scim/users.go", old: "case \"true\":", new: "case \"true\", \"\":", run: "TestStatusIsKnownOnlyWhereItIsShown"},
	)
	for i := range list {
		list[i].beyond = "of the adapter: the sources of a history are in memory"
	}
	return list
}
