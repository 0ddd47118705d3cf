package notice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"

	"pgregory.net/rapid"
)

// shelf is a store in memory. What it kept is there for the next desk, as after a restart.
type shelf struct {
	mu      sync.Mutex
	desk    run.Desk
	found   bool
	letters map[uint64]run.Letter
	audit   []run.AuditRecord
	runs    map[string]*run.Report
	// broken fails every write, damaged every read until all of it is dropped.
	broken, damaged bool
}

func newShelf() *shelf {
	return &shelf{letters: map[uint64]run.Letter{}, runs: map[string]*run.Report{}}
}

func (s *shelf) Desk() (run.Desk, []run.Letter, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.damaged {
		return run.Desk{}, nil, false, fault.Errorf(fault.Damaged, "load notices", "", "a record is not what was written")
	}
	var list []run.Letter
	for _, seq := range slices.Sorted(maps.Keys(s.letters)) {
		list = append(list, s.letters[seq])
	}
	return copied(s.desk), list, s.found, nil
}

// copied keeps the maps of a desk from being those of the store.
func copied(d run.Desk) run.Desk {
	told := map[string]map[string]run.Told{}
	for name, m := range d.Told {
		told[name] = maps.Clone(m)
	}
	d.Told, d.Lost = told, maps.Clone(d.Lost)
	return d
}

func (s *shelf) SaveDesk(d run.Desk, put []run.Letter, drop []uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return fault.Errorf(fault.Damaged, "save notices", "", "the disk is full")
	}
	for _, l := range put {
		s.letters[l.Seq] = l
	}
	for _, seq := range drop {
		delete(s.letters, seq)
	}
	s.desk, s.found = copied(d), true
	return nil
}

func (s *shelf) breaks(broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = broken
}

func (s *shelf) DropDesk() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.desk, s.found, s.damaged = run.Desk{}, false, false
	clear(s.letters)
	return nil
}

func (s *shelf) Audit(from uint64, fn func(run.AuditRecord) error) error {
	s.mu.Lock()
	list := slices.Clone(s.audit)
	s.mu.Unlock()
	for _, r := range list {
		if r.Seq >= from {
			if err := fn(r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *shelf) Head() (run.AuditHead, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return run.AuditHead{Seq: uint64(len(s.audit))}, nil
}

func (s *shelf) Run(id string) (*run.Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.runs[id]; r != nil {
		return r, nil
	}
	return nil, fault.Errorf(fault.NotFound, "load run", id, "there is none")
}

func (s *shelf) note(events ...run.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		s.audit = append(s.audit, run.AuditRecord{Seq: uint64(len(s.audit) + 1), Event: e})
	}
}

// ended puts a run into the history and the audit.
func (s *shelf) ended(r *run.Report, events ...run.Event) {
	s.mu.Lock()
	s.runs[r.Run] = r
	s.mu.Unlock()
	count := 0
	for i := range r.Targets {
		count += len(r.Targets[i].Changes)
	}
	s.note(append(events, run.Event{At: r.Started, Kind: run.EventRun, Run: r.Run, Count: count})...)
}

// ear is a service that keeps what it is sent.
type ear struct {
	mu       sync.Mutex
	messages []message
	err      error
	limit    int
	// hold keeps a message under way until it is closed.
	hold chan struct{}
}

type message struct {
	at          time.Time
	title, body string
}

func (e *ear) Kind() string { return "ear" }

func (e *ear) Limit() int { return max(e.limit, 0) + 8000*btoi(e.limit == 0) }

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (e *ear) Send(ctx context.Context, title, body string) error {
	if e.hold != nil {
		select {
		case <-e.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return e.err
	}
	e.messages = append(e.messages, message{time.Now(), title, body})
	return nil
}

func (e *ear) heard() []message {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := e.messages
	e.messages = nil
	return out
}

func (e *ear) fails(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = err
}

// world is a desk with what it looks at.
type world struct {
	t     testing.TB
	shelf *shelf
	mu    sync.Mutex
	open  []run.Condition
	desk  *Desk
	log   *strings.Builder
	stop  func()
	count map[string]int
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, shelf: newShelf(), log: &strings.Builder{}, count: map[string]int{}}
	return w
}

func (w *world) set(open ...run.Condition) {
	w.mu.Lock()
	w.open = open
	w.mu.Unlock()
	if w.desk != nil {
		w.desk.Poke()
	}
}

// begin makes a desk as a new process does.
func (w *world) begin(services ...Service) *Desk {
	w.t.Helper()
	w.desk = New(Options{Store: w.shelf, Logger: slog.New(slog.NewTextHandler(w.log, nil)), Now: time.Now, Host: "box", Page: func() string { return "http://127.0.0.1:8421/" },
		Conditions: func() []run.Condition { w.mu.Lock(); defer w.mu.Unlock(); return slices.Clone(w.open) },
		Named: func(_, account, group string) (string, string) {
			return strings.ReplaceAll(account, "id-", "") + mailOf(account), group
		},
		Protected: func(_, mail string) bool { return mail == "root@example.org" },
		Count: func(service string, kind run.NoticeKind, result string) {
			w.count[service+" "+string(kind)+" "+result]++
		}})
	w.desk.Use(services)
	if err := w.desk.Begin(); err != nil {
		w.t.Fatal(err)
	}
	return w.desk
}

func mailOf(account string) string {
	if account == "" {
		return ""
	}
	return "@example.org"
}

// run lets the desk work as in a daemon.
func (w *world) run(services ...Service) {
	desk := w.begin(services...)
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); desk.Run(ctx) }()
	w.stop = func() { cancel(); <-done }
}

func everything() []run.NoticeKind {
	return []run.NoticeKind{run.NoticeHeld, run.NoticeQuarantined, run.NoticeStale, run.NoticeRecovered, run.NoticePrivileged, run.NoticeApplied}
}

func to(t testing.TB, name string, e *ear, kinds ...run.NoticeKind) Service {
	t.Helper()
	if kinds == nil {
		kinds = everything()
	}
	template, err := Parse("", "")
	if err != nil {
		t.Fatal(err)
	}
	return Service{Name: name, On: kinds, Remind: 24 * time.Hour, Template: template, Open: func() (Sender, error) { return e, nil }}
}

func held(key, reason string) run.Condition {
	return run.Condition{Kind: run.NoticeHeld, Key: "held/chat/" + key + "/", Reason: reason, Message: "held: " + key, Hint: "approve it", Since: time.Now(), Target: "chat",
		Lines: []string{"remove member Sales bo@example.org"}, More: 4}
}

func titles(list []message) string {
	var out []string
	for _, m := range list {
		out = append(out, strings.TrimPrefix(m.title, "groupsyncd on box: "))
	}
	return strings.Join(out, "; ")
}

func (w *world) expect(e *ear, want string) []message {
	w.t.Helper()
	got := e.heard()
	if titles(got) != want {
		w.t.Fatalf("told %q, want %q", titles(got), want)
	}
	return got
}

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

func changed(id string) *run.Report {
	return &run.Report{Run: id, Mode: run.Apply, Started: time.Now(), Targets: []run.TargetReport{{Name: "chat", Summary: run.Summary{MembersAdded: 1, Held: 3},
		Changes: []run.Change{{Op: run.AddMember, Group: &run.GroupRef{Name: "Sales"}, User: &run.UserRef{Email: "ada@example.org"}, Outcome: run.Applied, Reason: "in cn=sales"}}}}}
}

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

func TestNamesFromADirectoryCallNobodyAndHideNothing(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"group <!channel> and @everyone": "group <\u200b!channel> and @\u200beveryone",
		"@Here now":                      "@\u200bHere now",
		"<@U123>":                        "<\u200b@U123>",
		"ada@here.org":                   "ada@here.org",
		"a\r\nb\x1b[31mc\x00":            "a b [31mc",
		"abc\u202edcba":                  "abcdcba",
	} {
		if got := tame(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestTemplatesAreTriedWhenTheyAreRead(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"{{ .Mesage }}":        "Mesage",
		"{{ .Message":          "unclosed action",
		"{{ index .Lines 0 }}": "index out of range", // Not every notice has lines.
		"{{ range .Lines }}":   "unexpected EOF",
		"{{ nope }}":           `"nope" not defined`,
		"{{ define \"x\" }}{{ template \"x\" }}{{ end }}{{ template \"x\" }}": "exceeded maximum template depth",
	} {
		if _, err := Parse("", body); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", body, err)
		}
	}
	own, err := Parse("[{{ .Kind }}/{{ .Event }}] {{ .Headline }}", "{{ .Message }}{{ with .Target }} in {{ . }}{{ end }}")
	if err != nil {
		t.Fatal(err)
	}
	d := New(Options{Page: func() string { return "" }, Now: time.Now})
	title, body := d.compose(own, []run.Letter{{Kind: run.NoticeHeld, Event: run.LetterNew, Key: "held/chat/x/", Message: "text", Target: "chat"}}, 100)
	if title != "[held/new] changes are held in chat" || body != "text in chat" {
		t.Errorf("%q, %q", title, body)
	}
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

// sleep lets time pass, and everybody who is at work then write down what became of it.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
