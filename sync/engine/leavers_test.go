package engine_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// walking is a source that read the members of one group before the others.
type walking struct {
	*enginetest.Source
	first string
	at    time.Time
	fails error
	// nobody is whom look-ups find.
	nobody bool

	mu    sync.Mutex
	asked []string
}

func (w *walking) Pull(ctx context.Context, progress providers.Progress) (*directory.Snapshot, error) {
	s, err := w.Source.Pull(ctx, progress)
	if err != nil || w.first == "" {
		return s, err
	}
	before := w.Directory.At(w.at)
	for i := range s.Groups {
		if s.Groups[i].ID != w.first {
			continue
		}
		s.Groups[i].Direct = nil
		for n := range s.Users {
			if before.Groups[w.first].Members[s.Users[n].ID] {
				s.Groups[i].Direct = append(s.Groups[i].Direct, uint32(n))
			}
		}
	}
	s.Close(true)
	return s, nil
}

func (w *walking) LookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, who.ID)
	if w.fails != nil {
		return &directory.Snapshot{}, w.fails
	}
	if w.nobody {
		return &directory.Snapshot{AsOf: w.at.Add(time.Hour), Reason: "nobody has that id"}, nil
	}
	return w.Source.LookUp(ctx, who)
}

// hall is a directory with two groups that lead to one, and people in the first of them. Some
// leave it for good while it is read, and ann moves to the second, which was read before.
func hall(t *testing.T, leaving int, tear func(*engine.Source, *walking)) (members []string, report *run.SourceReport, asked []string) {
	t.Helper()
	l := newLobby(t)
	l.employ("corp", "ann", "sales1", "sales2")
	l.employ("corp", "zoe", "sales2")
	for i := range leaving {
		l.employ("corp", fmt.Sprintf("bob%03d", i))
		l.put("corp", fmt.Sprintf("bob%03d", i), "sales1")
		l.webs["chat"].SignUp(fmt.Sprintf("a-bob%03d", i), fmt.Sprintf("bob%03d@x.org", i), nil)
	}
	l.dirs["corp"].Edit("corp-sales2", func(g *enginetest.TrueGroup) { delete(g.Members, "corp-ann") })
	l.webs["chat"].SignUp("a-ann", "ann@x.org", nil)
	l.webs["chat"].SignUp("a-zoe", "zoe@x.org", nil)
	src := &walking{Source: l.asked["corp"].Source}
	l.setup.Sources = []engine.Source{{ID: "corp", Name: "corp", Provider: src, MaxAge: 48 * time.Hour, Grace: replica.Grace{Reads: 1}, Walks: true}}
	l.setup.Targets = l.setup.Targets[:1]
	l.setup.Rules = l.setup.Rules[:0]
	l.setup.Rules = append(l.setup.Rules, catalogue["r2d"].rule)
	tear(&l.setup.Sources[0], src)
	l.boot(t)
	l.carry(t, run.Request{Trigger: run.Manual})
	l.clock.Add(time.Minute)
	src.first, src.at, src.asked = "corp-sales2", l.clock.Now(), nil
	l.clock.Add(time.Minute)
	l.dirs["corp"].Edit("corp-sales1", func(g *enginetest.TrueGroup) { clear(g.Members) })
	l.put("corp", "ann", "sales2")
	r := l.carry(t, run.Request{Trigger: run.Manual})
	web := l.webs["chat"]
	members = web.Members(web.Named("Sales")[0])
	slices.Sort(members)
	slices.Sort(src.asked)
	return members, &r.Sources[0], src.asked
}

func TestWhoMovesWhileGroupsAreReadIsLookedUpAndStays(t *testing.T) {
	t.Parallel()
	members, report, asked := hall(t, 1, func(*engine.Source, *walking) {})
	if !slices.Equal(members, []string{"a-ann", "a-zoe"}) || report.Coverage != "full" {
		t.Errorf("members %v after a read of coverage %s", members, report.Coverage)
	}
	if !slices.Equal(asked, []string{"corp-ann", "corp-bob000"}) {
		t.Errorf("%v were looked up", asked)
	}
}

// TestASourceThatShowsEverythingAtOnceIsBelieved shows what is at stake.
func TestASourceThatShowsEverythingAtOnceIsBelieved(t *testing.T) {
	t.Parallel()
	members, _, asked := hall(t, 1, func(s *engine.Source, _ *walking) { s.Walks = false })
	if !slices.Equal(members, []string{"a-zoe"}) || asked != nil {
		t.Errorf("members %v, and %v were looked up", members, asked)
	}
}

func TestWhoCannotBeLookedUpLosesNothing(t *testing.T) {
	t.Parallel()
	members, report, _ := hall(t, 1, func(_ *engine.Source, w *walking) {
		w.fails = fault.Errorf(fault.Unavailable, "look up", "directory", "no answer")
	})
	if !slices.Equal(members, []string{"a-ann", "a-bob000", "a-zoe"}) || report.Coverage != "partial" || report.Reason == "" {
		t.Errorf("members %v after a read of coverage %s: %s", members, report.Coverage, report.Reason)
	}
}

func TestWhoIsDeletedMeanwhileIsNoReasonToDoubt(t *testing.T) {
	t.Parallel()
	members, report, _ := hall(t, 1, func(_ *engine.Source, w *walking) { w.nobody = true })
	if !slices.Equal(members, []string{"a-zoe"}) || report.Coverage != "full" {
		t.Errorf("members %v after a read of coverage %s", members, report.Coverage)
	}
}

// TestWhatALookUpDoesNotFindOnItsWayIsNoAnswer: a person who is not there is no error. One of
// that kind is about something else, as a group that was deleted between two requests.
func TestWhatALookUpDoesNotFindOnItsWayIsNoAnswer(t *testing.T) {
	t.Parallel()
	members, report, _ := hall(t, 1, func(_ *engine.Source, w *walking) {
		w.fails = fault.Errorf(fault.NotFound, "read group", "directory", "there is no such group")
	})
	if !slices.Equal(members, []string{"a-ann", "a-bob000", "a-zoe"}) || report.Coverage != "partial" || report.Reason == "" {
		t.Errorf("members %v after a read of coverage %s: %s", members, report.Coverage, report.Reason)
	}
}

func TestWhenManyLeaveAtOnceNobodyIsLookedUp(t *testing.T) {
	t.Parallel()
	members, _, asked := hall(t, 100, func(*engine.Source, *walking) {})
	if !slices.Equal(members, []string{"a-zoe"}) || asked != nil {
		t.Errorf("%d members, and %d were looked up", len(members), len(asked))
	}
}
