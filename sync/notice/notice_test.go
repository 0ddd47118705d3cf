package notice

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/sync/run"

	"pgregory.net/rapid"
)

func TestToldOnceWhenItBeginsOnceWhenItsReasonChangesAndOnceWhenItIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, e := newWorld(t), &ear{}
		w.run(to(t, "chat", e))
		sleep(time.Hour)
		w.expect(e, "")
		w.set(held("max_people", "a"))
		sleep(gather + time.Second)
		m := w.expect(e, "changes are held in chat")
		want := "held: max_people\n- remove member Sales bo@example.org\n- and 4 more\napprove it\nstatus page: http://127.0.0.1:8421/"
		if m[0].body != want {
			t.Errorf("text %q", m[0].body)
		}
		grown := held("max_people", "a")
		grown.Message, grown.More = "held: more", 12
		w.set(grown)
		sleep(time.Hour)
		w.expect(e, "") // More of the same is no news.
		w.set(held("max_people", "b"))
		sleep(2 * time.Minute)
		w.expect(e, "changes are held in chat, for another reason")
		w.set()
		sleep(2 * time.Minute)
		if m := w.expect(e, "nothing of it is held any more in chat"); !strings.HasPrefix(m[0].body, "it is over, and was so since 2") {
			t.Errorf("text %q", m[0].body)
		}
		sleep(100 * time.Hour)
		w.expect(e, "")
		w.stop()
	})
}

func TestRemindedEveryDayWhileItLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, daily, never := newWorld(t), &ear{}, &ear{}
		silent := to(t, "never", never)
		silent.Remind = 0
		w.run(to(t, "daily", daily), silent)
		w.set(held("max_people", ""))
		sleep(time.Minute)
		first := w.expect(daily, "changes are held in chat")[0].at
		for day := range 5 {
			sleep(24 * time.Hour)
			m := w.expect(daily, "still: changes are held in chat")
			if off := m[0].at.Sub(first) - time.Duration(day+1)*24*time.Hour; off < 0 || off > time.Duration(day+1)*2*time.Minute || !strings.HasPrefix(m[0].body, "still since 2") {
				t.Errorf("reminder %d is off by %s: %q", day, off, m[0].body)
			}
			if day == 2 { // A restart changes nothing.
				w.stop()
				sleep(time.Hour)
				w.run(to(t, "daily", daily), silent)
				sleep(2 * time.Minute)
				w.expect(daily, "")
			}
		}
		w.expect(never, "changes are held in chat")
		w.stop()
	})
}

// TestEachIsToldOnce plays what may happen in any order, restarts and outages of services
// among it, and counts: each beginning, each change of a reason and each end is told once,
// in this order, and nothing else but reminders.
func TestEachIsToldOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 40).Draw(rt, "steps")
		reasons := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b"}), len(steps), len(steps)).Draw(rt, "reasons")
		wrong := ""
		synctest.Test(t, func(t *testing.T) {
			w, e := newWorld(t), &ear{}
			service := to(t, "chat", e)
			service.Remind = 0
			var err error
			if service.Template, err = Parse("t", "told {{ .Message }} {{ .Event }}"); err != nil {
				t.Fatal(err)
			}
			w.run(service)
			open := map[string]string{}
			want := map[string]string{}
			for i, step := range steps {
				key := []string{"x", "y", "z"}[step%3]
				switch {
				case step < 6:
					switch was, is := open[key]; {
					case !is:
						want[key] += "new "
					case was != reasons[i]:
						want[key] += "changed "
					}
					open[key] = reasons[i]
				case step < 8:
					if _, is := open[key]; is {
						want[key] += "over "
					}
					delete(open, key)
				case step == 8:
					w.stop()
					w.run(service)
				default:
					if e.fails(errors.New("no")); reasons[i] == "a" {
						e.fails(nil)
					}
				}
				var list []run.Condition
				for k, reason := range open {
					list = append(list, held(k, reason))
				}
				w.set(list...)
				sleep(2 * time.Minute)
			}
			e.fails(nil)
			sleep(3 * time.Hour)
			w.stop()
			got := map[string]string{}
			for _, m := range e.heard() {
				for line := range strings.SplitSeq(m.body, "\n") {
					if words := strings.Fields(line); len(words) > 2 && words[0] == "told" {
						got[words[len(words)-2]] += words[len(words)-1] + " "
					}
				}
			}
			if !maps.Equal(got, want) {
				wrong = fmt.Sprintf("told %v, want %v", got, want)
			}
		})
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

func TestACrashBetweenSendingAndNotingRepeatsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, e := newWorld(t), &ear{}
		w.begin(to(t, "chat", e))
		w.set(held("max_people", ""))
		if err := w.desk.Look(); err != nil {
			t.Fatal(err)
		}
		w.shelf.breaks(true) // The process dies before it can note anything.
		if err := w.desk.Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.shelf.breaks(false)
		for range 3 {
			w.begin(to(t, "chat", e))
			if err := w.desk.Deliver(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		w.expect(e, "changes are held in chat; changes are held in chat")
	})
}

func TestAStateThatCannotBeWrittenIsToldOnceAllTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, e := newWorld(t), &ear{}
		w.run(to(t, "chat", e))
		sleep(time.Minute)
		w.shelf.breaks(true)
		w.set(run.Condition{Kind: run.NoticeQuarantined, Key: "failed/state", Message: "the disk is full"})
		sleep(6 * time.Hour)
		w.expect(e, "something keeps failing")
		if n := strings.Count(w.log.String(), "notices not kept"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		w.shelf.breaks(false)
		w.set()
		sleep(2 * time.Minute)
		w.expect(e, "it is over")
		if len(w.shelf.letters) != 0 || len(w.shelf.desk.Told["chat"]) != 0 {
			t.Errorf("kept: %v", w.shelf.letters)
		}
		w.stop()
	})
}

func TestDamageToWhatWasToldStopsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, e := newWorld(t), &ear{}
		w.set(held("max_people", "a"))
		w.run(to(t, "chat", e))
		sleep(time.Hour)
		w.expect(e, "changes are held in chat")
		w.stop()
		w.shelf.damaged = true
		w.run(to(t, "chat", e))
		sleep(time.Hour)
		w.expect(e, "changes are held in chat") // Told once more rather than not at all.
		w.stop()
		if !strings.Contains(w.log.String(), "begins anew") {
			t.Errorf("nobody is told of the damage:\n%s", w.log)
		}
	})
}
