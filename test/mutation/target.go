package main

import "slices"

// targets are the guards of the client in what it does with roles, accounts and what is
// shared.
func targets() []mutation {
	const dir, suite = "target/openwebui/", "target/openwebui/openwebuitest/suite"
	return slices.Concat(in("7 target", "target/openwebui",
		mutation{name: "a role counts as given when the answer says so", file: dir + "roles.go", old: "if w.Role != role {", new: "if false {", run: "TestARoleThatTheServerDidNotTakeIsAnError"},
		mutation{name: "a picture that is refused is left out", file: dir + "roles.go", old: "if !accepted(picture) {", new: "if false {", run: "TestARoleIsSetWhateverThePictureIs"},
		mutation{name: "what is sent for a new account is not repeated", file: dir + "newaccount.go", old: "Into: &made, Secret: true,", new: "Into: &made,", run: "TestAnAccountIsMadeOnce"},
		mutation{name: "a lost account is looked for", file: dir + "newaccount.go", old: "return w != nil, err", new: "return false, err", run: "TestAnAccountIsMadeOnce"},
		mutation{name: "a grant that the server dropped is an error", file: dir + "grants.go", old: "!slices.Equal(after.Grants, want)", new: "len(after.Grants) > 9+len(want)", run: "TestGrantsThatTheServerDidNotTakeAreAnError"},
		mutation{name: "who is refused learns nothing about what is there", file: dir + "grants.go", old: "case i < 0 && status == http.StatusUnauthorized:", new: "case false:", run: "TestARefusalProvesNothing"},
		mutation{name: "a list is as long as it says", file: dir + "resources.go", old: "if len(wire) == total {", new: "if len(wire) <= total {", run: "TestAListThatIsCutIsNoShorterList"},
		mutation{name: "a list without grants is none", file: dir + "complete.go", old: "case w.Grants == nil:", new: "case false:", run: "TestAListThatIsCutIsNoShorterList"},
		mutation{name: "what is not shown to us is not gone", file: dir + "complete.go", old: "case all != nil && !*all:", new: "case false:", run: "TestWhatIsNotSharedWithUsIsNotGone"},
		mutation{name: "roles are looked at where they are managed", file: dir + "accounts.go", old: "if differs(m.Account(n), &a) {\n\t\t\to.Accounts", new: "if false {\n\t\t\to.Accounts", run: "TestAChangedRoleIsSeenWhoeverHasIt"},
		mutation{name: "what is read beside others may be refused", file: dir + "resources.go", old: "if needed || ctx.Err() != nil {", new: "if true {", run: "TestARestrictedKeySaysWhatToAllow"},
	), in("7 target", suite,
		mutation{name: "only a role that exists is given", file: dir + "roles.go", old: "if !slices.Contains([]string{plan.RoleAdmin, plan.RoleUser, plan.RolePending}, role) {", new: "if false {", run: "TestSimulatorOfEveryVersion"},
		mutation{name: "default permissions that are not named stay", file: dir + "defaults.go", old: "permission.Merge(now, set)", new: "permission.Merge(now[:0], set)", run: "TestSimulatorOfEveryVersion"},
	))
}
