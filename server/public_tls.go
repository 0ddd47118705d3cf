package server

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
)

// certEvery is how often the files of a certificate are looked at, at most.
const certEvery = time.Second

// Certificate is our own one. Its files are read again when they change; while they
// cannot be used, the one before goes on.
type Certificate struct {
	files config.TLS
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	stamp   [2]fileStamp
	looked  time.Time
	failing string
}

// fileStamp tells a file from the one that takes its place.
type fileStamp struct {
	info os.FileInfo
}

func stampOf(name string) fileStamp {
	info, err := os.Stat(name)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{info}
}

func (s fileStamp) same(o fileStamp) bool {
	if s.info == nil || o.info == nil {
		return s.info == nil && o.info == nil
	}
	return os.SameFile(s.info, o.info) && s.info.ModTime().Equal(o.info.ModTime()) && s.info.Size() == o.info.Size()
}

// NewCertificate reads a certificate.
func NewCertificate(files config.TLS, log *slog.Logger, now func() time.Time) (*Certificate, error) {
	c := &Certificate{files: files, log: log, now: now}
	stamp := c.stamps()
	pair, err := files.Load()
	if err != nil {
		return nil, err
	}
	c.current, c.stamp, c.looked = pair, stamp, now()
	return c, nil
}

func (c *Certificate) stamps() [2]fileStamp {
	return [2]fileStamp{stampOf(string(c.files.Cert)), stampOf(string(c.files.Key))}
}

// get gives the certificate in force.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if now.Sub(c.looked).Abs() < certEvery {
		return c.current, nil
	}
	c.looked = now
	stamp := c.stamps()
	if stamp[0].same(c.stamp[0]) && stamp[1].same(c.stamp[1]) && c.failing == "" {
		return c.current, nil
	}
	pair, err := c.files.Load()
	if err != nil {
		// One of the two files may not be there yet: it is read again a second later.
		if text := err.Error(); text != c.failing {
			c.failing = text
			c.log.LogAttrs(context.Background(), slog.LevelError, "new certificate cannot be used; the old one stays", slog.String(logging.KeyErr, text),
				slog.String(logging.KeyHint, fault.HintOf(err)))
		}
		return c.current, nil
	}
	c.current, c.stamp, c.failing = pair, stamp, ""
	c.log.LogAttrs(context.Background(), slog.LevelInfo, "new certificate in force")
	return c.current, nil
}

// ends gives until when the certificate in force is good, also where nobody has connected
// since it was replaced.
func (c *Certificate) ends() time.Time {
	pair, err := c.get(nil)
	if err != nil || pair.Leaf == nil {
		return time.Time{}
	}
	return pair.Leaf.NotAfter
}

// CertificateEnds gives until when our own certificate is good; zero: there is none.
func (p *Public) CertificateEnds() time.Time {
	if c := p.cert.Load(); c != nil {
		return c.ends()
	}
	return time.Time{}
}

// Encrypt has a listener speak TLS while there is a certificate: with each new connection
// the one of the configuration in force, or none.
func (p *Public) Encrypt(l net.Listener) net.Listener { return &encrypted{l, p} }

// UseCertificate puts another certificate in force for new connections; nil: none.
func (p *Public) UseCertificate(c *Certificate) {
	p.cert.Store(c)
	if c == nil {
		p.tls.Store(nil)
		return
	}
	p.tls.Store(&tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"http/1.1"}})
}

type encrypted struct {
	net.Listener
	p *Public
}

// Accept waits for a connection. Its handshake is up to the server, which bounds its time.
func (l *encrypted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if cfg := l.p.tls.Load(); cfg != nil {
		return tls.Server(c, cfg), nil
	}
	return c, nil
}
