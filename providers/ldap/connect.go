package ldap

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/providers/ldap/wire"
)

type cancelFunc = context.CancelCauseFunc

// session is a bound connection. It belongs to one call and one goroutine.
type session struct {
	conn *ldap.Conn
	// wire is below conn and serves the bulk reads.
	wire *wire.Conn
	// raw is what go-ldap talks through, with TLS inside where there is any.
	raw    net.Conn
	server server
	// tls is what was agreed on, nil for a connection in clear.
	tls  *tls.ConnectionState
	stop func() bool
	// layout is how this server's directory is read.
	layout *layout
	// contexts are the server's naming contexts, nil when they were not read yet.
	contexts []string
	// password is what we bound with, zero without one; who is the name by which the
	// server knows us, where it tells.
	password secret.Value
	who      string

	// pageSize is what searches ask for; lowered says that the server refused a larger.
	pageSize int
	lowered  bool
	source   *source
}

// ask searches. What the server says in an error must not repeat our password.
func (s *session) ask(r *ldap.SearchRequest) (*ldap.SearchResult, error) {
	result, err := s.conn.Search(r)
	return result, hide(err, s.password)
}

// hide takes a password out of what a server says.
func hide(err error, password secret.Value) error {
	e, ok := errors.AsType[*ldap.Error](err)
	if !ok || password.Hide(e.Err.Error()) == e.Err.Error() {
		return err
	}
	return ldap.NewError(e.ResultCode, errors.New(password.Hide(e.Err.Error())))
}

// giveUp drops the connection after an error of the network, a time-out among them,
// so that the searches to come fail at once instead of waiting too.
func (s *session) giveUp(err error) {
	if code(err) >= ldap.ErrorNetwork {
		_ = s.raw.Close()
	}
}

func (s *session) close() {
	s.stop()
	// Close reports errors of a connection that nobody needs any more.
	_ = s.conn.Close()
}

// connect tries the servers in their order and gives the first that lets us in. A
// refused credential ends the search: trying it on every server could lock the
// account.
func (s *source) connect(ctx context.Context) (*session, error) {
	var failures []error
	for _, text := range s.config.URL {
		to, err := parseServer(text)
		if err != nil {
			return nil, fault.New(fault.Invalid, "connect", text, err, "")
		}
		made, err := s.connectTo(ctx, to)
		if err == nil {
			return made, nil
		}
		failures = append(failures, err)
		if kind := fault.KindOf(err); ctx.Err() != nil || kind == fault.Auth || kind == fault.Invalid {
			break
		}
	}
	if len(failures) == 1 {
		return nil, failures[0]
	}
	texts := make([]string, len(failures))
	for i, err := range failures {
		texts[i] = err.Error()
	}
	last := failures[len(failures)-1]
	return nil, fault.New(fault.KindOf(last), "reach one of the servers", "", errors.New(strings.Join(texts, "; ")), fault.HintOf(last))
}

// connectTo connects to one server and binds. Ending ctx closes the connection,
// which ends every request under way.
func (s *source) connectTo(ctx context.Context, to server) (*session, error) {
	raw, err := s.dialServer(ctx, to)
	if err != nil {
		return nil, connectError(ctx, to, err)
	}
	made := &session{raw: raw, server: to, pageSize: s.config.PageSize, source: s}
	if c, ok := raw.(*tls.Conn); ok {
		state := c.ConnectionState()
		made.tls = &state
	}
	// TLS is inside raw already, by StartTLS too: go-ldap never changes the
	// connection below it.
	made.wire = wire.New(raw, s.bounds())
	s.meter.Secured(to.addr, made.tls)
	made.conn = ldap.NewConn(made.wire, made.tls != nil)
	made.conn.SetTimeout(s.request)
	made.stop = context.AfterFunc(ctx, func() { _ = raw.Close() })
	made.conn.Start()
	if err := s.bind(ctx, made); err != nil {
		// A server that speaks TLS 1.3 refuses our certificate after the handshake, while we
		// send already; that go-ldap could not send has no code.
		if code(err) == ldap.ErrorNetwork || strings.HasPrefix(err.Error(), "unable to send request") {
			err = cmp.Or(made.wire.Reason(), err)
		}
		made.close()
		return nil, bindError(ctx, to, &s.config.Bind, err)
	}
	if made.layout, err = s.layoutOf(ctx, made); err != nil {
		made.close()
		return nil, err
	}
	return made, nil
}

// bounds are those of one connection.
func (s *source) bounds() wire.Options {
	o := wire.Options{Timeout: s.request}
	if !s.config.Bind.used() {
		o.Window = anonymousWindow
	}
	return o
}

// anonymousWindow is how many look-ups may be under way without a bind: OpenLDAP closes
// such a connection when 100 wait.
const anonymousWindow = 64

// dialServer gives a connection that is as secure as it is configured to be, or none.
func (s *source) dialServer(ctx context.Context, to server) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.dial)
	defer cancel()
	network := "tcp"
	if to.scheme == "ldapi" {
		network = "unix"
	}
	raw, err := s.reach(ctx, network, to.addr)
	if err != nil || to.scheme != "ldaps" && !s.config.StartTLS {
		return raw, err
	}
	c, err := s.secure(ctx, raw, to)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return c, nil
}

// secure puts TLS on a connection.
func (s *source) secure(ctx context.Context, raw net.Conn, to server) (*tls.Conn, error) {
	config, err := s.tlsConfig(to)
	if err != nil {
		return nil, err
	}
	if to.scheme != "ldaps" {
		return startTLS(ctx, raw, config)
	}
	c := tls.Client(raw, config)
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// tlsConfig verifies the server by its configured name, against the CA file alone
// when there is one. The file is read at each connect, so that a new one counts.
func (s *source) tlsConfig(to server) (*tls.Config, error) {
	// The zone of an IPv6 address means something on this machine only.
	name, _, _ := strings.Cut(to.host, "%")
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name}
	if s.config.CertFile != "" {
		ours, err := s.certificate()
		if err != nil {
			return nil, err
		}
		// Always, and not only where the server's list of authorities has ours: a
		// server that wants another one says so, and does not see us as nobody.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return ours, nil }
	}
	if s.config.CAFile == "" {
		return config, nil
	}
	pem, err := os.ReadFile(string(s.config.CAFile))
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file %s holds no certificate", s.config.CAFile)
	}
	return config, nil
}
