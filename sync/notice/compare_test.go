package notice

import (
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/sync/run"
)

func TestAServiceHearsOfItsKindsAndTargetsOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, stale, other := newWorld(t), &ear{}, &ear{}
		elsewhere := to(t, "other", other)
		elsewhere.Targets = []string{"second"}
		w.run(to(t, "stale", stale, run.NoticeStale), elsewhere)
		source := run.Condition{Kind: run.NoticeStale, Key: "stale/corp", Message: "stale"}
		w.set(held("max_people", ""), source)
		sleep(time.Minute)
		w.expect(stale, "source corp is stale")
		w.expect(other, "source corp is stale")
		w.set()
		sleep(time.Minute)
		w.expect(stale, "") // It is not told what is over.
		w.expect(other, "source corp is read again")
		// One that comes later hears of what is open, not of what was before.
		w.set(source)
		sleep(time.Minute)
		stale.heard()
		late := &ear{}
		w.desk.Use([]Service{to(t, "late", late)})
		sleep(2 * time.Minute)
		w.expect(late, "source corp is stale")
		w.expect(stale, "")
		w.stop()
	})
}

func TestWhoIsToldOfNothingLaterHearsNothingOfWhatWasBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, e := newWorld(t), &ear{}
		w.shelf.ended(changed("01A"))
		w.run(to(t, "chat", e))
		sleep(2 * time.Minute)
		w.expect(e, "") // What was before notices were configured is no news.
		w.desk.Use(nil)
		w.shelf.ended(changed("01B"))
		sleep(2 * time.Minute)
		if w.shelf.found {
			t.Error("the state remembers what nobody needs")
		}
		w.desk.Use([]Service{to(t, "chat", e)})
		sleep(2 * time.Minute)
		w.expect(e, "")
		w.shelf.ended(changed("01C"))
		sleep(2 * time.Minute)
		w.expect(e, "changes made in chat")
		w.stop()
	})
}
