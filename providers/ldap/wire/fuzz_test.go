package wire

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldap "github.com/go-ldap/ldap/v3"
)

// goldap lets go-ldap read a message as the answer to a search.
func goldap(t *testing.T, rest []byte) (*ldap.SearchResult, error) {
	t.Helper()
	client, server := net.Pipe()
	conn := ldap.NewConn(client, false)
	conn.Start()
	served := make(chan struct{})
	go func() {
		defer close(served)
		defer func() { _ = server.Close() }()
		if _, err := ber.ReadPacket(server); err != nil {
			return
		}
		// Behind what is judged comes a good end, because go-ldap waits for one.
		_, _ = server.Write(append(numbered(1, rest), numbered(1, []byte{tagDone, 7, tagEnumerated, 1, 0, tagOctets, 0, tagOctets, 0})...))
	}()
	result, err := conn.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", nil, nil))
	_ = conn.Close()
	<-served
	return result, err
}

// numbered makes a message of its number and the rest.
func numbered(id byte, rest []byte) []byte {
	n := len(rest) + 3
	return append([]byte{tagSequence, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), tagInteger, 1, id}, rest...)
}

// FuzzMessage holds our decoding against that of go-ldap. What we take go-ldap reads
// alike; what go-ldap reads and RFC 4511 allows we take. Neither may panic.
//
//	go test -run '^$' -fuzz FuzzMessage -fuzztime 10m -fuzzminimizetime 20x ./providers/ldap/wire
//
// Without the bound on minimizing most of the time goes there, because the goroutines of
// go-ldap make coverage a matter of chance.
func FuzzMessage(f *testing.F) {
	for _, rest := range seeds(f) {
		f.Add(rest)
	}
	f.Fuzz(func(t *testing.T, rest []byte) {
		message := numbered(1, rest)
		var a answer
		mine := a.decode(message)
		if mine == nil {
			if err := wellFormed(message); err != nil && !errors.Is(err, errMalformed) {
				t.Fatal(err)
			}
		}
		result, theirs := goldap(t, rest)
		if mine == nil {
			compare(t, &a, result, theirs, rest)
			return
		}
		if !errors.Is(mine, errMalformed) {
			t.Fatalf("an error of another kind: %v", mine)
		}
		if allowed(message) && !strictness(mine) {
			t.Fatalf("refused for %v, though it is allowed", mine)
		}
	})
}

// strictness reports whether we refuse what BER allows and LDAP does not, or what is
// beyond our bounds.
func strictness(err error) bool {
	for _, why := range []string{whyIndefinite, whyLength, whyLongTag, "there are too many"} {
		if strings.Contains(err.Error(), why) {
			return true
		}
	}
	return false
}

// compare makes sure that go-ldap read what we read.
func compare(t *testing.T, a *answer, result *ldap.SearchResult, err error, rest []byte) {
	t.Helper()
	if err != nil && a.op == tagDone && a.done.code == 0 {
		// go-ldap also decodes controls that say nothing about a search of ours.
		if strings.Contains(err.Error(), "failed to decode child control") {
			return
		}
	}
	switch a.op {
	case tagEntry:
		if err != nil || len(result.Entries) != 1 {
			t.Fatalf("go-ldap gives %+v, %v", result, err)
		}
		same(t, &a.entry, result.Entries[0])
	case tagReference:
		if err != nil || len(result.Referrals) != 1 {
			t.Fatalf("go-ldap gives %+v, %v", result, err)
		}
	case tagDone:
		if e, ok := errors.AsType[*ldap.Error](err); err != nil && (!ok || e.ResultCode != a.done.code || e.MatchedDN != a.done.matched || e.Err.Error() != a.done.diagnostic) {
			t.Fatalf("go-ldap gives %v, we %+v of %x", err, a.done, rest)
		}
		if err == nil && (a.done.code != 0 || result.DiagnosticMessage != a.done.diagnostic) {
			t.Fatalf("go-ldap gives %+v, we %+v", result, a.done)
		}
		if err == nil {
			p, _ := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
			if (p != nil) != a.done.paged || p != nil && !bytes.Equal(p.Cookie, a.done.cookie) {
				t.Fatalf("go-ldap gives %+v, we %+v", p, a.done)
			}
		}
	}
}

// same compares an entry and its copies with one of go-ldap.
func same(t *testing.T, mine *Entry, theirs *ldap.Entry) {
	t.Helper()
	for _, e := range []*Entry{mine, EntryOf(theirs), EntryOf(mine.Copy())} {
		if string(e.DN) != theirs.DN || len(e.Attributes) != len(theirs.Attributes) {
			t.Fatalf("%q with %d attributes, go-ldap has %q with %d", e.DN, len(e.Attributes), theirs.DN, len(theirs.Attributes))
		}
		for i := range e.Attributes {
			a, b := &e.Attributes[i], theirs.Attributes[i]
			n := 0
			for v := range a.Values() {
				if n >= len(b.ByteValues) || !bytes.Equal(v, b.ByteValues[n]) {
					t.Fatalf("value %d of %q is %q", n, a.Name, v)
				}
				n++
			}
			if string(a.Name) != b.Name || a.Len() != n || n != len(b.ByteValues) || n > 0 && !bytes.Equal(a.First(), b.ByteValues[0]) {
				t.Fatalf("attribute %q with %d values, go-ldap has %q with %d", a.Name, n, b.Name, len(b.ByteValues))
			}
		}
	}
}

// node describes what an element must be.
type node struct {
	class ber.Class
	kind  ber.Type
	tag   ber.Tag
}

func (n node) is(p *ber.Packet) bool {
	return p.ClassType == n.class && p.TagType == n.kind && p.Tag == n.tag
}

// allowed reports whether a message is one that RFC 4511 allows as part of the answer
// to a search, by the tree that asn1-ber makes of it.
func allowed(message []byte) bool {
	r := bytes.NewReader(message)
	m, err := ber.ReadPacket(r)
	if err != nil || r.Len() > 0 || len(m.Children) < 2 || len(m.Children) > 3 {
		return false
	}
	octets := node{ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString}
	sequence := node{ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence}
	all := func(list []*ber.Packet) bool {
		for _, p := range list {
			if !octets.is(p) {
				return false
			}
		}
		return true
	}
	op := m.Children[1]
	if op.ClassType != ber.ClassApplication || op.TagType != ber.TypeConstructed {
		return false
	}
	n := len(op.Children)
	switch op.Tag {
	case ldap.ApplicationSearchResultEntry:
		if n != 2 || !octets.is(op.Children[0]) || !sequence.is(op.Children[1]) {
			return false
		}
		for _, a := range op.Children[1].Children {
			set := node{ber.ClassUniversal, ber.TypeConstructed, ber.TagSet}
			if !sequence.is(a) || len(a.Children) != 2 || !octets.is(a.Children[0]) || !set.is(a.Children[1]) || !all(a.Children[1].Children) {
				return false
			}
		}
	case ldap.ApplicationSearchResultReference:
		if n == 0 || !all(op.Children) {
			return false
		}
	case ldap.ApplicationSearchResultDone:
		if n < 3 || n > 4 || !(node{ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated}).is(op.Children[0]) || !all(op.Children[1:3]) {
			return false
		}
		raw := op.Children[0].ByteValue
		if code, err := ber.ParseInt64(raw); err != nil || len(raw) == 0 || code < 0 || code >= 1<<16 {
			return false
		}
		if n == 4 && (!(node{ber.ClassContext, ber.TypeConstructed, 3}).is(op.Children[3]) || !all(op.Children[3].Children)) {
			return false
		}
	default:
		return false
	}
	return len(m.Children) == 2 || allowedControls(m.Children[2], op.Tag == ldap.ApplicationSearchResultDone)
}

func allowedControls(list *ber.Packet, done bool) bool {
	octets := node{ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString}
	if !(node{ber.ClassContext, ber.TypeConstructed, 0}).is(list) {
		return false
	}
	pagings := 0
	for _, c := range list.Children {
		if !(node{ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence}).is(c) || len(c.Children) == 0 || !octets.is(c.Children[0]) {
			return false
		}
		rest := c.Children[1:]
		if len(rest) > 0 && (node{ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean}).is(rest[0]) {
			rest = rest[1:]
		}
		if len(rest) > 1 || len(rest) == 1 && !octets.is(rest[0]) {
			return false
		}
		if done && string(c.Children[0].ByteValue) == ldap.ControlTypePaging {
			if pagings++; pagings > 1 || len(rest) == 0 || !allowedPaging(rest[0].ByteValue) {
				return false
			}
		}
	}
	return true
}

func allowedPaging(value []byte) bool {
	r := bytes.NewReader(value)
	p, err := ber.ReadPacket(r)
	return err == nil && r.Len() == 0 && (node{ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence}).is(p) && len(p.Children) == 2 &&
		(node{ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger}).is(p.Children[0]) &&
		(node{ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString}).is(p.Children[1])
}

// seeds are messages of a real slapd without their numbers, and some that others send.
func seeds(tb testing.TB) [][]byte {
	tb.Helper()
	files, err := filepath.Glob("testdata/*.ber")
	if err != nil || len(files) < 5 {
		tb.Fatalf("%d messages, %v", len(files), err)
	}
	var list [][]byte
	for _, file := range files {
		message, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		_, rest, err := messageID(message)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, rest.bytes())
	}
	return append(list,
		// A reference, an entry whose lengths are written as Active Directory writes them,
		// an end with a referral, and one with a control that nobody asked for.
		[]byte("\x73\x0b\x04\x09ldap://x/"),
		[]byte("\x64\x84\x00\x00\x00\x28\x04\x04CN=a\x30\x84\x00\x00\x00\x1c\x30\x84\x00\x00\x00\x16\x04\x06member\x31\x84\x00\x00\x00\x08\x04\x00\x04\x04CN=b"),
		[]byte("\x65\x14\x0a\x01\x0a\x04\x00\x04\x00\xa3\x0b\x04\x09ldap://x/"),
		[]byte("\x65\x07\x0a\x01\x00\x04\x00\x04\x00\xa0\x0c\x30\x0a\x04\x05\x31.2.3\x01\x01\xff"),
		[]byte("\x64\x80\x04\x00\x30\x00\x00\x00"))
}
