// Package notice tells people in services outside what they should know: what is held,
// what keeps failing, what has become stale, what is over, what makes somebody powerful,
// and what was changed.
//
// It compares what is true with what each service was told, writes letters about the
// difference in the same transaction, and delivers them until they have arrived or are
// too old. What is wrong, and how a letter travels, is handed to it.
package notice

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/run"
)

const (
	// lookEvery is how often the world is compared with what was told, and gather how long
	// is waited after something happened, so that what comes together is one message.
	lookEvery = time.Minute
	gather    = time.Second
	// gap is the least time between two messages to one service.
	gap = 30 * time.Second
	// firstRetry doubles up to longestRetry.
	firstRetry   = 30 * time.Second
	longestRetry = time.Hour
	// sendTime bounds one message, lastWords what is under way when the daemon stops.
	sendTime  = 45 * time.Second
	lastWords = 3 * time.Second
	// maxAge is how old a letter may get before it is given up: what is still open by then
	// has had reminders of its own.
	maxAge = 72 * time.Hour
	// maxWaiting bounds the letters for one service.
	maxWaiting = 200
)

// Store keeps what was told and what is on its way, and has what happened.
type Store interface {
	Desk() (d run.Desk, letters []run.Letter, found bool, err error)
	// SaveDesk stores everything that it is given in one transaction.
	SaveDesk(d run.Desk, put []run.Letter, drop []uint64) error
	DropDesk() error
	Audit(from uint64, fn func(run.AuditRecord) error) error
	Head() (run.AuditHead, error)
	Run(id string) (*run.Report, error)
}

// Sender delivers messages to one service.
type Sender interface {
	// Kind names the service, Limit is how many bytes it takes in one message.
	Kind() string
	Limit() int
	// Send returns when ctx ends at the latest. Its errors hold nothing of the address.
	Send(ctx context.Context, title, body string) error
}

// Service is one service as it is configured.
type Service struct {
	Name string
	On   []run.NoticeKind
	// Targets limits it to what concerns these; empty: everything.
	Targets []string
	// Remind is how often what is still open is told again; zero: never.
	Remind   time.Duration
	Template *Template
	// Open reads the address as it is now.
	Open func() (Sender, error)
}

// Options are what a Desk needs.
type Options struct {
	Store  Store
	Logger *slog.Logger
	Now    func() time.Time
	// Conditions gives what is wrong now.
	Conditions func() []run.Condition
	// Named gives the mail address of an account and the name of a group of a target.
	Named func(target, account, group string) (mail, name string)
	// Protected says that an account is on the protect list of a target.
	Protected func(target, mail string) bool
	// Page is the address of the status page; empty: there is none.
	Page func() string
	// Host names this machine.
	Host string
	// Count counts what became of letters; may be nil.
	Count func(service string, kind run.NoticeKind, result string)
}

// The results that Count is told of.
const (
	Sent    = "sent"
	Failed  = "failed"
	Expired = "expired"
)

// Desk writes and delivers letters. Its methods may be called by several goroutines.
type Desk struct {
	o Options

	// looking lets one comparison go on at a time; it is taken before mu.
	looking sync.Mutex

	mu     sync.Mutex
	loaded bool
	// found says that the store has something of ours.
	found   bool
	kept    run.Desk
	letters []run.Letter
	// unsaved and gone are what the store does not know yet, because it could not be written.
	unsaved map[uint64]bool
	gone    []uint64
	// read is the last record of the audit that was looked at, which the store hears of when
	// there is something to save.
	read  uint64
	posts map[string]*post
	order []string

	poked, ready chan struct{}
}

// post is one service with how it fares.
type post struct {
	Service
	kind string
	busy bool
	// tries counts failures in a row.
	tries        int
	failing      time.Time
	reason, hint string
	next, sent   time.Time
}

// New makes a desk that tells nobody yet.
func New(o Options) *Desk {
	if o.Count == nil {
		o.Count = func(string, run.NoticeKind, string) {}
	}
	return &Desk{o: o, unsaved: map[uint64]bool{}, posts: map[string]*post{}, poked: make(chan struct{}, 1), ready: make(chan struct{}, 1)}
}

// Use puts the services of a configuration in place of those before. How one of the same
// name fared is kept, but it is tried at once: somebody may have mended it.
func (d *Desk) Use(services []Service) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.posts
	d.posts, d.order = map[string]*post{}, nil
	for _, s := range services {
		p := before[s.Name]
		if p == nil {
			p = &post{}
		}
		p.Service, p.next, p.tries = s, time.Time{}, 0
		d.posts[s.Name] = p
		d.order = append(d.order, s.Name)
	}
	d.Poke()
}

// Poke says that something has happened.
func (d *Desk) Poke() {
	select {
	case d.poked <- struct{}{}:
	default: // Somebody has said so already.
	}
}

// Begin reads what was told before, and notes from where on the audit is read. It comes
// before the first run, which damage to what was told does not stop: it begins anew.
func (d *Desk) Begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.load()
	if fault.KindOf(err) == fault.Damaged {
		err = d.renew(err)
	}
	if err != nil || d.found || len(d.posts) == 0 {
		return err
	}
	return d.save()
}

// renew drops what is kept when it cannot be read. The damage of anything else stays an
// error. d.mu is held.
func (d *Desk) renew(damage error) error {
	if _, _, _, err := d.o.Store.Desk(); err == nil {
		return damage
	}
	d.o.Logger.LogAttrs(context.Background(), slog.LevelError, "what people were told is damaged, and begins anew; what waited is lost, what is open is told once more",
		slog.String(logging.KeyErr, damage.Error()), slog.String(logging.KeyHint, fault.HintOf(damage)))
	if err := d.o.Store.DropDesk(); err != nil {
		return errors.Join(damage, err)
	}
	return d.load()
}

// load reads the store once. d.mu is held.
func (d *Desk) load() error {
	if d.loaded {
		return nil
	}
	kept, letters, found, err := d.o.Store.Desk()
	if err != nil {
		return err
	}
	head, err := d.o.Store.Head()
	if err != nil {
		return err
	}
	if !found || kept.Audit > head.Seq { // A state that was restored knows less.
		kept.Audit = head.Seq
	}
	d.kept, d.letters, d.found, d.loaded, d.read = kept, letters, found, true, kept.Audit
	return nil
}

// save stores what changed, and everything that could not be stored before. d.mu is held.
func (d *Desk) save() error {
	d.kept.Audit = max(d.kept.Audit, d.read)
	var put []run.Letter
	for i := range d.letters {
		if d.unsaved[d.letters[i].Seq] {
			put = append(put, d.letters[i])
		}
	}
	if err := d.o.Store.SaveDesk(d.kept, put, d.gone); err != nil {
		return err
	}
	d.found, d.gone = true, nil
	clear(d.unsaved)
	return nil
}

// Run compares and delivers until ctx ends. What is under way then gets a moment; what
// has not arrived is delivered by the next process.
func (d *Desk) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { d.look(ctx) })
	d.deliver(ctx)
	wg.Wait()
}

// look compares when something has happened, and every minute.
func (d *Desk) look(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	told := ""
	for {
		err := d.Look()
		if err != nil && err.Error() != told {
			d.o.Logger.LogAttrs(ctx, slog.LevelError, "notices not kept; they are told all the same, and may be told once more",
				slog.String(logging.KeyErr, err.Error()), slog.String(logging.KeyHint, fault.HintOf(err)))
		}
		if told = ""; err != nil {
			told = err.Error()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			continue
		case <-d.poked:
		}
		if !pause(ctx, gather) {
			return
		}
	}
}

// pause waits, and reports whether ctx lasted.
func pause(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Look compares what is true with what was told, and writes letters about the difference.
// Letters that could not be stored are delivered all the same.
func (d *Desk) Look() error {
	d.looking.Lock()
	defer d.looking.Unlock()
	d.mu.Lock()
	err := d.load()
	idle, from := len(d.posts) == 0, d.read
	d.mu.Unlock()
	if err != nil {
		return err
	}
	if idle {
		return d.forget()
	}
	open := d.o.Conditions()
	h, err := d.happened(from)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.read = max(d.read, h.read)
	if h.partly.Partly != d.kept.Partly || h.partly.PartlyRun != d.kept.PartlyRun {
		d.kept.Partly, d.kept.PartlySince, d.kept.PartlyRun = h.partly.Partly, h.partly.PartlySince, h.partly.PartlyRun
		h.changed = true
	}
	if c, is := partly(&d.kept); is {
		open = append(open, c)
	}
	changed := h.changed || !d.found || d.expire() || d.read > d.kept.Audit+1000
	for _, name := range d.order {
		changed = d.compare(d.posts[name], open, h.letters) || changed
	}
	for name := range d.kept.Told {
		if d.posts[name] == nil {
			delete(d.kept.Told, name)
			changed = true
		}
	}
	if !changed && len(d.unsaved) == 0 && len(d.gone) == 0 {
		return err
	}
	d.wake()
	return errors.Join(err, d.save())
}

// forget drops what is kept once nobody is told any more: whoever is told later should not
// hear of what happened in between.
func (d *Desk) forget() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.found {
		d.loaded = false
		return nil
	}
	if err := d.o.Store.DropDesk(); err != nil {
		return err
	}
	d.found, d.loaded, d.letters, d.kept, d.read, d.gone = false, false, nil, run.Desk{}, 0, nil
	clear(d.unsaved)
	return nil
}

func (d *Desk) wake() {
	select {
	case d.ready <- struct{}{}:
	default: // It will look anyway.
	}
}

// add puts a letter among those that wait. d.mu is held.
func (d *Desk) add(service string, l run.Letter) {
	d.kept.Last++
	l.Seq, l.Service = d.kept.Last, service
	if l.At.IsZero() {
		l.At = d.o.Now()
	}
	d.letters = append(d.letters, l)
	d.unsaved[l.Seq] = true
}

// expire gives up what is too old, too much, or for a service that is no longer there.
// d.mu is held.
func (d *Desk) expire() bool {
	count, now := map[string]int{}, d.o.Now()
	for i := range d.letters {
		count[d.letters[i].Service]++
	}
	before := len(d.letters)
	d.letters = slices.DeleteFunc(d.letters, func(l run.Letter) bool {
		p := d.posts[l.Service]
		switch {
		case p != nil && p.busy:
			return false // It may be arriving right now.
		case p != nil && now.Sub(l.At) <= maxAge && count[l.Service] <= maxWaiting:
			return false
		}
		count[l.Service]--
		d.drop(l.Seq)
		if p == nil {
			return true // Its service was taken out of the configuration on purpose.
		}
		lost := d.kept.Lost[l.Service]
		set(&d.kept.Lost, l.Service, run.LostLetters{Count: lost.Count + 1, At: now.UTC()})
		d.o.Count(l.Service, l.Kind, Expired)
		d.o.Logger.LogAttrs(context.Background(), slog.LevelWarn, "notice given up: it never arrived", slog.String("service", l.Service),
			slog.String(logging.KeyKind, string(l.Kind)), slog.String("key", l.Key), slog.Time("written", l.At), slog.String(logging.KeyErr, p.reason), slog.String(logging.KeyHint, "try the service with: groupsyncd notify test "+l.Service))
		return true
	})
	return len(d.letters) != before
}

// drop notes that a letter is to be forgotten. d.mu is held.
func (d *Desk) drop(seq uint64) {
	if d.unsaved[seq] {
		delete(d.unsaved, seq)
		return
	}
	d.gone = append(d.gone, seq)
}

// set puts a value into a map that may not exist yet.
func set[V any](m *map[string]V, key string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = v
}
