package ldaptest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	ldap "github.com/go-ldap/ldap/v3"
)

// Changes says how a server tells what changed. The zero value is of no kind and tells
// nothing.
type Changes struct {
	// Syncprov offers syncrepl (RFC 4533) as OpenLDAP does with the overlay of that name.
	Syncprov bool
	// SessionLog is how many changes are kept to name deletions by; without them what
	// is left is named.
	SessionLog int
	// SID is the number of the server in its change sequence numbers.
	SID int
	// Refint lets references follow renamed and deleted entries without a trace.
	Refint bool
	// Shape answers a refresh in a way that it should not be answered: "required",
	// "both", "no cookie", "no end", "phases", "old cookie".
	Shape string

	// AD offers uSNChanged and deleted objects as Active Directory does, and links that
	// follow what they lead to; DirSync unless NoDirSync is set.
	AD, NoDirSync bool
	// NoReplication refuses DirSync without the flag that shows what the account may see;
	// NoTombstones shows no deleted objects but to DirSync without that flag.
	NoReplication, NoTombstones bool
	// DirSyncPage is how many entries one answer of DirSync holds; 0: all.
	DirSyncPage int
	// Host and Invocation name the domain controller.
	Host, Invocation string
}

// history is what happened to the entries, for servers that tell it.
type history struct {
	seq int64
	// log are the ids of changed entries, one for each change.
	log []happened
	// attributes is when an attribute of an entry changed last, links when a member came
	// or went.
	attributes map[string]map[string]int64
	links      map[string]map[string]*link
	tombstones []*entry
	watchers   map[*watcher]bool
	// newest is the newest change of each server, forgotten those that the session log
	// does not reach.
	newest, forgotten map[string]string
}

type happened struct {
	csn string
	id  string
}

type link struct {
	seq     int64
	present bool
}

func newHistory() *history {
	return &history{attributes: map[string]map[string]int64{}, links: map[string]map[string]*link{}, watchers: map[*watcher]bool{}, newest: map[string]string{}}
}

// SetChanges edits how the server tells changes.
func (s *Server) SetChanges(edit func(*Changes)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit(&s.kind)
}

func (s *Server) changes() Changes {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kind
}

// Rewind sets the number of the last change back, as a server does that was restored
// from an older copy.
func (s *Server) Rewind(by int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history.seq -= by
	csn := csnOf(s.history.seq, s.kind.SID)
	s.history.newest[sidOf(csn)] = csn
	s.showPositions()
}

// Forget drops the session log, as a restart does.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history.log, s.history.forgotten = nil, maps.Clone(s.history.newest)
}

// tells reports whether changes are noted at all.
func (s *Server) tells() bool { return s.kind.Syncprov || s.kind.AD }

// timeOf is the time of a change: a second for each, so that times tell changes apart.
func timeOf(seq int64) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(seq) * time.Second)
}

func csnOf(seq int64, sid int) string {
	return fmt.Sprintf("%s.000000Z#000000#%03x#000000", timeOf(seq).Format("20060102150405"), sid)
}

func sidOf(csn string) string { return strings.Split(csn, "#")[2] }

// showPositions lets the suffixes show how far the server is (contextCSN).
func (s *Server) showPositions() {
	if !s.kind.Syncprov {
		return
	}
	for _, e := range slices.Clone(s.entries) {
		if !s.hasParent(e.key) {
			s.swap(e, func(e *entry) { e.set("contextCSN", s.positions()) })
		}
	}
}

// idAttribute is what names an entry for good.
func (s *Server) idAttribute() string {
	if s.kind.AD {
		return "objectGUID"
	}
	return "entryUUID"
}

func (s *Server) idOf(e *entry) string { return strings.Join(e.values(s.idAttribute()), "") }

// note takes down that an entry was added (old is nil), changed, or deleted (e is nil).
func (s *Server) note(old, e *entry) {
	if !s.tells() {
		return
	}
	h := s.history
	h.seq++
	named := e
	if e == nil {
		named = old
	} else {
		s.stamp(old, e)
	}
	csn := csnOf(h.seq, s.kind.SID)
	h.newest[sidOf(csn)] = csn
	h.log = append(h.log, happened{csn: csn, id: s.idOf(named)})
	s.showPositions()
	if e == nil && s.kind.AD {
		s.bury(old)
	}
	s.unnamed(old, e)
	for w := range h.watchers {
		w.tell(old, e, s.idOf(named))
	}
}

// stamp puts the numbers and times of a change on an entry.
func (s *Server) stamp(old, e *entry) {
	h, o := s.history, s.kind
	now := timeOf(h.seq).Format("20060102150405")
	if o.Syncprov {
		e.set("entryCSN", []string{csnOf(h.seq, o.SID)})
		if old == nil {
			e.set("createTimestamp", []string{now + "Z"})
		}
		if parent := s.byDN[parentOf(e.key)]; parent != nil && parent.find("hasSubordinates") == nil {
			s.swap(parent, func(p *entry) { p.set("hasSubordinates", []string{"TRUE"}) })
		}
	}
	if !o.AD {
		return
	}
	if e.find("objectGUID") == nil {
		e.set("objectGUID", []string{string(newGUID())})
	}
	seq := strconv.FormatInt(h.seq, 10)
	if old == nil {
		e.set("uSNCreated", []string{seq})
		e.set("whenCreated", []string{now + ".0Z"})
		h.attributes[s.idOf(e)], h.links[s.idOf(e)] = map[string]int64{}, map[string]*link{}
	}
	if parsed, err := ldap.ParseDN(e.dn); err == nil && len(parsed.RDNs) > 0 && (old == nil || old.dn != e.dn) {
		e.set("name", []string{parsed.RDNs[0].Attributes[0].Value})
		h.attributes[s.idOf(e)]["name"] = h.seq
	}
	s.compare(old, e)
	e.set("uSNChanged", []string{seq})
}

// compare notes which attributes and members of an entry changed.
func (s *Server) compare(old, e *entry) {
	h := s.history
	times, links := h.attributes[s.idOf(e)], h.links[s.idOf(e)]
	before := func(name string) []string {
		if old == nil {
			return nil
		}
		return old.values(name)
	}
	names := make([]string, 0, len(e.attributes))
	for _, a := range e.attributes {
		names = append(names, a.name)
	}
	if old != nil {
		for _, a := range old.attributes {
			if e.find(a.name) == nil {
				names = append(names, a.name)
			}
		}
	}
	for _, name := range names {
		now, was := e.values(name), before(name)
		if strings.EqualFold(name, "uSNChanged") || slices.Equal(now, was) {
			continue
		}
		times[strings.ToLower(name)] = h.seq
		if !strings.EqualFold(name, "member") {
			continue
		}
		for _, v := range was {
			if !slices.Contains(now, v) {
				links[v] = &link{seq: h.seq}
			}
		}
		for _, v := range now {
			if !slices.Contains(was, v) {
				links[v] = &link{seq: h.seq, present: true}
			}
		}
	}
}

// swap replaces an entry by an edited copy without a trace.
func (s *Server) swap(old *entry, edit func(*entry)) {
	e := old.clone()
	edit(e)
	delete(s.byDN, old.key)
	s.byDN[e.key] = e
	s.entries[slices.Index(s.entries, old)] = e
}

// unnamed does what follows from a new name without being a change: what lies below
// moves along, and references are corrected.
func (s *Server) unnamed(old, e *entry) {
	if old == nil || e != nil && e.key == old.key {
		return
	}
	o := s.kind
	if e != nil {
		for _, x := range slices.Clone(s.entries) {
			if rest, below := strings.CutSuffix(x.key, ","+old.key); below && x != e {
				s.swap(x, func(x *entry) { x.dn = x.dn[:len(rest)] + "," + e.dn; x.key = normalDN(x.dn) })
				s.follow(normalDN(rest+","+old.key), rest+","+e.dn)
			}
		}
	}
	if o.AD || o.Refint {
		to := ""
		if e != nil {
			to = e.dn
		}
		s.follow(old.key, to)
	}
}

// follow corrects the references to an entry that has another name or is gone.
func (s *Server) follow(key, to string) {
	if o := s.kind; !o.AD && !o.Refint {
		return
	}
	for _, x := range slices.Clone(s.entries) {
		a := x.find("member")
		if a == nil || !slices.Contains(a.keys, key) {
			continue
		}
		links := s.history.links[s.idOf(x)]
		var values []string
		for i, v := range a.values {
			if a.keys[i] != key {
				values = append(values, v)
				continue
			}
			if to != "" {
				values = append(values, to)
			}
			if l := links[v]; l != nil {
				delete(links, v)
				if to != "" {
					links[to] = l
				}
			}
		}
		s.swap(x, func(x *entry) { x.set("member", values) })
	}
	for _, links := range s.history.links {
		for v, l := range links {
			if !l.present && normalDN(v) == key {
				delete(links, v)
				if to != "" {
					links[to] = l
				}
			}
		}
	}
}

// bury keeps a deleted object of Active Directory.
func (s *Server) bury(e *entry) {
	root := s.rootOf(e.key)
	name := strings.Join(e.values("name"), "")
	id := fmt.Sprintf("%x", s.idOf(e))
	t := &entry{dn: "CN=" + ldap.EscapeDN(name) + `\0ADEL:` + id + ",CN=Deleted Objects," + root}
	t.key = strings.ToLower(t.dn)
	for _, keep := range []string{"objectGUID", "objectClass", "uSNCreated"} {
		t.set(keep, e.values(keep))
	}
	t.set("isDeleted", []string{"TRUE"})
	t.set("uSNChanged", []string{strconv.FormatInt(s.history.seq, 10)})
	s.history.tombstones = append(s.history.tombstones, t)
}

// rootOf is the topmost entry above a name.
func (s *Server) rootOf(key string) string {
	root := key
	for at := key; at != ""; at = parentOf(at) {
		if s.byDN[at] != nil {
			root = s.byDN[at].dn
		}
	}
	return root
}

func parentOf(key string) string {
	parsed, err := ldap.ParseDN(key)
	if err != nil || len(parsed.RDNs) < 2 {
		return ""
	}
	parsed.RDNs = parsed.RDNs[1:]
	return strings.ToLower(parsed.String())
}

func newGUID() []byte {
	id := strings.ReplaceAll(newUUID(), "-", "")
	raw := make([]byte, 16)
	for i := range raw {
		n, _ := strconv.ParseUint(id[2*i:2*i+2], 16, 8)
		raw[i] = byte(n)
	}
	return raw
}

// describeChanges adds to the root entry what says how changes are told.
func (s *Server) describeChanges(root *entry) {
	o := s.kind
	add := func(name string, values ...string) {
		root.set(name, append(slices.Clone(root.values(name)), values...))
	}
	if o.Syncprov {
		add("supportedControl", ldap.ControlTypeSyncRequest)
	}
	if !o.AD {
		return
	}
	if !o.NoDirSync {
		add("supportedControl", ldap.ControlTypeDirSync)
	}
	add("supportedControl", ldap.ControlTypeMicrosoftShowDeleted)
	root.set("supportedCapabilities", []string{"1.2.840.113556.1.4.800"})
	root.set("dnsHostName", []string{o.Host})
	root.set("dsServiceName", []string{serviceDN})
	root.set("highestCommittedUSN", []string{strconv.FormatInt(s.history.seq, 10)})
}

// serviceDN names the entry of the domain controller itself.
const serviceDN = "CN=NTDS Settings,CN=DC1,CN=Servers"

// service is the entry of the domain controller.
func (s *Server) service() *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &entry{dn: serviceDN, key: normalDN(serviceDN)}
	e.set("objectClass", []string{"nTDSDSA"})
	e.set("invocationId", []string{s.kind.Invocation})
	return e
}
