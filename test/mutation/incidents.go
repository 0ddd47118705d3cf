package main

import "fmt"

// incidents gives the guards behind the tests of test/incident.
func incidents() []mutation {
	var list []mutation
	// off switches a guard off that belongs to the incident of that number.
	off := func(number int, name, file, old, put string) {
		list = append(list, mutation{rule: fmt.Sprintf("incident %d", number), name: name, file: file, old: old, new: put,
			pkg: "test/incident", run: fmt.Sprintf("^TestIncident%02d", number)})
	}
	off(1, "gone takes time", "sync/replica/absence.go", " && m.Last.Sub(m.First) >= g.Over", "")
	off(1, "an empty source has shrunk", "sync/plan/guard_sources.go", "lost < minShrink && is > 0", "lost < minShrink")
	off(2, "a group that was cut is not covered", "sync/replica/merge.go", "if s.Groups[i].MembersKnown {", "if true {")
	off(2, "a group may not lose half in a day", "sync/plan/guard.go", "if had >= minGroup && ", "if false && ")
	off(3, "members of others stay", "sync/plan/members.go", "if g.want == nil || g.want.Members != ExactMembers {", "if g.want == nil {")
	off(4, "a source that shrank is held", "sync/plan/guard_sources.go", `g.shrank(last, now); why != ""`, `g.shrank(last, now); why == "never"`)
	off(5, "a limit of the server ends the list without proof", "providers/ldap/read.go", "complete = false\n\t\t\tr.session.giveUp(err)", "r.session.giveUp(err)")
	off(5, "a base below which nothing is shown must be visible", "providers/ldap/read.go", "if err == nil && f.Entries == 0 {", "if false {")
	off(6, "gone takes two sightings", "sync/replica/absence.go", "m.Reads >= g.Reads && ", "")
	off(7, "an error after some entries is an error", "providers/ldap/wire/search.go", "return f, err\n\t\t}\n\t\tif page != nil", "return f, nil\n\t\t}\n\t\tif page != nil")
	off(8, "who was looked up meanwhile is left out", "sync/engine/apply.go", "case c.User != nil && w.state.refreshed[c.User.ID] > w.planSeq:", "case false:")
	off(9, "no member in any group is no empty list", "providers/ldap/groups.go", "if len(r.snapshot.Groups) > 0 && !r.groups.memberShown {", "if false {")
	off(10, "permissions of others stay", "target/openwebui/tree.go", "return permission.Merge(held, set)", "return permission.Explicit(set), nil")
	off(11, "adopt: never leaves a group alone", "sync/plan/groups.go", "look(want.Adopt.Name, want.Name)", "look(true, want.Name)")
	off(12, "a token without groups covers none", "sync/replica/lookup.go", "if m.s.Users[i].GroupsKnown && ", "if ")
	off(13, "protected accounts lose nothing", "sync/plan/members.go", "case c.guarded[a]:", "case c.guarded[a] && false:")
	off(14, "pages are followed to the end", "providers/ldap/wire/search.go", "case len(p.end.cookie) == 0:", "case true:")
	off(15, "an answer without the paging control has no end", "providers/ldap/wire/search.go", `return f, fmt.Errorf("an answer without the paging control: %w", ErrIncomplete)`, "return f, nil")
	off(16, "ranges of members are read", "providers/ldap/groups.go", "r.rangedMembers(at, string(e.DN), configured)", "")
	off(16, "a slice that fails leaves the group uncovered", "providers/ldap/ranges.go", "r.snapshot.Groups[at].MembersKnown = false", "")
	off(17, "the same page again ends the read", "providers/ldap/wire/search.go", "if known && again {", "if known && again && false {")
	off(18, "what covers nothing changes nothing", "sync/engine/pull.go", "if s.Coverage() == directory.None && len(s.DeletedUsers)+len(s.DeletedGroups) == 0 {", "if false {")
	off(19, "groups are known by an id that never changes", "providers/ldap/people.go", "if t.buf, err = appendID(t.buf, e, l.groups.ID); err != nil {", "if t.buf = append(t.buf, e.DN...); err != nil {")
	off(20, "people are known by an id that never changes", "providers/ldap/people.go", "if t.buf, err = appendID(t.buf, e, l.users.ID); err != nil {", "if t.buf = append(t.buf, e.DN...); err != nil {")
	off(20, "an empty id is none", "providers/ldap/ids.go", "if len(bytes.TrimSpace(to[from:])) == 0 {", "if len(bytes.TrimSpace(to[from:])) < 0 {")
	off(21, "each entry stands alone", "providers/ldap/read.go", "bad.see(e, each(e))\n", "if err := each(e); err != nil {\n\t\t\t\treturn err\n\t\t\t}\n")
	off(21, "an entry that cannot be used leaves the list uncovered", "providers/ldap/read.go", "if bad.count > 0 {\n\t\tcomplete = false", "if bad.count > 0 {")
	off(22, "an account has one person of a source", "sync/plan/people.go", "case taken[account] || len(claims[account]) > 1:", "case taken == nil || len(claims[account]) > 1:")
	off(22, "a mail of somebody else of 90 days matches nobody", "sync/plan/people.go", `case by == "email" && mails[directory.FoldEmail(u.Email)] > 1:`, "case false:")
	off(23, "the whole address counts", "directory/directory.go", "return strings.ToLower(s)", "s, _, _ = strings.Cut(strings.ToLower(s), \"@\")\n\treturn s")
	off(23, "an address of two accounts matches neither", "sync/plan/people.go", "case len(found) == 1:", "case len(found) > 0:")
	off(24, "addresses are compared without regard to case", "directory/directory.go", "return strings.ToLower(s)", "return strings.Clone(s)")
	off(25, "a look-up climbs through nested groups", "providers/ldap/climb.go", "if !c.layout.nested {\n\t\treturn c.list(", "if true {\n\t\treturn c.list(")
	off(26, "a link names its source", "sync/plan/people.go", "links := p.in.Memory.People.of(src.ID)", "links := p.in.Memory.People.of(p.in.Sources[0].ID)")
	off(27, "the link to a deleted account ends", "sync/plan/people.go", "if p.in.Memory.Mirror.Account(account).Deleted {", "if false {")
	off(28, "an addition that did not happen is a failure", "sync/engine/verify.go", "case c.Op == run.AddMember && !is:", "case false:")
	off(28, "removals are counted", "sync/plan/report.go", "s.MembersRemoved++", "")
	off(29, "a removal that did not happen is a failure", "sync/engine/verify.go", "case c.Op == run.RemoveMember && is:", "case false:")
	off(30, "a refused login reads nothing", "providers/ldap/read.go", "snapshot: &directory.Snapshot{AsOf: now},", "snapshot: &directory.Snapshot{AsOf: now, UsersListed: true, GroupsListed: true},")
	off(30, "a refused credential is not tried over and over", "sync/engine/quarantine.go", "kind != fault.Auth && t.Failures < patience:", "t.Failures < 100:")
	off(31, "the clock on the wall is looked at", "sync/schedule/runner.go", "longestSleep = 30 * time.Second", "longestSleep = 24 * time.Hour")
	off(31, "the night of the clock change", "sync/schedule/schedule.go", "case s.cron.Hour&everyHour == everyHour:", "case s.cron != nil:")
	off(32, "older evidence replaces nothing newer", "sync/replica/merge.go", "if m.asOf.Before(row.MembersAt) {", "if false {")
	off(33, "another scope is held", "sync/plan/guard_sources.go", "case last.Scope == src.Scope:", "case true:")
	off(34, "the first exact removal is held", "sync/plan/guard.go", "case c.Proof.Exact && !g.in.Memory.Links[c.Link].Exact && (c.Reverts == \"\" || !c.Foreign):", "case false:")
	return list
}
