//go:build peers

package directories

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
	"groupsyncd/test/faults"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

// activeDirectory has users and groups whose ids the server gives.
func activeDirectory() *layout {
	return &layout{name: "ad", escape: adEscaped, people: ldif.ADPeople, groups: ldif.ADGroups, frame: adFrame,
		user: func(l *layout, u providertest.User, _ int) record {
			r := record{id: u.ID, rdn: "CN=" + adEscaped(u.Name), parent: l.people,
				given:      map[string][]string{"objectClass": {"user"}, "sAMAccountName": {u.Username}},
				attributes: map[string][]string{"displayName": {u.Name}, "userAccountControl": {"544"}}}
			if u.Email != "" {
				r.attributes["mail"] = []string{u.Email}
			}
			if d := u.Attributes["department"]; d != nil {
				r.attributes["departmentNumber"] = d
			}
			if u.Disabled {
				r.attributes["userAccountControl"] = []string{"546"}
			}
			return r
		},
		group: func(l *layout, g providertest.Group, n int, dns, _ map[string]string) record {
			r := record{id: g.ID, rdn: "CN=" + adEscaped(g.Name), parent: l.place(g),
				given:      map[string][]string{"objectClass": {"group"}, "sAMAccountName": {fmt.Sprintf("g%05d", n)}},
				attributes: map[string][]string{"member": l.members(g, dns)}}
			if g.Description != "" {
				r.attributes["description"] = []string{g.Description}
			}
			return r
		}}
}

// adEscaped writes a value as a part of a DN as Samba wants it: an equals sign that
// RFC 4514 lets stand makes a text no DN there.
func adEscaped(value string) string { return strings.ReplaceAll(escaped(value), "=", `\3D`) }

// adFrame has the containers, and a contact for each member who is nobody: such a server
// takes no member that does not exist.
func adFrame(w providertest.World) []record {
	var frame []record
	for _, part := range [][2]string{{"people", ldif.ADSuffix}, {"groups", ldif.ADSuffix}, {"north", ldif.ADGroups}, {"south", ldif.ADGroups}} {
		frame = append(frame, record{rdn: "OU=" + part[0], parent: part[1], given: map[string][]string{"objectClass": {"organizationalUnit"}}})
	}
	known := map[string]bool{}
	for _, u := range w.Users {
		known[u.ID] = true
	}
	for _, g := range w.Groups {
		for _, id := range g.Members {
			if !known[id] {
				known[id] = true
				frame = append(frame, record{rdn: "CN=ghost-" + id, parent: ldif.ADGroups, given: map[string][]string{"objectClass": {"contact"}}})
			}
		}
	}
	return frame
}

// samba starts a domain that holds a world.
func samba(tb testing.TB, w providertest.World) *peer.Samba {
	tb.Helper()
	l := activeDirectory()
	return peer.StartSambaWith(tb, func(out io.Writer) error {
		return write(out, append(l.frame(w), l.records(w)...), true)
	}, peer.SambaOptions{})
}

// adConfiguration is that of a source on such a domain. The base is all of it, so that
// each search ends with a reference, and the layout is found out.
func adConfiguration(s *peer.Samba, addr, passwordFile string) string {
	return fmt.Sprintf(`
url: ldaps://%s
ca_file: %s
bind: {dn: %q, password: "file:%s"}
users: {base: %q, filter: "(&(objectCategory=person)(objectClass=user)(displayName=*))", attributes: {department: departmentNumber}}
groups: {base: %q}
page_size: 250
`, addr, s.CAFile, s.BindDN, passwordFile, s.BaseDN, ldif.ADGroups)
}

func TestConformanceOfSamba(t *testing.T) {
	t.Parallel()
	plain := func(t testing.TB, w providertest.World) (*peer.Samba, providers.Source) {
		s := samba(t, w)
		return s, open(t, adConfiguration(s, s.Addr(), s.PasswordFile))
	}
	l := activeDirectory()
	providertest.Run(t, providertest.Harness{
		Secret: samba(t, providertest.World{}).Password(t),
		OwnIDs: true,
		Open: func(t testing.TB, w providertest.World) providers.Source {
			_, s := plain(t, w)
			return s
		},
		Live: func(t testing.TB, w providertest.World) (providers.Source, func(providertest.World)) {
			server, s := plain(t, w)
			now := l.records(w)
			return s, func(w providertest.World) {
				next := l.records(w)
				change(t, server.Admin(t), now, next)
				now = next
			}
		},
		Faults: sambaFaults(),
	})
}

func sambaFaults() []providertest.Fault {
	var list []providertest.Fault
	add := func(name string, kind fault.Kind, partial bool, open func(t testing.TB, s *peer.Samba) providers.Source) {
		list = append(list, providertest.Fault{Name: name, Kinds: []fault.Kind{kind}, Partial: partial,
			Open: func(t testing.TB, w providertest.World) providers.Source { return open(t, samba(t, w)) }})
	}
	for _, percent := range []int{0, 40, 90} {
		add(fmt.Sprintf("%s after %d %%", faults.Cut, percent), fault.Unavailable, percent > 0, func(t testing.TB, s *peer.Samba) providers.Source {
			return struck(t, s.Addr(), faults.Cut, percent, func(addr string) string { return adConfiguration(s, addr, s.PasswordFile) })
		})
	}
	add("wrong password", fault.Auth, false, func(t testing.TB, s *peer.Samba) providers.Source {
		return open(t, adConfiguration(s, s.Addr(), passwordFile(t, "Wrong0!password")))
	})
	add("a password in clear", fault.Auth, false, func(t testing.TB, s *peer.Samba) providers.Source {
		return open(t, fmt.Sprintf("{url: %q, bind: {dn: %q, password: %q}, users: {base: %q}, groups: {base: %q}}",
			"ldap://"+net.JoinHostPort(s.Address, "389"), s.BindDN, "file:"+s.PasswordFile, s.BaseDN, s.BaseDN))
	})
	add("a server that is down", fault.Unavailable, false, func(t testing.TB, s *peer.Samba) providers.Source {
		s.Kill(t)
		return open(t, adConfiguration(s, s.Addr(), s.PasswordFile))
	})
	return list
}
