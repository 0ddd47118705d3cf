package main

import "slices"

// portable are the guards of groups that a file carries in.
func portable() []mutation {
	return slices.Concat(in("import", "sync/engine",
		mutation{name: "nobody goes while a member cannot be found", file: "sync/plan/import.go", old: "\tcase len(missing) > 0:\n", new: "\tcase false:\n", run: "TestWhoIsNotHereIsListed"},
		mutation{name: "what is ours stays", file: "sync/plan/import.go", old: "case o != nil && o.Has(n):", new: "case o != nil && false:", run: "TestWhatAnImportTakesAwayIsHeld"},
		mutation{name: "what is ours stays ours", file: "sync/plan/import.go", old: "c.Feeds = o.Grants(n)", new: "_ = o", run: "TestWhatIsOursStaysOurs"},
		mutation{name: "a hold of an import outlives other runs", file: "sync/plan/holds.go", old: " && !g.importing(&h, i)", new: "", run: "TestWhatAnImportTakesAwayIsHeld"},
		mutation{name: "what is imported is not ours", file: "sync/engine/apply.go", old: "if !c.Foreign { // What", new: "if true { // What", run: "TestAnImportIsUndone"},
		mutation{name: "an import says nothing of what others hold", file: "sync/plan/input.go", old: "in.Undo != nil || in.Import != nil", new: "in.Undo != nil", run: "TestWhatOtherRunsHoldStaysHeld"},
		mutation{name: "several groups of a name are refused", file: "sync/plan/import.go", old: "case len(found) > 1:", new: "case false:", run: "TestSeveralGroupsOfANameAreRefused"},
		mutation{name: "two of a file are not one there", file: "sync/plan/import.go", old: "case wanted[name] > 1:", new: "case false:", run: "TestSeveralGroupsOfANameAreRefused"},
		mutation{name: "of two accounts with an address it is neither", file: "sync/plan/import.go", old: "len(found) == 1 && mail", new: "len(found) > 0 && mail", run: "TestWhoIsNotHereIsListed"},
		mutation{name: "values are looked at after they were written", file: "sync/engine/import.go", old: "now != f.To {", new: "false {", run: "TestWhatAServerDoesNotKeepOfAFileIsAFailure"},
	), in("export", "target/openwebui",
		mutation{name: "an export tells the members", file: "target/openwebui/export.go", old: " || g.UserIDs == nil", new: "", run: "TestAnExportIsWholeOrNone"},
	))
}
