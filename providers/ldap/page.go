package ldap

import (
	"context"
	"fmt"

	ldap "github.com/go-ldap/ldap/v3"
)

// query is one search.
type query struct {
	base       string
	scope      int
	filter     string
	attributes []string
}

// found sums up a paged search beside its entries.
type found struct {
	entries int
	// references counts search references, which are never followed.
	references int
}

// maxIdlePages is how many pages without an entry may follow each other. Servers
// that filter after paging give some; one that gives nothing else is in a loop.
const maxIdlePages = 1000

// search reads all pages of a search and gives every entry to each. It ends without
// an error only when every answer carried the paging control and the last an empty
// cookie (RFC 2696), because an answer that was cut off on the server's side looks
// like a complete one otherwise. Entries are given to each even when the search
// fails later: what they show is so, only the list has no proved end.
func (s *session) search(ctx context.Context, q query, size int, each func(*ldap.Entry) error) (found, error) {
	var f found
	var cookie []byte
	loop := loopGuard{cookies: map[string]bool{}, starts: map[string]bool{}}
	for {
		if err := ctx.Err(); err != nil {
			return f, err
		}
		// A request is made anew for each page, because go-ldap keeps what a page
		// left behind in it.
		control := ldap.NewControlPaging(uint32(size))
		control.SetCookie(cookie)
		result, err := s.ask(request(q, []ldap.Control{control}))
		if result != nil {
			f.references += len(result.Referrals)
			f.entries += len(result.Entries)
			for _, e := range result.Entries {
				if err := each(e); err != nil {
					return f, err
				}
			}
		}
		if err != nil {
			return f, err
		}
		answer, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok {
			return f, fmt.Errorf("an answer without the paging control: %w", errIncomplete)
		}
		if len(answer.Cookie) == 0 {
			return f, nil
		}
		cookie = answer.Cookie
		if err := loop.see(cookie, result.Entries); err != nil {
			return f, err
		}
	}
}

// loopGuard notices a server that gives the same page for ever. A cookie that comes
// again is no proof of that: 389 Directory Server names all pages of a search by one
// cookie. The same cookie and the same first entry are.
type loopGuard struct {
	cookies, starts map[string]bool
	idle            int
}

func (l *loopGuard) see(cookie []byte, entries []*ldap.Entry) error {
	known := l.cookies[string(cookie)]
	l.cookies[string(cookie)] = true
	if len(entries) == 0 {
		if l.idle++; l.idle > maxIdlePages {
			return fmt.Errorf("%d pages without an entry: %w", l.idle, errIncomplete)
		}
		return nil
	}
	l.idle = 0
	again := l.starts[entries[0].DN]
	l.starts[entries[0].DN] = true
	if known && again {
		return fmt.Errorf("the same page again: %w", errIncomplete)
	}
	return nil
}

func request(q query, controls []ldap.Control) *ldap.SearchRequest {
	return ldap.NewSearchRequest(q.base, q.scope, ldap.NeverDerefAliases, 0, 0, false, q.filter, q.attributes, controls)
}

// entry reads one entry by its DN. It gives nil for one that does not exist here,
// may not be seen, or is on another server.
func (s *session) entry(ctx context.Context, dn, filter string, attributes []string) (*ldap.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	result, err := s.ask(request(query{dn, ldap.ScopeBaseObject, filter, attributes}, nil))
	switch code(err) {
	case ldap.LDAPResultNoSuchObject, ldap.LDAPResultReferral, ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultNamingViolation:
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
