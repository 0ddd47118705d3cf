package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

const (
	// soon is how long before its end a certificate is reported.
	soon = 14 * 24 * time.Hour
	// checkTime bounds all looks of doctor at one source, and readTime the whole read
	// among them.
	checkTime = 3 * time.Minute
	readTime  = 2 * time.Minute
	// slowSearch is what no search for one value takes with an index.
	slowSearch = 40 * time.Millisecond
)

// Check looks at every server, and through the first that lets us in at the bases, at
// what searches cost, and at everything that a read shows. It writes nothing.
func (s *source) Check(ctx context.Context) []providers.Finding {
	f := &providers.Findings{}
	ctx, end, err := s.begin(ctx)
	defer end()
	if err != nil {
		f.Err("connection", err)
		return f.List
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	var good *session
	for _, text := range s.config.URL {
		made, err := s.checkServer(ctx, f, text)
		switch {
		case err != nil:
			f.Err(partOf(err), err)
		case good == nil:
			good = made
		default:
			if made.layout.scope() != good.layout.scope() {
				f.Warn("layout", "write the layout, so that all servers are read alike", "%s and %s have schemas of their own, which give different layouts", good.server.text, text)
			}
			made.close()
		}
	}
	if good == nil {
		return f.List
	}
	s.checkOwn(f)
	s.checkLayout(ctx, f, good)
	s.checkBases(ctx, f, good)
	s.checkIndexes(ctx, f, good)
	s.checkChanges(ctx, f, good)
	s.checkPages(ctx, f, good)
	good.close()
	s.checkRead(ctx, f, good)
	return f.List
}

// partOf names the part of getting in that failed.
func partOf(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		switch e.Op {
		case "bind", "ask Kerberos", "read bind.password", "read bind.gssapi", "read bind.gssapi.keytab", "read bind.gssapi.krb5_conf":
			return "bind"
		case "choose layout", "read schema", "read root entry":
			return "layout"
		}
	}
	return "connection"
}

// checkServer connects to one server and looks at what it is.
func (s *source) checkServer(ctx context.Context, f *providers.Findings, text string) (*session, error) {
	to, err := parseServer(text)
	if err != nil {
		return nil, err
	}
	made, err := s.connectTo(ctx, to)
	if err != nil {
		return nil, err
	}
	f.OK("connection", "%s answers and accepts the bind", text)
	switch {
	case made.who != "":
		f.OK("bind", "%s knows us as %s", text, made.who)
	case !s.config.Bind.used():
		f.OK("bind", "we read anonymously, as configured")
	default:
		f.OK("bind", "%s does not say as whom it knows us", text)
	}
	s.checkTLS(f, made)
	before := time.Now()
	root, err := made.root(ctx)
	if err != nil {
		f.Err("paging", err)
		return made, nil
	}
	if slices.Contains(root.GetEqualFoldAttributeValues("supportedControl"), ldap.ControlTypePaging) {
		f.OK("paging", "%s offers paged results", text)
	} else {
		f.Warn("paging", "without paged results no list can be read to a proved end: enable them on the server",
			"%s does not announce paged results (%s)", text, ldap.ControlTypePaging)
	}
	s.checkClock(f, made, root, time.Since(before))
	checkCatalog(f, to)
	return made, nil
}

func (b *Bind) used() bool { return b.DN != "" || b.External || b.GSSAPI.used() }

// checkTLS looks at how what we read is secured, and at the ends of certificates.
func (s *source) checkTLS(f *providers.Findings, made *session) {
	where := made.server.text
	state := made.tls
	if state == nil {
		if made.server.loopback() {
			f.OK("tls", "%s is not encrypted, and does not leave this machine", where)
		} else {
			f.Warn("tls", "write ldaps:// or start_tls: true", "%s is not encrypted: whoever is on the way can read and change who is in which group", where)
		}
		return
	}
	f.OK("tls", "%s speaks %s with %s", where, tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
	now := s.now()
	for i, c := range state.PeerCertificates {
		if i == 0 {
			checkEnd(f, "certificate", "renew the certificate of the server", "the certificate of "+where, c.NotAfter, now)
		}
	}
	for _, chain := range state.VerifiedChains[:min(len(state.VerifiedChains), 1)] {
		for _, c := range chain[1:] {
			if c.NotAfter.Sub(now) < soon {
				checkEnd(f, "certificate", "renew that authority's certificate, and ca_file with it", fmt.Sprintf("the authority %q behind %s", c.Subject.CommonName, where), c.NotAfter, now)
			}
		}
	}
}

func checkEnd(f *providers.Findings, check, remedy, what string, until, now time.Time) {
	day := until.UTC().Format(time.DateOnly)
	if until.Sub(now) < soon {
		f.Warn(check, remedy, "%s is valid until %s", what, day)
		return
	}
	f.OK(check, "%s is valid until %s", what, day)
}

// checkOwn looks at our own certificate.
func (s *source) checkOwn(f *providers.Findings) {
	if s.config.CertFile == "" {
		return
	}
	ours, err := s.certificate()
	if err != nil {
		f.Err("cert_file", err)
		return
	}
	checkEnd(f, "cert_file", "renew our certificate; the new one is used at the next connect", "our certificate", ours.Leaf.NotAfter, s.now())
}

// maxSkew is how far clocks may be apart before doctor says so. Kerberos ends at five
// minutes.
const maxSkew = time.Minute

// checkClock compares clocks where a server tells its own: Active Directory does.
func (s *source) checkClock(f *providers.Findings, made *session, root *ldap.Entry, took time.Duration) {
	theirs, err := time.Parse("20060102150405.0Z", root.GetEqualFoldAttributeValue("currentTime"))
	if err != nil {
		return
	}
	// The time has whole seconds, and was read somewhere within the request.
	off := s.now().Sub(theirs)
	if off.Abs() > maxSkew+took+time.Second {
		f.Warn("clock", "set both clocks by NTP; Kerberos fails at five minutes, and accounts expire by the clock", "the clock of %s is %s off ours", made.server.text, off.Abs().Round(time.Second))
		return
	}
	f.OK("clock", "the clock of %s agrees with ours", made.server.text)
}

// checkCatalog warns of the Global Catalog, which has a part of each entry only.
func checkCatalog(f *providers.Findings, to server) {
	if _, port, err := net.SplitHostPort(to.addr); err == nil && (port == "3268" || port == "3269") {
		f.Warn("global_catalog", "use port 389 or 636 of a domain controller; read several domains as several sources",
			"%s is the Global Catalog: members of domain-local and of other domains' global groups are missing there, and every removal would be wrong", to.text)
	}
}

// list writes a few of many.
func list(all []string, most int) string {
	if len(all) <= most {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
}
