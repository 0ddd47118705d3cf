package app

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestADaemonSaysWhenNothingIsReadAnyMore(t *testing.T) {
	t.Parallel()
	outside := newTown(t) // its server needs the network, which has no place in a bubble
	synctest.Test(t, func(t *testing.T) {
		w := &town{T: t, dir: outside.dir, chat: outside.chat, log: outside.log}
		a := w.open()
		ctx, stop := context.WithCancel(t.Context())
		wait := a.watch(ctx)
		told := func() int { return strings.Count(w.log.String(), "msg=notice kind=stale") }
		time.Sleep(72 * time.Hour) // three times the interval of its schedule
		if told() != 0 {
			t.Errorf("too early:\n%s", w.log)
		}
		time.Sleep(2 * time.Minute)
		if told() != 1 || !strings.Contains(w.log.String(), "source list is stale: it was never read completely") {
			t.Errorf("told %d times:\n%s", told(), w.log)
		}
		time.Sleep(24 * time.Hour)
		if told() != 1 {
			t.Errorf("told %d times", told())
		}
		stop()
		if err := wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
