package main

import "slices"

// roles gives the guards of who gets, keeps and loses a role or an account.
func roles() []mutation {
	words, accounts, guard := "sync/plan/roles.go", "sync/plan/accounts.go", "sync/plan/guard_roles.go"
	return slices.Concat(in("2 roles", "sync/plan",
		mutation{name: "what is not proved takes no role", file: words, old: "case !d.admin.verdicts[d.a].unknown:", new: "case true:", run: "TestWhatTheReadDoesNotProveChangesNoRole"},
		mutation{name: "an administrator by hand is left", file: words, old: "case !d.admin.is(d.a, isOwned):\n\t\td.ended(d.user)", new: "case false:\n\t\td.ended(d.user)", run: "TestRolesThatAreNotOursAreLeft|TestPlansKeepTheirPromises"},
		mutation{name: "an administrator linked by mail is not adopted", file: words, old: " && !c.byMail(d.a)", new: "", run: "TestAnAdministratorByHandIsAdoptedUnlessLinkedByMail"},
		mutation{name: "nobody goes back to administrator", file: words, old: "if role == RoleAdmin || RoleRank(role) < 0 {", new: "if RoleRank(role) < 0 {", run: "TestAnAdministratorByHandIsAdoptedUnlessLinkedByMail|TestRoleHistories"},
		mutation{name: "whoever is suspended by hand stays so", file: words, old: "case d.account.ByHand:", new: "case false:", run: "TestSuspendedByHandStays"},
		mutation{name: "nobody is back on old knowledge", file: words, old: "d.entry.Suspends() && c.enabled(d.a)", new: "d.entry.Suspends()", run: "TestBackToWhatTheyWereWithoutAnyLine"},
		mutation{name: "otherwise needs every line", file: words, old: "if !sure || !c.enabled(d.a) || ", new: "if !sure && false || !c.enabled(d.a) || ", run: "TestOtherwisePendingTakesOnlyWhomNobodyCouldName"},
		mutation{name: "otherwise is for people whom a deciding source shows", file: words, old: "!sure || !c.enabled(d.a) || ", new: "!sure || ", run: "TestOtherwisePendingTakesOnlyWhomNobodyCouldName"},
		mutation{name: "a line that was not read keeps whom another lets go", file: words, old: "case owned && d.admin.mayName(d.a):", new: "case false:", run: "TestAnUnreadLineKeepsWhomAnotherLineLetsGo"},
		mutation{name: "a deciding source that was never read suspends nobody", file: accounts, old: "if c.claimedByOther(a) || c.neverRead() {", new: "if c.claimedByOther(a) {", run: "TestADecidingSourceThatWasNeverReadSuspendsNobody"},
		mutation{name: "the primary administrator, never", file: words, old: "case account.Role == RoleAdmin && account.CreatedAt > 0 && ", new: "case false && ", run: "TestNobodyWhoMustStayIsDemoted"},
	), in("3 disabled and gone", "sync/plan",
		mutation{name: "every deciding source has to say so", file: accounts, old: "e.off = !enabled && !e.unknown && ", new: "e.off = !e.unknown && ", run: "TestEveryAuthorityMustSayThatSomebodyIsOut"},
		mutation{name: "what cannot be told suspends nobody", file: accounts, old: "e.off = !enabled && !e.unknown && ", new: "e.off = !enabled && ", run: "TestEveryAuthorityMustSayThatSomebodyIsOut|TestPlansKeepTheirPromises"},
		mutation{name: "a source that does not decide suspends nobody", file: accounts, old: "if !slices.Contains(c.authority, p.source) {\n\t\t\tcontinue", new: "if false {\n\t\t\tcontinue", run: "TestEveryAuthorityMustSayThatSomebodyIsOut"},
		mutation{name: "no account for a mail that is in doubt", file: "sync/plan/created.go", old: "if doubt[mail] || ", new: "if ", run: "TestAccountsAreMadeForWhomIsWantedOnly"},
		mutation{name: "what was suspended by hand is not ours", file: "sync/plan/rolewords.go", old: "if m.Mirror.accounts[account].ByHand {", new: "if false {", run: "TestSuspendedByHandStays"},
	), in("5 roles", "sync/plan",
		mutation{name: "the last administrator", file: guard, old: "if len(going) == 0 || len(going) < left {", new: "if true || len(going) < left {", run: "TestTheLastAdministratorStays"},
		mutation{name: "an approval lets the last one go", file: guard, old: "c.Demotes() && c.Outcome == run.Planned {\n\t\t\tgoing", new: "c.Demotes() && !c.Approved && c.Outcome == run.Planned {\n\t\t\tgoing", run: "TestTheLastAdministratorStays"},
		mutation{name: "demotions are limited", file: guard, old: "g.limits.MaxDemotions.Exceeded(len(losing), had)", new: "false && had > 0", run: "TestDemotionsAndNewAdministratorsAreLimited"},
		mutation{name: "new administrators are limited", file: guard, old: "len(fresh) > 0 && g.limits.MaxNewAdmins.Exceeded(len(fresh), admins)", new: "false && admins > 0", run: "TestDemotionsAndNewAdministratorsAreLimited"},
		mutation{name: "a hold of new administrators is not drained", file: "sync/plan/guard.go", old: " && k.check != run.MaxNewAdmins", new: "", run: "TestDemotionsAndNewAdministratorsAreLimited"},
		mutation{name: "nested members are no administrators", file: "sync/plan/compute.go", old: "if !named {\n", new: "if !named && false {\n", run: "TestNestedMembersAreNoAdministrators"},
	), in("4 roles", "sync/engine",
		mutation{name: "an administrator linked by mail is not suspended", file: accounts, old: "!given && c.byMail(d.a)", new: "!given && false", run: "TestALinkByHandConfirmsAnAdministrator"},
		mutation{name: "a call that a crash cut is settled", file: "sync/engine/roles.go", old: "case view.Account.Role != in.Role.Role:", new: "case true:", run: "TestRolesSurviveACrashAtAnyStep"},
		mutation{name: "sessions of whoever is suspended are ended", file: "sync/engine/roles.go", old: "\tif c.Revoke {\n", new: "\tif false {\n", run: "TestALeaverIsOutAfterOneWebhookAndBackAfterAnother"},
	))
}
