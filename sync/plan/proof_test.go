package plan_test

import (
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

func TestNothingIsAddedOnWhatIsTooOld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "sales").accounts("ann")
	w.read("corp", 0, "users: ann bob", "sales: ann bob").run()
	w.now = at(49 * 60)
	w.accounts("bob")
	if p := w.run(); len(p.Changes) != 0 || !told(p, run.KindStale, "corp") {
		t.Errorf("on a read of two days ago: %v, problems %v", show(p), texts(p))
	}
	expect(t, w.read("corp", 49*60+1, "users: ann bob", "sales: ann bob").run(), "add_member sales bob")
}

func TestRunsBetweenReadsDoNotShortenTheGrace(t *testing.T) {
	t.Parallel()
	w := synced(t)
	w.source("corp").Grace = replica.Grace{Reads: 3}
	renamed := []string{"users: ann bob cid dan", "sales=marketing: ann bob"}
	for minute := range 2 {
		w.read("corp", 10+minute, renamed...)
		for range 5 {
			expect(t, w.run())
		}
	}
	if p := w.read("corp", 12, renamed...).run(); len(p.Changes) != 2 {
		t.Errorf("after three reads: %v", show(p))
	}
}

func TestExactLeavesAnAccountThatSeveralClaim(t *testing.T) {
	t.Parallel()
	w := synced(t, members("exact"))
	w.accounts("eve")
	w.byHand("sales", "ann", "bob", "eve")
	same := []string{"users: ann bob cid dan eve eve2=EVE@example.org", "sales: ann bob", "ops: eve"}
	expect(t, w.read("corp", 10, same...).run())
}

func TestAGrantInItsGraceStaysRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp", "hr").rule("r", "*", func(s *mapping.Spec) { s.To = "All" }).accounts("ann")
	w.read("corp", 0, "users: ann", "a: ann").read("hr", 0, "users: ann", "b: ann").run()
	w.settled()
	grants := func() int { return len(w.mem.Owned[w.group("All").ID].Grants(0)) }
	if grants() != 2 {
		t.Fatalf("%d grants are recorded", grants())
	}
	w.read("corp", 10, "users: ann", "a: ann").read("hr", 10, "users:", "b:").run()
	if grants() != 2 {
		t.Errorf("%d grants are left while one of two is in its grace", grants())
	}
	w.read("corp", 30, "users: ann", "a: ann").read("hr", 30, "users:", "b:").run()
	if grants() != 1 {
		t.Errorf("%d grants are left after the grace", grants())
	}
}

func TestOneAccountClaimedBySubjectAndByMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "sales").accounts("x=eve@example.org")
	w.sources[0].Provider, w.sources[0].Subject = "oidc", "username"
	w.subject("x", "oidc", "u-ann")
	p := w.read("corp", 0, "users: ann eve", "sales: ann eve").run()
	if w.mem.People.Len() != 0 || !told(p, run.KindConflict, "") {
		t.Errorf("linked %v, problems %v", linked(w), texts(p))
	}
}

func TestALinkToAnAccountThatWasNeverSeenTakesNoOther(t *testing.T) {
	t.Parallel()
	w := synced(t)
	w.accounts("eve")
	key := directory.UserKey{Source: "corp", ID: "eve"}
	w.mem.People.Set(key, plan.PersonLink{Account: "a-elsewhere", By: "manual", Since: time.Time{}})
	expect(t, w.read("corp", 10, "users: ann bob cid dan eve", "sales: ann bob eve").run())
	if l := w.mem.People.Link(key); l.Account != "a-elsewhere" {
		t.Errorf("linked to %s now", l.Account)
	}
}

func TestALinkedGroupIsFoundWithoutItsMarkAndName(t *testing.T) {
	t.Parallel()
	w := synced(t)
	id := w.group("sales").ID
	w.edit("sales", func(g *plan.Group) { g.Name, g.Mark, g.Data = "by hand", nil, nil })
	p := w.read("corp", 10, "users: ann bob cid dan", "sales: ann bob").run()
	if len(p.Changes) != 1 || p.Changes[0].Op != run.UpdateGroup || p.Changes[0].Group.ID != id {
		t.Errorf("changes %v", show(p))
	}
}
