package main

import "slices"

// signIns gives the guards of what is known of single people, and of their runs (design 1.1,
// 1.2 and 4).
func signIns() []mutation {
	merge, lookup, single, verdict, compute := "sync/replica/merge.go", "sync/replica/lookup.go", "sync/plan/single.go", "sync/plan/verdict.go", "sync/plan/compute.go"
	person := "sync/engine/person.go"
	return slices.Concat(in("1.1 tokens", "sync/replica",
		mutation{name: "somebody is known as of their own time", file: merge, old: "if at := m.s.Users[i].AsOf; !at.IsZero() && at.Before(m.asOf) {", new: "if at := m.s.Users[i].AsOf; !at.IsZero() && at.After(m.asOf) {", run: "TestTokensAreKnownAsOfTheirOwnTime|TestAnOlderTokenChangesNothing"},
		mutation{name: "a token is never newer than its read", file: merge, old: "!at.IsZero() && at.Before(m.asOf) {", new: "!at.IsZero() {", run: "TestATokenIsNeverNewerThanItsRead|TestATokenNeverCountsAsNewerThanItsRead", beyond: "the clocks of a history are right"},
		mutation{name: "an older token says nothing of groups", file: lookup, old: "m.s.Users[i].GroupsKnown && !at.Before(m.new.users[n].GroupsAt) {", new: "m.s.Users[i].GroupsKnown {", run: "TestTokensAreKnownAsOfTheirOwnTime|TestAnOlderTokenChangesNothing"},
		mutation{name: "a token without a claim says nothing of groups", file: lookup, old: "if m.s.Users[i].GroupsKnown && !at", new: "if !at", run: "TestTokensAreKnownAsOfTheirOwnTime"},
		mutation{name: "a token says nothing of others", file: lookup, old: "if at, found := find(people, m.userAt[u]); found {", new: "if at, found := find(people, m.userAt[u]); found || len(people) == 1 {", run: "TestATokenTouchesNobodyElse|TestTokensAreKnownAsOfTheirOwnTime", beyond: "nobody else is shown in the groups of who is looked up"},
	), in("1.2 single people", "sync/plan",
		mutation{name: "what is too old takes nothing away", file: verdict, old: "src.Single && !src.current(u, everyone, j.c.in.Now) {", new: "src.Single && u == nil {", run: "TestASourceOfSinglePeople.*"},
		mutation{name: "who was never shown is held up by nobody", file: verdict, old: "if src.Single {\n\t\t\tcontinue // It could", new: "if false {\n\t\t\tcontinue // It could", run: "TestASourceOfSinglePeopleHoldsUpNobody|TestGoneWaitsForListsOnly"},
		mutation{name: "it has no lists that could be old", file: compute, old: "if in.Sources[s].Single {\n\t\t\tcontinue", new: "if false {\n\t\t\tcontinue", run: "TestASourceOfSinglePeople"},
		mutation{name: "nobody is among everybody whom it showed long ago", file: single, old: "return !c.in.Sources[s].Single && c.stale[s]", new: "return c.stale[s]", run: "TestEveryoneAtASourceOfSinglePeopleIsWhomItShowedLately", beyond: "no rule of a history is about everybody of a source of sign-ins"},
		mutation{name: "it never shrinks", file: "sync/plan/guard_sources.go", old: `why != "" && !src.Single {`, new: `why != "" {`, run: "TestASourceOfSinglePeopleNeverShrinks", beyond: "nobody of it is ever missing"},
		mutation{name: "who no longer meets a condition has a grace", file: verdict, old: "if src.Single {\n\t\t// Each newer", new: "if false {\n\t\t// Each newer", run: "TestAChangedPersonOfASourceOfSinglePeopleHasAGrace", beyond: "the tokens of histories have no attributes"},
		mutation{name: "members in doubt wait for those who may still sign in", file: single, old: "return !src.current(&src.Replica.Users()[p.user], false, c.in.Now)", new: "return false", run: "TestMembersInDoubt.*|TestARevert.*|TestASourceOfSinglePeople.*"},
		mutation{name: "and for those who have not been read", file: single, old: `return src.Provider == "" || account.Subjects == nil || account.Subjects[src.Provider] != ""`, new: "return account == nil", run: "TestMembersInDoubtWaitForWhoMayStillSignIn"},
	), in("4 one person", "sync/engine",
		mutation{name: "somebody whom nobody knows is no mistake of a server", file: person, old: "return p.req.Trigger == run.Webhook || p.req.Trigger.Watched()", new: "return false", run: "TestAnAccountThatNobodyKnowsIsNobody"},
		mutation{name: "an older plan leaves who signed in alone", file: person, old: "\tw.refresh(only.Account)\n", new: "", run: "TestTraces"},
		mutation{name: "who waits for an account is found by what the account shows", file: "sync/engine/who.go", old: "\t\tlinked = w.matching(src, a, subjects)\n", new: "", run: "TestTraces"},
	))
}
