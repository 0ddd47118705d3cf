package main

import "slices"

// changes gives the guards of reading only what changed.
func changes() []mutation {
	delta, picture, absence := "sync/replica/delta.go", "sync/replica/picture.go", "sync/replica/absence.go"
	engine, pull, full := "sync/engine/changes.go", "sync/engine/pull.go", "sync/engine/full.go"
	follow := "app/follow.go"
	return slices.Concat(in("5.5 first sighting", "sync/replica",
		mutation{name: "a delta counts as no read of the list", file: delta, old: "if m.s.Delta {\n\t\treturn x.begin", new: "if false {\n\t\treturn x.begin", run: "TestDeltaIsAFirstSightingOnly"},
		mutation{name: "nor as a full read", file: delta, old: "if !m.s.Delta {", new: "if true {", run: "TestDeltaCoversEverything"},
	), in("5.5 tombstones", "sync/replica",
		mutation{name: "somebody deleted is out at once", file: absence, old: "if !u.DeletedAt.IsZero() {", new: "if false {", run: "TestTombstoneIsExplicit"},
		mutation{name: "and a group", file: absence, old: "if !g.DeletedAt.IsZero() {", new: "if false {", run: "TestTombstoneIsExplicit"},
		mutation{name: "whoever is shown, or was since, is not deleted", file: delta, old: "u.SeenAt.Before(m.asOf) && ", new: "", run: "TestTombstoneIsExplicit"},
		mutation{name: "nor is such a group", file: delta, old: "g.SeenAt.Before(m.asOf) && ", new: "", run: "TestTombstoneIsExplicit"},
		mutation{name: "an older sighting brings nobody back", file: delta, old: "if deleted.After(asOf) {", new: "if false {", run: "TestTombstoneIsExplicit"},
	), in("5.5 cursor", "sync/replica",
		mutation{name: "a read of less brings no cursor", file: delta, old: "case full && newest:", new: "case newest && m.s.Cursor != nil:", run: "TestCursorBelongsToWhatTheReplicaHolds"},
		mutation{name: "an older one brings none", file: delta, old: "case full && newest:", new: "case full:", run: "TestCursorBelongsToWhatTheReplicaHolds"},
		mutation{name: "a full read without one takes it away", file: delta, old: "h.Cursor, h.Scope = bytes.Clone(m.s.Cursor), m.s.Scope\n", new: "if h.Scope = m.s.Scope; len(m.s.Cursor) > 0 {\n\t\t\th.Cursor = bytes.Clone(m.s.Cursor)\n\t\t}\n", run: "TestCursorBelongsToWhatTheReplicaHolds"},
		mutation{name: "nor one of other entries", file: delta, old: "h.Cursor, h.Scope = nil, m.s.Scope", new: "h.Scope = m.s.Scope", run: "TestCursorBelongsToWhatTheReplicaHolds"},
		mutation{name: "evidence of another server takes it away", file: delta, old: "(m.doubt || !full && m.differs())", new: "m.doubt", run: "TestCursorBelongsToWhatTheReplicaHolds"},
		mutation{name: "newer evidence that differs does too", file: delta, old: "(m.doubt || !full && m.differs())", new: "!full && m.differs()", run: "TestNewerLookUpThatDiffersLeavesNoCursor"},
	), in("5.5 picture", "sync/replica",
		mutation{name: "whom the merge kept was not shown", file: delta, old: "return difference(g.Members, g.Kept)", new: "return g.Members", run: "TestPictureIsWhatTheLastWholeReadShowed"},
		mutation{name: "a cut list of people says nothing about members", file: delta, old: "return kept\n", new: "return kept || true\n", run: "TestCutListOfUsersSaysNothingAboutMembers"},
		mutation{name: "nor about those named beside nested groups", file: delta, old: "if !m.listed[n] {\n", new: "if false {\n", run: "TestCutListOfUsersSaysNothingAboutMembers"},
		mutation{name: "who returns counts as shown", file: delta, old: "if len(m.back) == 0 {", new: "if true {", run: "TestWhoReturnsCountsAsShown"},
		mutation{name: "whom a look-up found is in it", file: picture, old: "if in && !kept && p.r.Path(u, n) == nil {", new: "if in && !kept && false {", run: "TestPictureOfLookUps"},
		mutation{name: "a group that was never read is not covered", file: picture, old: "!g.MembersAt.IsZero() && !g.MembersAt.Before(p.r.CompleteAt)", new: "true", run: "TestUnreadGroupIsNotCoveredByThePicture"},
		mutation{name: "lists are not shared with room to grow", file: picture, old: "return slices.Clip(rows)", new: "return rows[:len(rows):cap(rows)]", run: "TestPictureChangesNothing"},
	), in("5.5 doubt means a full read", "sync/engine",
		mutation{name: "after full_every", file: engine, old: "now.Sub(r.FullAt) >= src.FullEvery:", new: "false:", run: "TestWhenEverythingIsRead"},
		mutation{name: "of another source", file: engine, old: "[]byte(s.Place + \"\\x00\" + s.Scope)", new: "nil", run: "TestACursorIsGoodForTheSourceItCameFrom"},
		mutation{name: "to confirm", file: engine, old: "case req.Trigger == run.Confirm:", new: "case false:", run: "TestEverythingIsReadOnRequest"},
		mutation{name: "to settle who is gone", file: engine, old: "r.Awaits(src.Grace, now):", new: "false:", run: "TestWhenEverythingIsRead"},
		mutation{name: "when changes do not lead to a whole picture", file: engine, old: "case !s.Delta || s.Coverage() != directory.Full:", new: "case !s.Delta:", run: "TestChangesThatAreNoPictureAreNotTaken"},
		mutation{name: "when they are no changes", file: engine, old: "case !s.Delta || s.Coverage() != directory.Full:", new: "case s.Coverage() != directory.Full:", run: "TestChangesThatAreNoPictureAreNotTaken"},
		mutation{name: "when they have no end", file: engine, old: "case len(s.Cursor) == 0:", new: "case false:", run: "TestChangesThatAreNoPictureAreNotTaken"},
		mutation{name: "when they show other entries", file: engine, old: "case s.Scope != base.Scope:", new: "case false:", run: "TestChangesThatAreNoPictureAreNotTaken"},
		mutation{name: "when they are older than the base", file: engine, old: "case s.AsOf.Before(base.AsOf):", new: "case false:", run: "TestChangesThatAreNoPictureAreNotTaken"},
		mutation{name: "when their reader has a bug", file: engine, old: "if errors.Is(err, errPanic) {", new: "if false {", run: "TestWhenEverythingIsRead"},
		mutation{name: "what the server decided counts as configured", file: full, old: "Scope: src.scope(w.shown(src.ID))", new: "Scope: src.Scope", run: "TestAnotherScopeByTheServerIsHeld"},
		mutation{name: "a watched change is no idle run", file: pull, old: "idle := watching && err == nil && e.nothing(src, got)", new: "idle := watching && err == nil && got != nil", run: "TestAWatchedChangeGoesThrough"},
		mutation{name: "a tombstone is a change", file: engine, old: "!slices.ContainsFunc(s.DeletedUsers, buried) && ", new: "(true || !slices.ContainsFunc(s.DeletedUsers, buried)) && ", run: "TestATombstoneAloneIsAChange"},
	), in("5.5 watch", "app",
		mutation{name: "changes while reading are read again", file: follow, old: "\t\tcase <-changed:\n\t\tdefault:\n\t\t}\n\t\tif f.read() {", new: "\t\tdefault:\n\t\t}\n\t\tif f.read() {\n\t\t\tfor len(changed) > 0 {\n\t\t\t\t<-changed\n\t\t\t}", run: "TestManyChangesAreOneRead"},
		mutation{name: "a refused login is not repeated soon", file: follow, old: "wait = refusedRetry\n", new: "", run: "TestARefusedLoginIsNotRepeatedSoon"},
		mutation{name: "what happened while nobody watched is read", file: follow, old: "if f.became(ctx, engine.WatchWorks, nil) {", new: "if f.became(ctx, engine.WatchWorks, nil) && false {", run: "TestAWatchThatIsLostBeginsAgain"},
		mutation{name: "reads that lead to nothing become rare", file: follow, old: "min(max(2*pause, leastPause), mostPause)", new: "leastPause", run: "TestReadsThatLeadToNothingBecomeRare"},
	))
}
