package ldaptest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldap "github.com/go-ldap/ldap/v3"
)

// entry is an Entry prepared for matching.
type entry struct {
	dn         string
	key        string // the DN in the form of normalDN
	attributes []attribute
}

type attribute struct {
	name   string
	values []string
	keys   []string // the values in the form in which they are compared
}

func newEntry(e Entry) (*entry, error) {
	if _, err := ldap.ParseDN(e.DN); err != nil {
		return nil, fmt.Errorf("entry %q: %w", e.DN, err)
	}
	made := &entry{dn: e.DN, key: normalDN(e.DN)}
	names := make([]string, 0, len(e.Attributes))
	for name := range e.Attributes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		made.set(name, e.Attributes[name])
	}
	return made, nil
}

func (e *entry) clone() *entry {
	c := *e
	c.attributes = slices.Clone(e.attributes)
	return &c
}

// entryDN is the attribute that every entry has (RFC 5020).
const entryDN = "entryDN"

func (e *entry) find(name string) *attribute {
	if strings.EqualFold(name, entryDN) {
		return &attribute{name: entryDN, values: []string{e.dn}, keys: []string{e.key}}
	}
	for i := range e.attributes {
		if strings.EqualFold(e.attributes[i].name, name) {
			return &e.attributes[i]
		}
	}
	return nil
}

func (e *entry) values(name string) []string {
	if a := e.find(name); a != nil {
		return a.values
	}
	return nil
}

func (e *entry) set(name string, values []string) {
	e.attributes = slices.DeleteFunc(slices.Clone(e.attributes), func(a attribute) bool { return strings.EqualFold(a.name, name) })
	if len(values) == 0 {
		return
	}
	a := attribute{name: name, values: slices.Clone(values), keys: make([]string, len(values))}
	for i, v := range values {
		a.keys[i] = matchKey(name, v)
	}
	e.attributes = append(e.attributes, a)
}

// normalDN gives equal texts for DNs that differ in case, spaces or escapes.
func normalDN(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return strings.ToLower(dn)
	}
	return strings.ToLower(parsed.String())
}

// matchKey gives the form in which values of an attribute are compared: DNs by their
// normal form, binary values and memberUid exactly, the rest without case.
func matchKey(name, value string) string {
	switch strings.ToLower(name) {
	case "member", "uniquemember", "owner", "manager", "memberof", "entrydn":
		return normalDN(value)
	case "objectcategory":
		// Active Directory takes the name of a class for the DN of its definition.
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.ToLower(value), "cn="), ",")
		return name
	case "objectguid", "objectsid", "memberuid":
		return value
	}
	return strings.ToLower(value)
}

// operational reports whether an attribute is shown only when it is asked for by name.
func operational(name string) bool {
	switch strings.ToLower(name) {
	case "entryuuid", "entrycsn", "contextcsn", "hassubordinates", "objectclasses", "attributetypes", "primarygrouptoken", "tokengroups", "createtimestamp", "modifytimestamp", "pwdaccountlockedtime":
		return true
	}
	return false
}

// below reports whether the entry lies in the scope of a search from base.
func (e *entry) below(base string, scope int) bool {
	switch scope {
	case ldap.ScopeBaseObject:
		return e.key == base
	case ldap.ScopeSingleLevel:
		parsed, err := ldap.ParseDN(e.key)
		if err != nil || len(parsed.RDNs) == 0 {
			return false
		}
		parsed.RDNs = parsed.RDNs[1:]
		return strings.ToLower(parsed.String()) == base
	}
	return base == "" || e.key == base || strings.HasSuffix(e.key, ","+base)
}

// The matching rules that an assertion may name: those of Active Directory for bits that
// are all set and for bits of which one is, and one that compares texts without regard to
// case (RFC 4517, 4.2.3).
const (
	bitAnd  = "1.2.840.113556.1.4.803"
	bitOr   = "1.2.840.113556.1.4.804"
	anyCase = "caseIgnoreIA5Match"
)

// matches evaluates a filter (RFC 4511, 4.5.1.7) as it came in the message.
func (e *entry) matches(f *ber.Packet) bool {
	switch f.Tag {
	case ldap.FilterAnd:
		return !slices.ContainsFunc(f.Children, func(c *ber.Packet) bool { return !e.matches(c) })
	case ldap.FilterOr:
		return slices.ContainsFunc(f.Children, e.matches)
	case ldap.FilterNot:
		return len(f.Children) == 1 && !e.matches(f.Children[0])
	case ldap.FilterPresent:
		return e.find(f.Data.String()) != nil
	case ldap.FilterEqualityMatch, ldap.FilterApproxMatch:
		a := e.operand(f)
		return a != nil && slices.Contains(a.keys, matchKey(a.name, f.Children[1].Data.String()))
	case ldap.FilterGreaterOrEqual:
		a := e.operand(f)
		return a != nil && slices.ContainsFunc(a.values, func(v string) bool { return compare(v, f.Children[1].Data.String()) >= 0 })
	case ldap.FilterLessOrEqual:
		a := e.operand(f)
		return a != nil && slices.ContainsFunc(a.values, func(v string) bool { return compare(v, f.Children[1].Data.String()) <= 0 })
	case ldap.FilterSubstrings:
		a := e.operand(f)
		return a != nil && slices.ContainsFunc(a.values, func(v string) bool { return substrings(strings.ToLower(v), f.Children[1].Children) })
	case ldap.FilterExtensibleMatch:
		return e.extensible(f)
	case oneOf:
		keys, _ := f.Value.(map[string]bool)
		return keys[e.key]
	}
	return false
}

func (e *entry) operand(f *ber.Packet) *attribute {
	if len(f.Children) < 2 {
		return nil
	}
	return e.find(f.Children[0].Data.String())
}

// compare orders numbers by value and everything else as text.
func compare(a, b string) int {
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	if errX == nil && errY == nil {
		return int(min(max(x-y, -1), 1))
	}
	return strings.Compare(strings.ToLower(a), strings.ToLower(b))
}

func substrings(value string, parts []*ber.Packet) bool {
	for _, p := range parts {
		part := strings.ToLower(p.Data.String())
		var found bool
		switch p.Tag {
		case ldap.FilterSubstringsInitial:
			value, found = strings.CutPrefix(value, part)
		case ldap.FilterSubstringsFinal:
			value, found = strings.CutSuffix(value, part)
		default:
			_, value, found = strings.Cut(value, part)
		}
		if !found {
			return false
		}
	}
	return true
}

// extensible knows three rules; any other is undefined, which matches nothing (but see
// unchain).
func (e *entry) extensible(f *ber.Packet) bool {
	rule, name, value := extensibleParts(f)
	if rule == anyCase {
		return slices.ContainsFunc(e.values(name), func(v string) bool { return strings.EqualFold(v, value) })
	}
	mask, err := strconv.ParseInt(value, 10, 64)
	if rule != bitAnd && rule != bitOr || err != nil {
		return false
	}
	return slices.ContainsFunc(e.values(name), func(v string) bool {
		n, err := strconv.ParseInt(v, 10, 64)
		return err == nil && (n&mask == mask || rule == bitOr && n&mask != 0)
	})
}

func extensibleParts(f *ber.Packet) (rule, name, value string) {
	for _, c := range f.Children {
		switch c.Tag {
		case ldap.MatchingRuleAssertionMatchingRule:
			rule = c.Data.String()
		case ldap.MatchingRuleAssertionType:
			name = c.Data.String()
		case ldap.MatchingRuleAssertionMatchValue:
			value = c.Data.String()
		}
	}
	return rule, name, value
}
