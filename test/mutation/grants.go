package main

import "slices"

// sharing are the guards of grants, of permissions and of the default permissions.
func sharing() []mutation {
	grants, keys, defaults, cuts := "sync/plan/grants.go", "sync/plan/permissions.go", "sync/plan/defaults.go", "sync/plan/guard_cuts.go"
	engine := "sync/engine/grants.go"
	return slices.Concat(in("grants: ownership", "sync/plan",
		mutation{name: "a type that was never read says nothing", file: grants, old: "&& !s.c.in.Memory.Mirror.ResourcesAt[kind].IsZero()", new: "", run: "TestWhatBecomesOfAGrant"},
		mutation{name: "a rule that still names it keeps it", file: grants, old: "\tcase s.names(o.Rule, r.ResourceKey, o.Permission) && !s.decided(o, r.ResourceKey):\n", new: "\tcase false:\n", run: "TestAGrantGoesOnlyBecauseARuleNoLongerNamesIt"},
		mutation{name: "a rule that is gone keeps it with its members", file: grants, old: "if c.stillIn(o.ID, o.Rule) {", new: "if false {", run: "TestGrantsOfARuleThatIsGoneGoWithItsMembers|TestAGrantGoesOnly.*"},
		mutation{name: "what is there is not given", file: grants, old: "\t\tif c.has(r, g) {\n\t\t\tcontinue\n\t\t}\n\t\tif is {", new: "\t\tif false {\n\t\t\tcontinue\n\t\t}\n\t\tif is {", run: "TestWhatBecomesOfAGrant"},
		mutation{name: "who writes may read", file: grants, old: "s.match(kind, slices.Concat(a.Read, a.Write)), s", new: "s.match(kind, a.Read), s", run: "TestWhatRulesShare"},
		mutation{name: "unknown keeps a hold", file: grants, old: "\tcase s.names(o.Rule, r.ResourceKey, o.Permission) && !s.decided(o, r.ResourceKey):\n\t\tc.plan.Unknown[key] = true\n", new: "\tcase s.names(o.Rule, r.ResourceKey, o.Permission) && !s.decided(o, r.ResourceKey):\n", run: "TestAHeldGrantStaysHeldWhileItsRuleLeadsNowhere"},
	), in("grants: permissions that go back", "sync/plan",
		mutation{name: "not those that somebody changed", file: keys, old: "if !sameJSON(last.Applied[name], now) || ", new: "if ", run: "TestARightThatSomebodyGaveAfterOurNoStays"},
		mutation{name: "what somebody changed is theirs for good", file: keys, old: "\t\t\tc.plan.Forgotten = append(c.plan.Forgotten, ForgottenValue{GroupID: group, Field: name})\n", new: "", run: "TestKeysThatNoRuleNamesAnyMoreGoBackToWhatWasBefore"},
		mutation{name: "those of a rule that is gone wait for its members", file: keys, old: "|| c.in.Memory.Owned[id] != nil ", new: "", run: "TestPermissionsOfARuleThatIsGoneGoWithItsMembers"},
		mutation{name: "what goes is a change of its own", file: "sync/plan/values.go", old: "if cuts(f) || c.isReverted", new: "if c.isReverted", run: "TestDefaultPermissions|TestHeldCuts.*"},
		mutation{name: "defaults that were not read", file: defaults, old: "if tree == nil || err != nil {", new: "if err != nil {", run: "TestDefaultPermissions"},
	), in("5 max_cuts", "sync/plan",
		mutation{name: "holds", file: cuts, old: "if !g.limits.MaxCuts.Exceeded(len(people), living) {", new: "if true {", run: "TestWhoIsAffectedByACut"},
		mutation{name: "who keeps a permission loses nothing", file: cuts, old: "&& active(row) && !a.keep[key][n] {", new: "&& active(row) {", run: "TestWhoIsAffectedByACut"},
		mutation{name: "not through what goes too", file: cuts, old: "if set[key] && !a.gone[key][id] {", new: "if set[key] {", run: "TestWhoIsAffectedByACut"},
		mutation{name: "people of groups below", file: cuts, old: "range below(a.children, group) {", new: "range []string{group} {", run: "TestWhoIsAffectedByACut"},
		mutation{name: "within a day", file: cuts, old: "if l.Cut && !l.Approved && g.in.Now.Sub(l.At) < window {", new: "if false {", run: "TestCutsOfADayCountTogether"},
		mutation{name: "stays held", file: "sync/plan/guard.go", old: "&& !c.Loss() && !c.Cut() ", new: "&& !c.Loss() ", run: "TestHeldCutsStayHeldAndEverythingElseGoesOn"},
	), in("grants: calls", "sync/engine",
		mutation{name: "the resource is read again", file: engine, old: "\tnow, err := w.api.Resource(call, key)\n", new: "\tnow, err := *mem.Mirror.Resource(key), error(nil)\n", run: "TestWhatSomebodySharesDuringARunSurvives"},
		mutation{name: "what somebody shared meanwhile is theirs", file: engine, old: "if after.Has(o.Grant) && (!before.Has(o.Grant) || mem.OwnsGrant(c.Resource, o.Grant)) {", new: "if after.Has(o.Grant) {", run: "TestWhatSomebodySharesDuringARunIsTheirs"},
		mutation{name: "a crash does not lose whose it is", file: engine, old: "if now.Has(o.Grant) && !mem.OwnsGrant(in.Resource, o.Grant) {", new: "if false {", run: "TestNoInterruptionLosesWhoseAGrantIs"},
		mutation{name: "what did not happen is a failure", file: engine, old: "if missing || len(gone) < len(c.Grants.Remove) {", new: "if missing && len(gone) < 0 {", run: "TestACallThatDoesNothingIsAFailure"},
	))
}
