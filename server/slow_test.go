package server

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are pipes, so that a test's clock rules them.
type pipes struct {
	in   chan net.Conn
	once sync.Once
	end  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.in:
		return c, nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.end) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// open serves the admin side and gives a way to connect to it.
func open(t *testing.T, o *office) func() net.Conn {
	t.Helper()
	a, _, _ := newAdmin(t, o)
	l := &pipes{in: make(chan net.Conn), end: make(chan struct{})}
	web := a.Server()
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(web.Close(), l.Close()); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		time.Sleep(time.Second) // The last connections linger for half of it.
	})
	return func() net.Conn {
		ours, theirs := net.Pipe()
		l.in <- theirs
		return ours
	}
}

func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	post := "POST /api/v1/sync HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + approveToken + "\r\n"
	for _, c := range []struct {
		name, sent string
		within     time.Duration
	}{
		{"who says nothing", "", 5 * time.Second},
		{"whose head never ends", "GET /livez HTTP/1.1\r\nHost: x\r\n", 5 * time.Second},
		{"whose body never ends", post + "Content-Length: 100\r\n\r\n{", 16 * time.Second},
		{"who keeps an idle connection", "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", 61 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := &office{}
			conn := open(t, o)()
			began := time.Now()
			go func() { _, _ = io.WriteString(conn, c.sent) }()
			_, err := io.Copy(io.Discard, conn)
			if took := time.Since(began); err != nil || took > c.within {
				t.Errorf("somebody %s is cut off after %s: %v", c.name, took, err)
			}
			if o.log() != "" {
				t.Errorf("somebody %s made us %s", c.name, o.log())
			}
		})
	}
}

func TestAClientThatReadsNothingIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn := open(t, &office{})()
		if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(readBound + 11*time.Second)
		synctest.Wait()
		if n, err := conn.Read(make([]byte, 1)); err == nil {
			t.Errorf("%d bytes were still there to read", n)
		}
	})
}

func TestALargeHeadIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn := open(t, &office{})()
		go func() {
			_, _ = io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 32<<10)+"\r\n\r\n")
		}()
		if line, err := bufio.NewReader(conn).ReadString('\n'); !strings.Contains(line, "431") {
			t.Errorf("it answers %q, %v", line, err)
		}
		_ = conn.Close() // The rest does not matter.
	})
}

func TestARunMayTakeLongerThanOtherAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &office{hold: make(chan struct{})}
		conn := open(t, o)()
		time.AfterFunc(9*time.Minute, func() { close(o.hold) })
		go func() {
			_, _ = io.WriteString(conn, "POST /api/v1/sync?wait=10m HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\nAuthorization: Bearer "+approveToken+"\r\n\r\n{}")
		}()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "01RUN") {
			t.Errorf("%d %s, %v", resp.StatusCode, body, err)
		}
		_ = conn.Close() // The answer was read.
	})
}

func TestTooManyConnectionsAreClosedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		connect := open(t, &office{})
		all := make([]net.Conn, 0, maxConnections)
		for range maxConnections {
			all = append(all, connect())
		}
		began := time.Now()
		if _, err := connect().Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(began) > 0 {
			t.Errorf("one too many: %v", err)
		}
		for _, c := range all {
			_ = c.Close() // To make room.
		}
		synctest.Wait()
		conn := connect()
		go func() { _, _ = io.WriteString(conn, "GET /livez HTTP/1.0\r\nHost: x\r\n\r\n") }()
		if line, err := bufio.NewReader(conn).ReadString('\n'); !strings.Contains(line, "200") {
			t.Errorf("there is no room again: %q, %v", line, err)
		}
		_ = conn.Close() // The answer was read.
	})
}
