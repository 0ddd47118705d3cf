package main

// oidcTokens gives the guards of what a token of an OpenID provider proves.
func oidcTokens() []mutation {
	const adapter = "of the adapter: the provider of a history is in memory"
	claims, sessions, judge := "providers/oidc/claims.go", "providers/oidc/sessions.go", "providers/oidc/judge.go"
	list := in("1.1 oidc", "providers/oidc",
		mutation{name: "a token without the claim names no groups and takes none", file: claims, old: "case !there:\n\t\treturn reading{state: absent,", new: "case !there:\n\t\treturn reading{state: explicit,", run: "TestEveryShapeOfAClaimHasAMeaning|TestWhatProvesNothingCoversNothing"},
		mutation{name: "null is no empty list", file: claims, old: "case value == nil:\n\t\treturn reading{state: absent,", new: "case value == nil:\n\t\treturn reading{state: explicit,", run: "TestEveryShapeOfAClaimHasAMeaning"},
		mutation{name: "too many groups are not none", file: claims, old: "if exceeded(claims, p) {", new: "if false {", run: "TestEveryShapeOfAClaimHasAMeaning"},
		mutation{name: "one of several claims that is missing leaves all in doubt", file: claims, old: "if r.state == absent && absentEmpty {", new: "if r.state == absent {", run: "TestSeveralClaimsAreUnitedOnlyIfAllAreThere"},
		mutation{name: "a value of another shape is no list", file: claims, old: "if r.state != explicit {\n\t\t\treturn reading{state: r.state, why: r.why}", new: "if r.state == overage {\n\t\t\treturn reading{state: r.state, why: r.why}", run: "TestEveryShapeOfAClaimHasAMeaning"},
		mutation{name: "the newest token counts", file: sessions, old: "return b.issued.Compare(a.issued)", new: "return 0", run: "TestTheNewestTokenCounts"},
		mutation{name: "evidence is never of the future", file: sessions, old: "if asOf.After(arrived) {", new: "if false {", run: "TestEvidenceIsNeverOfTheFuture"},
		mutation{name: "a token of somebody else is not theirs", file: sessions, old: `case subject != "" && t.subject != subject:`, new: "case false:", run: "Test.*"},
		mutation{name: "userinfo of somebody else is not theirs", file: "providers/oidc/userinfo.go", old: `if text(claims, "sub") != subject {`, new: "if false {", run: "TestSessionsAreReadThroughUserinfoOnlyWhereTheIDTokenIsThin|Test.*UserInfo.*|TestUserinfo.*"},
		mutation{name: "an address that is not verified links nobody", file: "providers/oidc/person.go", old: `case false, "false":`, new: `case "never":`, run: "TestAnAddressCountsUnlessItIsSaidToBeUnverified"},
		mutation{name: "a posted token must be alive", file: judge, old: "case use != storedToken && !t.expires.After(now):", new: "case false:", run: "TestEveryWayInWhichATokenCanBeWrong"},
		mutation{name: "a token for another client does not count", file: judge, old: "if !slices.Contains(list, v.audience) {", new: "if !slices.Contains(list, v.audience) && len(list) == 0 {", run: "TestEveryWayInWhichATokenCanBeWrong"},
		mutation{name: "nor one that another client asked for", file: judge, old: "case there && party != v.audience:", new: "case there && party == nil:", run: "TestEveryWayInWhichATokenCanBeWrong"},
		mutation{name: "a token says when it was issued", file: judge, old: "case t.issued.After(now.Add(leeway)):", new: "case false:", run: "TestEveryWayInWhichATokenCanBeWrong"},
		mutation{name: "a sweep that left accounts out is no whole one", file: "providers/oidc/sweep.go", old: "if len(failures) > 0 {\n\t\treturn", new: "if false {\n\t\treturn", run: "TestOneBadAccountDoesNotEndASweep"},
		mutation{name: "the newer of two posted tokens is kept", file: "providers/oidc/tokens.go", old: "before.person.user.AsOf.After(p.user.AsOf)", new: "before == nil", run: "TestTheNewerOfTwoPostedTokensIsKept"},
	)
	for i := range list {
		list[i].beyond = adapter
	}
	return list
}
