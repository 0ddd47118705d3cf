package server

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/sync/run"
)

func TestEqualOnesWaitForEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var work sync.WaitGroup
		r := &replays{memory: &notebook{}, now: time.Now, work: &work, under: map[string]chan struct{}{}}
		enter := func(id string) (string, bool) {
			led, before, err := r.enter(t.Context(), "login", id)
			if err != nil {
				t.Error(err)
			}
			return led, before
		}
		if _, before := enter("a"); before {
			t.Error("it was never there")
		}
		second := make(chan string, 1)
		go func() {
			led, before := enter("a")
			if !before {
				t.Error("the second was dealt with too")
			}
			second <- led
		}()
		bounded, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, _, err := r.enter(bounded, "login", "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("whoever gives up is told %v", err)
		}
		if _, before := enter("b"); before {
			t.Error("another was there")
		}
		r.leave("login", "b")
		synctest.Wait()
		select {
		case <-second:
			t.Error("the second did not wait for the first")
		default:
		}
		if err := r.keep(run.Delivery{Webhook: "login", ID: "a", Run: "run-1", Until: time.Now().Add(time.Hour)}); err != nil {
			t.Error(err)
		}
		r.leave("login", "a")
		if led := <-second; led != "run-1" {
			t.Errorf("the second was told of %q", led)
		}
		work.Wait()
	})
}

// slowBook takes a second for each write.
type slowBook struct {
	notebook
	sizes []int
	fails error
}

func (b *slowBook) SaveDeliveries(list []run.Delivery, now time.Time) error {
	time.Sleep(time.Second)
	b.sizes = append(b.sizes, len(list))
	return errors.Join(b.fails, b.notebook.SaveDeliveries(list, now))
}

func TestWhatComesDuringAWriteIsWrittenTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var work, senders sync.WaitGroup
		book := &slowBook{}
		r := &replays{memory: book, now: time.Now, work: &work, under: map[string]chan struct{}{}}
		for n := range 10 {
			senders.Go(func() {
				time.Sleep(time.Duration(n) * 100 * time.Millisecond)
				if err := r.keep(run.Delivery{Webhook: "login", ID: string(rune('a' + n)), Until: time.Now().Add(time.Hour)}); err != nil {
					t.Error(err)
				}
				if _, before, _ := book.Delivered("login", string(rune('a'+n)), time.Now()); !before {
					t.Error("keep came back before it was written")
				}
			})
		}
		senders.Wait()
		work.Wait()
		if !slices.Equal(book.sizes, []int{1, 9}) {
			t.Errorf("written in parts of %v", book.sizes)
		}
		book.fails = errors.New("the disk is full")
		if err := r.keep(run.Delivery{Webhook: "login", ID: "z"}); err == nil {
			t.Error("a failure was not told")
		}
		work.Wait()
	})
}
