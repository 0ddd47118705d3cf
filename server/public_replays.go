package server

import (
	"context"
	"sync"
	"time"

	"groupsyncd/sync/run"
)

// Deliveries remembers what webhooks brought, also when the daemon is started anew.
type Deliveries interface {
	// Delivered says whether a webhook brought that before, and to which run it led.
	Delivered(webhook, id string, now time.Time) (led string, before bool, err error)
	// SaveDeliveries remembers several at once.
	SaveDeliveries(list []run.Delivery, now time.Time) error
}

// replays sees to it that what is sent twice counts once.
type replays struct {
	memory Deliveries
	now    func() time.Time
	work   *sync.WaitGroup

	mu sync.Mutex
	// under are the deliveries that are being dealt with.
	under map[string]chan struct{}
	// batch gathers what is to be remembered while the batch before it is written.
	batch  *batch
	saving bool
}

// batch is written as one.
type batch struct {
	list []run.Delivery
	done chan struct{}
	err  error
}

// enter begins to deal with a delivery, unless it was dealt with before: then it gives the
// run that it led to. Equal ones wait for each other.
func (r *replays) enter(ctx context.Context, webhook, id string) (led string, before bool, err error) {
	key := webhook + "/" + id
	for {
		r.mu.Lock()
		busy := r.under[key]
		if busy == nil {
			r.under[key] = make(chan struct{})
		}
		r.mu.Unlock()
		if busy == nil {
			break
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return "", false, ctx.Err()
		}
	}
	led, before, err = r.memory.Delivered(webhook, id, r.now())
	if before || err != nil {
		r.leave(webhook, id)
	}
	return led, before, err
}

// leave ends what enter began.
func (r *replays) leave(webhook, id string) {
	key := webhook + "/" + id
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.under[key])
	delete(r.under, key)
}

// keep remembers a delivery, and returns when it is on the disk. What comes meanwhile is
// written together.
func (r *replays) keep(d run.Delivery) error {
	r.mu.Lock()
	b := r.batch
	if b == nil {
		b = &batch{done: make(chan struct{})}
		r.batch = b
	}
	b.list = append(b.list, d)
	if !r.saving {
		r.saving = true
		r.work.Go(r.save)
	}
	r.mu.Unlock()
	<-b.done
	return b.err
}

// save writes until there is nothing more to write.
func (r *replays) save() {
	for {
		r.mu.Lock()
		b := r.batch
		r.batch = nil
		r.saving = b != nil
		r.mu.Unlock()
		if b == nil {
			return
		}
		b.err = r.memory.SaveDeliveries(b.list, r.now())
		close(b.done)
	}
}
