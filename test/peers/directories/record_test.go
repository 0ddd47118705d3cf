//go:build peers

// Package directories runs the suite of all sources, and large and odd directories,
// against real servers: OpenLDAP with two layouts, and Samba as an Active Directory.
package directories

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"groupsyncd/providers/providertest"
	"groupsyncd/test/peers/ldif"
)

// record is an entry of a directory, known by the id that it has in its world.
type record struct {
	id string
	// rdn and parent make the DN.
	rdn, parent string
	attributes  map[string][]string
	// given are attributes that the server gives, or that cannot be changed later.
	given map[string][]string
}

func (r *record) dn() string { return r.rdn + "," + r.parent }

// layout writes worlds as entries.
type layout struct {
	name           string
	people, groups string
	escape         func(string) string
	user           func(l *layout, u providertest.User, n int) record
	group          func(l *layout, g providertest.Group, n int, dns, usernames map[string]string) record
	// frame are the entries around those of the world, and members who are nobody.
	frame func(w providertest.World) []record
}

// records writes a world. Names that differ only in their ids cannot be in one place.
func (l *layout) records(w providertest.World) []record {
	dns, usernames := map[string]string{}, map[string]string{}
	var list []record
	for i, u := range w.Users {
		r := l.user(l, u, i)
		dns[u.ID], usernames[u.ID] = r.dn(), u.Username
		list = append(list, r)
	}
	for _, g := range w.Groups {
		dns[g.ID] = "cn=" + l.escape(g.Name) + "," + l.place(g)
	}
	for i, g := range w.Groups {
		list = append(list, l.group(l, g, i, dns, usernames))
	}
	return list
}

// place gives the container of a group.
func (l *layout) place(g providertest.Group) string {
	if g.Place == "" {
		return l.groups
	}
	return "ou=" + g.Place + "," + l.groups
}

// escaped writes a value as a part of a DN.
func escaped(value string) string { return ldap.EscapeDN(value) }

// members gives the DNs that a group names, each once. An id that nobody has becomes
// the DN of a ghost.
func (l *layout) members(g providertest.Group, dns map[string]string) []string {
	var list []string
	for _, id := range slices.Concat(g.Members, g.Groups) {
		dn, ok := dns[id]
		if !ok {
			dn = "cn=ghost-" + id + "," + l.groups
		}
		if !slices.Contains(list, dn) {
			list = append(list, dn)
		}
	}
	return list
}

// write writes records as LDIF. Members come last where a server wants to know whom it
// is told of.
func write(w io.Writer, records []record, membersLast bool) error {
	out := bufio.NewWriter(w)
	for _, r := range records {
		ldif.Record(out, r.dn(), r.pairs(membersLast)...)
	}
	for _, r := range records {
		if members := r.attributes["member"]; membersLast && len(members) > 0 {
			pairs := []string{"changetype", "modify", "add", "member"}
			for _, m := range members {
				pairs = append(pairs, "member", m)
			}
			ldif.Record(out, r.dn(), pairs...)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write entries: %w", err)
	}
	return nil
}

// pairs gives names and values in turn, the object classes first.
func (r *record) pairs(withoutMembers bool) []string {
	var pairs []string
	add := func(name string, values []string) {
		for _, v := range values {
			pairs = append(pairs, name, v)
		}
	}
	add("objectClass", r.given["objectClass"])
	for _, part := range []map[string][]string{r.given, r.attributes} {
		for _, name := range slices.Sorted(maps.Keys(part)) {
			if name != "objectClass" && !(name == "member" && withoutMembers) {
				add(name, part[name])
			}
		}
	}
	return pairs
}

// relax lets an administrator of OpenLDAP give an entry its id, which servers do by themselves
// (draft-zeilenga-ldap-relax).
const relax = "1.3.6.1.4.1.4203.666.5.12"

// add makes an entry. Its members come later, when all of them are there.
func add(admin *ldap.Conn, r record) error {
	q := ldap.NewAddRequest(r.dn(), nil)
	if r.given["entryUUID"] != nil {
		q.Controls = []ldap.Control{ldap.NewControlString(relax, true, "")}
	}
	r = r.withoutMembers()
	for _, part := range []map[string][]string{r.given, r.attributes} {
		for _, name := range slices.Sorted(maps.Keys(part)) {
			q.Attribute(name, part[name])
		}
	}
	if err := admin.Add(q); err != nil {
		return fmt.Errorf("add %s: %w", r.dn(), err)
	}
	return nil
}

// withoutMembers gives the entry as it can be made first: a group that must have a member has
// itself.
func (r record) withoutMembers() record {
	list, names := r.attributes["member"]
	if !names || len(list) == 0 {
		return r
	}
	r.attributes = maps.Clone(r.attributes)
	delete(r.attributes, "member")
	if slices.Contains(r.given["objectClass"], "groupOfNames") {
		r.attributes["member"] = []string{r.dn()}
	}
	return r
}

// change turns the entries of one world into those of another, over LDAP: an
// administrator's work.
func change(tb testing.TB, admin *ldap.Conn, before, after []record) {
	tb.Helper()
	known := map[string]record{}
	for _, r := range before {
		known[r.id] = r
	}
	var errs []error
	for _, r := range after {
		old, ok := known[r.id]
		if !ok {
			errs = append(errs, add(admin, r))
			continue
		}
		delete(known, r.id)
		if old.dn() != r.dn() {
			superior := ""
			if old.parent != r.parent {
				superior = r.parent
			}
			errs = append(errs, admin.ModifyDN(ldap.NewModifyDNRequest(old.dn(), r.rdn, true, superior)))
		}
	}
	for _, r := range known {
		errs = append(errs, admin.Del(ldap.NewDelRequest(r.dn(), nil)))
	}
	for _, r := range before {
		known[r.id] = r
	}
	for _, r := range after {
		q := ldap.NewModifyRequest(r.dn(), nil)
		old := known[r.id].attributes
		if _, was := known[r.id]; !was {
			old = r.withoutMembers().attributes
		}
		for _, name := range slices.Sorted(maps.Keys(r.attributes)) {
			if !slices.Equal(old[name], r.attributes[name]) {
				q.Replace(name, r.attributes[name])
			}
		}
		for name := range old {
			if _, still := r.attributes[name]; !still {
				q.Replace(name, nil)
			}
		}
		if len(q.Changes) > 0 {
			if err := admin.Modify(q); err != nil {
				errs = append(errs, fmt.Errorf("modify %s: %w", r.dn(), err))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		tb.Fatal(strings.TrimSpace(err.Error()))
	}
}
