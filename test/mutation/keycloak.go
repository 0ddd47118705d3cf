package main

// keycloaks are the guards that make pages by position a proof, and a realm that is hidden no
// empty one.
func keycloaks() []mutation {
	const dir = "providers/keycloak/"
	return in("keycloak", "providers/keycloak", []mutation{
		{name: "a page without a known row leaves a gap", file: dir + "walk.go", old: "\t\tif !known {\n", new: "\t\tif first < 0 {\n", run: "TestWalkNeverMissesWhatLasts"},
		{name: "a row under another name proves nothing", file: dir + "walk.go", old: "known = known || before == key", new: "known = known || before != \"\" && key != \"\"", run: "TestWalkNeverMissesWhatLasts"},
		{name: "a page that is a little short is not the last", file: dir + "walk.go", old: "if len(list) <= size/2 {", new: "if len(list) < size {", run: "TestRowsDroppedFromAPageAreNotItsEnd"},
		{name: "who was renamed is asked for", file: dir + "users.go", old: "r.suspects[u.ID] = true", new: "_ = u", run: "TestWhoIsRenamedWhileAListIsReadIsNotLost"},
		{name: "who left is asked for", file: dir + "pull.go", old: "suspects := r.leavers(last)", new: "suspects := r.leavers(last)\n\tclear(suspects)", run: "TestWhoMovesBetweenTwoGroupsIsLostInNeither"},
		{name: "the first read goes through all members twice", file: dir + "pull.go", old: "indirect && !all {", new: "indirect && all {", run: "TestWhoMovesBetweenTwoGroupsIsLostInNeither"},
		{name: "the users are as many as the server counts", file: dir + "users.go", old: "err == nil && between(before, len(r.users), after) {", new: "err == nil && (after >= 0 || between(before, len(r.users), after)) {", run: "TestAListThatIsShorterThanItsCountIsNoList"},
		{name: "the groups are as many as the server counts", file: dir + "tree.go", old: "|| between(before, len(r.groups), after) {", new: "|| after >= 0 || between(before, len(r.groups), after) {", run: "TestAListThatIsShorterThanItsCountIsNoList"},
		{name: "sub-groups that cannot be read are not gone", file: dir + "tree.go", old: "r.groupsListed = len(r.missing) == 0", new: "r.groupsListed = true", run: "TestSubGroupsThatCannotBeReadAreNotGone"},
		{name: "a right that is missing is an error", file: dir + "rights.go", old: "if !n.holds(rights) {", new: "if false {", run: "TestWhoMayNotSeeEverythingGetsAnErrorAndNoEmptyRealm"},
		{name: "a token that shows no rights is an error", file: dir + "rights.go", old: "\tif rights == nil {\n\t\treturn s.fail(", new: "\tif rights == nil {\n\t\treturn nil\n\t}\n\tif false {\n\t\treturn s.fail(", run: "TestWhoMayNotSeeEverythingGetsAnErrorAndNoEmptyRealm"},
		{name: "a mail address that is not verified links nobody", file: dir + "rows.go", old: "if u.EmailVerified || c.UnverifiedEmail {", new: "if u.Email != \"\" {", run: "TestMailThatIsNotVerifiedLinksNobody"},
		{name: "a null is no empty list", file: dir + "reading.go", old: "if part == nil {", new: "if len(part) < 0 {", run: "TestConformance"},
	}...)
}
