package notice

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"
)

func TestWhatDoesNotArriveIsTriedAgainMoreAndMoreRarely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, e, other := newWorld(t), &ear{}, &ear{}
		e.fails(fault.New(fault.Unavailable, "send", "", errors.New("it is down"), "start it"))
		w.run(to(t, "chat", e), to(t, "other", other))
		w.set(held("max_people", ""))
		sleep(2 * time.Second)
		w.expect(other, "changes are held in chat")
		sleep(6 * time.Hour)
		s := w.desk.Status()[0]
		if s.Waiting != 1 || s.Reason != "send: it is down" || s.Hint != "start it" || s.Failing.IsZero() || s.Next.IsZero() || s.Kind != "ear" {
			t.Errorf("%+v", s)
		}
		tries := w.count["chat held failed"]
		if tries < 10 || tries > 14 {
			t.Errorf("%d tries in six hours", tries)
		}
		if n := strings.Count(w.log.String(), "notices do not arrive"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		e.fails(nil)
		sleep(time.Hour + time.Minute)
		w.expect(e, "changes are held in chat")
		if s := w.desk.Status()[0]; s.Waiting != 0 || !s.Failing.IsZero() || s.Reason != "" || s.Sent.IsZero() || len(w.shelf.letters) != 0 {
			t.Errorf("%+v", s)
		}
		if !strings.Contains(w.log.String(), "notices arrive again") {
			t.Error("nobody hears that it works again")
		}
		w.stop()
	})
}

func TestWhatNeverArrivesIsGivenUpAndSaidSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, e := newWorld(t), &ear{}
		e.fails(errors.New("no"))
		w.run(to(t, "chat", e))
		w.set(held("max_people", ""))
		sleep(time.Minute)
		w.set()
		sleep(maxAge + 2*time.Hour)
		s := w.desk.Status()[0]
		if s.Waiting != 0 || s.Lost != 2 || s.LostAt.IsZero() || w.count["chat held expired"] != 1 || w.count["chat recovered expired"] != 1 {
			t.Errorf("%+v, %v", s, w.count)
		}
		if n := strings.Count(w.log.String(), "notice given up"); n != 2 || len(w.shelf.letters) != 0 {
			t.Errorf("logged %d times, %d kept", n, len(w.shelf.letters))
		}
		e.fails(nil)
		sleep(3 * time.Hour)
		w.expect(e, "")
		w.stop()
	})
}

func TestNoMoreLettersWaitThanBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, e := newWorld(t), &ear{}
		e.fails(errors.New("no"))
		w.run(to(t, "chat", e))
		for i := range maxWaiting + 50 {
			w.set(held(fmt.Sprint(i), ""))
			sleep(2 * time.Minute)
		}
		sleep(2 * time.Minute)
		if s := w.desk.Status()[0]; s.Waiting > maxWaiting+2 || s.Lost == 0 {
			t.Errorf("%+v", s)
		}
		w.stop()
	})
}

func TestManyAtOnceAreOneMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, e, small := newWorld(t), &ear{}, &ear{limit: 500}
		w.run(to(t, "chat", e), to(t, "small", small))
		var open []run.Condition
		for i := range 40 {
			open = append(open, held(fmt.Sprintf("check-%02d", i), ""))
		}
		w.set(open...)
		sleep(time.Minute)
		m := w.expect(e, "40 notices: 40 held")
		if len(m[0].body) > 8000 || !strings.Contains(m[0].body, "held: check-00") || !strings.Contains(m[0].body, "held: check-39") {
			t.Errorf("%d bytes: %s", len(m[0].body), m[0].body)
		}
		m = w.expect(small, "40 notices: 40 held")
		if len(m[0].body) > 500 || !strings.Contains(m[0].body, "held: check-00") || !strings.Contains(m[0].body, "more; see: groupsyncd status") {
			t.Errorf("%d bytes: %s", len(m[0].body), m[0].body)
		}
		// What follows soon waits, so that a storm is few messages.
		for i := range 20 {
			w.set(held(fmt.Sprintf("other-%02d", i), ""))
			sleep(3 * time.Second)
		}
		sleep(time.Minute)
		if n := len(e.heard()); n > 4 {
			t.Errorf("%d messages in a minute", n)
		}
		w.stop()
	})
}

func TestASlowServiceHoldsNobodyUpNorTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, slow, fast := newWorld(t), &ear{hold: make(chan struct{})}, &ear{}
		w.run(to(t, "slow", slow), to(t, "fast", fast))
		w.set(held("max_people", ""))
		sleep(2 * time.Second)
		w.expect(fast, "changes are held in chat")
		began := time.Now()
		w.stop()
		if took := time.Since(began); took > lastWords+time.Second {
			t.Errorf("the end took %s", took)
		}
		if w.count["slow held failed"] != 0 {
			t.Error("that the program stops is no failure of the service")
		}
		slow.hold = nil
		w.run(to(t, "slow", slow), to(t, "fast", fast))
		sleep(2 * time.Second)
		w.expect(slow, "changes are held in chat")
		w.expect(fast, "")
		w.stop()
	})
}

func TestATestMessageSaysWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	w, good, bad := newWorld(t), &ear{}, &ear{}
	bad.fails(fault.New(fault.Auth, "send by ear", "", errors.New("401"), "make a new token"))
	unread := to(t, "unread", good)
	unread.Open = func() (Sender, error) { return nil, fault.Errorf(fault.Invalid, "", "", "the file is missing") }
	w.begin(to(t, "good", good), to(t, "bad", bad), unread)
	got, err := w.desk.Test(t.Context(), "")
	if err != nil || len(got) != 3 || !got[0].OK || got[1].OK || got[1].Error != "send by ear: 401" || got[1].Hint != "make a new token" || got[2].Error != "the file is missing" || got[2].Kind != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if m := good.heard(); len(m) != 1 || m[0].title != "groupsyncd on box: a test" {
		t.Errorf("%+v", m)
	}
	if got, err := w.desk.Test(t.Context(), "good"); err != nil || len(got) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := w.desk.Test(t.Context(), "nobody"); fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), "good") {
		t.Error(err)
	}
	if _, err := w.begin().Test(t.Context(), ""); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}
