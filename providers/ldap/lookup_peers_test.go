//go:build peers

package ldap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

// oddNames are names that servers write in ways of their own.
var oddNames = []string{
	"Smith, John", `Back\slash`, `"Quoted" Q`, "Plus+Plus", "Müller", "MU\u0308LLER D", "#Hash", " Space ", "Angle<>", "Semi;colon", "Equal=s",
	"ADM\u0130N", "adm\u0131n", "\u212aelvin", "Straße", "Ünder  Two", "日本語",
}

// escaped is a name as every server takes it: Samba wants the equals sign escaped.
func escaped(name string) string { return strings.ReplaceAll(ldap.EscapeDN(name), "=", `\3D`) }

// spelled writes the name of a person as somebody may in a group's member list.
func spelled(n int, name, base string) string {
	text := escaped(name)
	switch n % 4 {
	case 1:
		var hex strings.Builder
		for _, b := range []byte(name) {
			fmt.Fprintf(&hex, `\%02X`, b)
		}
		text = hex.String()
	case 2:
		text = strings.ReplaceAll(text, `\,`, `\2C`)
	case 3:
		return "CN=" + text + ", " + base
	}
	return "cn=" + text + "," + base
}

func fileRef(t *testing.T, path string) secret.Ref {
	t.Helper()
	ref, err := secret.Parse("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func putEntry(t *testing.T, conn *ldap.Conn, name string, attributes map[string][]string) {
	t.Helper()
	r := ldap.NewAddRequest(name, nil)
	for key, values := range attributes {
		r.Attribute(key, values)
	}
	if err := conn.Add(r); err != nil {
		t.Fatalf("add %q: %v", name, err)
	}
}

func addMember(t *testing.T, conn *ldap.Conn, name string, members ...string) {
	t.Helper()
	r := ldap.NewModifyRequest(name, nil)
	r.Add("member", members)
	if err := conn.Modify(r); err != nil {
		t.Fatalf("add members to %q: %v", name, err)
	}
}

// wantInGroup checks that a group has everybody who was added, by their mail.
func wantInGroup(t *testing.T, s *directory.Snapshot, name string, mails []string) {
	t.Helper()
	g := byName(s)[name]
	var got []string
	for _, u := range g.Members {
		got = append(got, s.Users[u].Email)
	}
	slices.Sort(got)
	slices.Sort(mails)
	if !slices.Equal(got, mails) || !g.MembersKnown || len(g.Unresolved) > 0 {
		t.Errorf("%s has %q, unresolved %q, want %q", name, got, g.Unresolved, mails)
	}
}

func TestSlapdPullAndLookUpSayTheSame(t *testing.T) {
	t.Parallel()
	company, err := ldif.New(ldif.Options{Users: 8, Groups: 6, Memberships: 20, Nested: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	slapd := peer.StartSlapd(t, company, peer.SlapdOptions{})
	admin := slapd.Admin(t)
	var members, mails []string
	for n, name := range oddNames {
		mail := fmt.Sprintf("odd%d@example.test", n)
		putEntry(t, admin, "cn="+escaped(name)+","+ldif.People, map[string][]string{"objectClass": {"inetOrgPerson"}, "cn": {name}, "sn": {"x"}, "uid": {fmt.Sprint("Odd", n)}, "mail": {mail}})
		members, mails = append(members, spelled(n, name, ldif.People)), append(mails, mail)
	}
	top := "cn=Top\\, of all," + ldif.Groups
	putEntry(t, admin, "cn=odd,"+ldif.Groups, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"odd"}, "member": members})
	putEntry(t, admin, "cn=outside,"+ldif.Suffix, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"outside"}, "member": {"CN=Odd," + ldif.Groups, "cn=Top\\2C of all," + ldif.Groups}})
	putEntry(t, admin, top, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"Top, of all"}, "member": {"cn=outside, " + ldif.Suffix}})
	c := &Config{URL: List{slapd.URL}, Layout: RFC2307bis, Nested: true, PageSize: 500, Bind: Bind{DN: slapd.BindDN, Password: fileRef(t, slapd.PasswordFile)}}
	c.Users.Base, c.Groups.Base = List{ldif.People}, List{ldif.Groups}
	s := open(t, c)
	pulled, err := s.Pull(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"odd", "Top, of all", "outside"} {
		wantInGroup(t, pulled, name, mails)
	}
	sameForEverybody(t.Context(), t, s)
	// memberUid is a text that servers compare with regard to case, and people do not.
	putEntry(t, admin, "cn=posix,"+ldif.Groups, map[string][]string{"objectClass": {"posixGroup"}, "cn": {"posix"}, "gidNumber": {"7"}, "memberUid": {"ODD3", "odd4", "Odd5"}})
	unix := *c
	unix.Layout, unix.Users.Filter = RFC2307, "(objectClass=inetOrgPerson)"
	u := open(t, &unix)
	if pulled, err = u.Pull(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	wantInGroup(t, pulled, "posix", []string{"odd3@example.test", "odd4@example.test", "odd5@example.test"})
	sameForEverybody(t.Context(), t, u)
}

func TestSambaPullAndLookUpSayTheSame(t *testing.T) {
	t.Parallel()
	company, err := ldif.New(ldif.Options{Users: 8, Groups: 6, Memberships: 20, Nested: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	samba := peer.StartSamba(t, company, peer.SambaOptions{})
	admin := samba.Admin(t)
	var members, mails []string
	for n, name := range oddNames {
		mail := fmt.Sprintf("odd%d@example.test", n)
		putEntry(t, admin, "CN="+escaped(name)+","+ldif.ADPeople, map[string][]string{"objectClass": {"user"}, "sAMAccountName": {fmt.Sprint("Odd", n)}, "mail": {mail}})
		members, mails = append(members, spelled(n, name, ldif.ADPeople)), append(mails, mail)
	}
	top := "CN=Top\\, of all," + ldif.ADGroups
	putEntry(t, admin, "CN=odd,"+ldif.ADGroups, map[string][]string{"objectClass": {"group"}, "sAMAccountName": {"odd"}, "member": members})
	putEntry(t, admin, "CN=outside,CN=Users,"+samba.BaseDN, map[string][]string{"objectClass": {"group"}, "sAMAccountName": {"outside"}, "member": {"CN=Odd," + ldif.ADGroups}})
	putEntry(t, admin, top, map[string][]string{"objectClass": {"group"}, "sAMAccountName": {"top"}, "member": {"CN=outside, CN=Users," + samba.BaseDN}})
	addMember(t, admin, "CN=outside,CN=Users,"+samba.BaseDN, "CN=Top\\2C of all,"+ldif.ADGroups)
	putEntry(t, admin, "CN=everybody,"+ldif.ADGroups, map[string][]string{"objectClass": {"group"}, "sAMAccountName": {"everybody"}, "member": {"CN=Domain Users,CN=Users," + samba.BaseDN}})
	c := &Config{URL: List{samba.URL}, Layout: AD, Nested: true, PageSize: 500, CAFile: scalar.Path(samba.CAFile), Bind: Bind{DN: samba.BindDN, Password: fileRef(t, samba.PasswordFile)}}
	c.Users.Base, c.Groups.Base = List{ldif.ADPeople}, List{ldif.ADGroups}
	s := open(t, c)
	pulled, err := s.Pull(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"odd", "Top, of all", "outside"} {
		wantInGroup(t, pulled, name, mails)
	}
	if g := byName(pulled)["everybody"]; len(g.Members) != len(pulled.Users) {
		t.Errorf("everybody has %d of %d people", len(g.Members), len(pulled.Users))
	}
	sameForEverybody(t.Context(), t, s)
	if _, known := s.chains.about(samba.URL, s.now()); !known {
		t.Error("the rule in chain was not tried")
	}
	// Samba is slow with the rule, but right.
	s.chains.note(samba.URL, true, s.now().Add(chainTrust))
	sameForEverybody(t.Context(), t, s)
	if works, _ := s.chains.about(samba.URL, s.now()); !works {
		t.Error("the rule in chain failed")
	}
}
