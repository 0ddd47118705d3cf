//go:build peers

package directories

import (
	"fmt"
	"io"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
	"groupsyncd/test/faults"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

const password = "canary-7f3a-secret"

// rfc2307bis has people with names and uid together in their DN, and groups of DNs.
func rfc2307bis() *layout {
	return &layout{name: "rfc2307bis", escape: escaped, people: ldif.People, groups: ldif.Groups, frame: openFrame, user: openUser,
		group: func(l *layout, g providertest.Group, _ int, dns, _ map[string]string) record {
			r := openGroup(l, g, "groupOfNames")
			r.attributes["member"] = l.members(g, dns)
			if len(r.attributes["member"]) == 0 {
				r.attributes["member"] = []string{"cn=dummy"}
			}
			return r
		}}
}

// rfc2307 has groups that name people by their uid.
func rfc2307() *layout {
	return &layout{name: "rfc2307", escape: escaped, people: ldif.People, groups: ldif.Groups, frame: openFrame,
		user: func(l *layout, u providertest.User, n int) record {
			r := openUser(l, u, n)
			r.given["objectClass"] = append(r.given["objectClass"], "posixAccount")
			r.given["uidNumber"], r.given["gidNumber"], r.given["homeDirectory"] = []string{fmt.Sprint(n + 1000)}, []string{"100"}, []string{"/nowhere"}
			return r
		},
		group: func(l *layout, g providertest.Group, n int, _, usernames map[string]string) record {
			r := openGroup(l, g, "posixGroup")
			r.given["gidNumber"] = []string{fmt.Sprint(n + 5000)}
			seen := map[string]bool{}
			for _, id := range g.Members {
				name, ok := usernames[id]
				if !ok {
					name = "ghost-" + id
				}
				if !seen[name] {
					r.attributes["memberUid"] = append(r.attributes["memberUid"], name)
				}
				seen[name] = true
			}
			return r
		}}
}

func openFrame(providertest.World) []record {
	frame := []record{{rdn: "dc=example", parent: "dc=test", given: map[string][]string{"objectClass": {"domain"}}}}
	for _, ou := range []string{"people", "groups"} {
		frame = append(frame, record{rdn: "ou=" + ou, parent: ldif.Suffix, given: map[string][]string{"objectClass": {"organizationalUnit"}}})
	}
	for _, ou := range []string{"north", "south"} {
		frame = append(frame, record{rdn: "ou=" + ou, parent: ldif.Groups, given: map[string][]string{"objectClass": {"organizationalUnit"}}})
	}
	return frame
}

func openUser(l *layout, u providertest.User, _ int) record {
	r := record{id: u.ID, rdn: "cn=" + escaped(u.Name) + "+uid=" + escaped(u.Username), parent: l.people,
		given:      map[string][]string{"objectClass": {"inetOrgPerson"}, "entryUUID": {u.ID}, "uid": {u.Username}, "cn": {u.Name}, "sn": {"x"}},
		attributes: map[string][]string{}}
	if u.Email != "" {
		r.attributes["mail"] = []string{u.Email}
	}
	if d := u.Attributes["department"]; d != nil {
		r.attributes["departmentNumber"] = d
	}
	if u.Disabled {
		r.attributes["pwdAccountLockedTime"] = []string{"000001010000Z"}
	}
	return r
}

func openGroup(l *layout, g providertest.Group, class string) record {
	r := record{id: g.ID, rdn: "cn=" + escaped(g.Name), parent: l.place(g),
		given: map[string][]string{"objectClass": {class}, "entryUUID": {g.ID}, "cn": {g.Name}}, attributes: map[string][]string{}}
	if g.Description != "" {
		r.attributes["description"] = []string{g.Description}
	}
	return r
}

// slapd starts a server that holds a world.
func slapd(tb testing.TB, l *layout, w providertest.World, o peer.SlapdOptions) *peer.Slapd {
	tb.Helper()
	o.Password = password
	return peer.StartSlapdWith(tb, func(out io.Writer) error {
		return write(out, append(l.frame(w), l.records(w)...), false)
	}, o)
}

// configuration is that of a source on such a server, through another address perhaps.
func (l *layout) configuration(s *peer.Slapd, addr, passwordFile string) string {
	return fmt.Sprintf(`
url: ldap://%s
layout: %s
bind: {dn: %q, password: "file:%s"}
users: {base: %q, disabled: "(pwdAccountLockedTime=*)", attributes: {department: departmentNumber}}
groups: {base: %q}
page_size: 250
`, addr, l.name, s.BindDN, passwordFile, l.people, l.groups)
}

func (l *layout) harness() providertest.Harness {
	plain := func(t testing.TB, w providertest.World, o peer.SlapdOptions) (*peer.Slapd, providers.Source) {
		s := slapd(t, l, w, o)
		return s, open(t, l.configuration(s, s.Addr(), s.PasswordFile))
	}
	return providertest.Harness{
		Secret: password,
		Open: func(t testing.TB, w providertest.World) providers.Source {
			_, s := plain(t, w, peer.SlapdOptions{})
			return s
		},
		Live: func(t testing.TB, w providertest.World) (providers.Source, func(providertest.World)) {
			server, s := plain(t, w, peer.SlapdOptions{})
			now := l.records(w)
			return s, func(w providertest.World) {
				next := l.records(w)
				change(t, server.Admin(t), now, next)
				now = next
			}
		},
		Faults: l.faults(),
	}
}

func (l *layout) faults() []providertest.Fault {
	var list []providertest.Fault
	add := func(name string, kind fault.Kind, partial bool, open func(t testing.TB, w providertest.World) providers.Source) {
		list = append(list, providertest.Fault{Name: name, Kinds: []fault.Kind{kind}, Partial: partial, Open: open})
	}
	for _, kind := range []faults.Kind{faults.Cut, faults.Reset} {
		for _, percent := range []int{0, 30, 70, 97} {
			add(fmt.Sprintf("%s after %d %%", kind, percent), fault.Unavailable, percent > 0, func(t testing.TB, w providertest.World) providers.Source {
				s := slapd(t, l, w, peer.SlapdOptions{})
				return struck(t, s.Addr(), kind, percent, func(addr string) string { return l.configuration(s, addr, s.PasswordFile) })
			})
		}
	}
	add("a size limit among the users", fault.Incomplete, true, func(t testing.TB, w providertest.World) providers.Source {
		s := slapd(t, l, w, peer.SlapdOptions{SizeLimit: 300})
		return open(t, l.configuration(s, s.Addr(), s.PasswordFile))
	})
	list[len(list)-1].PullOnly = true
	add("wrong password", fault.Auth, false, func(t testing.TB, w providertest.World) providers.Source {
		s := slapd(t, l, w, peer.SlapdOptions{})
		return open(t, l.configuration(s, s.Addr(), passwordFile(t, password+"-wrong")))
	})
	add("a server that is down", fault.Unavailable, false, func(t testing.TB, w providertest.World) providers.Source {
		s := slapd(t, l, w, peer.SlapdOptions{})
		s.Kill(t)
		return open(t, l.configuration(s, s.Addr(), s.PasswordFile))
	})
	add("nobody who may read", fault.Invalid, false, func(t testing.TB, w providertest.World) providers.Source {
		s := slapd(t, l, w, peer.SlapdOptions{})
		return open(t, fmt.Sprintf("{url: %q, layout: %s, users: {base: %q}, groups: {base: %q}}", s.URL, l.name, l.people, l.groups))
	})
	return list
}

func TestConformanceOfOpenLDAP(t *testing.T) {
	t.Parallel()
	providertest.Run(t, rfc2307bis().harness())
}

func TestConformanceOfOpenLDAPWithPosixGroups(t *testing.T) {
	t.Parallel()
	h := rfc2307().harness()
	h.NoNesting, h.ASCIIUsernames = true, true
	providertest.Run(t, h)
}
