package main

import "slices"

// configured are the guards of the configuration and the state about roles, accounts and
// permissions.
func configured() []mutation {
	const accounts, beyond = "config/accounts.go", "of the configuration"
	const bad, lines = "TestBadFilesSayWhatIsWrong", "TestLinesOfRolesBecomeRules"
	return slices.Concat(in("6 configured", "config",
		mutation{name: "administrators by id or dn only", file: accounts, old: "m.Everyone || len(m.Names)+len(m.Paths)+len(m.Regexps) > 0 {", new: "m.Everyone && false {", run: bad, beyond: beyond},
		mutation{name: "several sources need an authority", file: accounts, old: "if len(a.Authority) == 0 && len(c.Sources) > 1 {", new: "if false {", run: bad, beyond: beyond},
		mutation{name: "who knows single people only decides about nobody's leaving", file: accounts, old: "if s == nil || !s.Single {", new: "if s == nil || s != nil {", run: bad, beyond: beyond},
		mutation{name: "who is no authority gives no role", file: accounts, old: "len(authority) > 0 && !slices.Contains(authority, name) {", new: "len(authority) > 0 && name == \"\" {", run: bad, beyond: beyond},
		mutation{name: "members of nested groups are no administrators", file: accounts, old: "{false: r.Admin, true: r.User}", new: "{true: append(r.Admin, r.User...)}", run: lines, beyond: beyond},
		mutation{name: "a source may be renamed", file: accounts, old: "json.Marshal([]any{t.Name, line.Match})", new: "json.Marshal([]any{t.Name, line.Match, line.From})", run: "TestALineOfRolesKeepsItsName", beyond: beyond},
		mutation{name: "accounts made before are found again", file: accounts, old: `!slices.Contains(t.Match, "email") {`, new: "t.Match == nil {", run: bad, beyond: beyond},
		mutation{name: "what managers own is looked at", file: "config/access.go", old: "if spec.Team != nil && spec.Team.OwnedByManagers {", new: "if false {", run: "TestWhatManagersOwnIsLookedAt", beyond: beyond},
	), in("6 configured", "state",
		mutation{name: "a role that is no longer ours is forgotten", file: "state/sharing.go", old: "if err := w.asJSON(partRoles, []byte(id), ok, role); err != nil {", new: "if err := w.asJSON(partRoles, []byte(id), ok || true, role); err != nil {", run: "TestWhatIsNoLongerThereIsForgotten", beyond: "of the store: histories keep theirs in memory"},
		mutation{name: "what a call gives is written down before it", file: "state/parts.go", old: "return w.intentMore(in)", new: "return nil", run: "TestCallsAboutAccountsAndResourcesComeBack", beyond: "of the store: histories keep theirs in memory"},
	))
}
