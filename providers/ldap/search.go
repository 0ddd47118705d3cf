package ldap

import (
	"context"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/providers/ldap/wire"
)

// query is one search.
type query struct {
	base       string
	scope      int
	filter     string
	attributes []string
}

func request(q query) *ldap.SearchRequest {
	return ldap.NewSearchRequest(q.base, q.scope, ldap.NeverDerefAliases, 0, 0, false, q.filter, q.attributes, nil)
}

// read reads all pages of a search to a proved end and gives every entry to each, which
// borrows it. page runs after each page with the number of entries so far.
//
// A server that refuses the size of a page is asked once more, for less: OpenLDAP says
// no (limits size.pr) where others give smaller pages. What it took counts for all
// searches to come.
func (s *session) read(ctx context.Context, q query, each func(*wire.Entry) error, page func(entries int)) (wire.Found, error) {
	ask := func() (wire.Found, error) {
		f, err := s.wire.Search(ctx, request(q), s.pageSize, each, page)
		return f, hide(err, s.password)
	}
	f, err := ask()
	smaller := max(min(s.pageSize/5, 500), 1)
	if code(err) != ldap.LDAPResultAdminLimitExceeded || f.Entries > 0 || s.lowered || smaller >= s.pageSize {
		return f, err
	}
	s.lowered = true
	s.source.logger.Warn("the server refuses the page size; a smaller one is tried", "page_size", s.pageSize, "smaller", smaller, "err", reason(err))
	s.pageSize = smaller
	return ask()
}

// search is read for a few entries that are kept.
func (s *session) search(ctx context.Context, q query, each func(*ldap.Entry) error) (wire.Found, error) {
	return s.read(ctx, q, func(e *wire.Entry) error { return each(e.Copy()) }, nil)
}

// looks reads entries by their DNs, many at once, and gives them to answer in their
// order: nil for one that does not exist here, may not be seen, or is on another server.
func (s *session) looks(ctx context.Context, dns []string, attributes func(i int) []string, answer func(i int, e *wire.Entry, err error)) error {
	err := s.wire.Looks(ctx, len(dns), func(i int) *ldap.SearchRequest {
		return request(query{dns[i], ldap.ScopeBaseObject, "(objectClass=*)", attributes(i)})
	}, func(i int, e *wire.Entry, err error) {
		if isNobody(err) {
			err = nil
		}
		answer(i, e, hide(err, s.password))
	})
	return hide(err, s.password)
}

// entry reads one entry by its DN. It gives nil for one that does not exist here,
// may not be seen, or is on another server.
func (s *session) entry(ctx context.Context, dn, filter string, attributes []string) (*ldap.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	result, err := s.ask(request(query{dn, ldap.ScopeBaseObject, filter, attributes}))
	if isNobody(err) {
		return nil, nil //nolint:nilnil // no entry is no failure
	}
	if err != nil {
		return nil, err
	}
	if len(result.Entries) == 0 {
		return nil, nil //nolint:nilnil // no entry is no failure
	}
	return result.Entries[0], nil
}

// isNobody reports whether a server says that there is no such entry here.
func isNobody(err error) bool {
	switch code(err) {
	case ldap.LDAPResultNoSuchObject, ldap.LDAPResultReferral, ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultNamingViolation:
		return true
	}
	return false
}
