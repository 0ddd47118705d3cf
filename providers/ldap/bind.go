package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
)

// bind proves who we are, and makes sure that the server believes it.
func (s *source) bind(ctx context.Context, made *session) error {
	b := &s.config.Bind
	var err error
	switch {
	case b.External:
		err = made.conn.ExternalBind()
	case b.GSSAPI.used():
		err = s.bindKerberos(ctx, made)
	case b.DN != "":
		err = s.bindSimple(made)
	default:
		return nil // anonymous, as configured
	}
	if err != nil {
		return err
	}
	return made.whoAmI()
}

// bindSimple binds with the password, which is read at each bind, so that a rotated one
// is used without a restart. One that was replaced just while the server refused it is
// tried too, once: trying a refused one again could lock the account.
func (s *source) bindSimple(made *session) error {
	b := &s.config.Bind
	password, err := readPassword(b.Password)
	if err != nil {
		return err
	}
	made.password = password
	err = hide(made.conn.Bind(b.DN, password.Reveal()), password)
	if code(err) != ldap.LDAPResultInvalidCredentials {
		return err
	}
	again, readErr := readPassword(b.Password)
	if readErr != nil || again.Reveal() == password.Reveal() {
		return err
	}
	made.password = again
	return hide(made.conn.Bind(b.DN, again.Reveal()), again)
}

// readPassword refuses an empty one, which would be an anonymous bind that succeeds
// (RFC 4513, 5.1.2).
func readPassword(ref secret.Ref) (secret.Value, error) {
	password, err := ref.Read()
	if err == nil && password.Reveal() == "" {
		err = errors.New("the password is empty")
	}
	if err != nil {
		return password, fault.New(fault.Invalid, "read bind.password", "", err, "")
	}
	return password, nil
}

var errNobody = errors.New("the server accepts the bind, but sees us as nobody")

// whoAmI asks by which name the server knows us (RFC 4532). A bind that succeeds and
// proves nothing would show an anonymous reader's part of the directory, which looks
// like all of it. Servers without that request refuse it with one code or another.
func (s *session) whoAmI() error {
	answer, err := s.conn.WhoAmI(nil)
	switch c := code(err); {
	case c == ldap.LDAPResultBusy || c == ldap.LDAPResultUnavailable:
		return err
	case err != nil && c < ldap.ErrorNetwork && c != ldap.LDAPResultSuccess:
		return nil
	case err != nil:
		return err
	case answer.AuthzID == "" || answer.AuthzID == "dn:":
		return errNobody
	}
	s.who = answer.AuthzID
	return nil
}

// certificate reads ours, at each connect, so that a renewed one is used.
func (s *source) certificate() (*tls.Certificate, error) {
	chain, err := os.ReadFile(string(s.config.CertFile))
	if err != nil {
		return nil, fault.New(fault.Invalid, "read cert_file", "", err, "cert_file is a PEM file with our certificate")
	}
	key, err := secret.File(string(s.config.KeyFile))
	if err != nil {
		return nil, fault.New(fault.Invalid, "read key_file", "", err, "")
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read cert_file and key_file", "", fmt.Errorf("%s and %s: %w", s.config.CertFile, s.config.KeyFile, err),
			"both are PEM files, and key_file holds the private key of the first certificate in cert_file")
	}
	return &pair, nil
}
