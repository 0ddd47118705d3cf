package ldap

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap/ldaptest"
)

// watching is a watch under way.
type watching struct {
	changes chan struct{}
	end     chan error
	stop    context.CancelFunc
}

// watchOf starts a watch with short times and waits until it stands.
func watchOf(t *testing.T, s *source, server *ldaptest.Server, edit func(*source)) *watching {
	t.Helper()
	s.watchdog, s.poll = 20*time.Millisecond, 5*time.Millisecond
	if edit != nil {
		edit(s)
	}
	ctx, stop := context.WithCancel(t.Context())
	w := &watching{changes: make(chan struct{}, 1000), end: make(chan error, 1), stop: stop}
	go func() { w.end <- s.Watch(ctx, func(...directory.Person) { w.changes <- struct{}{} }) }()
	t.Cleanup(func() {
		stop()
		_ = <-w.end
	})
	// A second look at the server comes after the watch was begun.
	_, before := server.Counts()
	for _, now := server.Counts(); now < before+6; _, now = server.Counts() {
		select {
		case err := <-w.end:
			w.end <- err
			return w
		case <-time.After(time.Millisecond):
		}
	}
	return w
}

// next waits for the next change; the test ends by its deadline otherwise.
func (w *watching) next(t *testing.T) {
	t.Helper()
	select {
	case <-w.changes:
	case err := <-w.end:
		w.end <- err
		t.Fatalf("the watch ended: %v", err)
	}
}

func TestAChangeIsNoticed(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s, _ := telling(t, kind, nil)
			w := watchOf(t, s, server, nil)
			must(t, server.AddValues("cn=a,"+groups, "member", userAt(kind.AD, 3)))
			w.next(t)
			must(t, server.Modify(userAt(kind.AD, 1), "mail", "new@example.org"))
			w.next(t)
			if kind.NoTombstones {
				return
			}
			must(t, server.Delete(userAt(kind.AD, 2)))
			w.next(t)
		})
	}
}

func TestAChangeOfSomethingElseIsNotNoticed(t *testing.T) {
	t.Parallel()
	server, s, _ := telling(t, ldaptest.Changes{Syncprov: true, SessionLog: 10}, nil)
	w := watchOf(t, s, server, nil)
	must(t, server.Modify("ou=north,"+groups, "description", "new"))
	must(t, server.Modify("ou=south,"+groups, "description", "new"))
	must(t, server.Modify(userAt(false, 1), "mail", "new@example.org"))
	w.next(t)
	if n := len(w.changes); n > 0 {
		t.Errorf("%d changes more than there were", n)
	}
}

func TestAWatchOutlivesTheTimeOfARequest(t *testing.T) {
	t.Parallel()
	server, s, _ := telling(t, ldaptest.Changes{Syncprov: true}, nil)
	w := watchOf(t, s, server, func(s *source) { s.request = 50 * time.Millisecond })
	_, before := server.Counts()
	// Each look of the watchdog is 20 ms after the one before.
	for _, now := server.Counts(); now < before+10; _, now = server.Counts() {
		<-time.After(time.Millisecond)
	}
	must(t, server.Modify(userAt(false, 1), "mail", "new@example.org"))
	w.next(t)
}

func TestALostWatchIsAnError(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s, _ := telling(t, kind, nil)
			w := watchOf(t, s, server, nil)
			must(t, server.Close())
			err := <-w.end
			w.end <- err
			if fault.KindOf(err) != fault.Unavailable || errors.Is(err, providers.ErrNoWatch) {
				t.Errorf("the watch ends with %v", err)
			}
		})
	}
}

func TestASilentServerIsNoDirectoryWithoutChanges(t *testing.T) {
	t.Parallel()
	server, s, _ := telling(t, ldaptest.Changes{Syncprov: true}, nil)
	p := newHole(t, strings.TrimPrefix(s.config.URL[0], "ldap://"))
	s.config.URL = List{"ldap://" + p.address}
	w := watchOf(t, s, server, func(s *source) { s.watchdogWait = 50 * time.Millisecond })
	p.swallow()
	err := <-w.end
	w.end <- err
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), errSilent.Error()) {
		t.Errorf("the watch ends with %v", err)
	}
}

func TestAWatchEndsWithItsContextAndItsSource(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s, _ := telling(t, kind, nil)
			w := watchOf(t, s, server, nil)
			w.stop()
			err := <-w.end
			w.end <- err
			if fault.KindOf(err) != fault.Canceled {
				t.Errorf("the watch ends with %v", err)
			}
			w = watchOf(t, s, server, nil)
			must(t, s.Close())
			err = <-w.end
			w.end <- err
			if !errors.Is(err, errClosed) {
				t.Errorf("the watch ends with %v", err)
			}
		})
	}
}

func TestAServerThatTellsNothingCannotBeWatched(t *testing.T) {
	t.Parallel()
	_, s, _ := telling(t, ldaptest.Changes{}, nil)
	if err := s.Watch(t.Context(), func(...directory.Person) { t.Error("a change was noticed") }); !errors.Is(err, providers.ErrNoWatch) {
		t.Errorf("the watch ends with %v", err)
	}
}

// hole is a network that at some time swallows everything and says nothing.
type hole struct {
	address string
	mu      sync.Mutex
	closed  bool
}

func newHole(t *testing.T, to string) *hole {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	h := &hole{address: l.Addr().String()}
	var wait sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		wait.Wait()
	})
	wait.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			wait.Go(func() { h.pass(near, far) })
			wait.Go(func() { h.pass(far, near) })
		}
	})
	return h
}

func (h *hole) swallow() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
}

func (h *hole) pass(from, to net.Conn) {
	defer func() { _, _ = from.Close(), to.Close() }()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		h.mu.Lock()
		closed := h.closed
		h.mu.Unlock()
		if closed {
			continue
		}
		if _, err := io.Copy(to, strings.NewReader(string(buf[:n]))); err != nil {
			return
		}
	}
}
