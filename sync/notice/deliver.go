package notice

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/run"
)

// deliver sends what is due until ctx ends, to each service by itself: a slow one holds
// nobody up.
func (d *Desk) deliver(ctx context.Context) {
	sending, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var wg sync.WaitGroup
	for ctx.Err() == nil {
		wait := lookEvery
		for _, p := range d.due(&wait) {
			wg.Go(func() {
				d.send(sending, p)
				d.wake()
			})
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-d.ready:
		case <-timer.C:
		}
		timer.Stop()
	}
	last := time.AfterFunc(lastWords, cut)
	defer last.Stop()
	wg.Wait()
}

// Deliver compares and sends everything once, whatever is due, for a command that is no
// daemon. What does not arrive is sent by the next one.
func (d *Desk) Deliver(ctx context.Context) error {
	err := d.Look()
	d.mu.Lock()
	var list []*post
	for _, name := range d.order {
		if p := d.posts[name]; !p.busy && d.waiting(name) > 0 {
			p.busy = true
			list = append(list, p)
		}
	}
	d.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range list {
		wg.Go(func() { d.send(ctx, p) })
	}
	wg.Wait()
	return err
}

// waiting counts the letters for a service. d.mu is held.
func (d *Desk) waiting(name string) int {
	n := 0
	for i := range d.letters {
		if d.letters[i].Service == name {
			n++
		}
	}
	return n
}

// due takes the services that are to be sent to now, and shortens wait to when the next is.
func (d *Desk) due(wait *time.Duration) []*post {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []*post
	now := d.o.Now()
	for _, name := range d.order {
		p := d.posts[name]
		if p.busy || d.waiting(name) == 0 {
			continue
		}
		if left := p.next.Sub(now); left > 0 {
			*wait = min(*wait, left)
			continue
		}
		p.busy = true
		list = append(list, p)
	}
	return list
}

// send delivers the letters of one service in one message, and notes what became of it.
func (d *Desk) send(ctx context.Context, p *post) {
	d.mu.Lock()
	s := p.Service
	var letters []run.Letter
	for i := range d.letters {
		if d.letters[i].Service == s.Name {
			letters = append(letters, d.letters[i])
		}
	}
	d.mu.Unlock()
	kind, err := d.try(ctx, &s, func(limit int) (string, string) { return d.compose(s.Template, letters, limit) })
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.o.Now()
	p.busy, p.kind = false, or(kind, p.kind)
	if err != nil && ctx.Err() != nil {
		return // The program stops; the next one sends it.
	}
	if err != nil {
		d.failed(p, letters, err)
		return
	}
	if p.tries > 0 {
		d.o.Logger.LogAttrs(ctx, slog.LevelInfo, "notices arrive again", slog.String("service", s.Name), slog.Int(logging.KeyCount, len(letters)))
	}
	p.tries, p.failing, p.reason, p.hint, p.sent, p.next = 0, time.Time{}, "", "", now, now.Add(gap)
	arrived := map[uint64]bool{}
	for i := range letters {
		arrived[letters[i].Seq] = true
		d.drop(letters[i].Seq)
		d.o.Count(s.Name, letters[i].Kind, Sent)
	}
	d.letters = slices.DeleteFunc(d.letters, func(l run.Letter) bool { return arrived[l.Seq] })
	if err := d.save(); err != nil {
		d.o.Logger.LogAttrs(ctx, slog.LevelError, "that notices arrived is not kept; they may be told once more", slog.String(logging.KeyErr, err.Error()))
	}
}

// failed notes that nothing arrived. It is logged once for each reason. d.mu is held.
func (d *Desk) failed(p *post, letters []run.Letter, err error) {
	now := d.o.Now()
	reason, h := err.Error(), fault.HintOf(err)
	if reason != p.reason {
		d.o.Logger.LogAttrs(context.Background(), slog.LevelWarn, "notices do not arrive; they are kept and sent later", slog.String("service", p.Name),
			slog.Int(logging.KeyCount, len(letters)), slog.String(logging.KeyErr, reason), slog.String(logging.KeyHint, h))
	}
	if p.failing.IsZero() {
		p.failing = now
	}
	p.reason, p.hint = reason, h
	p.next = now.Add(max(min(firstRetry<<min(p.tries, 10), longestRetry), min(fault.AfterOf(err), longestRetry)))
	p.tries++
	for i := range letters {
		d.o.Count(p.Name, letters[i].Kind, Failed)
	}
}

// try sends one message to a service. A panic of a foreign library is a failure like any
// other.
func (d *Desk) try(ctx context.Context, s *Service, compose func(limit int) (string, string)) (kind string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the program made a mistake while it wrote the notice")
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	sender, err := s.Open()
	if err != nil {
		return "", err
	}
	title, body := compose(sender.Limit())
	return sender.Kind(), sender.Send(ctx, title, body)
}

// Test sends a message to the service of that name, or to all, and says what became of it.
func (d *Desk) Test(ctx context.Context, name string) ([]run.NotifyTest, error) {
	d.mu.Lock()
	var list []Service
	for _, n := range d.order {
		if name == "" || n == name {
			list = append(list, d.posts[n].Service)
		}
	}
	known := slices.Clone(d.order)
	d.mu.Unlock()
	switch {
	case len(known) == 0:
		return nil, fault.New(fault.Invalid, "test notices", "", errors.New("the configuration has no notify"), "docs/notices.md has examples")
	case len(list) == 0:
		return nil, fault.New(fault.Invalid, "test notices", name, errors.New("there is no service of that name"), "known: "+strings.Join(known, ", "))
	}
	out := make([]run.NotifyTest, len(list))
	var wg sync.WaitGroup
	for i := range list {
		wg.Go(func() { out[i] = d.test(ctx, &list[i]) })
	}
	wg.Wait()
	return out, ctx.Err()
}

func (d *Desk) test(ctx context.Context, s *Service) run.NotifyTest {
	began := time.Now()
	kind, err := d.try(ctx, s, func(int) (string, string) {
		return "groupsyncd on " + d.o.Host + ": a test", "This is a test of the notices of groupsyncd on " + d.o.Host + ", for the service " + s.Name + ".\nNothing has happened, and there is nothing to do."
	})
	out := run.NotifyTest{Name: s.Name, Kind: kind, OK: err == nil, MS: time.Since(began).Milliseconds()}
	if err != nil {
		out.Error, out.Hint = err.Error(), fault.HintOf(err)
		return out
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.posts[s.Name]; p != nil {
		p.next, p.tries = time.Time{}, 0 // What waits may go at once.
		d.wake()
	}
	return out
}

// Status says how the services fare.
func (d *Desk) Status() []run.NotifyStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.load(); err != nil {
		d.o.Logger.LogAttrs(context.Background(), slog.LevelWarn, "notices that wait are not known", slog.String(logging.KeyErr, err.Error()))
	}
	var out []run.NotifyStatus
	for _, name := range d.order {
		p := d.posts[name]
		s := run.NotifyStatus{Name: name, Kind: p.kind, On: p.On, Sent: p.sent, Failing: p.failing, Reason: p.reason, Hint: p.hint,
			Lost: d.kept.Lost[name].Count, LostAt: d.kept.Lost[name].At}
		for i := range d.letters {
			if l := &d.letters[i]; l.Service == name {
				if s.Waiting++; s.Waiting == 1 {
					s.Oldest = l.At
				}
			}
		}
		if s.Waiting > 0 && !p.failing.IsZero() {
			s.Next = p.next
		}
		out = append(out, s)
	}
	return out
}
