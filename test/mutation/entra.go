package main

import "slices"

// entras are the guards of reading Microsoft Entra: what Graph hides, forgets or tells late is
// not taken for what is not there.
func entras() []mutation {
	const dir = "providers/entra/"
	return slices.Concat(in("8 entra proof", "providers/entra", []mutation{
		{name: "a list ends where Graph says so", file: dir + "graph.go", old: "case p.Delta != \"\" || !delta:", new: "case true:", run: "TestConformance"},
		{name: "an answer without a list is none", file: dir + "graph.go", old: "if p.Value == nil {", new: "if false {", run: "TestConformance"},
		{name: "hidden members are not covered", file: dir + "run.go", old: "return seesHidden || !m.groups[id].hidden", new: "return true", run: "TestHiddenMembersAreNotNobody"},
		{name: "nor by a look-up", file: dir + "lookup.go", old: "!seesHidden && r.hidden.Load() != noneHidden", new: "!seesHidden && r.hidden.Load() > 9", run: "TestHiddenMembersAreNotNobody"},
		{name: "nor by changes", file: dir + "run.go", old: "if from != nil && next.Hidden && !seesHidden {", new: "if false {", run: "TestHiddenMembersAreNotNobody"},
		{name: "a delta that tells no members at all is doubted", file: dir + "feeds.go", old: "return r.proveEmpty(ctx, m)", new: "return nil", run: "TestADeltaWithoutAnyMembersIsDoubted"},
		{name: "an assigned group that the list lacks is asked for", file: dir + "feeds.go", old: "if m.groups[id] != nil {\n\t\t\t\tcontinue", new: "if true {\n\t\t\t\tcontinue", run: "TestAnAssignedGroupThatTheListLacksIsNotGone"},
		{name: "an application that is not found assigns nothing to nobody", file: dir + "apps.go", old: "if len(found) != 1 {", new: "if len(found) == 0 {\n\t\treturn object{\"id\": []byte(`\"x\"`)}, nil\n\t}\n\tif len(found) != 1 {", run: "TestAnApplicationThatIsNotFoundIsNoEmptyList"},
		{name: "roles reach direct members only", file: dir + "apps.go", old: "isUser && kind != directory.GroupMember {\n\t\t\t\ta.Member(id, directory.Ref{ID: ref, Kind: directory.UserMember})", new: "isUser || kind == directory.GroupMember {\n\t\t\t\ta.Member(id, directory.Ref{ID: ref, Kind: kind})", run: "TestAppRolesReachNoNestedGroup"},
	}...), in("8 entra changes", "providers/entra", []mutation{
		{name: "whoever comes back is read with their groups", file: dir + "feeds.go", old: "if from != nil && !was && (known[id] || o.created().Before(from.Since)) {", new: "if from != nil && !was && known[id] {", run: "TestWhoComesBackIsReadWithTheirGroups"},
		{name: "a property that is not told stays", file: dir + "people.go", old: "if text, there := o.text(c.Users.Name); there || !was {", new: "if text, there := o.text(c.Users.Name); there || was {", run: "TestWhatAChangeDoesNotTellStaysAsItWas"},
		{name: "what can be restored is not deleted", file: dir + "feeds.go", old: "m.dropUser(id, reason == \"deleted\")", new: "m.dropUser(id, reason != \"\")", run: "TestDeletedForGoodIsNotInTheBin"},
		{name: "a cursor is good for its picture", file: dir + "cursor.go", old: "case fingerprint(base) != from.Print:", new: "case false:", run: "TestCursorsAreGoodForWhatTheyWereMadeFor"},
		{name: "and for seven days", file: dir + "cursor.go", old: "case s.now().Sub(from.Since) > tokenLife:", new: "case s.now().Sub(from.Since) > 9*tokenLife:", run: "TestCursorsAreGoodForWhatTheyWereMadeFor"},
		{name: "and for its configuration", file: dir + "cursor.go", old: "case from.Config != s.config.digest():", new: "case false:", run: "TestCursorsAreGoodForWhatTheyWereMadeFor"},
		{name: "a damaged one is refused", file: "internal/packed/packed.go", old: "!bytes.Equal(sum[:], rest[:sha256.Size])", new: "len(sum) == 0", run: "TestCursorsAreGoodForWhatTheyWereMadeFor"},
		{name: "a group inside that was not read is a doubt", file: dir + "feeds.go", old: "if m.groups[child] == nil && r.config.Nested {", new: "if m.groups[child] != nil && !r.config.Nested {", run: "TestVeryManyAssignedGroupsAreReadWithAllOthers"},
		{name: "a failure is no reason for a full read", file: dir + "errors.go", old: "case ctx.Err() != nil, kind == fault.Auth, ", new: "case ctx.Err() != nil, ", run: "TestFailuresOfChangesAreNoReasonForAFullRead"},
	}...))
}
