package ldap

import (
	"context"
	"crypto"
	"crypto/md5" //nolint:gosec // RFC 4121 fixes it; the hash that counts is the one inside.
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"
	"github.com/jcmturner/gokrb5/v8/client"
	krbconfig "github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/keytab"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
)

const usualKrb5Conf = "/etc/krb5.conf"

// bindKerberos gets a ticket for the server and binds with it. The keytab is read at
// each bind. Kerberos servers are asked without ctx, which the library does not take:
// each of them is given up after five seconds.
func (s *source) bindKerberos(ctx context.Context, made *session) (err error) {
	defer func() {
		// The library takes some answers apart without looking how long they are.
		if r := recover(); r != nil {
			err = fault.Errorf(fault.Unavailable, "ask Kerberos", made.server.text, "an answer cannot be read: %v", r)
		}
	}()
	g := &s.config.Bind.GSSAPI
	kerberos, err := g.client()
	if err != nil {
		return err
	}
	defer kerberos.Destroy()
	service := g.Service
	if service == "" {
		service = "ldap/" + made.server.host
	}
	if err := kerberos.Login(); err != nil {
		return kerberosError(made.server, service, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ticket, key, err := kerberos.GetServiceTicket(service)
	if err != nil {
		return kerberosError(made.server, service, err)
	}
	h := &handshake{client: kerberos, ticket: ticket, key: key, binding: channelBinding(made.tls)}
	return made.conn.GSSAPIBind(h, service, "")
}

// client reads the files. Nothing is asked of a server yet.
func (g *GSSAPI) client() (*client.Client, error) {
	name, realm, _ := strings.Cut(g.Principal, "@")
	if g.Realm != "" {
		realm = g.Realm
	}
	config, err := g.krb5Conf(realm)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read bind.gssapi.krb5_conf", "", err, "")
	}
	if realm == "" {
		realm = config.LibDefaults.DefaultRealm
	}
	if realm == "" {
		return nil, fault.New(fault.Invalid, "read bind.gssapi", "", errors.New("the realm of the account is not known"), "write principal: "+name+"@REALM")
	}
	raw, err := secret.File(string(g.Keytab))
	if err != nil {
		return nil, fault.New(fault.Invalid, "read bind.gssapi.keytab", "", err, "")
	}
	keys := keytab.New()
	if err := keys.Unmarshal(raw); err != nil {
		return nil, fault.New(fault.Invalid, "read bind.gssapi.keytab", "", fmt.Errorf("%s is no keytab: %w", g.Keytab, err), "")
	}
	// Active Directory knows no FAST for accounts without armour.
	return client.NewWithKeytab(name, realm, keys, config, client.DisablePAFXFAST(true)), nil
}

func (g *GSSAPI) krb5Conf(realm string) (*krbconfig.Config, error) {
	path := string(g.Krb5Conf)
	if path == "" {
		path = usualKrb5Conf
	}
	config, err := krbconfig.Load(path)
	switch {
	case err == nil:
	case g.Krb5Conf == "" && errors.Is(statError(path), os.ErrNotExist):
		config = krbconfig.New()
		config.LibDefaults.DefaultRealm, config.LibDefaults.DNSLookupKDC = realm, true
	default:
		// Other files that it includes are not read; what it says itself counts.
		if _, ok := errors.AsType[krbconfig.UnsupportedDirective](err); !ok {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	// Every Kerberos server answers over TCP (RFC 4120, 7.2.2), where tickets of people in
	// many groups are not cut off.
	config.LibDefaults.UDPPreferenceLimit = 1
	return config, nil
}

func statError(path string) error {
	_, err := os.Stat(path)
	return err
}

// channelBinding ties the bind to the TLS connection that it goes through, by the
// server's certificate (tls-server-end-point of RFC 5929 in the form of RFC 4121,
// 4.1.1.2). Servers that demand it refuse whoever stands in the middle. Zeros bind to
// nothing.
func channelBinding(state *tls.ConnectionState) [16]byte {
	if state == nil || len(state.PeerCertificates) == 0 {
		return [16]byte{}
	}
	hash := crypto.SHA256
	cert := state.PeerCertificates[0]
	switch cert.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		hash = crypto.SHA384
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		hash = crypto.SHA512
	case x509.PureEd25519, x509.UnknownSignatureAlgorithm:
		return [16]byte{} // RFC 5929 defines none.
	default:
	}
	h := hash.New()
	_, _ = h.Write(cert.Raw) // A hash never fails.
	data := append([]byte("tls-server-end-point:"), h.Sum(nil)...)
	// Both addresses are of no type and empty.
	text := binary.LittleEndian.AppendUint32(make([]byte, 16), uint32(len(data)))
	return md5.Sum(append(text, data...)) //nolint:gosec // see above
}

// kerberosError explains why there is no ticket.
func kerberosError(to server, service string, err error) error {
	const op = "ask Kerberos"
	text := err.Error()
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("KDC_ERR_S_PRINCIPAL_UNKNOWN"):
		return fault.New(fault.Invalid, op, to.text, fmt.Errorf("no server is called %s: %w", service, err),
			"write the name in url that Kerberos knows the server by, or set bind.gssapi.service")
	case has("KDC_ERR_C_PRINCIPAL_UNKNOWN"):
		return fault.New(fault.Auth, op, to.text, err, "check bind.gssapi.principal and its realm")
	case has("KDC_ERR_PREAUTH_FAILED", "KDC_ERR_KEY_EXPIRED", "KDC_ERR_CLIENT_REVOKED", "KDC_ERR_POLICY"):
		return fault.New(fault.Auth, op, to.text, err, "the key in the keytab is not (or no longer) that of the account, or the account is locked: make a new keytab")
	case has("matching key not found in keytab", "KDC_ERR_ETYPE_NOSUPP"):
		return fault.New(fault.Auth, op, to.text, err, "the keytab has no key for bind.gssapi.principal of a kind that the server wants (AES): make a new keytab")
	case has("KRB_AP_ERR_SKEW", "clock skew"):
		return fault.New(fault.Unavailable, op, to.text, err, "the clocks of this machine and of the Kerberos server differ by more than five minutes")
	}
	return fault.New(fault.Unavailable, op, to.text, err, "check the realm's kdc in krb5_conf, DNS, and firewalls (TCP port 88)")
}

var _ ldap.GSSAPIClient = (*handshake)(nil)
