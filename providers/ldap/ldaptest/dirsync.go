package ldaptest

import (
	"slices"
	"strconv"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"
)

// Flags of DirSync (MS-ADTS 3.1.1.3.4.1.3).
const (
	objectSecurity    = 0x1
	incrementalValues = 0x80000000
)

// touched is an entry that changed since a cookie, with the attributes that did.
type touched struct {
	seq int64
	e   *entry
	// shown are the attributes to send, with their values.
	shown []attribute
}

// dirSync answers a request for changes as Samba does: changed attributes only, single
// members by the options range=1-1 and range=0-0, deleted objects by isDeleted.
func (s *session) dirSync(id int64, q query) bool {
	s.server.mu.Lock()
	o := s.server.kind
	var since int64
	ok := true
	if text := string(q.dirSync.Cookie); text != "" {
		number, found := strings.CutPrefix(text, "MSDS ")
		n, err := strconv.ParseInt(number, 10, 64)
		since, ok = n, found && err == nil
	}
	var list []touched
	code, why := ldap.LDAPResultSuccess, ""
	switch {
	case !ok:
		code, why = ldap.LDAPResultUnavailableCriticalExtension, "Unable to unmarshall cookie as a ldapControlDirSyncCookie structure"
	case s.server.hasParent(normalDN(q.Base)) || s.server.byDN[normalDN(q.Base)] == nil:
		code, why = ldap.LDAPResultInsufficientAccessRights, "dN is not one of the naming context"
	case o.NoReplication && q.dirSync.Flags&objectSecurity == 0:
		code, why = ldap.LDAPResultInsufficientAccessRights, "insufficient access rights"
	default:
		list = s.server.touchedSince(q, since)
	}
	seq := s.server.history.seq
	s.server.mu.Unlock()
	fault := s.server.faultOf(q.Search)
	if fault.Code != 0 {
		code, why = fault.Code, fault.Diagnostic
	}
	if code != ldap.LDAPResultSuccess {
		s.done(id, code, why, nil)
		return true
	}
	more := int64(0)
	if o.DirSyncPage > 0 && len(list) > o.DirSyncPage {
		list = list[:o.DirSyncPage]
		seq, more = list[len(list)-1].seq, 1
	}
	for i, t := range list {
		if fault.Cut != 0 && i >= fault.Cut {
			_ = s.out.Flush()
			return false
		}
		s.values(id, t.e.dn, t.shown)
	}
	if fault.NoControl {
		s.done(id, code, "", nil)
		return true
	}
	s.done(id, code, "", &ldap.ControlDirSync{Flags: more, Cookie: []byte("MSDS " + strconv.FormatInt(seq, 10))})
	return true
}

// touchedSince lists what changed, the oldest change first.
func (s *Server) touchedSince(q query, since int64) []touched {
	h := s.history
	var list []touched
	for _, e := range s.entries {
		if e.below(normalDN(q.Base), q.Scope) && e.matches(q.filter) {
			if t := s.touched(q, e, since); len(t.shown) > 0 {
				list = append(list, t)
			}
		}
	}
	if q.dirSync.Flags&objectSecurity == 0 || !s.kind.NoTombstones {
		for _, e := range h.tombstones {
			if n, _ := strconv.ParseInt(e.values("uSNChanged")[0], 10, 64); n > since && e.matches(q.filter) {
				list = append(list, touched{seq: n, e: e, shown: []attribute{*e.find("objectGUID"), *e.find("isDeleted"), {name: "name", values: []string{"gone"}}}})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b touched) int { return int(a.seq - b.seq) })
	return list
}

func (s *Server) touched(q query, e *entry, since int64) touched {
	h := s.history
	id := s.idOf(e)
	t := touched{e: e}
	times := h.attributes[id]
	for _, name := range q.Attributes {
		seq := times[strings.ToLower(name)]
		if seq <= since || strings.EqualFold(name, "objectGUID") {
			continue
		}
		if strings.EqualFold(name, "member") && q.dirSync.Flags&incrementalValues != 0 {
			t.shown = append(t.shown, linksOf(h.links[id], since)...)
			t.seq = max(t.seq, seq)
			continue
		}
		t.seq = max(t.seq, seq)
		t.shown = append(t.shown, attribute{name: name, values: e.values(name)})
	}
	if len(t.shown) > 0 {
		t.shown = append(t.shown, *e.find("objectGUID"), attribute{name: "instanceType", values: []string{"4"}})
	}
	return t
}

// linksOf gives the members that came and went.
func linksOf(links map[string]*link, since int64) []attribute {
	var added, removed []string
	for v, l := range links {
		switch {
		case l.seq <= since:
		case l.present:
			added = append(added, v)
		default:
			removed = append(removed, v)
		}
	}
	slices.Sort(added)
	slices.Sort(removed)
	var list []attribute
	if len(removed) > 0 {
		list = append(list, attribute{name: "member;range=0-0", values: removed})
	}
	if len(added) > 0 {
		list = append(list, attribute{name: "member;range=1-1", values: added})
	}
	return list
}
