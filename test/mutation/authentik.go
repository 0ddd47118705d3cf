package main

// authentikLists are the guards of the source authentik: its lists are pages that move, and a
// token that sees a part of them gets no error.
func authentikLists() []mutation {
	const (
		folder = "./providers/authentik"
		walk   = "providers/authentik/walk.go"
		pull   = "providers/authentik/pull.go"
		why    = "histories have no HTTP"
	)
	list := []mutation{
		{name: "one walk over pages that move is no proof", file: walk, old: "if now.single || last != nil && last.sound && last.kept(now) {", new: "if now.single || last == nil && now.sound {", run: "TestSomebodyDeletedMovesNobodyOut|TestNobodyWhoStaysIsMissed"},
		{name: "the second walk shows everybody whom the first did", file: walk, old: "if _, there := later.at[id]; !there {", new: "if _, there := later.at[id]; !there && len(id) > 99 {", run: "TestSomebodyDeletedMovesNobodyOut|TestNobodyWhoStaysIsMissed"},
		{name: "fewer rows than are counted are not all", file: walk, old: "w.sound = w.sound && len(w.rows) == int(*p.Pagination.Count)", new: "w.sound = w.sound && len(w.rows) <= int(*p.Pagination.Count)", run: "TestAListIsProvedByItself"},
		{name: "a page that is gone is no end of the list", file: walk, old: "w.sound = false\n\t\t\treturn w, nil", new: "return w, nil", run: "TestAListIsProvedByItself"},
		{name: "our own account is among the users", file: pull, old: "if _, read := p.users[p.me.User.PK]; !read {", new: "if _, read := p.users[p.me.User.PK]; !read && len(p.order) == 0 {", run: "TestWhatTheTokenDoesNotSeeIsNotGone"},
		{name: "members of groups are among the users", file: pull, old: "if there && (g.Users == nil || slices.Contains(*g.Users, pk)) {", new: "if there && g.Users == nil {", run: "TestWhatTheTokenDoesNotSeeIsNotGone"},
		{name: "groups that others name are among the groups", file: pull, old: "if !seen || g.Users == nil {\n\t\t\treturn p.partly", new: "if !seen {\n\t\t\tcontinue\n\t\t}\n\t\tif g.Users == nil {\n\t\t\treturn p.partly", run: "TestWhatTheTokenDoesNotSeeIsNotGone"},
		{name: "members are not known where a group may be missing below", file: pull, old: "known := a.Snapshot.GroupsListed && g.Users != nil", new: "known := g.Users != nil", run: "TestWhatTheTokenDoesNotSeeIsNotGone"},
		{name: "keys of members that were not given are not nobody", file: pull, old: "slices.ContainsFunc(rows, func(g groupRow) bool { return g.Users == nil })", new: "false", run: "TestVersions"},
		{name: "a look-up sees every group above", file: "providers/authentik/lookup.go", old: "if !seen || g.PK != next[i] {", new: "if !seen {\n\t\t\t\tcontinue\n\t\t\t}\n\t\t\tif g.PK != next[i] {", run: "TestAGroupAboveThatIsHiddenEndsALookUp"},
		{name: "what a filter gives is looked at", file: "providers/authentik/lookup.go", old: "!seen[u.PK] && match(&u) && r.config.counts(&u)", new: "!seen[u.PK] && r.config.counts(&u)", run: "TestWhatAFilterGivesIsLookedAt"},
	}
	for i := range list {
		list[i].rule, list[i].pkg, list[i].beyond = "1.1", folder, why
	}
	return list
}
