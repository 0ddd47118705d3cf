package ldaptest

import ldap "github.com/go-ldap/ldap/v3"

// deletedObjects are the tombstones that a search shows: those that it asks for by the
// control Show Deleted, when the account may see them at all.
func (s *Server) deletedObjects(q *query) []*entry {
	if !q.showDeleted || !s.kind.AD || s.kind.NoTombstones {
		return nil
	}
	return s.history.tombstones
}

// take takes a control of a request into the query.
func (q *query) take(c ldap.Control) {
	switch c := c.(type) {
	case *ldap.ControlPaging:
		q.paged, q.PageSize, q.cookie = true, int(c.PagingSize), string(c.Cookie)
	case *ldap.ControlDirSync:
		q.dirSync = c
	case *ldap.ControlMicrosoftShowDeleted:
		q.showDeleted = true
	case *ldap.ControlString:
		if c.ControlType == ldap.ControlTypeSyncRequest {
			q.sync = parseSync(c.ControlValue)
		}
	}
}
