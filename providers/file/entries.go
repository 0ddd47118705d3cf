package file

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
)

// permanentLock is the value of pwdAccountLockedTime for an account that only an
// administrator can unlock (draft-behera-ldap-password-policy, 5.3.3). A real time
// there is a lock after wrong passwords, which ends by itself.
const permanentLock = "000001010000Z"

// entries makes people and groups of LDIF records.
type entries struct {
	*problems
	list    listing
	ids     map[string]int // The line of each id, of users and groups in one.
	dns     map[string]int
	userAt  map[string]uint32 // By normal DN, as groupAt.
	groupAt map[string]uint32
	uidAt   map[string]uint32
	shared  map[string]bool // Uids of several people.
	members []ldifMembers
}

// ldifMembers are the references of one group as the file has them.
type ldifMembers struct{ dns, uids, owners []value }

func parseLDIF(data []byte, p *problems, live func() error) (*listing, error) {
	e := &entries{problems: p, ids: map[string]int{}, dns: map[string]int{}, userAt: map[string]uint32{}, groupAt: map[string]uint32{},
		uidAt: map[string]uint32{}, shared: map[string]bool{}}
	r := &ldifReader{problems: p, data: data, wanted: map[string]bool{}}
	for _, name := range []string{"objectclass", "entryuuid", "mail", "uid", "cn", "description", "member", "uniquemember", "memberuid", "owner", "managedby",
		"pwdaccountlockedtime", "nsaccountlock"} {
		r.wanted[name] = true
	}
	if data[len(data)-1] != '\n' {
		p.add(1+bytes.Count(data, []byte("\n")), 0, "export it again; a line that was written whole has an end", "the last line has no end, so the file may be cut short")
	}
	n := 0
	for entry := r.record(); entry != nil; entry = r.record() {
		if n++; n%1000 == 0 {
			if err := live(); err != nil {
				return nil, err
			}
		}
		e.entry(entry)
	}
	if n == 0 && p.total == 0 {
		p.add(1, 1, "an export that found nothing is taken for one that failed", "the file has no record")
	}
	for i, m := range e.members {
		if len(m.owners) > 0 {
			number := e.list.own(i)
			for _, ref := range m.owners {
				e.list.link(number, normalDN(ref.text), e.userAt, e.groupAt)
			}
		}
		for _, ref := range m.dns {
			e.list.link(i, normalDN(ref.text), e.userAt, e.groupAt)
		}
		for _, ref := range m.uids {
			if e.shared[ref.text] {
				p.add(ref.line, 1, "", "the memberUid %s means several people", quoted(ref.text))
			}
			e.list.link(i, ref.text, e.uidAt, nil)
		}
	}
	return &e.list, nil
}

// entry takes one record for a person, a group, or something else by its object
// classes.
func (e *entries) entry(r *record) {
	person := r.is("person", "organizationalperson", "inetorgperson", "posixaccount")
	if !person && !r.is("groupofnames", "groupofuniquenames", "posixgroup") {
		return
	}
	dn := normalDN(r.dn)
	id := strings.ToLower(e.first(r, "entryuuid"))
	if id == "" {
		id = dn
	}
	switch {
	case dn == "" || !utf8.ValidString(r.dn):
		e.add(r.line, 1, "", "%s is not a DN", quoted(r.dn))
		return
	case e.dns[dn] > 0:
		e.add(r.line, 1, "", "the entry %s is also in line %d", quoted(r.dn), e.dns[dn])
		return
	case e.ids[id] > 0:
		e.add(r.line, 1, "", "the entryUUID %s is also in the record of line %d", quoted(id), e.ids[id])
		return
	}
	e.dns[dn], e.ids[id] = r.line, r.line
	if person {
		e.user(r, id, dn)
		return
	}
	e.group(r, id, dn)
}

func (e *entries) user(r *record, id, dn string) {
	number := uint32(len(e.list.users))
	e.userAt[dn] = number
	for _, uid := range r.values["uid"] {
		if other, taken := e.uidAt[uid.text]; taken && other != number {
			e.shared[uid.text] = true
		}
		e.uidAt[uid.text] = number
	}
	e.list.users = append(e.list.users, directory.User{
		ID: id, DN: dn, Email: e.first(r, "mail"), Username: e.first(r, "uid"), Name: e.first(r, "cn"),
		Disabled: e.first(r, "pwdaccountlockedtime") == permanentLock || strings.EqualFold(e.first(r, "nsaccountlock"), "true"),
	})
}

func (e *entries) group(r *record, id, dn string) {
	name := e.first(r, "cn")
	if name == "" {
		e.add(r.line, 1, "", "the group %s has no cn", quoted(r.dn))
		return
	}
	e.groupAt[dn] = uint32(len(e.list.groups))
	e.list.groups = append(e.list.groups, directory.Group{ID: id, DN: dn, Name: name, Description: e.first(r, "description")})
	m := ldifMembers{uids: r.values["memberuid"], owners: slices.Concat(r.values["owner"], r.values["managedby"])}
	for _, ref := range slices.Concat(r.values["member"], r.values["uniquemember"]) {
		// Some servers want a member in each group and get an empty DN for it.
		if ref.text = withoutUID(ref.text); strings.TrimSpace(ref.text) != "" {
			m.dns = append(m.dns, ref)
		}
	}
	e.members = append(e.members, m)
}

// first gives the first value of an attribute, which must be text.
func (e *entries) first(r *record, name string) string {
	values := r.values[name]
	if len(values) == 0 {
		return ""
	}
	if !utf8.ValidString(values[0].text) {
		e.add(values[0].line, 1, "", "the value of %s is not text", quoted(name))
		return ""
	}
	return values[0].text
}

// is reports whether the entry has one of the object classes.
func (r *record) is(classes ...string) bool {
	return slices.ContainsFunc(r.values["objectclass"], func(v value) bool {
		return slices.Contains(classes, strings.ToLower(v.text))
	})
}

// withoutUID takes the optional bit string off the end of a value of uniqueMember
// (Name and Optional UID, RFC 4517, 3.3.21).
func withoutUID(s string) string {
	if i := strings.LastIndex(s, "#'"); i > 0 && strings.HasSuffix(s, "'B") && strings.Trim(s[i+2:len(s)-2], "01") == "" {
		return s[:i]
	}
	return s
}

// normalDN gives the form in which DNs are compared, shown and used as ids: lower
// case, no spaces beside separators, runs of spaces as one, the parts of an RDN
// sorted, escapes as in RFC 4514. A text that is no DN is only folded.
func normalDN(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return foldName(dn)
	}
	rdns := make([]string, len(parsed.RDNs))
	for i, rdn := range parsed.RDNs {
		parts := make([]string, len(rdn.Attributes))
		for j, a := range rdn.Attributes {
			parts[j] = foldName(a.Type) + "=" + ldap.EscapeDN(foldName(a.Value))
		}
		slices.Sort(parts)
		rdns[i] = strings.Join(parts, "+")
	}
	return strings.Join(rdns, ",")
}

// foldName gives lower case and single spaces, as the matching rules of names do
// (RFC 4518), but never turns another letter into an ASCII one: the Kelvin sign is
// no k, or one entry could stand for another.
func foldName(s string) string {
	s = strings.Map(func(r rune) rune {
		if l := unicode.ToLower(r); r < utf8.RuneSelf || l >= utf8.RuneSelf {
			return l
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
