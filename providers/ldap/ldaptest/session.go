package ldaptest

import (
	"bufio"
	"crypto/tls"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldap "github.com/go-ldap/ldap/v3"
)

const startTLS = "1.3.6.1.4.1.1466.20037"

// session serves one connection, one message after the other.
type session struct {
	server *Server
	conn   net.Conn
	in     *bufio.Reader
	out    *bufio.Writer
	bound  bool
	secure bool // inside TLS
	// who is the name that the bind gave us, as WhoAmI says it.
	who string
	// pages are the results still to be given, by cookie.
	pages   map[string]*listing
	cookies int
	// writing is held by whoever writes: the answer to a request, or a watcher.
	writing  sync.Mutex
	watchers []*watcher
}

// listing is a search whose result is given in pages.
type listing struct {
	rest []*entry
	page int
	sent int
	back map[string][]string
}

func newSession(s *Server, c net.Conn) *session {
	_, secure := c.(*tls.Conn)
	return &session{server: s, conn: c, secure: secure, in: bufio.NewReader(c), out: bufio.NewWriter(c), pages: map[string]*listing{}}
}

// run serves until the client leaves or a fault cuts the connection.
func (s *session) run() {
	defer s.unwatch()
	for {
		message, err := ber.ReadPacket(s.in)
		if err != nil || len(message.Children) < 2 {
			return
		}
		id, ok := message.Children[0].Value.(int64)
		if !ok || !s.serve(id, message) {
			return
		}
	}
}

// serve answers one message.
func (s *session) serve(id int64, message *ber.Packet) bool {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.answer(id, message) && s.out.Flush() == nil
}

// answer gives false when the connection is to be dropped.
func (s *session) answer(id int64, message *ber.Packet) bool {
	request := message.Children[1]
	switch request.Tag {
	case ldap.ApplicationBindRequest:
		code, why := s.bind(request), ""
		if s.server.options.Echo && code != ldap.LDAPResultSuccess && len(request.Children) > 2 {
			why = "nobody has the password " + request.Children[2].Data.String()
		}
		s.result(id, ldap.ApplicationBindResponse, code, why, nil)
	case ldap.ApplicationSearchRequest:
		return s.search(id, request, message)
	case ldap.ApplicationExtendedRequest:
		return s.extended(id, request)
	case ldap.ApplicationUnbindRequest:
		return false
	case ldap.ApplicationAbandonRequest:
	case ldap.ApplicationModifyRequest, ldap.ApplicationAddRequest, ldap.ApplicationDelRequest:
		s.result(id, request.Tag+1, ldap.LDAPResultUnwillingToPerform, "this server is changed by its program only", nil)
	default:
		return false
	}
	return true
}

func (s *session) bind(request *ber.Packet) int {
	s.server.mu.Lock()
	s.server.binds++
	s.server.mu.Unlock()
	if len(request.Children) < 3 {
		return ldap.LDAPResultProtocolError
	}
	o := s.server.options
	credentials := request.Children[2]
	s.bound, s.who = false, ""
	switch {
	case credentials.Tag == 3:
		external := len(credentials.Children) > 0 && credentials.Children[0].Data.String() == "EXTERNAL"
		if !external || !o.External {
			return ldap.LDAPResultAuthMethodNotSupported
		}
	case s.adBind(request.Children[1].Data.String()) != ldap.LDAPResultSuccess:
		return s.adBind(request.Children[1].Data.String())
	case o.BindDN != "" && (normalDN(request.Children[1].Data.String()) != normalDN(o.BindDN) || credentials.Data.String() != o.Password):
		return ldap.LDAPResultInvalidCredentials
	}
	s.bound, s.who = true, whoOf(request)
	return ldap.LDAPResultSuccess
}

func (s *session) extended(id int64, request *ber.Packet) bool {
	if len(request.Children) > 0 && request.Children[0].Data.String() == ldap.ControlTypeWhoAmI {
		return s.whoAmI(id)
	}
	config := s.server.options.TLS
	if len(request.Children) == 0 || request.Children[0].Data.String() != startTLS || config == nil {
		s.result(id, ldap.ApplicationExtendedResponse, ldap.LDAPResultProtocolError, "unsupported extended operation", nil)
		return true
	}
	s.result(id, ldap.ApplicationExtendedResponse, ldap.LDAPResultSuccess, "", nil)
	if s.out.Flush() != nil {
		return false
	}
	c := tls.Server(s.conn, config)
	if c.Handshake() != nil {
		return false
	}
	s.in, s.out, s.secure = bufio.NewReader(c), bufio.NewWriter(c), true
	return true
}

// query is a search request taken apart.
type query struct {
	Search
	filter *ber.Packet
	cookie string
	paged  bool
	limit  int // the client's own size limit; 0: none
	// domainScope asks for no references (LDAP_SERVER_DOMAIN_SCOPE).
	domainScope bool
	// sync and dirSync ask for changes, showDeleted for deleted objects too.
	sync        *syncRequest
	dirSync     *ldap.ControlDirSync
	showDeleted bool
}

func parseQuery(request, message *ber.Packet) (query, bool) {
	var q query
	if len(request.Children) < 8 {
		return q, false
	}
	scope, ok := request.Children[1].Value.(int64)
	if !ok {
		return q, false
	}
	q.Base, q.Scope, q.filter = request.Children[0].Data.String(), int(scope), request.Children[6]
	q.Filter, _ = ldap.DecompileFilter(q.filter)
	if limit, ok := request.Children[3].Value.(int64); ok {
		q.limit = int(limit)
	}
	for _, a := range request.Children[7].Children {
		q.Attributes = append(q.Attributes, a.Data.String())
	}
	if len(message.Children) < 3 {
		return q, true
	}
	for _, c := range message.Children[2].Children {
		control, err := ldap.DecodeControl(c)
		if err != nil {
			return q, false
		}
		q.domainScope = q.domainScope || control.GetControlType() == ldap.ControlTypeMicrosoftDomainScope
		q.take(control)
	}
	return q, true
}

// search answers one page.
func (s *session) search(id int64, request, message *ber.Packet) bool {
	q, ok := parseQuery(request, message)
	if !ok {
		return false
	}
	s.server.mu.Lock()
	s.server.searches++
	s.server.mu.Unlock()
	if e := s.server.special(q.Search); e != nil {
		s.entry(id, e, q.Attributes)
		s.done(id, ldap.LDAPResultSuccess, "", nil)
		return true
	}
	switch o := s.server.options; {
	case o.BindDN != "" && !s.bound:
	case q.sync != nil && s.server.changes().Syncprov:
		return s.syncrepl(id, q)
	case q.dirSync != nil && s.server.changes().AD:
		return s.dirSync(id, q)
	}
	o := s.server.options
	s.server.limitPage(&q)
	l, code, why := s.listing(&q)
	if code != ldap.LDAPResultSuccess {
		s.done(id, code, why, nil)
		return true
	}
	fault := s.server.faultOf(q.Search)
	if fault.Delay > 0 {
		time.Sleep(fault.Delay)
	}
	size := len(l.rest)
	if q.paged && q.PageSize > 0 {
		size = min(size, q.PageSize)
	}
	limit := o.SizeLimit
	if q.limit > 0 && (limit == 0 || q.limit < limit) {
		limit = q.limit
	}
	limited := limit > 0 && l.sent+size > limit
	if limited {
		size = limit - l.sent
	}
	if fault.Code != 0 {
		size = min(size, fault.CodeAfter)
	}
	for i, e := range l.rest[:size] {
		if fault.Cut != 0 && i >= fault.Cut {
			_ = s.out.Flush()
			return false
		}
		s.entry(id, s.server.construct(e, &q, l.back), q.Attributes)
	}
	if fault.Cut != 0 {
		_ = s.out.Flush()
		return false
	}
	references := fault.References
	if size == len(l.rest) {
		references = slices.Concat(references, s.server.partitions(&q))
	}
	for _, r := range references {
		s.reference(id, r)
	}
	switch {
	case fault.Code != 0:
		s.done(id, fault.Code, fault.Diagnostic, nil)
	case limited:
		s.done(id, ldap.LDAPResultSizeLimitExceeded, "", nil)
	default:
		s.done(id, ldap.LDAPResultSuccess, "", s.next(l, q, size, fault))
	}
	return true
}

// listing finds the rest of a paged search, or starts a search.
func (s *session) listing(q *query) (*listing, int, string) {
	o := s.server.options
	switch {
	case o.BindDN != "" && !s.bound:
		code, why := s.server.unbound()
		return nil, code, why
	case o.MaxPage > 0 && q.paged && q.PageSize > o.MaxPage:
		return nil, ldap.LDAPResultAdminLimitExceeded, "illegal pagedResults page size"
	case q.cookie != "":
		l := s.pages[q.cookie]
		if l == nil {
			return nil, ldap.LDAPResultUnwillingToPerform, "paged results cookie is invalid"
		}
		q.Page = l.page
		return l, ldap.LDAPResultSuccess, ""
	}
	base := normalDN(q.Base)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.byDN[base] == nil {
		return nil, ldap.LDAPResultNoSuchObject, ""
	}
	l, filter := &listing{back: s.server.backLinks(q)}, s.server.unchain(q.filter)
	if q.Scope == ldap.ScopeBaseObject {
		if e := s.server.byDN[base]; e.matches(filter) {
			l.rest = []*entry{e}
		}
		return l, ldap.LDAPResultSuccess, ""
	}
	for _, e := range slices.Concat(s.server.entries, s.server.deletedObjects(q)) {
		if e.below(base, q.Scope) && e.matches(filter) {
			l.rest = append(l.rest, e)
		}
	}
	return l, ldap.LDAPResultSuccess, ""
}

// next keeps what is left for the next page and gives the paging control.
func (s *session) next(l *listing, q query, size int, fault Fault) ldap.Control {
	if !q.paged || fault.NoControl {
		return nil
	}
	control := ldap.NewControlPaging(0)
	if size == len(l.rest) && !fault.SamePage {
		delete(s.pages, q.cookie)
		return control
	}
	cookie := q.cookie
	if cookie == "" || !fault.SamePage && !fault.ConstantCookie {
		delete(s.pages, q.cookie)
		s.cookies++
		cookie = "page" + strconv.Itoa(s.cookies)
	}
	if !fault.SamePage {
		l.rest = l.rest[size:]
		l.sent += size
	}
	l.page++
	s.pages[cookie] = l
	control.SetCookie([]byte(cookie))
	return control
}

func (s *Server) faultOf(q Search) Fault {
	s.mu.Lock()
	f := s.fault
	s.mu.Unlock()
	if f == nil {
		return Fault{}
	}
	return f(q)
}

// root is the entry with the empty DN, which describes the server (RFC 4512, 5.1).
func (s *Server) root() *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &entry{}
	e.set("objectClass", []string{"top"})
	e.set("supportedControl", []string{ldap.ControlTypePaging})
	e.set("supportedLDAPVersion", []string{"3"})
	if s.options.TLS != nil {
		e.set("supportedExtension", []string{startTLS})
	}
	var contexts []string
	for _, x := range s.entries {
		if !s.hasParent(x.key) {
			contexts = append(contexts, x.dn)
		}
	}
	e.set("namingContexts", contexts)
	s.describe(e)
	s.describeChanges(e)
	return e
}

// hasParent reports whether any entry lies above a DN.
func (s *Server) hasParent(key string) bool {
	for {
		_, rest, found := strings.Cut(key, ",")
		if !found {
			return false
		}
		if s.byDN[rest] != nil {
			return true
		}
		key = rest
	}
}
