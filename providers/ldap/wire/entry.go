package wire

import (
	"bytes"
	"iter"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"
)

// Entry is one entry of an answer. Its bytes are borrowed: they are good until the
// function that got the entry returns.
type Entry struct {
	DN         []byte
	Attributes []Attribute
}

// Attribute is one attribute of an entry, by the name that the server gives it.
type Attribute struct {
	Name []byte
	// values are the values as they came: octet strings one behind the other, which
	// were checked when the entry was decoded.
	values []byte
	count  int
}

// Len gives the number of values.
func (a *Attribute) Len() int { return a.count }

// Values gives the values in the order of the server.
func (a *Attribute) Values() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		b := a.values
		for at := 0; at < len(b); {
			_, from, to, why := header(b, at, len(b))
			if why != "" || !yield(b[from:to:to]) {
				return
			}
			at = to
		}
	}
}

// First gives the first value, nil without one.
func (a *Attribute) First() []byte {
	for v := range a.Values() {
		return v
	}
	return nil
}

// Is reports whether the attribute has that name, in any case.
func (a *Attribute) Is(name string) bool { return EqualFold(a.Name, name) }

// Base gives the name without its options, and the options.
func (a *Attribute) Base() (name, options []byte) {
	name, options, _ = bytes.Cut(a.Name, []byte(";"))
	return name, options
}

// EqualFold compares names of attributes, which are ASCII.
func EqualFold(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		if c != b[i] && lower(c) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// Find gives the attribute of that name, or nil.
func (e *Entry) Find(name string) *Attribute {
	for i := range e.Attributes {
		if e.Attributes[i].Is(name) {
			return &e.Attributes[i]
		}
	}
	return nil
}

// First gives the first value of an attribute, nil without one.
func (e *Entry) First(name string) []byte {
	if a := e.Find(name); a != nil {
		return a.First()
	}
	return nil
}

// Copy makes an entry of go-ldap that borrows nothing.
func (e *Entry) Copy() *ldap.Entry {
	made := &ldap.Entry{DN: string(e.DN), Attributes: make([]*ldap.EntryAttribute, 0, len(e.Attributes))}
	for i := range e.Attributes {
		a := &e.Attributes[i]
		to := &ldap.EntryAttribute{Name: string(a.Name), Values: make([]string, 0, a.count), ByteValues: make([][]byte, 0, a.count)}
		for v := range a.Values() {
			to.Values = append(to.Values, string(v))
			to.ByteValues = append(to.ByteValues, bytes.Clone(v))
		}
		made.Attributes = append(made.Attributes, to)
	}
	return made
}

// EntryOf makes an entry of one that go-ldap read.
func EntryOf(from *ldap.Entry) *Entry {
	e := &Entry{DN: []byte(from.DN), Attributes: make([]Attribute, 0, len(from.Attributes))}
	for _, a := range from.Attributes {
		to := Attribute{Name: []byte(a.Name), count: len(a.ByteValues)}
		for _, v := range a.ByteValues {
			to.values = appendOctets(to.values, v)
		}
		e.Attributes = append(e.Attributes, to)
	}
	return e
}

// appendOctets appends an octet string with its header.
func appendOctets(b, value []byte) []byte {
	b = append(b, tagOctets)
	if n := len(value); n < 0x80 {
		b = append(b, byte(n))
	} else {
		b = append(b, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(b, value...)
}

// Text gives valid text: bytes that are none are replaced, so that they can be shown.
func Text(value []byte) string { return strings.ToValidUTF8(string(value), "\uFFFD") }
