package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldap "github.com/go-ldap/ldap/v3"
)

// pipe gives both ends of a connection over loopback, which, unlike net.Pipe, takes
// data before it is read.
func pipe(t *testing.T) (client, server net.Conn) {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var d net.Dialer
	client, err = d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
	})
	return client, server
}

// played is a server that a test plays: it gets each request and sends what it likes.
type played struct {
	net.Conn
	t *testing.T
}

// next waits for a request and gives its number, base and cookie.
func (p *played) next() (id int64, base, cookie string) {
	m, err := ber.ReadPacket(p)
	if err != nil {
		return 0, "", ""
	}
	id, _ = m.Children[0].Value.(int64)
	if len(m.Children[1].Children) > 0 {
		base, _ = m.Children[1].Children[0].Value.(string)
	}
	if len(m.Children) > 2 {
		if c, err := ldap.DecodeControl(m.Children[2].Children[0]); err == nil {
			if paging, ok := c.(*ldap.ControlPaging); ok {
				cookie = string(paging.Cookie)
			}
		}
	}
	return id, base, cookie
}

// say sends messages with that number.
func (p *played) say(id int64, ops ...string) {
	for _, op := range ops {
		number := []byte{tagInteger, 4, byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}
		if _, err := p.Write([]byte(element(tagSequence, string(number), op))); err != nil {
			return
		}
	}
}

// play connects go-ldap and us with a server that does what script says.
func play(t *testing.T, o Options, script func(*played)) (*Conn, *ldap.Conn) {
	t.Helper()
	client, server := pipe(t)
	c := New(client, o)
	conn := ldap.NewConn(c, false)
	conn.Start()
	done := make(chan struct{})
	go func() {
		defer close(done)
		script(&played{server, t})
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		_ = server.Close()
		<-done
	})
	return c, conn
}

func everything(base string) *ldap.SearchRequest {
	return ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, 0, 0, 0, false, "(objectClass=*)", nil, nil)
}

// read searches and gives the DNs of the entries.
func read(ctx context.Context, c *Conn) (string, Found, error) {
	var dns []string
	f, err := c.Search(ctx, everything("dc=x"), 2, func(e *Entry) error {
		dns = append(dns, string(e.DN))
		return nil
	}, nil)
	return strings.Join(dns, " "), f, err
}

func TestOneConnectionServesBothSides(t *testing.T) {
	t.Parallel()
	c, conn := play(t, Options{}, func(p *played) {
		// Our request first, and go-ldap's while ours is answered.
		ours, _, _ := p.next()
		p.say(ours, entryWith("cn=1"), entryWith("cn=2"))
		theirs, _, _ := p.next()
		p.say(theirs, entryWith("cn=theirs", attribute("cn", "x")))
		p.say(ours, element(tagReference, text("ldap://a/")), ended(0, "", paging("more")))
		next, _, cookie := p.next()
		p.say(theirs, ended(0, "", paging("")))
		p.say(next, entryWith("cn=3 "+cookie), ended(0, "", paging("")))
		p.next()
	})
	asked := make(chan error, 1)
	var dns []string
	pages := []int{}
	f, err := c.Search(t.Context(), everything("dc=x"), 2, func(e *Entry) error {
		if dns = append(dns, string(e.DN)); len(dns) == 2 {
			go func() {
				result, err := conn.Search(everything("dc=y"))
				if err == nil && (len(result.Entries) != 1 || result.Entries[0].DN != "cn=theirs" || len(result.Controls) != 1) {
					err = fmt.Errorf("go-ldap gives %+v", result)
				}
				asked <- err
			}()
		}
		return nil
	}, func(n int) { pages = append(pages, n) })
	if err != nil || strings.Join(dns, " ") != "cn=1 cn=2 cn=3 more" || f.Entries != 3 || f.References != 1 || fmt.Sprint(pages) != "[2 3]" {
		t.Errorf("%q, %+v, pages %v, %v", dns, f, pages, err)
	}
	if err := <-asked; err != nil {
		t.Error(err)
	}
}

func TestASearchWithoutAProvedEndIsIncomplete(t *testing.T) {
	t.Parallel()
	page := func(cookie string) []string {
		return []string{entryWith("cn=1"), ended(0, "", paging(cookie))}
	}
	for _, c := range []struct {
		name    string
		answers [][]string
		again   bool
	}{
		{"no paging control", [][]string{{entryWith("cn=1"), ended(0, "")}}, false},
		{"no paging control on the last page", [][]string{page("a"), {entryWith("cn=2"), ended(0, "")}}, false},
		{"another control", [][]string{{ended(0, "", element(tagSequence, text("1.2.3")))}}, false},
		{"the same page for ever", [][]string{page("a")}, true},
		{"empty pages for ever", [][]string{{ended(0, "", paging("a"))}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn, _ := play(t, Options{}, func(p *played) {
				for n := 0; ; n++ {
					id, _, _ := p.next()
					if id == 0 || n >= len(c.answers) && !c.again {
						return
					}
					p.say(id, c.answers[min(n, len(c.answers)-1)]...)
				}
			})
			if _, _, err := read(t.Context(), conn); !errors.Is(err, ErrIncomplete) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAResultCodeIsTheErrorOfTheSearch(t *testing.T) {
	t.Parallel()
	c, _ := play(t, Options{}, func(p *played) {
		id, _, _ := p.next()
		p.say(id, entryWith("cn=1"), ended(ldap.LDAPResultSizeLimitExceeded, "too many", paging("")))
		id, _, _ = p.next()
		p.say(id, entryWith("cn=2"), ended(0, "", paging("")))
		p.next()
	})
	dns, f, err := read(t.Context(), c)
	e, ok := errors.AsType[*ldap.Error](err)
	if !ok || e.ResultCode != ldap.LDAPResultSizeLimitExceeded || e.Err.Error() != "too many" || dns != "cn=1" || f.Entries != 1 {
		t.Errorf("%q, %+v, %v", dns, f, err)
	}
	if dns, _, err := read(t.Context(), c); err != nil || dns != "cn=2" {
		t.Errorf("the next search gives %q, %v", dns, err)
	}
}

func TestAnEntryThatTheCallerRefusesEndsTheSearchInOrder(t *testing.T) {
	t.Parallel()
	c, _ := play(t, Options{}, func(p *played) {
		for range 2 {
			id, _, _ := p.next()
			p.say(id, entryWith("cn=1"), entryWith("cn=2"), ended(0, "", paging("")))
		}
		p.next()
	})
	refused := errors.New("not this one")
	seen := 0
	if _, err := c.Search(t.Context(), everything("dc=x"), 2, func(*Entry) error { seen++; return refused }, nil); !errors.Is(err, refused) || seen != 1 {
		t.Errorf("%d entries, %v", seen, err)
	}
	if dns, _, err := read(t.Context(), c); err != nil || dns != "cn=1 cn=2" {
		t.Errorf("the next search gives %q, %v", dns, err)
	}
}

func TestWhatIsNoMessageEndsTheConnectionForBothSides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, send, want string }{
		{"another protocol", "HTTP/1.1 400 Bad Request\r\n\r\n", "it begins with 0x48"},
		{"a message that is too large", "\x30\x84\x00\x10\x00\x00", "larger than 65536 bytes"},
		{"a length that overflows", "\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff", "larger than 65536 bytes"},
		{"an indefinite length", "\x30\x80\x02\x01\x01\x00\x00", "indefinite length"},
		{"a length of nine bytes", "\x30\x89\x00\x00\x00\x00\x00\x00\x00\x00\x05\x02\x01\x01\x04\x00", "more than eight bytes"},
		{"no number", "\x30\x03\x04\x01x", "the number of a message"},
		{"a part for go-ldap that is larger than the whole", "\x30\x09\x02\x01\x01\x64\x04\x04\x84\x7f\xff", "it ends too early"},
		{"an answer of ours that is none", "\x30\x0a\x02\x04\x01\x00\x00\x00\x64\x02\x05\x00", "the name of an entry"},
		{"the end of the stream in a message", "\x30\x20\x02\x01\x01", "unexpected EOF"},
		{"a notice of the server", element(tagSequence, "\x02\x01\x00", element(tagExtended, element(tagEnumerated, "\x34"), text(""), text("going down"))), `the server says "going down" (code 52)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn, other := play(t, Options{MaxMessage: 65536}, func(p *played) {
				p.next()
				_, _ = p.Write([]byte(c.send))
				if tcp, ok := p.Conn.(*net.TCPConn); ok {
					_ = tcp.CloseWrite()
				}
				_, _ = io.Copy(io.Discard, p)
			})
			_, _, err := read(t.Context(), conn)
			if !ldap.IsErrorWithCode(err, ldap.ErrorNetwork) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if _, err := other.Search(everything("dc=y")); err == nil {
				t.Error("go-ldap goes on")
			}
			if _, _, err := read(t.Context(), conn); !ldap.IsErrorWithCode(err, ldap.ErrorNetwork) {
				t.Errorf("the next search gives %v", err)
			}
		})
	}
}

func TestAMessageLargerThanTheBufferPasses(t *testing.T) {
	t.Parallel()
	value := strings.Repeat("x", 3*bufferSize)
	c, other := play(t, Options{}, func(p *played) {
		id, _, _ := p.next()
		p.say(id, entryWith("cn=1"), entryWith("cn=2", attribute("a", value)), entryWith("cn=3"), ended(0, "", paging("")))
		id, _, _ = p.next()
		p.say(id, entryWith("cn=4", attribute("a", value)), ended(0, ""))
		p.next()
	})
	if dns, _, err := read(t.Context(), c); err != nil || dns != "cn=1 cn=2 cn=3" {
		t.Errorf("%q, %v", dns, err)
	}
	if result, err := other.Search(everything("dc=y")); err != nil || result.Entries[0].GetAttributeValue("a") != value {
		t.Errorf("go-ldap gives %v", err)
	}
}

func TestASilentServerAndAnImpatientCaller(t *testing.T) {
	t.Parallel()
	t.Run("time limit", func(t *testing.T) {
		t.Parallel()
		c, _ := play(t, Options{Timeout: 20 * time.Millisecond}, func(p *played) { p.next(); p.next() })
		if _, _, err := read(t.Context(), c); !ldap.IsErrorWithCode(err, ldap.ErrorNetwork) || !strings.Contains(err.Error(), "timed out") {
			t.Errorf("error %v", err)
		}
		if _, _, err := read(t.Context(), c); !ldap.IsErrorWithCode(err, ldap.ErrorNetwork) {
			t.Errorf("the connection goes on: %v", err)
		}
	})
	t.Run("cancellation", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		c, _ := play(t, Options{}, func(p *played) {
			p.next()
			cancel()
			_, err := p.Read(make([]byte, 1))
			gone <- err
		})
		if _, _, err := read(ctx, c); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if err := <-gone; err == nil {
			t.Error("the connection is not closed")
		}
	})
	t.Run("closed meanwhile", func(t *testing.T) {
		t.Parallel()
		asked := make(chan bool)
		c, conn := play(t, Options{}, func(p *played) {
			p.next()
			close(asked)
			p.next()
		})
		go func() {
			<-asked
			_ = conn.Close()
		}()
		if _, _, err := read(t.Context(), c); !ldap.IsErrorWithCode(err, ldap.ErrorNetwork) {
			t.Errorf("error %v", err)
		}
	})
}

func TestLooksAreAnsweredInTheirOrder(t *testing.T) {
	t.Parallel()
	const n = 3*defaultWindow + 7
	c, _ := play(t, Options{Timeout: time.Minute}, func(p *played) {
		var ids []int64
		for left := n; left > 0; {
			id, base, _ := p.next()
			if base == "" {
				return
			}
			ids = append(ids, id)
			if len(ids) < min(defaultWindow, left) {
				continue
			}
			// Backwards, as a server with many threads may do it.
			for _, id := range slices.Backward(ids) {
				switch id % 4 {
				case 0:
					p.say(id, entryWith(fmt.Sprint("cn=", id-firstID)), ended(0, ""))
				case 1:
					p.say(id, ended(ldap.LDAPResultNoSuchObject, "nobody"))
				case 2:
					p.say(id, ended(0, ""))
				default:
					p.say(id, entryWith("cn=a"), entryWith("cn=b"), ended(0, ""))
				}
			}
			left -= len(ids)
			ids = nil
		}
		p.next()
	})
	next := 0
	err := c.Looks(t.Context(), n, func(i int) *ldap.SearchRequest { return everything(fmt.Sprint("cn=", i)) }, func(i int, e *Entry, err error) {
		if i != next {
			t.Errorf("answer %d comes as number %d", i, next)
		}
		next++
		switch i % 4 {
		case 0:
			if err != nil || e == nil || string(e.DN) != fmt.Sprint("cn=", i) {
				t.Errorf("answer %d is %v, %v", i, e, err)
			}
		case 1:
			if e != nil || !ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
				t.Errorf("answer %d is %v, %v", i, e, err)
			}
		case 2:
			if e != nil || err != nil {
				t.Errorf("answer %d is %v, %v", i, e, err)
			}
		default:
			if e != nil || !errors.Is(err, ErrIncomplete) {
				t.Errorf("answer %d is %v, %v", i, e, err)
			}
		}
	})
	if err != nil || next != n {
		t.Errorf("%d answers, %v", next, err)
	}
}

func TestNoMoreLooksAreUnderWayThanMayBe(t *testing.T) {
	t.Parallel()
	const n, most = 10, 3
	c, _ := play(t, Options{Window: most}, func(p *played) {
		var waiting []int64
		for answered := range n {
			for len(waiting) < min(most, n-answered) {
				id, _, _ := p.next()
				waiting = append(waiting, id)
			}
			// Nothing more comes until something was answered.
			if err := p.SetReadDeadline(time.Now().Add(5 * time.Millisecond)); err != nil {
				p.t.Error(err)
			}
			if k, err := p.Read(make([]byte, 1)); k > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				p.t.Errorf("with %d looks under way another one comes (%v)", len(waiting), err)
				return
			}
			if err := p.SetReadDeadline(time.Time{}); err != nil {
				p.t.Error(err)
			}
			p.say(waiting[0], ended(0, ""))
			waiting = waiting[1:]
		}
		p.next()
	})
	answers := 0
	if err := c.Looks(t.Context(), n, func(int) *ldap.SearchRequest { return everything("dc=x") }, func(int, *Entry, error) { answers++ }); err != nil || answers != n {
		t.Errorf("%d answers, %v", answers, err)
	}
}

func TestLooksEndWithTheConnection(t *testing.T) {
	t.Parallel()
	c, _ := play(t, Options{}, func(p *played) {
		for range 3 {
			id, _, _ := p.next()
			p.say(id, ended(0, ""))
		}
		_ = p.Close()
	})
	answered := 0
	err := c.Looks(t.Context(), 10, func(int) *ldap.SearchRequest { return everything("dc=x") }, func(i int, _ *Entry, err error) {
		if answered++; i != answered-1 || err != nil {
			t.Errorf("answer %d: %v", i, err)
		}
	})
	if !ldap.IsErrorWithCode(err, ldap.ErrorNetwork) || answered > 3 {
		t.Errorf("%d answers, %v", answered, err)
	}
	if err := c.Looks(t.Context(), 0, nil, nil); err != nil {
		t.Errorf("no looks: %v", err)
	}
}

func TestAPanicOfTheCallerIsAnError(t *testing.T) {
	t.Parallel()
	c, _ := play(t, Options{}, func(p *played) {
		id, _, _ := p.next()
		p.say(id, entryWith("cn=1"), ended(0, "", paging("")))
		p.next()
	})
	if _, err := c.Search(t.Context(), everything("dc=x"), 2, func(*Entry) error { panic("no") }, nil); !ldap.IsErrorWithCode(err, ldap.ErrorNetwork) {
		t.Errorf("error %v", err)
	}
}
