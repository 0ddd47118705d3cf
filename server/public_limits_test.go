package server

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"groupsyncd/server/hooks"
)

func TestASenderIsAnAddressAndAProxyOnThisMachineIsBelieved(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ remote, forwarded, want string }{
		{"192.0.2.7:4711", "", "192.0.2.7"},
		{"192.0.2.7:4711", "198.51.100.1", "192.0.2.7"},
		{"127.0.0.1:4711", "", "127.0.0.1"},
		{"127.0.0.1:4711", "198.51.100.1", "198.51.100.1"},
		{"127.0.0.1:4711", "203.0.113.9, 198.51.100.1", "198.51.100.1"},
		{"[::1]:4711", "2001:db8:1:2:3::4", "2001:db8:1:2::"},
		{"[::1]:4711", "[2001:db8:1:2:3::4]", "2001:db8:1:2::"},
		{"[2001:db8:1:2:3::4]:4711", "", "2001:db8:1:2::"},
		{"[2001:db8:1:2:5::6]:4711", "", "2001:db8:1:2::"},
		{"[::ffff:192.0.2.7]:4711", "", "192.0.2.7"},
		{"127.0.0.1:4711", "unknown", "127.0.0.1"},
		{"127.0.0.1:4711", "198.51.100.1, ", "127.0.0.1"},
		{"nonsense", "198.51.100.1", "::"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := senderOf(r).String(); got != c.want {
			t.Errorf("%s forwarded for %q is %s, want %s", c.remote, c.forwarded, got, c.want)
		}
	}
}

// passedOn makes a letter that a proxy passes on for somebody.
func passedOn(l letter, addr string) letter {
	l.head = l.head.Clone()
	if l.head == nil {
		l.head = http.Header{}
	}
	l.head.Set("X-Forwarded-For", addr)
	return l
}

func TestWhoeverSendsGarbageLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{})
	p.mu.Lock()
	p.still = time.Now()
	p.mu.Unlock()
	garbage := passedOn(letter{"POST", "/hooks/login", "garbage", nil, false}, "203.0.113.9")
	seen := map[int]int{}
	for range 500 {
		r := p.post(garbage)
		seen[r.status]++
		if r.status == 429 && (r.head.Get("Retry-After") != "1" || !strings.Contains(r.body, "too many requests")) {
			t.Fatalf("%v %s", r.head, r.body)
		}
	}
	// A refused request costs ten times as much as another.
	if want := senderBurst / (1 + blame); seen[401] != want || seen[429] != 500-want {
		t.Errorf("answers %v", seen)
	}
	for i := range 50 {
		if r := p.post(passedOn(p.login(fmt.Sprint("msg-", i)), "198.51.100.1")); r.status != 202 {
			t.Fatalf("somebody else: %d %s", r.status, r.body)
		}
	}
	if p.counted("login", TooMany) != seen[429] {
		t.Errorf("counted %d, want %d", p.counted("login", TooMany), seen[429])
	}
}

func TestFiftyLoginsASecondOfOneSenderPass(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := newLimits(func() time.Time { return now })
	s := sender{netip.MustParseAddr("192.0.2.7")}
	for range 60 * 50 {
		now = now.Add(time.Second / 50)
		if d := l.enter(s); d != nil {
			t.Fatal(d.why)
		}
	}
	// All together are bounded too, however many they are.
	passed := 0
	for i := range 10 * allRate {
		now = now.Add(time.Second / (10 * allRate))
		if l.enter(sender{netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}) == nil {
			passed++
		}
	}
	if passed < allRate || passed > allRate+allBurst {
		t.Errorf("%d passed within a second", passed)
	}
}

func TestSendersWithoutEndCostLittle(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := newLimits(func() time.Time { return now })
	faithful := sender{netip.MustParseAddr("192.0.2.7")}
	for range senderBurst {
		l.enter(faithful)
	}
	for i := range 100_000 {
		l.enter(sender{netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})})
		if i%(maxSenders/2) == 0 && l.account(faithful).rate.TokensAt(now) > 0 {
			t.Fatal("a sender was forgotten that keeps sending too much")
		}
	}
	if n := len(l.senders) + len(l.before); n > 2*maxSenders {
		t.Errorf("%d senders are remembered", n)
	}
}

func TestBodiesAreHeldWithinBounds(t *testing.T) {
	t.Parallel()
	l := newLimits(time.Now)
	var back []func()
	count := func(s sender, want int) {
		n := 0
		for {
			release, ok := l.hold(s, hooks.MaxBody)
			if !ok {
				break
			}
			back = append(back, release)
			n++
		}
		if n != want {
			t.Errorf("%s holds %d bodies, want %d", s, n, want)
		}
	}
	for i := range 4 {
		count(sender{netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}, maxHeldEach/hooks.MaxBody)
	}
	other := sender{netip.MustParseAddr("192.0.2.7")}
	count(other, 0)
	for _, release := range back {
		release()
		release() // Once more does nothing.
	}
	back = nil
	count(other, maxHeldEach/hooks.MaxBody)
}

func TestOnlySoManyWait(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{})
	var leaves []func()
	for range maxWaits {
		leave, ok := p.limits.wait()
		if !ok {
			t.Fatal("there was room")
		}
		leaves = append(leaves, leave)
	}
	l := p.login("a")
	l.path += "?wait=30s"
	if r := p.post(l); r.status != 202 {
		t.Errorf("without room to wait: %d %s", r.status, r.body)
	}
	leaves[0]()
	l = p.login("b")
	l.path += "?wait=30s"
	if r := p.post(l); r.status != 200 {
		t.Errorf("with room to wait: %d %s", r.status, r.body)
	}
}

// dial opens a connection and says something.
func (p *porch) dial(text string) net.Conn {
	p.Helper()
	var d net.Dialer
	c, err := d.DialContext(p.Context(), "tcp", p.at)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, text); err != nil && !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "broken pipe") {
		p.Fatal(err)
	}
	return c
}

// hurry gives everybody less time.
func hurry(d time.Duration) func(*http.Server) {
	return func(s *http.Server) { s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout, s.IdleTimeout = d, d, d, d }
}

func TestWhoeverIsSlowIsCutOff(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"says nothing":            "",
		"never ends its head":     "POST /hooks/login HTTP/1.1\r\nHost: x\r\nX-A: ",
		"never sends its body":    "POST /hooks/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
		"never ends its chunks":   "POST /hooks/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
		"never says another word": "POST /hooks/x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPorch(t, &notebook{}, hurry(50*time.Millisecond))
			c := p.dial(text)
			if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("the connection was not ended: %v", err)
			}
			if p.held() != 0 || len(p.runs()) > 0 {
				t.Errorf("%d bytes are held, asked for %q", p.held(), p.runs())
			}
		})
	}
}

func TestConnectionsThatSayNothingKeepNobodyOut(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{}, hurry(300*time.Millisecond))
	for range maxOpen {
		p.dial("")
	}
	// Until they are cut off there may be no room; then there is.
	var r response
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if r = p.post(p.login("msg-1")); r.status != 0 {
			break
		}
	}
	if r.status != 202 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestAnAddressHasOnlySoManyConnections(t *testing.T) {
	t.Parallel()
	l := newLimits(time.Now)
	state := l.connection()
	open := func(addr string, n int) (closed int) {
		var conns []*line
		for i := range n {
			c := &line{from: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), uint16(i+1)))}
			state(c, http.StateNew)
			conns = append(conns, c)
		}
		for _, c := range conns {
			if c.closed.Load() {
				closed++
			}
			state(c, http.StateClosed)
		}
		return closed
	}
	if got := open("192.0.2.7", maxOpenEach+3); got != 3 {
		t.Errorf("%d of another machine were closed", got)
	}
	if got := open("127.0.0.1", maxOpen+3); got != 3 {
		t.Errorf("%d of this machine were closed", got)
	}
	if l.open != 0 || len(l.openBy) != 0 {
		t.Errorf("%d are counted as open, %v", l.open, l.openBy)
	}
}

// line is a connection that knows where it comes from.
type line struct {
	net.Conn
	from   net.Addr
	closed atomic.Bool
}

func (c *line) RemoteAddr() net.Addr { return c.from }
func (c *line) Close() error         { c.closed.Store(true); return nil }

// TestAFloodOfGarbageChangesNothing sends it as fast as it goes; test/flood does the same
// with the program for a minute. It looks at the memory of the process, and so it runs by itself.
func TestAFloodOfGarbageChangesNothing(t *testing.T) {
	p := newPorch(t, &notebook{})
	letters := []letter{
		{"POST", "/hooks/login", strings.Repeat("garbage ", 4<<10), http.Header{"Webhook-Id": {"a"}, "Webhook-Timestamp": {"1"}, "Webhook-Signature": {"v1,AAAA"}}, false},
		{"POST", "/hooks/chat/wrong", strings.Repeat("{", hooks.MaxBody), nil, false},
		{"POST", "/hooks/nobody", "garbage", nil, true},
		{"GET", "/hooks/login", "", nil, false},
		{"POST", "/hooks/login", strings.Repeat("x", hooks.MaxBody+1), nil, false},
		{"POST", "/", "garbage", nil, false},
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var most atomic.Uint64
	var wg sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	for i := range 8 {
		wg.Go(func() {
			for n := range 250 {
				l := passedOn(letters[(i+n)%len(letters)], fmt.Sprintf("203.0.113.%d", n%200))
				if r := p.through(client, "http", l); r.status/100 == 2 || r.status/100 == 5 && r.status != 503 {
					t.Errorf("garbage got %d %s", r.status, r.body)
				}
				if n%50 == 0 {
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					most.Store(max(most.Load(), m.HeapInuse))
				}
			}
		})
	}
	wg.Wait()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := p.runs(); len(got) > 0 || p.memory.size() > 0 {
		t.Errorf("asked for %q", got)
	}
	if after.HeapInuse > before.HeapInuse+32<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before.HeapInuse, after.HeapInuse)
	}
	if n := strings.Count(p.out.String(), "level=WARN"); n > 2*len(Results()) {
		t.Errorf("%d lines of log", n)
	}
	t.Logf("heap %d kB before, at most %d kB, %d kB after", before.HeapInuse>>10, most.Load()>>10, after.HeapInuse>>10)
	if open := p.open(); open > maxOpen/2 {
		t.Errorf("%d connections are open", open)
	}
	r := p.post(passedOn(p.login("msg-1"), "198.51.100.1"))
	if r.status == 429 { // All together sent too much, where the machine is fast.
		seconds, err := strconv.Atoi(r.head.Get("Retry-After"))
		if err != nil || seconds > 2 {
			t.Fatalf("somebody else is to wait for %q", r.head.Get("Retry-After"))
		}
		time.Sleep(time.Duration(seconds) * time.Second)
		r = p.post(passedOn(p.login("msg-1"), "198.51.100.1"))
	}
	if r.status != 202 {
		t.Errorf("afterwards somebody else gets %d %s", r.status, r.body)
	}
}
