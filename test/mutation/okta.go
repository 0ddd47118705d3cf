package main

// oktas gives the guards of what an Okta organisation shows (design 1.1 and 1.2).
func oktas() []mutation {
	const okta = "providers/okta/"
	api, read, members, pull, changed, lookup := okta+"api.go", okta+"read.go", okta+"members.go", okta+"pull.go", okta+"changes.go", okta+"lookup.go"
	return in("8 okta", "providers/okta",
		mutation{name: "a null is no list", file: api, old: "err = fault.New(fault.Invalid, q.Op, \"\", errNoList, \"\")", new: "p = new([]T)", run: "TestGroupsThatEndTooEarlyAreNotAllGroups"},
		mutation{name: "a page leads on by next alone", file: okta + "link.go", old: `if strings.EqualFold(rel, "next") {`, new: `if rel != "" {`, run: "TestTheNextPageIsFoundAmongLinks"},
		mutation{name: "a lost cursor is no end", file: api, old: "return at, fault.New(fault.Incomplete, q.Op, \"\", fmt.Errorf(\"%w: %w\", errMoved, err), \"\")", new: "return at, nil", run: "TestAListWhoseCursorIsLostIsReadAnew"},
		mutation{name: "whoever was deactivated is listed", file: read, old: "range []string{\"\", `status", new: "range []string{`status", run: "TestWhoeverIsDeactivatedIsDisabledAndNotMissing"},
		mutation{name: "and after everybody else", file: read, old: "range []string{\"\", `status eq \"` + deprovisioned + `\"`} {", new: "range []string{`status eq \"` + deprovisioned + `\"`, \"\"} {", run: "TestWhoeverIsDeactivatedIsDisabledAndNotMissing"},
		mutation{name: "and belongs to every app", file: read, old: "r.app.users[id] || r.inactive[id] {", new: "r.app.users[id] {", run: "TestOnlyWhatIsAssignedToTheAppIsShown"},
		mutation{name: "people are listed only by a list that ended", file: pull, old: "= ofUsers == nil, true", new: "= true, true", run: "TestGroupsAreReadWithoutTheRightToListPeople"},
		mutation{name: "owners that were not read are not none", file: pull, old: "if failed[g.ID] != nil {\n\t\t\tcontinue", new: "if false {\n\t\t\tcontinue", run: "TestOwnersThatCannotBeReadLeaveTheirGroupCovered"},
		mutation{name: "a group that is gone is looked for in the list", file: members, old: "lost = lost || gone(err)", new: "lost = false", run: "TestAGroupThatIsDeletedMeanwhileIsGoneAndNoError"},
		mutation{name: "gone is what Okta itself says", file: okta + "errors.go", old: "e.Status == http.StatusNotFound && e.Code == codeGone", new: "e.Status == http.StatusNotFound", run: "TestGroupsThatEndTooEarlyAreNotAllGroups"},
		mutation{name: "a server that is down is left alone", file: members, old: "if row.Load() >= hopeless {", new: "if false {", run: "TestAServerThatIsDownIsNotAskedForEveryGroup"},
		mutation{name: "and one that refuses some groups is asked for the others", file: members, old: "case fault.KindOf(err) == fault.Unavailable:", new: "default:", run: "TestAServerThatIsDownIsNotAskedForEveryGroup"},
		mutation{name: "another stamp has members read again", file: changed, old: "g.Stamp == was.Stamp && ", new: "", run: "TestAStampThatIsIndexedLateIsAnotherOne"},
		mutation{name: "a young stamp has members read once more", file: changed, old: "at.Before(young) && ", new: "(at.Before(young) || true) && ", run: "TestMembersThatLagBehindTheirStampAreReadOnceMore"},
		mutation{name: "a look-up has members read again", file: changed, old: " && fingerprint(base, old) == was.Print", new: "", run: "TestWhatALookUpShowedIsReadAgain"},
		mutation{name: "a member who is in no list has members read again", file: changed, old: "return nil, false", new: "continue", run: "TestOnlyGroupsThatSomethingSpeaksForAreReadAgain"},
		mutation{name: "who comes back is asked for their groups", file: changed, old: "if !was[id] && !r.known[id].Disabled {", new: "if false {", run: "TestOnlyGroupsThatSomethingSpeaksForAreReadAgain"},
		mutation{name: "many changes need a full read", file: changed, old: "n > maxAgain+len(r.groups)/2", new: "n < 0", run: "TestAnyDoubtNeedsAFullRead"},
		mutation{name: "many who came need a full read", file: changed, old: "len(came) > maxBack", new: "len(came) < 0", run: "TestAnyDoubtNeedsAFullRead"},
		mutation{name: "owners need a full read", file: changed, old: "if s.config.Owners {", new: "if false {", run: "TestAnyDoubtNeedsAFullRead"},
		mutation{name: "a damaged cursor is none", file: "internal/packed/packed.go", old: "!bytes.Equal(sum[:], rest[:sha256.Size])", new: "!bytes.Equal(sum[:0], rest[:0])", run: "TestACursorIsWhatItWasOrNothing"},
		mutation{name: "what is found is compared", file: lookup, old: `mismatch(u.person, who); reason != "" {`, new: `mismatch(u.person, who); false {`, run: "TestWhatTheIndexSaysIsComparedWithThePerson"},
		mutation{name: "a login is no id", file: lookup, old: "case u.ID != id:", new: "case false:", run: "TestLookUps"},
		mutation{name: "two are nobody", file: lookup, old: "case len(ids) > 1:", new: "case len(ids) > 9:", run: "TestLookUps"},
		mutation{name: "who is not assigned is nobody", file: lookup, old: "err != nil || !in {", new: "err != nil || !in && err != nil {", run: "TestOnlyWhatIsAssignedToTheAppIsShown"},
		mutation{name: "others are left a part of the limit", file: okta + "pace.go", old: "limit*reserve/100", new: "0", run: "TestOktasLimitsAreObeyedByItsOwnClock"},
		mutation{name: "a limit begins anew by Okta's clock", file: okta + "pace.go", old: "now = date", new: "_ = date", run: "TestOktasLimitsAreObeyedByItsOwnClock"},
	)
}
