package main

import "slices"

// guards gives the checks of the guard and the life of holds (design 5).
func guards() []mutation {
	guard, sources, holds, limit := "sync/plan/guard.go", "sync/plan/guard_sources.go", "sync/plan/holds.go", "sync/plan/limit.go"
	return slices.Concat(in("5 max_people", "sync/plan",
		mutation{name: "counted", file: guard, old: "g.limits.MaxPeople.Exceeded(len(losing), owning)", new: "false", run: "TestMaxPeople"},
		mutation{name: "fewer than five never hold", file: guard, old: "if len(losing) >= minPeople && ", new: "if ", run: "TestMaxPeople"},
		mutation{name: "more means strictly more", file: limit, old: "case l.ByCount && n > l.Count:", new: "case l.ByCount && n >= l.Count:", run: "TestLimit.*|TestMaxPeople"},
		mutation{name: "zero allows none", file: limit, old: "return n > 0", new: "return false", run: "TestLimit.*"},
	), in("5 max_people_24h", "sync/plan",
		mutation{name: "small runs drain nothing", file: guard, old: "g.limits.MaxPeople24h.Exceeded(len(day), had)", new: "g.limits.MaxPeople24h.Exceeded(len(losing), had)", run: "TestSmallRunsDoNotDrainALimit"},
		mutation{name: "who has nothing left counts among those who had", file: guard, old: "had := owning + g.emptyHanded(day)", new: "had := owning", run: "TestWhoHasNothingLeftCountsAmongThoseWhoHad"},
		mutation{name: "within 24 hours", file: guard, old: "!l.Approved && !l.Cut && g.in.Now.Sub(l.At) < window", new: "!l.Approved", run: "TestSmallRunsDoNotDrainALimit|TestPeopleOfADay.*|TestMaxGroupLoss"},
		mutation{name: "approved losses do not count", file: guard, old: "if !l.Approved && ", new: "if ", run: "TestApprovedLossesCountInNoLimit"},
		mutation{name: "the floor is one of the day", file: guard, old: "len(day) >= minPeople && ", new: "len(losing) >= minPeople && ", run: "TestSmallRunsDoNotDrainALimit"},
	), in("5 max_group_loss", "sync/plan",
		mutation{name: "counted", file: guard, old: "g.limits.MaxGroupLoss.Exceeded(lost, had)", new: "false", run: "TestMaxGroupLoss"},
		mutation{name: "from ten members up", file: guard, old: "if had >= minGroup && ", new: "if ", run: "TestMaxGroupLoss"},
		mutation{name: "over all runs of a day", file: guard, old: "lost := losing + len(before[id])", new: "lost := losing", run: "TestMaxGroupLoss"},
	), in("5 emptied", "sync/plan",
		mutation{name: "held", file: guard, old: "if had >= minEmptied && losing > 0 && len(byGroup[id]) == have {", new: "if false {", run: "TestEmptied"},
		mutation{name: "from three members up", file: guard, old: "if had >= minEmptied && ", new: "if ", run: "TestEmptied"},
		mutation{name: "in the same sense as the loss of a day", file: guard, old: "have+len(before[id])", new: "have", run: "TestEmptied|TestMaxGroupLoss"},
	), in("5 emptied", "sync/engine",
		mutation{name: "who is forgotten is not left", file: guard, old: "if c.Op == run.ReleaseMember { // somebody else", new: "if false { // somebody else", run: "TestTraces"},
	), in("5 max_source_shrink", "sync/plan",
		mutation{name: "held", file: sources, old: `g.shrank(last, now); why != ""`, new: `g.shrank(last, now); why == "never"`, run: "TestSourceShrink"},
		mutation{name: "from five entries up, or all", file: sources, old: "lost < minShrink && is > 0", new: "false", run: "TestSourceShrink"},
		mutation{name: "all of them, however few", file: sources, old: "lost < minShrink && is > 0", new: "lost < minShrink", run: "TestSourceShrink"},
		mutation{name: "a cut read is no new size", file: sources, old: "} else if src.Read {", new: "} else {", run: "TestACutReadIsNoNewSize"},
	), in("5 source_changed", "sync/plan",
		mutation{name: "held", file: sources, old: "case last.Scope == src.Scope:", new: "case true:", run: "TestSourceChanged"},
		mutation{name: "a partial run accepts no scope", file: sources, old: "sure := src.Read && g.in.Only == nil", new: "sure := true", run: "TestAScopeIsAcceptedByACompleteReadOnly"},
		mutation{name: "a source that was taken out", file: guard, old: "case c.Proof.SourceRemoved:", new: "case false:", run: "TestSourceRemoved"},
	), in("5 other checks", "sync/plan",
		mutation{name: "the first exact removal", file: guard, old: "case c.Proof.Exact && !g.in.Memory.Links[c.Link].Exact && (c.Reverts == \"\" || !c.Foreign):", new: "case false:", run: "TestExactGroup"},
		mutation{name: "protected accounts, never", file: "sync/plan/members.go", old: "case c.guarded[a]:", new: "case c.guarded[a] && false:", run: "TestProtectedAndIgnored"},
		mutation{name: "our own account, never", file: "sync/plan/compute.go", old: "c.guarded[self] = true", new: "_ = self", run: "TestProtectedAndIgnored"},
		mutation{name: "new groups in one run", file: guard, old: "if len(fresh) == 0 || !g.limits.MaxNewGroups.Exceeded(len(fresh), known) {", new: "if true || known < 0 {", run: "TestMaxNewGroups"},
		mutation{name: "whoever would be in them waits too", file: guard, old: `c.GroupID() == "" && links[c.Link] {`, new: "false {", run: "TestMaxNewGroups"},
	), in("5 holds", "sync/plan",
		mutation{name: "held stays held", file: guard, old: "case g.stays(i, held[c.Key], details):", new: "case g.stays(i, nil, details):", run: "TestHeldStaysHeld|TestScenarioHeld.*"},
		mutation{name: "unknown keeps a hold", file: holds, old: "!g.p.Unknown[k] && !g.outside(k) && ", new: "!g.outside(k) && ", run: "TestHeldStaysHeld"},
		mutation{name: "a run of one person keeps those of others", file: holds, old: "!g.p.Unknown[k] && !g.outside(k) && ", new: "!g.p.Unknown[k] && ", run: "TestHeldStaysHeld|TestOnePersonRun.*|TestOnlyConcerns.*"},
		mutation{name: "what is held by one check counts in no other", file: guard, old: "if g.p.Changes[i].Outcome != run.Held {\n\t\t\tlosing", new: "if true {\n\t\t\tlosing", run: "TestWhatOneCheckHoldsCountsInNoOther"},
		mutation{name: "an earlier hash lets its own list through", file: "sync/run/hold.go", old: "if e.Hash != hash || ", new: "if true || ", run: "TestEarlierHashLetsItsOwnListThrough"},
		mutation{name: "an earlier hash lets nothing through that came in later", file: "sync/run/hold.go", old: "if h.Entered[k] <= e.List {", new: "if h.Entered[k] >= 0 {", run: "TestEarlierHashLetsItsOwnListThrough"},
		mutation{name: "who comes in again comes in later", file: holds, old: "h.Entered[i] = h.List\n", new: "h.Entered[i] = 1\n", run: "TestEarlierHashKnowsWhoWasGoneInBetween|TestEarlierHashLetsItsOwnListThrough"},
		mutation{name: "an approval accepts a source as it was told, not as it is by then", file: holds, old: "List: last.List, Accepts: last.Accepts, Until", new: "List: last.List, Accepts: h.Accepts, Until", run: "TestSourceShrink|TestSourceChanged"},
		mutation{name: "a source that shrinks on has another hash", file: holds, old: "if a := h.Accepts; a != nil {", new: "if a := h.Accepts; false {", run: "TestSourceShrink|TestSourceChanged"},
		mutation{name: "a source that shrinks on is accepted smaller only by a new hash", file: sources, old: `g.shrank(*h.Accepts, now) == "" && `, new: "", run: "TestSourceShrink"},
		mutation{name: "a source that grew is accepted larger by a new hash", file: sources, old: ` && g.shrank(now, *h.Accepts) == ""`, new: "", run: "TestSourceShrink"},
		mutation{name: "another filter has another hash", file: sources, old: "h.Accepts.Scope == now.Scope &&", new: "true &&", run: "TestSourceChanged"},
		mutation{name: "earlier hashes run out", file: holds, old: "return !now.Before(e.Until) })", new: "return false })", run: "TestEarlier.*"},
		mutation{name: "approvals run out", file: holds, old: "if now.Before(m.Approvals[i].Until) {", new: "if true {", run: "TestApprovalRunsOut"},
		mutation{name: "what is approved is not left to be lost", file: guard, old: "if c.Loss() && c.Proof.ours() {", new: "if false {", run: "TestEmptied.*|TestScenario.*|TestApproved.*"},
		mutation{name: "since when a thing is held does not move", file: holds, old: "h.Since, h.List = last.Since, last.List", new: "h.List = last.List", run: "TestHeldStaysHeld|TestHolds.*"},
	), in("5 approvals", "sync/engine",
		mutation{name: "each change once", file: "sync/engine/apply.go", old: "slices.Index(mem.Approvals[i].Keys, key); n >= 0 {", new: "slices.Index(mem.Approvals[i].Keys, key); n >= len(key)+1000 {", run: "TestApprovalIsUsedUpBySuccessAndOutlivesARestart"},
		mutation{name: "a hash that no hold has spoils the whole decision", file: "sync/engine/approve.go", old: "if name == \"\" {", new: "if name == \"\" && len(hashes) == 1 {", run: "TestSeveralHoldsAreOneDecision"},
		mutation{name: "what is not recorded was not decided", file: "sync/engine/approve.go", old: "		// What is not recorded was not decided.\n		mem.Approvals, mem.Scopes = before, scopes", new: "", run: "TestSeveralHoldsAreOneDecision|TestADecisionThatCannotBeRecordedDoesNotHappen"},
		mutation{name: "a hash that was shown is good for what is held of it", file: "sync/run/hold.go", old: "if h.Entered[k] <= e.List {", new: "if h.Entered[k] < e.List {", run: "TestEveryHashThatWasShownIsGoodForWhatIsHeldOfIt"},
		mutation{name: "an approved loss counts in no limit", file: "sync/engine/apply.go", old: "Account: c.User.ID, Approved: c.Approved}", new: "Account: c.User.ID}", run: "TestApprovalIsUsedUpBySuccessAndOutlivesARestart"},
	), in("5 approvals", "cmd/groupsyncd",
		mutation{name: "the command for an undoing lets nothing else through", file: "cmd/groupsyncd/revert.go", old: "return c.Reverts != id }) {", new: "return false }) {", run: "TestOneCommandForAnUndoingListsNothingElse"},
	))
}

// oracles switches off guards that the oracle of the histories must notice by itself
// (design 9): what it cannot see, no history can find.
func oracles() []mutation {
	const enough = 3000
	return in("9 histories", "sync/engine",
		mutation{name: "members of a group that was cut", file: "sync/replica/merge.go", old: "if s.Groups[i].MembersKnown {", new: "if true {", run: "TestHistories", histories: enough},
		mutation{name: "unknown removes nothing", file: "sync/plan/members.go", old: "case v.unknown:\n", new: "case v.unknown && !observed:\n", run: "TestHistories", histories: enough},
		mutation{name: "held stays held", file: "sync/plan/guard.go", old: "case g.stays(i, held[c.Key], details):", new: "case g.stays(i, nil, details):", run: "TestHistories", histories: enough},
		mutation{name: "unknown keeps a hold", file: "sync/plan/holds.go", old: "!g.p.Unknown[k] && !g.outside(k) && ", new: "!g.outside(k) && ", run: "TestHistories", histories: enough},
	)
}

// engines gives the guards of how a run behaves (design 4).
func engines() []mutation {
	apply, settle, verify := "sync/engine/apply.go", "sync/engine/settle.go", "sync/engine/verify.go"
	return slices.Concat(in("4 under the lock", "sync/engine",
		mutation{name: "who was looked up since is left out", file: apply, old: "case c.User != nil && w.state.refreshed[c.User.ID] > w.planSeq:", new: "case false:", run: "TestWhoeverWasLookedUpMeanwhileIsLeftOutOfAnOlderPlan"},
		mutation{name: "a group that is there is not made again", file: apply, old: `case b.op == run.CreateGroup && id != "":`, new: "case false:", run: "TestAGroupThatALoginMadeMeanwhileIsNotMadeAgain"},
		mutation{name: "what is no longer ours is not taken", file: apply, old: "case b.op == run.RemoveMember && !c.Proof.Exact && !c.Proof.Lost && (mem.Owned[id] == nil || !mem.Owned[id].Has(c.Account)):", new: "case false:", run: "TestADecisionBetweenTwoBatchesIsHeeded"},
		mutation{name: "the one who waits last joins an equal request", file: "sync/engine/queue.go", old: "if t := q.waiting[req]; t != nil {", new: "if t := q.waiting[req]; t != nil && false {", run: "TestEqualRequestsThatWaitBecomeOne", beyond: "one thing happens at a time in a history"},
	), in("4 one person", "sync/plan",
		mutation{name: "a run of one person concerns nobody else", file: "sync/plan/compute.go", old: " || in.Only != nil && (in.Only.None || in.Only.Account != uint32(n))", new: "", run: "TestOnlyConcernsOnePerson"},
	), in("4 pull", "sync/engine",
		mutation{name: "a panic is a failed read", file: "sync/engine/changes.go", old: "if r := recover(); r != nil {", new: "if r := error(nil); r != nil {", run: "TestExitCodes"},
	), in("4 apply", "sync/engine",
		mutation{name: "a run that is told to stop finishes its call", file: apply, old: "call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)", new: "call, cancel := context.WithTimeout(ctx, callTimeout)", run: "TestACallUnderWayIsFinishedWhenTheRunIsToldToStop"},
		mutation{name: "five failures in a row end it", file: apply, old: "if ctx.Err() != nil || failures >= maxFailures {", new: "if ctx.Err() != nil {", run: "TestTooManyFailuresInARowEndTheRun"},
		mutation{name: "a call without an answer stays open", file: apply, old: "if unsure(b.op, err) {", new: "if false {", run: "TestTraces|TestExitCodes"},
	), in("4 after a crash", "sync/engine",
		mutation{name: "an add that is there is ours", file: settle, old: "case in.Op == string(run.AddMember) && is && !owned && i < len(in.Feeds):", new: "case false:", run: "TestWhatWasAddedBeforeACrashIsOursWithoutAdopting"},
		mutation{name: "a removal that is done happened", file: settle, old: "case in.Op == string(run.RemoveMember) && !is && owned:", new: "case false:", run: "TestACrashWhileRemovingIsSettledByLooking"},
	), in("4 verify", "sync/engine",
		mutation{name: "an addition that did not happen", file: verify, old: "case c.Op == run.AddMember && !is:", new: "case false:", run: "TestIdsThatTheServerDropsAreFoundByVerifying"},
		mutation{name: "a removal that did not happen", file: verify, old: "case c.Op == run.RemoveMember && is:", new: "case false:", run: "TestIdsThatTheServerDropsAreFoundByVerifying"},
		mutation{name: "a group that cannot be verified is a failure", file: verify, old: `c.Outcome, c.Error = run.Failed, "could not be verified: "+err.Error()`, new: "_ = c", run: "TestWhatCannotBeVerifiedIsNoSuccess"},
	), in("4 observe", "target/openwebui",
		mutation{name: "two seconds of doubt about a group", file: "sync/plan/mirror.go", old: "time.Unix(g.UpdatedAt, 0).Add(racyMargin).Before(have.ReadAt)", new: "true", run: "TestAGroupIsReadAgainUntilItsTimeProvesIt"},
		mutation{name: "a group is gone when the list says so", file: "target/openwebui/groups.go", old: "if slices.ContainsFunc(wire, func(w groupWire) bool { return w.ID == id }) {", new: "if slices.ContainsFunc(wire, func(w groupWire) bool { return w.ID == id+id }) {", run: "Test.*", beyond: "of the adapter: histories play with an Open WebUI in memory"},
		mutation{name: "a short list deletes nobody", file: "target/openwebui/accounts.go", old: "if *w.Total != len(users) {", new: "if false {", run: "TestAListThatLeavesAccountsOutDeletesNobody|TestAShortList.*", beyond: "of the adapter: histories play with an Open WebUI in memory"},
		mutation{name: "a lost creation is looked for", file: "target/openwebui/groups.go", old: "return w != nil, err", new: "return false, err", run: "TestALostCreation.*", beyond: "of the adapter: histories play with an Open WebUI in memory"},
		mutation{name: "a demoted key proves nothing", file: "target/openwebui/groups.go", old: `if _, listErr = s.usersPage(ctx, 1, "asc"); listErr != nil {`, new: "if false {", run: "TestADemotedAdministratorProvesNothing", beyond: "of the adapter: histories play with an Open WebUI in memory"},
	))
}
