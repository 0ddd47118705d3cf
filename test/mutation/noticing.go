package main

import "slices"

// noticing gives the guards of what Open WebUI tells of sign-ins.
func noticing() []mutation {
	const pkg = "target/openwebui"
	sessions, watch, events, app := pkg+"/sessions.go", pkg+"/signins.go", pkg+"/events.go", "app/signins.go"
	return slices.Concat(in("6.1 stored sessions", pkg, []mutation{
		{name: "everybody or an error", file: sessions, old: "if err := r.s.complete(ctx, missing, read); err != nil {", new: "if err := r.s.complete(ctx, missing, read); err != nil && len(read.list) == 0 {", run: "TestSignedInShowsEverybodyOrFails"},
		{name: "only the server itself says that there is none", file: sessions, old: "e.Status == http.StatusBadRequest && e.JSON", new: "e.Status >= http.StatusBadRequest", run: "TestSessionsThatCannotBeReadAreAnError"},
		{name: "nothing of an answer with tokens is repeated", file: sessions, old: "Into: &all, Repeat: true, Secret: true,", new: "Into: &all, Repeat: true,", run: "TestSessionsThatCannotBeReadAreAnError"},
		{name: "an expired access token is not used", file: sessions, old: "if now.Before(v.Expires) {", new: "if !now.IsZero() {", run: "TestSessionsShowWhatSignInsLeftBehind"},
		{name: "the newest session comes first", file: sessions, old: "cmp.Or(cmp.Compare(b.Updated, a.Updated)", new: "cmp.Or(cmp.Compare(a.Updated, b.Updated)", run: "TestSessionsShowWhatSignInsLeftBehind"},
		{name: "sessions of another provider are not ours", file: watch, old: "return w.Provider == provider\n", new: "return provider != \"\"\n", run: "TestNoStoredSessionIsNoError"},
		{name: "a subject that moved is nobody", file: sessions, old: "if err == nil && who.Subject != subject {", new: "if err == nil && who.Subject == \"\" {", run: "TestFindDoesNotReadEverybodyAgainAndAgain"},
		{name: "a part of a mail is nobody's", file: sessions, old: "if directory.FoldEmail(a.Email) != directory.FoldEmail(mail) {", new: "if a.Email == \"\" {", run: "TestFindLooksByAccountSubjectAndMail"},
	}...), in("6.1 watch", pkg, []mutation{
		{name: "a restart looks at nobody again", file: watch, old: "\tif w.begun == 0 {\n\t\tif found", new: "\tif w.begun = max(w.begun, 1); w.begun == 0 {\n\t\tif found", run: "TestARestartLooksAtNobodyAgain"},
		{name: "who came first meanwhile is not missed", file: watch, old: "len(w.o.Known) > 0 && page <= maxNewPages", new: "len(w.o.Known) > 0 && page == 0", run: "TestARestartLooksAtNobodyAgain"},
		{name: "somebody is back after a while only", file: watch, old: "case u.ActiveAt-before.active >= int64(away/time.Second):", new: "case u.ActiveAt > before.active:", run: "TestASignInIsNoticedByActivity"},
		{name: "a look reads on until it knows", file: watch, old: "users[len(users)-1].ActiveAt < back || page == maxActivePages", new: "users[len(users)-1].ActiveAt < back || page == 1", run: "TestManyWhoComeAtOnceAreAllNoticed"},
		{name: "an order that was not asked for tells nothing", file: watch, old: "if page == 1 && !slices.IsSortedFunc(", new: "if page == 0 && !slices.IsSortedFunc(", run: "TestAFailedLookLosesNobody"},
		{name: "ignored accounts are not noticed", file: watch, old: "\tif w.ignored(u) {\n\t\treturn \"\"", new: "\tif u.ID == \"\" {\n\t\treturn \"\"", run: "TestIgnoredAccountsAreNotNoticed"},
		{name: "a session counts once", file: watch, old: "if stamp != p.session && written >= p.heeded {", new: "if written >= p.heeded {", run: "TestSomebodyActiveWhoSignsInAnewIsNoticedByTheirSession"},
		{name: "sessions of before are heeded", file: watch, old: "if stamp != p.session && written >= p.heeded {", new: "if stamp != p.session {", run: "TestSomebodyActiveWhoSignsInAnewIsNoticedByTheirSession"},
		{name: "sessions are read within a budget", file: watch, old: "return min(max(1, int(w.o.Every/time.Second)), pageSize)", new: "return 1 << 20", run: "TestSessionsAreReadInTurnWithinABudget"},
		{name: "one that fails keeps nobody else waiting", file: watch, old: "\t\tp.checked = w.looks\n", new: "", run: "TestSessionsAreReadInTurnWithinABudget"},
	}...), in("6.5 event webhooks", pkg, []mutation{
		{name: "webhooks of others are left alone", file: events, old: "func(w hookWire) bool { return !h.owns(&w) }", new: "func(w hookWire) bool { return h == nil }", run: "TestOurEventWebhookIsSetUp"},
		{name: "a neighbor is not ours", file: events, old: `strings.HasPrefix(w.URL, h.Address+"/") {`, new: "strings.HasPrefix(w.URL, h.Address) {", run: "TestOurEventWebhookIsSetUp"},
		{name: "a lost answer makes no second one", file: events, old: "return len(ours) > 0, err", new: "return len(ours) < 0, err", run: "TestALostAnswerMakesNoSecondWebhook"},
		{name: "a secret stands in an address as it is", file: events, old: "\tif odd {\n", new: "\tif odd && target == \"\" {\n", run: "TestSettingUpEventsFailsInWords"},
	}...), in("6.1 watch", "app",
		mutation{name: "who finds no place waits", file: app, old: "if errors.Is(err, errBusy) {", new: "if errors.Is(err, errBusy) && w.every == 0 {", run: "TestWhoFindsNoPlaceWaitsForTheNextRound"},
		mutation{name: "a target in quarantine is not asked", file: app, old: "if w.alone() != nil {\n\t\t\twait", new: "if w.alone() == nil && w.every == 0 {\n\t\t\twait", run: "TestATargetInQuarantineIsNotAsked"},
		mutation{name: "a target that fails is asked less often", file: app, old: "retry = max(min(2*retry, longestRetry), w.every)", new: "retry = w.every", run: "TestATargetThatFailsIsAskedLessOften"},
	))
}
