package main

import "slices"

// singles gives the guards of sources that know single people only (design 1.2), and of runs
// of one person (design 4).
func singles() []mutation {
	single, compute := "sync/plan/single.go", "sync/plan/compute.go"
	person, account, who, lookUps := "sync/engine/person.go", "sync/engine/account.go", "sync/engine/who.go", "sync/replica/lookup.go"
	queue := "sync/engine/queue.go"
	return slices.Concat(in("1.2 single people", "sync/plan",
		mutation{name: "everybody in it is whom it showed lately", file: compute, old: "fresh || src.Single && src.current(&rows[n], true, c.in.Now)", new: "fresh || src.Single", run: "TestEveryoneAtASourceOfSinglePeople.*", beyond: "no rule of a history is about everybody of a source of sign-ins"},
		mutation{name: "exact takes nobody out", file: "sync/plan/members.go", old: "!fresh || c.in.Sources[s].Single {", new: "!fresh && !c.in.Sources[s].Single {", run: "TestAnExactGroupTakesNobodyOut.*"},
		mutation{name: "an object id of two accounts leads to none", file: single, old: "!subject && !doubt[key]", new: "!subject", run: "TestPeopleAreFoundByTheirObjectID", beyond: "the tokens of histories have no object ids"},
		mutation{name: "a subject means its account alone", file: single, old: "!subject && !doubt[key]", new: "!doubt[key] && (subject || !subject)", run: "TestPeopleAreFoundByTheirObjectID", beyond: "the tokens of histories have no object ids"},
		mutation{name: "only such a source vouches for an object id", file: single, old: `if !src.Single || src.Provider == "" {`, new: `if src.Provider == "" {`, run: "TestPeopleAreFoundByTheirObjectID", beyond: "the tokens of histories have no object ids"},
		mutation{name: "one of several providers is no only one", file: "sync/plan/mirror.go", old: "case only != \"\":\n\t\t\t\treturn \"\"", new: "case only == provider+\"!\":\n\t\t\t\treturn \"\"", run: "TestTheOnlyProviderOfATarget", beyond: "histories have one provider"},
	), in("1.2 single people", "sync/replica",
		mutation{name: "a group is as of who shows it", file: lookUps, old: "if newest.IsZero() {\n\t\treturn m.asOf\n\t}\n\treturn newest", new: "return m.asOf", run: "TestAGroupThatOnlyTokensShowIsUnread", beyond: "a name in a token never changes"},
		mutation{name: "many are judged as each is", file: lookUps, old: "if i < len(people) && people[i].user == n {", new: "if i < len(people) && people[i].user == n && i == 0 {", run: "TestManyPeopleLookedUpAtOnceAreAsOneByOne", beyond: "a history has six people"},
	), in("1.2 single people", "sync/engine",
		mutation{name: "a sweep that broke is a failure", file: "sync/run/run.go", old: `s.Single && s.Hint == ""`, new: "s.Single", run: "TestASweepThatProvedWhatItCouldIsNoFailure"},
		mutation{name: "the only provider is that of the target that is read", file: who, old: `src.Subject == "" || !here {`, new: `src.Subject == "" || !here && false {`, run: "TestAProviderThatNobodyNamedIsTheOnlyOne", beyond: "histories have one provider"},
	), in("1.2 single people", "config",
		mutation{name: "exact is refused", file: "config/single.go", old: "if slices.Contains(single, name) {", new: "if slices.Contains(single, name) && false {", run: "TestBadFilesSayWhatIsWrong", beyond: "of the configuration"},
		mutation{name: "exact is refused for every source", file: "config/single.go", old: "if len(r.From) == 0 {", new: "if false {", run: "TestBadFilesSayWhatIsWrong", beyond: "of the configuration"},
	), in("4 one person", "sync/engine",
		mutation{name: "an account that was deleted and is back means a restored server", file: account, old: "if buried || heldAsChanged(mem)", new: "if heldAsChanged(mem)", run: "TestAnAccountThatIsGoneTakesItsMembershipsAlong"},
		mutation{name: "a server that was never seen is looked at as a whole", file: account, old: " || mem.Mirror.At.IsZero() {", new: " {", run: "TestASignInAtAServerThatWasNeverSeen.*"},
		mutation{name: "a failure leaves a trace", file: person, old: "!p.bySelf() || p.failed ||", new: "!p.bySelf() ||", run: "TestASourceThatKeepsFailingDoesNotFillTheHistoryWithSignIns", beyond: "of the list of runs, which changes nothing for anybody"},
		mutation{name: "what was left alone is no failure", file: person, old: "out.report = e.left(ctx, src, &t)\n\t\treturn out", new: "out.report, out.failed = e.left(ctx, src, &t), true\n\t\treturn out", run: "TestASourceThatKeepsFailingDoesNotFillTheHistoryWithSignIns", beyond: "of the list of runs, which changes nothing for anybody"},
		mutation{name: "somebody is in one run at a time", file: queue, old: "if !taken {\n\t\t\treturn nil", new: "if taken || !taken {\n\t\t\treturn nil", run: "TestDifferentPeopleSignInAtOnce", beyond: "one thing happens at a time in a history"},
		mutation{name: "quiet is when nobody is served", file: queue, old: "for taken < people {", new: "for taken < 1 {", run: "TestQuietWaitsForTheLastOne", beyond: "one thing happens at a time in a history"},
	), in("4 one person", "state",
		mutation{name: "runs of one person push no other out", file: "state/runs.go", old: "if db.single(reports, key) {", new: "if db.single(reports, key) && false {", run: "TestRunsOfOnePersonPushNoOtherRunOut", beyond: "of the store: histories keep theirs in memory"},
	))
}
