// Package ldaptest is a small LDAP server in memory, for tests and for the
// demonstration: searches with filters, scopes, paged results and value ranges,
// simple and EXTERNAL binds, StartTLS, and faults on request.
//
// It owns the protocol on the server's side only as far as a reader needs it.
// Entries are changed through its methods, not over the wire. It answers on the
// level of BER messages, because search references, answers cut in the middle and
// wrong paging controls are what it is for.
package ldaptest

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Entry is one entry of the directory. Values may be any bytes.
type Entry struct {
	DN         string
	Attributes map[string][]string
}

// Options are the fixed properties of a server. The zero value allows everything.
type Options struct {
	// BindDN and Password are the only credentials that are accepted; with an empty
	// BindDN everybody may read without a bind.
	BindDN, Password string
	// Echo repeats the password in the message with which a bind is refused.
	Echo bool
	// External accepts SASL EXTERNAL binds.
	External bool
	// Nobody accepts binds and goes on as if there had been none, for WhoAmI.
	Nobody bool
	// NoWhoAmI refuses that request, as Samba does.
	NoWhoAmI bool
	// TLS is offered by StartTLS; nil refuses it.
	TLS *tls.Config
	// MaxPage is the largest page that may be asked for; a larger one is refused
	// with code 11, as OpenLDAP does. 0: no limit.
	MaxPage int
	// SizeLimit is how many entries one search gives at most, all pages together;
	// behind them comes code 4. 0: no limit.
	SizeLimit int
	// MaxValues is how many values of an attribute an entry shows at most, as in
	// Active Directory: more come by ranges. 0: no limit.
	MaxValues int
	// InChain answers the matching rule of Active Directory that follows a link from
	// entry to entry (1.2.840.113556.1.4.1941).
	InChain bool
	// AD makes the server a domain controller of Active Directory.
	AD *AD
	// Root are attributes of the root entry, instead of those that the server has there.
	Root map[string][]string
	// Schema holds the names of the object classes and attributes that the server says
	// it knows; nil: those of the usual schema files of OpenLDAP. An empty one hides it.
	Schema *Schema
	// Changes says how the server tells what changed.
	Changes Changes
}

// Search describes one page of a search to a fault function.
type Search struct {
	Base, Filter string
	Scope        int
	// Page counts from 0; PageSize is 0 without a paging control.
	Page, PageSize int
	Attributes     []string
}

// Fault says what goes wrong with one page of a search. The zero value: nothing.
type Fault struct {
	// Delay passes before the answer.
	Delay time.Duration
	// Cut drops the connection after that many entries of the page; less than 0
	// drops it at once.
	Cut int
	// Code ends the page with this result code, after CodeAfter entries.
	Code, CodeAfter int
	// Diagnostic goes with Code.
	Diagnostic string
	// NoControl leaves the paging control out of the answer.
	NoControl bool
	// SamePage gives the same page and cookie again and again.
	SamePage bool
	// ConstantCookie gives every page the same cookie, though the pages go on, as
	// 389 Directory Server does.
	ConstantCookie bool
	// References are sent before the end of the page.
	References []string
}

// Server is an LDAP server in memory. Its methods may be called while it runs.
type Server struct {
	options Options

	mu      sync.Mutex
	entries []*entry
	byDN    map[string]*entry
	fault   func(Search) Fault
	conns   map[net.Conn]bool
	urls    []string
	closed  bool
	rids    uint32 // the relative ids that were given out

	listeners []net.Listener
	wait      sync.WaitGroup
	// kind and history say how changes are told, and what happened.
	kind     Changes
	history  *history
	binds    int
	searches int
}

// New makes a server without entries that does not listen yet.
func New(o Options) *Server {
	return &Server{options: o, byDN: map[string]*entry{}, conns: map[net.Conn]bool{}, kind: o.Changes, history: newHistory()}
}

// Start listens on a TCP address, such as 127.0.0.1:0, and gives the URL.
func (s *Server) Start(addr string) (string, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	return s.serve(l, "ldap://"+l.Addr().String())
}

// StartTLS listens for ldaps and gives the URL.
func (s *Server) StartTLS(addr string, config *tls.Config) (string, error) {
	l, err := tls.Listen("tcp", addr, config)
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	return s.serve(l, "ldaps://"+l.Addr().String())
}

// StartUnix listens on a socket file and gives the ldapi URL.
func (s *Server) StartUnix(path string) (string, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	return s.serve(l, "ldapi://"+url.PathEscape(path))
}

func (s *Server) serve(l net.Listener, address string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", errors.Join(errors.New("the server is closed"), l.Close())
	}
	s.listeners = append(s.listeners, l)
	s.urls = append(s.urls, address)
	s.wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if !s.keep(c) {
				return
			}
			s.wait.Go(func() {
				defer s.drop(c)
				newSession(s, c).run()
			})
		}
	})
	return address, nil
}

func (s *Server) keep(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close()
		return false
	}
	s.conns[c] = true
	return true
}

func (s *Server) drop(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	_ = c.Close()
}

// Close stops listening, drops all connections and waits for their end.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	var errs []error
	for _, l := range s.listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wait.Wait()
	return errors.Join(errs...)
}

// SetFault lets f decide what goes wrong with each page of each search; nil heals
// everything. f may be called by several goroutines.
func (s *Server) SetFault(f func(Search) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Counts gives the number of binds and of pages of searches answered so far.
func (s *Server) Counts() (binds, searches int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.binds, s.searches
}

// Add adds entries. An entry without entryUUID gets one, and one of Active Directory what
// a domain controller gives to each.
func (s *Server) Add(entries ...Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		made, err := newEntry(e)
		if err != nil {
			return err
		}
		if s.byDN[made.key] != nil {
			return fmt.Errorf("entry %s exists", e.DN)
		}
		if s.options.AD == nil && made.find("entryUUID") == nil {
			made.set("entryUUID", []string{newUUID()})
		}
		s.dress(made)
		s.byDN[made.key] = made
		s.entries = append(s.entries, made)
		s.note(nil, made)
	}
	return nil
}

// Replace makes the directory consist of these entries only.
func (s *Server) Replace(entries ...Entry) error {
	s.mu.Lock()
	s.entries, s.byDN = nil, map[string]*entry{}
	s.mu.Unlock()
	return s.Add(entries...)
}

// Modify gives an attribute of an entry these values; none removes it.
func (s *Server) Modify(dn, attribute string, values ...string) error {
	return s.change(dn, func(e *entry) { e.set(attribute, values) })
}

// AddValues adds values to an attribute.
func (s *Server) AddValues(dn, attribute string, values ...string) error {
	return s.change(dn, func(e *entry) { e.set(attribute, append(slices.Clone(e.values(attribute)), values...)) })
}

// RemoveValues takes values out of an attribute.
func (s *Server) RemoveValues(dn, attribute string, values ...string) error {
	return s.change(dn, func(e *entry) {
		keep := slices.DeleteFunc(slices.Clone(e.values(attribute)), func(v string) bool {
			return slices.ContainsFunc(values, func(w string) bool { return matchKey(attribute, v) == matchKey(attribute, w) })
		})
		e.set(attribute, keep)
	})
}

// change replaces an entry by an edited copy, so that a search under way keeps
// seeing the entry as it was.
func (s *Server) change(dn string, edit func(*entry)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := normalDN(dn)
	old := s.byDN[key]
	if old == nil {
		return fmt.Errorf("there is no entry %s", dn)
	}
	e := old.clone()
	edit(e)
	s.byDN[key] = e
	s.entries[slices.Index(s.entries, old)] = e
	s.note(old, e)
	return nil
}

// Delete removes an entry. References to it stay, as in a directory without
// referential integrity.
func (s *Server) Delete(dn string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := normalDN(dn)
	e := s.byDN[key]
	if e == nil {
		return fmt.Errorf("there is no entry %s", dn)
	}
	delete(s.byDN, key)
	s.entries = slices.DeleteFunc(s.entries, func(x *entry) bool { return x == e })
	s.note(e, nil)
	return nil
}

// Rename moves an entry to another DN. References to it and entries below it keep
// their DNs, unless the server tells changes: then it does what such servers do.
func (s *Server) Rename(dn, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, target := normalDN(dn), normalDN(to)
	old := s.byDN[key]
	if old == nil {
		return fmt.Errorf("there is no entry %s", dn)
	}
	if s.byDN[target] != nil {
		return fmt.Errorf("entry %s exists", to)
	}
	e := old.clone()
	e.dn, e.key = to, target
	delete(s.byDN, key)
	s.byDN[target] = e
	s.entries[slices.Index(s.entries, old)] = e
	s.note(old, e)
	return nil
}

// newUUID gives a random UUID of version 4 (RFC 9562).
func newUUID() string {
	var b [16]byte
	// crypto/rand.Read never fails; it ends the process instead.
	_, _ = rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return strings.ToLower(fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]))
}
