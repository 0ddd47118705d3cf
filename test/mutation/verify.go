package main

// verifications are the guards between a token and what is believed of it, beside those of
// oidcTokens.
func verifications() []mutation {
	const dir, pkg = "providers/oidc/", "providers/oidc"
	verify, judge, keys, claims, sessions := dir+"verify.go", dir+"judge.go", dir+"keys.go", dir+"claims.go", dir+"sessions.go"
	const wrong, good = "TestEveryWayInWhichATokenCanBeWrong", "TestGoodTokensAreTaken"
	list := in("6.4 tokens", pkg,
		mutation{name: "only named signatures", file: verify, old: "if !slices.Contains(v.algorithms, g.alg) {", new: "if g.alg == \"\" {", run: wrong},
		mutation{name: "a token of another kind does not pass", file: verify, old: "if !slices.Contains(fits, g.typ) {", new: "if g.typ == \"x\" {", run: wrong},
		mutation{name: "the issuer to the letter", file: verify, old: "return iss == v.issuer || ", new: "return iss != \"\" || ", run: "TestGoogleLeavesOutTheScheme"},
		mutation{name: "a stored token may have ended", file: judge, old: "case use != storedToken && !t.expires.After(now):", new: "case !t.expires.After(now):", run: "TestTheNewestTokenCounts"},
		mutation{name: "iat is needed", file: judge, old: `if t.issued, ok = moment(t.claims, "iat"); !ok {`, new: `if t.issued, ok = moment(t.claims, "iat"); false {`, run: wrong},
		mutation{name: "nbf counts for stored tokens too", file: judge, old: "if !ok || from.After(now.Add(leeway)) {", new: "if !ok || from.IsZero() {", run: wrong},
		mutation{name: "what counts once is young", file: judge, old: "t.issued.Before(now.Add(-oneTime)):", new: "t.issued.Before(now.Add(-1000*oneTime)):", run: wrong},
		mutation{name: "several audiences name who asked", file: judge, old: "case !there && len(list) > 1:", new: "case false:", run: wrong},
		mutation{name: "a request token has an audience", file: judge, old: "if len(list) == 0 {\n", new: "if len(list) < 0 {\n", run: wrong},
		mutation{name: "a subject", file: judge, old: `if why := badSubject(t.subject); why != "" {`, new: `if why := badSubject(t.subject); why == "x" {`, run: wrong},
		mutation{name: "what counts once has an id", file: judge, old: `if t.id == "" || proper(t.id) != nil {`, new: "if false {", run: wrong},
		mutation{name: "an event is no ID token", file: judge, old: `if _, there := claims["events"]; there {`, new: `if _, there := claims["events"]; there && false {`, run: wrong},
		mutation{name: "one name of a claim is that name", file: dir + "jwt.go", old: "if !slices.Contains(judged, name) {", new: "if !slices.Contains(judged, name) && name == \"\" {", run: good},
		mutation{name: "a part is base64url and nothing else", file: dir + "jwt.go", old: "!encoded(header) || !encoded(payload) || !encoded(signature)", new: `header == "" || payload == "" || signature == ""`, run: wrong},
		mutation{name: "errors show nothing that nobody signed", file: verify, old: `if use == storedToken {`, new: `if use != "" {`, run: "TestOnlyWhatTheProviderSignedIsShown"},
	)
	list = append(list, in("6.4 keys", pkg,
		mutation{name: "a flood of tokens asks rarely", file: keys, old: "case asked.IsZero() || wait <= 0 || wait > keysEvery:", new: "case true:", run: "TestAFloodOfUnknownKeysFetchesRarely"},
		mutation{name: "a key that is not there is not asked for again", file: keys, old: "if k.gone(kid) {", new: "if false {", run: "TestTheSameUnknownKeyIsLookedForOnce"},
		mutation{name: "a younger token is put off and not refused", file: keys, old: "case issued.After(fetched):", new: "case fetched.IsZero():", run: "TestARotatedKeyIsFoundAtOnce"},
		mutation{name: "a key that was taken back is forgotten", file: keys, old: "if age < keysFresh {\n\t\tif payload", new: "if age < keysLast {\n\t\tif payload", run: "TestAKeyThatWasTakenBackIsForgotten"},
		mutation{name: "keys serve for a day without their provider", file: keys, old: "if age >= keysLast {", new: "if age < 0 {", run: "TestKnownKeysServeWhileTheProviderIsAway"},
		mutation{name: "a shared secret verifies nothing", file: keys, old: "!key.IsPublic() || ", new: "", run: "TestKeySetsHoldOnlyWhatVerifies"},
		mutation{name: "a key for encryption verifies nothing", file: keys, old: `key.Use != "" && key.Use != "sig" ||`, new: "", run: "TestKeySetsHoldOnlyWhatVerifies"},
		mutation{name: "the provider is who issuer says", file: dir + "provider.go", old: "if said.Issuer != p.issuer {", new: "if said.Issuer == \"\" {", run: "TestAProviderThatFailsIsAnErrorAndNeverAnAnswer"},
		mutation{name: "keys come over TLS", file: dir + "provider.go", old: "if httpx.InClear(u) {", new: "if false {", run: "TestAProviderThatFailsIsAnErrorAndNeverAnAnswer"},
		mutation{name: "a provider that is down is asked rarely", file: dir + "provider.go", old: "if p.failed == nil || wait <= 0 || wait > failedFor {", new: "if true {", run: "TestGarbageAsksNobody|TestAProviderThatComesBackIsFound"},
	)...)
	return append(list, in("6.4 claims", pkg,
		mutation{name: "an empty object is no empty list", file: claims, old: `return nil, errors.New("is an empty object")`, new: "return []directory.Group{}, nil", run: "TestEveryShapeOfAClaimHasAMeaning|TestOnlyAnExplicitClaimTakesAway"},
		mutation{name: "an object of another form names no groups", file: claims, old: "if !ok || len(by) == 0 {", new: "if !ok && by != nil && len(by) < 0 {", run: "TestEveryShapeOfAClaimHasAMeaning"},
		mutation{name: "too many groups are not cut", file: claims, old: "if len(out.groups) > maxGroups {", new: "if false {", run: "TestMoreGroupsThanAnybodyHasCoverNothing"},
		mutation{name: "a thin token and no userinfo is not empty", file: sessions, old: "s.config.AbsentClaim == AbsentEmpty && !asks)", new: "s.config.AbsentClaim == AbsentEmpty)", run: "TestWhatProvesNothingCoversNothing"},
		mutation{name: "a signed answer is for us", file: dir + "userinfo.go", old: `text(claims, "iss") != s.config.Issuer || !slices`, new: `text(claims, "iss") == "" || false && !slices`, run: "TestUserinfoMayBeSigned"},
		mutation{name: "what an ID token says is as old as it is", file: sessions, old: "if got.last == 0 {", new: "if true {", run: "TestSessionsAreReadThroughUserinfoOnlyWhereTheIDTokenIsThin"},
		mutation{name: "evidence is as of iat", file: sessions, old: "asOf := t.issued\n", new: "asOf := arrived\n", run: "TestAnOlderTokenNeverWins|TestOnlyAnExplicitClaimTakesAway"},
		mutation{name: "what is kept has an end", file: dir + "tokens.go", old: "return len(k.people) < maxKept && k.bytes+bytes <= maxMemory", new: "return true", run: "TestWhatIsKeptIsBounded"},
		mutation{name: "posted tokens are forgotten", file: dir + "tokens.go", old: "case w == nil || k.now().Sub(w.since) >= keptFor:", new: "case w == nil:", run: "TestPostedTokensAreForgottenAfterMinutes"},
		mutation{name: "a server that fails is left alone", file: dir + "sweep.go", old: "if inARow++; inARow >= maxInARow {", new: "if inARow++; inARow < 0 {", run: "TestATargetThatFailsIsLeftAlone"},
		mutation{name: "a sweep is slow", file: dir + "sweep.go", old: "p.next = now.Add(p.every)", new: "p.next = now", run: "TestASweepIsSlow"},
	)...)
}
