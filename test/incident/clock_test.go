package incident

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/run"
	"groupsyncd/sync/schedule"
)

// One colliding entry stopped all new users, and the tool reported no error
// (owncloud/user_ldap#751). Here each entry stands alone: those who cannot be used are
// counted and make the run fail, all others go on, and nobody is taken out by it.
func TestIncident21OneEntryStoppedAllOthers(t *testing.T) {
	t.Parallel()
	o := found(t)
	server, _ := o.ldap(nil)
	o.add(server, append(o.enter("ann", "bob"), team("eng", "ann", "bob"))...)
	o.run()
	twin := person("twin")
	twin.Attributes["entryUUID"] = []string{uuid("user ann")}
	o.add(server, twin)
	o.add(server, o.enter("new")...)
	o.must(server.AddValues(groupDN("eng"), "member", userDN("new")))
	o.run()
	o.has("eng", "ann", "bob", "new")
	o.exit(run.ExitSource)
	o.must(server.Delete(userDN("bob")))
	o.steady("eng", "ann", "bob", "new")
	o.exit(run.ExitSource)
	o.must(server.Delete(userDN("twin")))
	o.run()
	o.exit(run.ExitOK)
}

// The job came hours late after the machine had slept, and in the night in which the clock
// goes forward it did not come at all (cc-connect#1798, robfig/cron PR 541). Here the loop
// looks at the clock on the wall every half minute, what was missed is caught up once, and
// a daily schedule is due once a day in every zone.
func TestIncident31LateAfterSleepAndSkippedNight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var set atomic.Int64 // by how much the wall clock is ahead of the timers
		now := func() time.Time { return time.Now().Add(time.Duration(set.Load())) }
		r, err := schedule.New(schedule.Options{Logger: slog.New(slog.DiscardHandler), Now: now})
		if err != nil {
			t.Fatal(err)
		}
		daily, err := schedule.Parse("0 3 * * *", time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		var fired atomic.Int32
		r.Add("sync", daily, now(), 0, func(context.Context, time.Time) { fired.Add(1) })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx) }()
		synctest.Wait()
		// The machine sleeps for two days: timers stand still, the clock does not.
		set.Store(int64(48 * time.Hour))
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if n := fired.Load(); n != 1 {
			t.Errorf("after waking up it came %d times within half a minute", n)
		}
		cancel()
		<-done
	})
	zone, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	night, err := schedule.Parse("30 2 * * *", zone)
	if err != nil {
		t.Fatal(err)
	}
	days := map[string]int{}
	at := time.Date(2025, 12, 31, 12, 0, 0, 0, zone)
	for at = night.Next(at); at.Year() == 2026; at = night.Next(at) {
		days[at.Format(time.DateOnly)]++
	}
	if len(days) != 365 {
		t.Errorf("due on %d days of the year", len(days))
	}
	for day, n := range days {
		if n != 1 {
			t.Errorf("due %d times on %s", n, day)
		}
	}
}

// A clock that was minutes off made fresh tokens look old or from the future
// (IdentityServer4#1298, flask-oidc#7). Here a read that our clock calls older than what is
// known changes nothing until the clock has caught up: nothing is applied twice, and nobody
// is lost to a clock that was set back by ten minutes or an hour, or forward.
func TestIncident32ClockOff(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{-10 * time.Minute, -time.Hour, 10 * time.Minute, time.Hour} {
		o := found(t)
		corp := o.directory("corp")
		o.hire(corp, "ann", "bob", "cid")
		staff(corp, "eng", "ann", "bob")
		o.run()
		o.login("ann")
		o.later(step)
		if tr := o.run(); len(tr.Changes) != 0 {
			t.Errorf("step of %s: %+v", step, tr.Changes)
		}
		// By the clock, what is shown now is older than what is known.
		staff(corp, "eng")
		o.run()
		o.login("ann")
		if step < 0 {
			o.has("eng", "ann", "bob")
		} else {
			o.has("eng")
		}
		staff(corp, "eng", "ann", "bob", "cid")
		o.later(max(0, -step))
		o.run()
		o.has("eng", "ann", "bob", "cid")
		o.quiet(o.run())
		if step < 0 && slices.ContainsFunc(o.web.Effects, func(e enginetest.Effect) bool { return e.Had || e.Op == run.RemoveMember }) {
			t.Errorf("step of %s: something was done twice, or somebody was out: %+v", step, o.web.Effects)
		}
	}
}
