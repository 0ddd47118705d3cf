package ldaptest

import (
	"slices"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldap "github.com/go-ldap/ldap/v3"
)

// syncRequest is the control with which a client asks for changes (RFC 4533, 2.2).
type syncRequest struct {
	persist bool
	cookie  string
}

func parseSync(value string) *syncRequest {
	p := ber.DecodePacket([]byte(value))
	if p == nil || len(p.Children) == 0 {
		return nil
	}
	r := &syncRequest{}
	if mode, ok := p.Children[0].Value.(int64); ok {
		r.persist = mode == int64(ldap.SyncRequestModeRefreshAndPersist)
	}
	if len(p.Children) > 1 && p.Children[1].Tag == ber.TagOctetString {
		r.cookie = p.Children[1].Data.String()
	}
	return r
}

// rawControl is a control whose value is encoded already.
type rawControl struct {
	oid   string
	value *ber.Packet
}

func (c rawControl) GetControlType() string { return c.oid }
func (c rawControl) String() string         { return c.oid }

// Encode writes the control (RFC 4511, 4.1.11).
func (c rawControl) Encode() *ber.Packet {
	p := ber.NewSequence("")
	p.AppendChild(octets(c.oid))
	p.AppendChild(octets(string(c.value.Bytes())))
	return p
}

func rawUUID(id string) string {
	var b strings.Builder
	hex := strings.ReplaceAll(id, "-", "")
	for i := 0; i+1 < len(hex); i += 2 {
		b.WriteByte(unhex(hex[i])<<4 | unhex(hex[i+1]))
	}
	return b.String()
}

func unhex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

func boolean(v bool) *ber.Packet {
	return ber.NewLDAPBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, v, "")
}

// syncState goes with an entry.
func syncState(state int, id string) ldap.Control {
	v := ber.NewSequence("")
	v.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(state), ""))
	v.AppendChild(octets(rawUUID(id)))
	return rawControl{ldap.ControlTypeSyncState, v}
}

// syncDone goes with the end of a refresh.
func syncDone(cookie string, refreshDeletes bool) ldap.Control {
	v := ber.NewSequence("")
	if cookie != "" {
		v.AppendChild(octets(cookie))
	}
	if refreshDeletes {
		v.AppendChild(boolean(true))
	}
	return rawControl{ldap.ControlTypeSyncDone, v}
}

// syncInfo sends an intermediate message (RFC 4533, 2.5).
func (s *session) syncInfo(id int64, value *ber.Packet) {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationIntermediateResponse, nil, "")
	name := ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, ldap.ControlTypeSyncInfo, "")
	op.AppendChild(name)
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 1, string(value.Bytes()), ""))
	s.send(id, op)
}

func syncIDs(cookie string, deleted bool, ids []string) *ber.Packet {
	v := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "")
	if cookie != "" {
		v.AppendChild(octets(cookie))
	}
	if deleted {
		v.AppendChild(boolean(true))
	}
	set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
	for _, id := range ids {
		set.AppendChild(octets(rawUUID(id)))
	}
	v.AppendChild(set)
	return v
}

// phase ends a phase of a refresh: 1 that of deletions, 2 that of presence.
func phase(tag ber.Tag, cookie string, done bool) *ber.Packet {
	v := ber.Encode(ber.ClassContext, ber.TypeConstructed, tag, nil, "")
	v.AppendChild(octets(cookie))
	if !done {
		v.AppendChild(boolean(false))
	}
	return v
}

// told is an entry with its id.
type told struct {
	e  *entry
	id string
}

// refresh is what a server found out for one request.
type refresh struct {
	code     int
	why      string
	cookie   string
	changed  []told
	deleted  []string
	present  []string
	presents bool
	nothing  bool
	garbage  bool
}

// positions are the newest change of each server, as contextCSN shows them.
func (s *Server) positions() []string {
	all := make([]string, 0, len(s.history.newest))
	for _, csn := range s.history.newest {
		all = append(all, csn)
	}
	slices.Sort(all)
	return all
}

// refreshOf works out the answer to a request for changes.
func (s *Server) refreshOf(q query) refresh {
	s.mu.Lock()
	defer s.mu.Unlock()
	base := normalDN(q.Base)
	if s.byDN[base] == nil {
		return refresh{code: ldap.LDAPResultNoSuchObject}
	}
	r := refresh{cookie: "rid=000,csn=" + strings.Join(s.positions(), ";")}
	var shown []*entry
	for _, e := range s.entries {
		if e.below(base, q.Scope) && e.matches(q.filter) {
			shown = append(shown, e)
		}
	}
	text, ok := strings.CutPrefix(q.sync.cookie, "rid=000,csn=")
	if !ok {
		r.garbage = true
		for _, e := range shown {
			r.changed = append(r.changed, told{e, s.idOf(e)})
		}
		return r
	}
	since := map[string]string{}
	for csn := range strings.SplitSeq(text, ";") {
		if parts := strings.Split(csn, "#"); len(parts) == 4 {
			since[parts[2]] = csn
		}
	}
	r.nothing = true
	for _, csn := range s.positions() {
		old := since[sidOf(csn)]
		if old > csn {
			return refresh{code: ldap.LDAPResultUnwillingToPerform, why: "consumer state is newer than provider!"}
		}
		r.nothing = r.nothing && old == csn
	}
	newer := func(csn string) bool { return csn > since[sidOf(csn)] }
	known := map[string]bool{}
	for _, e := range shown {
		id := s.idOf(e)
		known[id] = true
		if newer(strings.Join(e.values("entryCSN"), "")) {
			r.changed = append(r.changed, told{e, id})
		}
		r.present = append(r.present, id)
	}
	var logged []happened
	for _, h := range s.history.log {
		if newer(h.csn) {
			logged = append(logged, h)
		}
	}
	r.presents = len(logged) == 0 || len(logged) > s.kind.SessionLog
	for _, csn := range s.history.forgotten {
		r.presents = r.presents || newer(csn)
	}
	if r.presents {
		return r
	}
	for _, h := range logged {
		if !known[h.id] && !slices.Contains(r.deleted, h.id) {
			r.deleted = append(r.deleted, h.id)
		}
	}
	return r
}

// syncrepl answers a request for changes, in the shapes that were observed on slapd
// 2.5: nothing changed, the deleted named, the present named, a cookie not understood.
func (s *session) syncrepl(id int64, q query) bool {
	var w *watcher
	if q.sync.persist {
		w = s.watch(id, q)
	}
	r := s.server.refreshOf(q)
	if r.code != 0 {
		s.done(id, r.code, r.why, nil)
		return true
	}
	s.server.mu.Lock()
	shape := s.server.kind.Shape
	s.server.mu.Unlock()
	if shape == "required" && !r.nothing {
		s.done(id, ldap.LDAPResultSyncRefreshRequired, "sync cookie is stale", nil)
		return true
	}
	fault := s.server.faultOf(q.Search)
	if fault.Code != 0 {
		s.done(id, fault.Code, fault.Diagnostic, nil)
		return true
	}
	deletes := !r.presents || r.garbage || r.nothing
	if r.nothing {
		r = refresh{nothing: true}
	}
	for _, one := range r.deleted {
		s.syncInfo(id, syncIDs(r.cookie, true, []string{one}))
	}
	if r.presents || shape == "both" && !r.nothing {
		s.syncInfo(id, syncIDs("", false, r.present))
	}
	for i, t := range r.changed {
		if fault.Cut != 0 && i >= fault.Cut {
			_ = s.out.Flush()
			return false
		}
		s.entry(id, t.e, q.Attributes, syncState(1, t.id))
	}
	if fault.Cut != 0 {
		_ = s.out.Flush()
		return false
	}
	cookie := r.cookie
	switch {
	case r.garbage || r.nothing || shape == "no cookie":
		cookie = ""
	case shape == "old cookie":
		cookie = q.sync.cookie
	case shape == "phases":
		s.syncInfo(id, phase(2, cookie, false))
	}
	switch {
	case w != nil:
		s.syncInfo(id, phase(1, cookie, true))
		w.start()
	case shape == "no end" && !r.nothing:
		s.done(id, ldap.LDAPResultSuccess, "", nil)
	default:
		s.done(id, ldap.LDAPResultSuccess, "", syncDone(cookie, deletes))
	}
	return true
}

// watcher tells a client of changes as they happen (refreshAndPersist).
type watcher struct {
	session *session
	id      int64
	query   query
	base    string
	changes chan told
}

// watch registers a watcher before the refresh, so that nothing falls between.
func (s *session) watch(id int64, q query) *watcher {
	w := &watcher{session: s, id: id, query: q, base: normalDN(q.Base), changes: make(chan told, 1024)}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.history.watchers[w] = true
	s.watchers = append(s.watchers, w)
	return w
}

// start sends changes until the connection ends.
func (w *watcher) start() {
	w.session.server.wait.Go(func() {
		for t := range w.changes {
			w.session.writing.Lock()
			w.session.entry(w.id, t.e, w.query.Attributes, syncState(2, t.id))
			err := w.session.out.Flush()
			w.session.writing.Unlock()
			if err != nil {
				return
			}
		}
	})
}

// tell passes a change on to a client that can see it. The lock of the server is held.
func (w *watcher) tell(old, e *entry, id string) {
	sees := func(e *entry) bool {
		return e != nil && e.below(w.base, w.query.Scope) && e.matches(w.query.filter)
	}
	if e == nil || !sees(e) {
		e = old
	}
	if !sees(e) {
		return
	}
	select {
	case w.changes <- told{e, id}:
	default: // The client is told of so many changes already.
	}
}

// unwatch ends the watchers of a connection.
func (s *session) unwatch() {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	for _, w := range s.watchers {
		if s.server.history.watchers[w] {
			delete(s.server.history.watchers, w)
			close(w.changes)
		}
	}
}
