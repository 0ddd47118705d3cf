package forward

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Sockets are where the syslog of a machine usually listens.
func Sockets() []string { return []string{"/dev/log", "/var/run/syslog"} }

// The facility is authpriv, whose messages daemons keep from other users; the severity
// is notice.
const priority = 10<<3 | 5

// sendTimeout bounds the wait for a syslog that does not read.
const sendTimeout = 5 * time.Second

// Syslog gives a sink that sends each line as a message of RFC 5424 to the first of the
// sockets that answers. app and id are the names of the program and of the kind of
// message.
func Syslog(app, id string, sockets ...string) Sink {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "-"
	}
	return &syslog{sockets: sockets, host: host, rest: app + " " + strconv.Itoa(os.Getpid()) + " " + id + " - "}
}

type syslog struct {
	sockets    []string
	host, rest string
	conn       net.Conn
	// stream says that messages must be told apart by their ends.
	stream bool
}

func (s *syslog) Send(lines []Line) error {
	for _, l := range lines {
		if err := s.one(l); err != nil {
			return fmt.Errorf("send to syslog: %w", err)
		}
	}
	return nil
}

// one sends a message; a connection that was cut, as by a restart of the syslog, is made
// again once.
func (s *syslog) one(l Line) error {
	fresh := s.conn == nil
	err := s.try(l)
	if err == nil {
		return nil
	}
	if err = errors.Join(err, s.Close()); fresh {
		return err
	}
	if err := s.try(l); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

func (s *syslog) try(l Line) error {
	if s.conn == nil {
		if err := s.dial(); err != nil {
			return err
		}
	}
	err := s.write(l.At, l.Text)
	if errors.Is(err, syscall.EMSGSIZE) {
		return s.write(l.At, l.Short)
	}
	return err
}

func (s *syslog) write(at time.Time, text []byte) error {
	b := fmt.Appendf(nil, "<%d>1 %s %s %s", priority, at.UTC().Format("2006-01-02T15:04:05.000000Z"), s.host, s.rest)
	b = append(b, text...)
	if s.stream {
		b = append(b, '\n')
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return err
	}
	_, err := s.conn.Write(b)
	return err
}

func (s *syslog) dial() error {
	var errs []error
	for _, path := range s.sockets {
		for _, network := range []string{"unixgram", "unix"} {
			d := net.Dialer{Timeout: sendTimeout}
			conn, err := d.Dial(network, path)
			if err == nil {
				s.conn, s.stream = conn, network == "unix"
				return nil
			}
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		return errors.New("no socket is named")
	}
	return errors.Join(errs...)
}

func (s *syslog) Close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}
