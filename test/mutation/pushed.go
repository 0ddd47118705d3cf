package main

import "slices"

// provisioned are the guards around what a provider brings: nothing is taken away on less than
// all of it.
func provisioned() []mutation {
	const dir, pkg = "providers/scimpush/", "providers/scimpush"
	return slices.Concat(in("8 what is pushed", pkg, []mutation{
		{name: "before the first round has ended nothing is complete", file: dir + "source.go", old: "if complete {", new: "if true {", run: "TestTheFirstRoundEndsWhenTheProviderIsQuiet"},
		{name: "the provider must be quiet", file: dir + "standing.go", old: "|| quiet.IsZero() || rest > 0 {", new: "|| quiet.IsZero() || rest > 1<<62 {", run: "TestTheFirstRoundEndsWhenTheProviderIsQuiet"},
		{name: "only who listens can hear nothing", file: dir + "standing.go", old: "|| quiet.IsZero() ||", new: "|| quiet.IsZero() && rest > 1<<62 ||", run: "TestTheFirstRoundEndsWhenTheProviderIsQuiet"},
		{name: "nobody is not everybody", file: dir + "standing.go", old: "held.Users == 0 || !held.again(t.head.Former)", new: "!held.again(t.head.Former)", run: "TestWithNobodyBroughtNothingIsComplete"},
		{name: "after a doubt enough must be there", file: dir + "standing.go", old: "|| !held.again(t.head.Former) {", new: "{", run: "TestADoubtEndsWhenEnoughIsThereAgain"},
		{name: "memberships as well", file: dir + "standing.go", old: " && c.Members*10 >= former.Members*enoughOf", new: "", run: "TestADoubtEndsWhenEnoughIsThereAgain"},
		{name: "in doubt nothing is shown", file: dir + "source.go", old: "if !complete && t.head.doubted() {", new: "if false {", run: "TestADoubtEndsWhenEnoughIsThereAgain"},
		{name: "nobody is looked up in doubt", file: dir + "source.go", old: "if t.head.Settled.IsZero() && t.head.doubted() {", new: "if false {", run: "TestADoubtEndsWhenEnoughIsThereAgain"},
		{name: "who comes again keeps the id", file: dir + "write.go", old: "same.external == external {\n\t\t\t\treturn same.ID, nil", new: "same.external == external {\n\t\t\t\treturn \"\", nil", run: "TestADoubtEndsWhenEnoughIsThereAgain"},
		{name: "a second doubt forgets nothing", file: dir + "standing.go", old: "if t.head.Settled.IsZero() {\n\t\t// It never", new: "if false {\n\t\t// It never", run: "TestADoubtIsRememberedAndCanBeginAnew"},
		{name: "what another hand wrote is read", file: dir + "source.go", old: "if s.table != nil && s.table.revision == s.options.Pushed.Revision() {", new: "if s.table != nil {", run: "TestTwoSourcesOnOneStore"},
		{name: "a condition is kept", file: dir + "write.go", old: "if c.match != \"\" && !matches(c.match, r.etag()) {", new: "if false {", run: "TestVersionsOfAResource"},
	}...), in("8 who provisions", "server", []mutation{
		{name: "a provider shows its token", file: "server/public_scim.go", old: "|| right != 1:", new: ":", run: "TestAProviderNeedsItsToken"},
		{name: "who guesses is slowed down", file: "server/public_scim.go", old: "if d.result == Refused {", new: "if false {", run: "TestWhatAProviderMaySendIsBounded"},
	}...), in("8 a restored state", "state", []mutation{
		{name: "a backup marks what was pushed", file: "state/pushed.go", old: "sources, err := db.PushedSources()\n\tif err != nil {", new: "sources, err := db.PushedSources()\n\tif sources = nil; err != nil {", run: "TestWhatWasPushedIsInDoubtAfterARestore"},
		{name: "and what the replica counts as proved", file: "state/pushed.go", old: "db.SaveReplica(r.Doubted())", new: "db.SaveReplica(r)", run: "TestWhatWasPushedIsInDoubtAfterARestore"},
	}...), in("8 a lost state", "app", []mutation{
		{name: "marks ahead of ours are a doubt", file: "sync/engine/full.go", old: "if err := w.e.doubtPushed(w.setup, lost); err != nil {", new: "if false {", run: "TestARestoredStateWaitsForTheProvider"},
	}...))
}
