package ldap

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/providers/ldap/ldaptest"
	"groupsyncd/sync/replica"
)

// scissors stand before a server and cut what it sends after so many bytes.
type scissors struct {
	url   string
	after atomic.Int64
	// whole gets the bytes of the first connection, which is let through.
	whole chan int64
}

// cutting starts scissors that let everything through.
func cutting(t *testing.T, url string) *scissors {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scissors{url: "ldap://" + l.Addr().String(), whole: make(chan int64, 1)}
	s.after.Store(1 << 40)
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wait.Go(func() { s.pass(t, client, strings.TrimPrefix(url, "ldap://")) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wait.Wait()
	})
	return s
}

func (s *scissors) pass(t *testing.T, client net.Conn, addr string) {
	defer func() { _ = client.Close() }()
	var d net.Dialer
	server, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	n, _ := io.Copy(client, io.LimitReader(server, s.after.Load()))
	select {
	case s.whole <- n:
	default:
	}
}

// small is a little of everything: several pages, nesting inside and outside the bases,
// references to nobody.
func small(layout string) ([]ldaptest.Entry, ldaptest.Options) {
	o := options()
	if layout == AD {
		o.MaxValues = 2
		return []ldaptest.Entry{account(1, nil), account(2, nil), account(3, nil), adGroup("Domain Users", 513),
			adGroup("a", 600, "CN=u1,"+people, "CN=u2,"+people, "CN=u3,"+people), adGroup("b", 601, "CN=a,"+groups, "CN=x,"+suffix)}, o
	}
	outside := "cn=o," + suffix
	return []ldaptest.Entry{person(1), person(2), person(3), group("cn=a,"+groups, userDN(1), userDN(9)),
		group("cn=b,"+groups, "cn=a,"+groups, outside), group("cn=c,"+groups, userDN(3)), group(outside, userDN(2))}, o
}

// TestAnAnswerCutAtAnyByteTakesNothingAway cuts the connection behind every byte that
// the server sends during a pull. No such pull covers everything, and merging it takes
// no membership away, even where one sighting is enough.
func TestAnAnswerCutAtAnyByteTakesNothingAway(t *testing.T) {
	t.Parallel()
	for _, layout := range []string{RFC2307bis, AD} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			entries, o := small(layout)
			_, url := serve(t, o, entries...)
			s := cutting(t, url)
			c := configure(t, layout, s.url)
			c.PageSize = 2
			src := open(t, c)
			full, _ := pulled(t, src)
			if full.Memberships() < 4 {
				t.Fatalf("%d memberships", full.Memberships())
			}
			before, _ := replica.New("corp").Merge(full, 0)
			for total, n := <-s.whole, int64(0); n < total; n++ {
				s.after.Store(n)
				snapshot, err := src.Pull(t.Context(), nil)
				if err == nil || snapshot.Coverage() == directory.Full {
					t.Fatalf("cut after %d of %d bytes: coverage %s, error %v", n, total, snapshot.Coverage(), err)
				}
				takesNothing(t, before, snapshot, n)
			}
		})
	}
}

// takesNothing makes sure that a read takes no membership away.
func takesNothing(t *testing.T, before *replica.Replica, s *directory.Snapshot, n int64) {
	t.Helper()
	after, _ := before.Merge(s, 0)
	for g, row := range before.Groups() {
		for _, u := range row.Members {
			if v := after.Membership(u, uint32(g), replica.Grace{Reads: 1}); v.Standing == replica.Absent || v.Standing == replica.NotShown {
				t.Fatalf("cut at %d: user %d of group %s is absent (%s)", n, u, row.Name, v.Absence.Reason())
			}
		}
	}
}
