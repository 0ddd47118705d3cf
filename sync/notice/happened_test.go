package notice

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/sync/run"
)

func TestWhatARunChangedIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, e := newWorld(t), &ear{}
		w.run(to(t, "chat", e))
		w.shelf.ended(changed("01A"))
		sleep(2 * time.Minute)
		m := w.expect(e, "changes made in chat")
		want := "target chat: 1 member added\n- add member Sales ada@example.org (in cn=sales)\nsee all of it with: groupsyncd history 01A\nstatus page: http://127.0.0.1:8421/"
		if m[0].body != want {
			t.Errorf("%q", m[0].body)
		}
		planned := changed("01B")
		planned.Mode = run.Plan
		w.shelf.ended(planned)
		quiet := changed("01C")
		quiet.Targets[0].Changes = nil
		w.shelf.ended(quiet)
		w.shelf.note(run.Event{At: time.Now(), Kind: run.EventRun, Run: "gone", Count: 7})
		sleep(2 * time.Minute)
		w.expect(e, "")
		w.stop()
	})
}

func TestCallsThatFailRunAfterRunAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, e := newWorld(t), &ear{}
		w.run(to(t, "chat", e))
		fail := func(id string, failed int, user string) {
			w.shelf.ended(&run.Report{Run: id, Mode: run.Apply, Started: time.Now(), User: user, Targets: []run.TargetReport{{Name: "chat", Summary: run.Summary{Failed: failed}}}})
			sleep(2 * time.Minute)
		}
		fail("1", 1, "")
		fail("2", 1, "")
		w.expect(e, "")
		fail("3", 0, "ada") // A run of one person proves nothing.
		w.stop()
		w.run(to(t, "chat", e))
		fail("4", 2, "")
		if m := w.expect(e, "something keeps failing"); !strings.Contains(m[0].body, "calls failed in each of the last 3 runs\nsee which, and why, with: groupsyncd history 4") {
			t.Errorf("%q", m[0].body)
		}
		fail("5", 2, "")
		w.expect(e, "")
		fail("6", 0, "")
		w.expect(e, "it is over")
		w.stop()
	})
}

func TestWhoeverBecomesPowerfulIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, e := newWorld(t), &ear{}
		w.run(to(t, "chat", e, run.NoticePrivileged))
		role := func(user, from, to string) run.Event {
			return run.Event{Op: run.SetRole, User: user, Fields: []run.Field{{Name: "role", From: from, To: to}}}
		}
		set := func(group, key string, on any) run.Event {
			return run.Event{Op: run.SetPermissions, Group: group, Fields: []run.Field{{Name: "permissions." + key, To: on}}}
		}
		events := []run.Event{role("id-ada", "user", "admin"), role("id-bo", "pending", "user"), role("id-cy", "admin", "user"), {Op: run.SetRole, User: "id-dee"},
			set("Labs", "features.api_keys", true), set("Labs", "chat.edit", true), set("Labs", "workspace.tools", false),
			{Op: run.AddMember, User: "root", Group: "Sales"}, {Op: run.AddMember, User: "id-ada", Group: "Sales"}}
		for i := range events {
			events[i].At, events[i].Kind, events[i].Run, events[i].Target, events[i].Outcome = time.Now(), run.EventChange, "01A", "chat", run.Applied
		}
		failed := role("id-eve", "user", "admin")
		failed.At, failed.Kind, failed.Run, failed.Target, failed.Outcome = time.Now(), run.EventChange, "01A", "chat", run.Failed
		// The run has not ended: what it gave is told all the same.
		w.shelf.note(append(events, failed)...)
		sleep(2 * time.Minute)
		m := w.expect(e, "more power in chat")
		want := []string{"target chat: 1 new administrator, 2 roles raised, 1 right that gives more than its name tells, 1 change of a protected account",
			"- ada@example.org is administrator now", "- role of bo@example.org: pending → user", "- the role of dee@example.org was changed by a run that was interrupted; look at it",
			"- Labs: features.api_keys, which lets people make API keys, which go on working without a sign-in for as long as their account is not pending",
			"- protected account root@example.org: add member Sales", "if that is wrong: groupsyncd revert 01A", "status page: http://127.0.0.1:8421/"}
		if m[0].body != strings.Join(want, "\n") {
			t.Errorf("%s", m[0].body)
		}
		w.stop()
		w.run(to(t, "chat", e, run.NoticePrivileged))
		sleep(2 * time.Minute)
		w.expect(e, "")
		w.stop()
	})
}
