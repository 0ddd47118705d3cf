package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers/ldap/wire"
)

// errIncomplete marks a search that ended without the proof that it was complete.
var errIncomplete = wire.ErrIncomplete

// ended gives the error of a call whose context ended, else nil.
func ended(ctx context.Context, op, where string) error {
	if ctx.Err() == nil {
		return nil
	}
	kind := fault.Canceled
	cause := context.Cause(ctx)
	if errors.Is(cause, context.DeadlineExceeded) {
		kind = fault.Unavailable
	}
	return fault.New(kind, op, where, cause, "")
}

// reason writes an LDAP error in few words: the name of the code and what the
// server said.
func reason(err error) string {
	e, ok := errors.AsType[*ldap.Error](err)
	if !ok {
		return err.Error()
	}
	said := strings.TrimSpace(strings.TrimPrefix(e.Err.Error(), "ldap: "))
	if e.ResultCode >= ldap.ErrorNetwork {
		return said
	}
	text := fmt.Sprintf("%s (code %d)", strings.ToLower(ldap.LDAPResultCodeMap[e.ResultCode]), e.ResultCode)
	if said != "" && said != "<nil>" {
		text += ", the server says: " + said
	}
	return text
}

func code(err error) uint16 {
	if e, ok := errors.AsType[*ldap.Error](err); ok {
		return e.ResultCode
	}
	return 0
}

// connectError explains why a server cannot be reached.
func connectError(ctx context.Context, to server, err error) error {
	const op = "connect"
	if e := ended(ctx, op, to.text); e != nil {
		return e
	}
	text := err.Error()
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	if fault.KindOf(err) != 0 {
		return err
	}
	err = httpx.Terse(err, to.text)
	switch {
	case refusesCertificate(text):
		return fault.New(fault.Auth, op, to.text, errors.New(reason(err)), refusedCertificate)
	case has("protocol version not supported", "server selected unsupported protocol version"):
		return fault.New(fault.Unavailable, op, to.text, errors.New(reason(err)), "the server speaks no TLS 1.2 or newer: update it, or its settings")
	case has("ca_file"):
		return fault.New(fault.Invalid, op, to.text, err, "ca_file is a PEM file with the certificate of the authority")
	case has("unknown authority"):
		return fault.New(fault.Unavailable, op, to.text, errors.New(reason(err)), "set ca_file to the certificate of the authority that signed the server's")
	case has("x509: certificate is valid for", "x509: cannot validate certificate for", "doesn't contain any IP SANs", "not valid for any names"):
		return fault.New(fault.Unavailable, op, to.text, errors.New(reason(err)), "write the name in url that is in the server's certificate")
	case has("legacy Common Name"):
		return fault.New(fault.Unavailable, op, to.text, errors.New(reason(err)), "give the server a certificate with its name as subjectAltName; Samba's own has none")
	case has("x509:"):
		return fault.New(fault.Unavailable, op, to.text, errors.New(reason(err)), "renew or correct the server's certificate")
	case has("first record does not look like a TLS handshake") && to.scheme == "ldaps":
		return fault.New(fault.Unavailable, op, to.text, errors.New(reason(err)), "this port does not speak TLS: write ldap:// with start_tls: true")
	case has("StartTLS"):
		return fault.New(fault.Unavailable, op, to.text, errors.New(reason(err)), "the server offers no StartTLS that we can use: write ldaps://, or set the server up for TLS")
	case has("connection refused"):
		return fault.New(fault.Unavailable, op, to.text, err, "is the server running, and are host and port right?")
	case has("no such host"):
		return fault.New(fault.Unavailable, op, to.text, err, "check the host name in url")
	case has("no such file", "permission denied"):
		return fault.New(fault.Unavailable, op, to.text, err, "check the path of the socket in url and who may use it")
	}
	return fault.New(fault.Unavailable, op, to.text, errors.New(reason(err)), "check url, firewalls and the server's log")
}

// bindError explains why the server does not let us in.
func bindError(ctx context.Context, to server, b *Bind, err error) error {
	const op = "bind"
	if e := ended(ctx, op, to.text); e != nil {
		return e
	}
	if fault.KindOf(err) != 0 {
		return err
	}
	why := errors.New(reason(err))
	text := why.Error()
	explain := func(kind fault.Kind, hint string) error { return fault.New(kind, op, to.text, why, hint) }
	switch {
	case errors.Is(err, errNobody):
		return explain(fault.Auth, "map the name that we bind with to an account, in the server's settings (olcAuthzRegexp, nsslapd-certmap, …)")
	case errors.Is(err, errLayer):
		return explain(fault.Auth, "let the server take SASL binds over TLS without a layer of their own")
	case refusesCertificate(text):
		return explain(fault.Auth, refusedCertificate)
	// SEC_E_BAD_BINDINGS, which Active Directory hides in the text of code 49, and what
	// Kerberos libraries say.
	case strings.Contains(text, "80090346"), strings.Contains(strings.ToLower(text), "channel binding"):
		return explain(fault.Auth, "the server demands channel binding, and the one of this connection does not fit: is there a proxy that ends TLS in between, or a certificate other than the one it shows?")
	}
	switch code(err) {
	case ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultNoSuchObject:
		return explain(fault.Auth, b.checkHint())
	case ldap.LDAPResultInvalidDNSyntax:
		return explain(fault.Invalid, "bind.dn is not a DN that the server accepts")
	case ldap.LDAPResultStrongAuthRequired, ldap.LDAPResultConfidentialityRequired:
		if b.GSSAPI.used() {
			return explain(fault.Auth, "the server wants Kerberos to sign or seal, which is left to TLS here: write ldaps:// or start_tls: true, and let the server take SASL over TLS "+
				"(Samba: ldap server require strong auth = allow_sasl_over_tls)")
		}
		return explain(fault.Auth, "the server wants TLS before the bind: write ldaps:// or start_tls: true")
	case ldap.LDAPResultAuthMethodNotSupported:
		return explain(fault.Auth, "the server does not offer this way to bind")
	case ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultUnwillingToPerform:
		return explain(fault.Auth, "the account may not bind here: "+b.checkHint())
	case ldap.LDAPResultBusy:
		return explain(fault.Throttled, "")
	}
	return explain(fault.Unavailable, "")
}

// checkHint says which keys to look at.
func (b *Bind) checkHint() string {
	switch {
	case b.External:
		return "does the server map our certificate, or the user of our process on the socket, to an account?"
	case b.GSSAPI.used():
		return "does the server know the account of bind.gssapi.principal? And does nothing end TLS on the way to it, which breaks its channel binding?"
	}
	return "check bind.dn and bind.password"
}

// refusesCertificate finds the alerts about certificates, which with TLS 1.3 come with
// the first answer only.
func refusesCertificate(text string) bool {
	_, alert, found := strings.Cut(text, "remote error: tls:")
	return found && strings.Contains(alert, "certificate")
}

const refusedCertificate = "the server refuses our certificate, or wants one: check cert_file, its end, and which authority the server trusts for clients"

// searchError explains why a search failed. block is the part of the configuration
// that the search belongs to: users or groups.
func searchError(ctx context.Context, to server, op, block, base string, err error) error {
	if e := ended(ctx, op, to.text); e != nil {
		return e
	}
	if fault.KindOf(err) != 0 {
		return err
	}
	why := errors.New(reason(err))
	if base != "" {
		why = fmt.Errorf("below %q: %s", base, reason(err))
	}
	explain := func(kind fault.Kind, hint string) error { return fault.New(kind, op, to.text, why, hint) }
	if errors.Is(err, errIncomplete) {
		return explain(fault.Incomplete, "the server does not page as RFC 2696 says; report its product and version")
	}
	switch code(err) {
	case ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultTimeLimitExceeded:
		return explain(fault.Incomplete, "raise the server's limits for the account of bind.dn")
	case ldap.LDAPResultAdminLimitExceeded:
		return explain(fault.Incomplete, "lower page_size, or raise the server's limits for the account of bind.dn")
	case ldap.LDAPResultReferral:
		return explain(fault.Incomplete, "the server refers to another one, which is never followed: put that one in url, or correct "+block+".base")
	case ldap.LDAPResultNoSuchObject:
		return explain(fault.Invalid, "check "+block+".base, and whether the account of bind.dn may see it")
	case ldap.LDAPResultInvalidDNSyntax:
		return explain(fault.Invalid, block+".base is not a DN that the server accepts")
	case ldap.LDAPResultUndefinedAttributeType, ldap.LDAPResultInappropriateMatching, ldap.ErrorFilterCompile, ldap.LDAPResultInvalidAttributeSyntax:
		return explain(fault.Invalid, "check "+block+".filter")
	case ldap.LDAPResultUnavailableCriticalExtension:
		return explain(fault.Incomplete, "the server has no paged results")
	case ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultOperationsError, ldap.LDAPResultInappropriateAuthentication:
		return explain(fault.Auth, "the account of bind.dn may not read here; without bind the read is anonymous")
	case ldap.LDAPResultStrongAuthRequired, ldap.LDAPResultConfidentialityRequired:
		return explain(fault.Auth, "the server wants TLS: write ldaps:// or start_tls: true")
	case ldap.LDAPResultBusy:
		return explain(fault.Throttled, "")
	}
	return explain(fault.Unavailable, "check the server and its log")
}
