//go:build peers

package directories

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/sync/replica"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

// follower follows a real server by its changes and compares each picture with that of
// a full read.
type follower struct {
	tb     testing.TB
	source providers.Source
	kept   *replica.Replica
	base   *directory.Snapshot
	// silent servers correct references without a trace, so that the texts of those that
	// name nobody may be of before.
	silent bool
}

func follow(tb testing.TB, s providers.Source, silent bool) *follower {
	tb.Helper()
	f := &follower{tb: tb, source: s, kept: replica.New("corp"), silent: silent}
	f.keep(pull(tb, s))
	if len(f.base.Cursor) == 0 {
		tb.Fatal("the server tells no changes")
	}
	return f
}

func (f *follower) keep(s *directory.Snapshot) {
	f.kept, _ = f.kept.Merge(s, time.Minute)
	f.base = f.kept.Picture()
}

// changes reads what changed, which must give the picture of a full read.
func (f *follower) changes(what string) *directory.Snapshot {
	f.tb.Helper()
	delta, err := f.read()
	if err != nil {
		f.tb.Fatalf("%s: %v", what, err)
	}
	if diff := differences(pictured(delta, f.silent), pictured(pull(f.tb, f.source), f.silent)); diff != "" {
		f.tb.Errorf("%s:\n%s", what, diff)
	}
	f.keep(delta)
	return delta
}

// everything must be read, for this reason.
func (f *follower) everything(what, why string) {
	f.tb.Helper()
	if _, err := f.read(); !errors.Is(err, providers.ErrFullRead) || !strings.Contains(err.Error(), why) {
		f.tb.Errorf("%s: %v, want a full read because of %q", what, err, why)
	}
	f.keep(pull(f.tb, f.source))
}

func (f *follower) read() (*directory.Snapshot, error) {
	able, ok := f.source.(providers.Changes)
	if !ok {
		f.tb.Fatalf("the source %T reads no changes", f.source)
	}
	return able.PullChanges(f.tb.Context(), f.base, nil)
}

// pictured is a picture in a form that can be compared.
func pictured(s *directory.Snapshot, silent bool) map[string]string {
	all := map[string]string{}
	users := func(list []uint32) string {
		var out []string
		for _, at := range list {
			out = append(out, s.Users[at].DN)
		}
		slices.Sort(out)
		return strings.Join(out, " | ")
	}
	for i := range s.Users {
		u := &s.Users[i]
		all["user "+u.ID] = fmt.Sprint(u.DN, u.Email, u.Username, u.Name, u.Disabled, u.StatusKnown, u.Attributes)
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		var children []string
		for _, c := range g.Children {
			children = append(children, s.Groups[c].DN)
		}
		slices.Sort(children)
		refs := strings.Join(slices.Sorted(slices.Values(g.Unresolved)), " | ")
		if silent {
			refs = ""
		}
		all["group "+g.ID] = fmt.Sprintf("%s %s unlisted=%t known=%t\n\tdirect %s\n\tchildren %s\n\tmembers %s\n\tunresolved %s",
			g.DN, g.Name, g.Unlisted, g.MembersKnown, users(g.Direct), strings.Join(children, " | "), users(g.Members), refs)
	}
	return all
}

func differences(got, want map[string]string) string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got[key] != want[key] {
			out = append(out, fmt.Sprintf("%s\n  changes: %s\n  full:    %s", key, got[key], want[key]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if want[key] == "" {
			out = append(out, key+" is left over: "+got[key])
		}
	}
	return strings.Join(out, "\n")
}

// editor edits a real server.
type editor struct {
	tb   testing.TB
	conn *ldap.Conn
}

func (e *editor) must(err error) {
	e.tb.Helper()
	if err != nil {
		e.tb.Fatal(err)
	}
}

func (e *editor) add(dn string, attributes map[string][]string) {
	e.tb.Helper()
	r := ldap.NewAddRequest(dn, nil)
	for name, values := range attributes {
		r.Attribute(name, values)
	}
	e.must(e.conn.Add(r))
}

func (e *editor) delete(dn string) {
	e.tb.Helper()
	e.must(e.conn.Del(ldap.NewDelRequest(dn, nil)))
}

func (e *editor) replace(dn, attribute string, values ...string) {
	e.tb.Helper()
	r := ldap.NewModifyRequest(dn, nil)
	r.Replace(attribute, values)
	e.must(e.conn.Modify(r))
}

func (e *editor) join(dn string, members ...string) {
	e.tb.Helper()
	r := ldap.NewModifyRequest(dn, nil)
	r.Add("member", members)
	e.must(e.conn.Modify(r))
}

func (e *editor) leave(dn string, members ...string) {
	e.tb.Helper()
	r := ldap.NewModifyRequest(dn, nil)
	r.Delete("member", members)
	e.must(e.conn.Modify(r))
}

// move renames an entry, below another one when there is one.
func (e *editor) move(dn, rdn, to string) {
	e.tb.Helper()
	e.must(e.conn.ModifyDN(ldap.NewModifyDNRequest(dn, rdn, true, to)))
}

const elsewhere = "ou=elsewhere," + ldif.Suffix

func slapdUser(n int) string { return fmt.Sprintf("uid=u%d,%s", n, ldif.People) }

func slapdGroup(name string) string { return "cn=" + name + "," + ldif.Groups }

func slapdPerson(n int) map[string][]string {
	name := fmt.Sprintf("u%d", n)
	return map[string][]string{"objectClass": {"inetOrgPerson"}, "cn": {name}, "sn": {name}, "uid": {name}, "mail": {name + "@example.org"}, "employeeType": {"staff"}}
}

// smallSlapd holds a few people and groups.
func smallSlapd(to io.Writer) error {
	w := &bytes.Buffer{}
	fmt.Fprintf(w, "dn: %s\nobjectClass: domain\ndc: example\n\n", ldif.Suffix)
	for _, ou := range []string{ldif.People, "ou=sub," + ldif.People, ldif.Groups, elsewhere} {
		fmt.Fprintf(w, "dn: %s\nobjectClass: organizationalUnit\n\n", ou)
	}
	for n := range 8 {
		dn := slapdUser(n)
		if n > 5 {
			dn = fmt.Sprintf("uid=u%d,ou=sub,%s", n, ldif.People)
		}
		fmt.Fprintf(w, "dn: %s\nobjectClass: inetOrgPerson\ncn: u%d\nsn: u%d\nuid: u%d\nmail: u%d@example.org\nemployeeType: staff\n\n", dn, n, n, n, n)
	}
	for i, name := range []string{"a", "b", "c"} {
		fmt.Fprintf(w, "dn: %s\nobjectClass: groupOfNames\ncn: %s\nmember: %s\nmember: %s\nmember: uid=u6,ou=sub,%s\n\n", slapdGroup(name), name, slapdUser(i), slapdUser(i+1), ldif.People)
	}
	fmt.Fprintf(w, "dn: cn=outer,%s\nobjectClass: groupOfNames\ncn: outer\nmember: %s\n\n", elsewhere, slapdUser(5))
	_, err := to.Write(w.Bytes())
	return err
}

func followedSlapd(s *peer.Slapd) string {
	return fmt.Sprintf("url: %s\nlayout: rfc2307bis\nbind: {dn: %q, password: %q}\nusers: {base: %q, filter: (employeeType=staff)}\ngroups: {base: %q}\n",
		s.URL, s.BindDN, "file:"+s.PasswordFile, ldif.People, ldif.Groups)
}

func TestChangesOfSlapdGiveThePictureOfAFullRead(t *testing.T) {
	for name, o := range map[string]peer.SlapdOptions{"without a session log": {}, "with a session log": {SessionLog: 100}} {
		t.Run(name, func(t *testing.T) {
			server := peer.StartSlapdWith(t, smallSlapd, o)
			f := follow(t, open(t, followedSlapd(server)), false)
			e := &editor{t, server.Admin(t)}
			f.changes("nothing")
			e.replace(slapdUser(0), "mail", "new@example.org")
			f.changes("a mail")
			e.join(slapdGroup("a"), slapdUser(4))
			e.leave(slapdGroup("a"), slapdUser(0))
			f.changes("members")
			e.replace(slapdUser(1), "employeeType", "left")
			f.changes("out of the filter")
			e.replace(slapdUser(1), "employeeType", "staff")
			f.changes("into the filter")
			e.move(slapdUser(1), "uid=r1", "")
			f.changes("a user renamed")
			e.join(slapdGroup("b"), "uid=r1,"+ldif.People)
			e.move("uid=r1,"+ldif.People, "uid=u1", "")
			f.changes("and back, between two reads")
			e.move(slapdUser(2), "uid=u2", elsewhere)
			f.changes("moved out of the base")
			e.move("uid=u2,"+elsewhere, "uid=u2", ldif.People)
			f.changes("moved into the base")
			e.delete(slapdUser(3))
			f.changes("a user deleted")
			e.add(slapdUser(9), slapdPerson(9))
			e.add(slapdUser(3), slapdPerson(3))
			f.changes("users added, one under the name of one deleted")
			e.join(slapdGroup("a"), slapdGroup("b"), "cn=outer,"+elsewhere)
			f.changes("groups in a group")
			e.join("cn=outer,"+elsewhere, slapdUser(9))
			f.changes("a member of a group outside the base")
			e.move(slapdGroup("b"), "cn=b2", "")
			f.changes("a group renamed, and its name in another one not")
			e.delete(slapdGroup("c"))
			f.changes("a group deleted")
			e.add(slapdGroup("d"), map[string][]string{"objectClass": {"groupOfNames"}, "member": {slapdUser(77)}})
			f.changes("a group added, before its member")
			e.add(slapdUser(77), slapdPerson(77))
			f.changes("and its member")
			e.delete("cn=outer," + elsewhere)
			f.changes("a group outside the base deleted")
			e.move("ou=sub,"+ldif.People, "ou=sub2", "")
			f.everything("an organisational unit renamed", "may have other names now")
			server.Stop(t)
			server.Start(t, o)
			e = &editor{t, server.Admin(t)}
			e.delete(slapdUser(77))
			f.changes("after a restart of the server")
		})
	}
}

func TestARestoredSlapdIsReadAsAWhole(t *testing.T) {
	server := peer.StartSlapdWith(t, smallSlapd, peer.SlapdOptions{})
	server.Stop(t)
	data, copied := filepath.Join(server.Dir, "db"), filepath.Join(t.TempDir(), "db")
	if err := os.CopyFS(copied, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	server.Start(t, peer.SlapdOptions{})
	(&editor{t, server.Admin(t)}).replace(slapdUser(0), "mail", "lost@example.org")
	f := follow(t, open(t, followedSlapd(server)), false)
	server.Stop(t)
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(data, os.DirFS(copied)); err != nil {
		t.Fatal(err)
	}
	server.Start(t, peer.SlapdOptions{})
	f.everything("an older copy", "went back")
}

func TestSlapdTellsOfAChangeAtOnce(t *testing.T) {
	server := peer.StartSlapdWith(t, smallSlapd, peer.SlapdOptions{})
	e := &editor{t, server.Admin(t)}
	notices(t, open(t, followedSlapd(server)), func(mail string) { e.replace(slapdUser(0), "mail", mail) })
}

// notices watches a source, edits its directory again and again until a change is
// noticed, and then ends the watch.
func notices(t *testing.T, s providers.Source, edit func(mail string)) {
	t.Helper()
	watcher, ok := s.(providers.Watcher)
	if !ok {
		t.Fatalf("the source %T cannot be watched", s)
	}
	seen, end := make(chan struct{}, 100), make(chan error, 1)
	go func() { end <- watcher.Watch(t.Context(), func(...directory.Person) { seen <- struct{}{} }) }()
	for n := 0; ; n++ {
		edit(fmt.Sprintf("watched%d@example.org", n))
		select {
		case <-seen:
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			_ = <-end
			return
		case err := <-end:
			t.Fatalf("the watch ended: %v", err)
		case <-time.After(time.Second):
		}
	}
}

func adUser(n int) string { return fmt.Sprintf("CN=u%d,%s", n, ldif.ADPeople) }

func adGroupOf(name string) string { return "CN=" + name + "," + ldif.ADGroups }

// smallAD holds so many people, three groups of a few of them, and one of nearly all.
func smallAD(to io.Writer, size int) error {
	w := &bytes.Buffer{}
	for _, ou := range []string{ldif.ADPeople, ldif.ADGroups, "OU=sub," + ldif.ADPeople, "OU=elsewhere," + ldif.ADSuffix} {
		fmt.Fprintf(w, "dn: %s\nobjectClass: organizationalUnit\n\n", ou)
	}
	for n := range size {
		dn := adUser(n)
		if n == 6 || n == 7 {
			dn = fmt.Sprintf("CN=u%d,OU=sub,%s", n, ldif.ADPeople)
		}
		fmt.Fprintf(w, "dn: %s\nobjectClass: user\nsAMAccountName: u%d\nmail: u%d@ad.test\nuserAccountControl: 544\n\n", dn, n, n)
	}
	for i, name := range []string{"a", "b", "c"} {
		fmt.Fprintf(w, "dn: %s\nobjectClass: group\nsAMAccountName: %s\nmember: %s\nmember: %s\nmember: CN=u6,OU=sub,%s\n\n", adGroupOf(name), name, adUser(i), adUser(i+1), ldif.ADPeople)
	}
	fmt.Fprintf(w, "dn: CN=outer,OU=elsewhere,%s\nobjectClass: group\nsAMAccountName: outer\nmember: %s\n\n", ldif.ADSuffix, adUser(5))
	fmt.Fprintf(w, "dn: %s\nobjectClass: group\nsAMAccountName: many\n", adGroupOf("many"))
	for n := 2; n < size-2; n++ {
		if n != 6 && n != 7 {
			fmt.Fprintf(w, "member: %s\n", adUser(n))
		}
	}
	fmt.Fprintln(w)
	_, err := to.Write(w.Bytes())
	return err
}

func followedAD(s *peer.Samba, dn, passwordFile string) string {
	return fmt.Sprintf("url: %s\nca_file: %s\nlayout: ad\nbind: {dn: %q, password: %q}\nusers: {base: %q, filter: (&(objectClass=user)(!(description=left)))}\ngroups: {base: [%q, %q]}\n",
		s.URL, s.CAFile, dn, "file:"+passwordFile, ldif.ADPeople, ldif.ADGroups, "CN=Users,"+ldif.ADSuffix)
}

func TestChangesOfSambaGiveThePictureOfAFullRead(t *testing.T) {
	server := peer.StartSambaWith(t, func(w io.Writer) error { return smallAD(w, 20) }, peer.SambaOptions{})
	outside := "OU=elsewhere," + ldif.ADSuffix
	for name, bind := range map[string][2]string{
		"the administrator":   {server.AdminDN, server.AdminPasswordFile},
		"an ordinary account": {server.BindDN, server.PasswordFile},
	} {
		t.Run(name, func(t *testing.T) {
			ordinary := bind[0] == server.BindDN
			f := follow(t, open(t, followedAD(server, bind[0], bind[1])), true)
			e := &editor{t, server.Admin(t)}
			f.changes("nothing")
			e.replace(adUser(0), "mail", "new@ad.test")
			f.changes("a mail")
			e.join(adGroupOf("a"), adUser(4))
			e.leave(adGroupOf("a"), adUser(0))
			f.changes("members")
			e.leave(adGroupOf("many"), adUser(15), adUser(2))
			e.join(adGroupOf("many"), adUser(1), adUser(18))
			f.changes("members of a larger group")
			e.replace(adUser(1), "description", "left")
			f.changes("out of the filter")
			e.replace(adUser(1), "description")
			f.changes("into the filter")
			e.move(adUser(1), "CN=r1", "")
			f.changes("a user renamed")
			e.move("CN=r1,"+ldif.ADPeople, "CN=u1", "")
			f.changes("and back")
			e.move(adUser(2), "CN=u2", outside)
			f.changes("moved out of the base")
			e.move("CN=u2,"+outside, "CN=u2", ldif.ADPeople)
			f.changes("moved into the base")
			e.join(adGroupOf("a"), adGroupOf("b"), "CN=outer,"+outside)
			f.changes("groups in a group")
			e.leave("CN=outer,"+outside, adUser(5))
			f.changes("a member of a group outside the base")
			e.move(adGroupOf("b"), "CN=b2", "")
			f.changes("a group renamed")
			e.replace(adUser(4), "userAccountControl", "546")
			f.changes("disabled")
			e.join("CN=Domain Guests,CN=Users,"+ldif.ADSuffix, adUser(4))
			f.changes("a member of a group that is primary for others")
			e.replace(adUser(4), "primaryGroupID", "514")
			f.everything("another primary group, that was nobody's so far", "was nobody's before")
			e.replace(adUser(4), "primaryGroupID", "513")
			f.changes("and back")
			e.leave("CN=Domain Guests,CN=Users,"+ldif.ADSuffix, adUser(4))
			e.add(adUser(5000), map[string][]string{"objectClass": {"user"}, "sAMAccountName": {"u5000"}, "userAccountControl": {"544"}})
			e.join(adGroupOf("c"), adUser(5000))
			f.changes("a user added")
			id := ""
			for i := range f.base.Users {
				if u := &f.base.Users[i]; u.Username == "u5000" {
					id = u.ID
				}
			}
			e.delete(adUser(5000))
			if delta := f.changes("a user deleted"); slices.Contains(delta.DeletedUsers, id) == ordinary {
				t.Errorf("deleted are %q, not %q", delta.DeletedUsers, id)
			}
			e.add(adGroupOf("d"), map[string][]string{"objectClass": {"group"}, "sAMAccountName": {"d"}, "member": {adUser(3)}})
			f.changes("a group added")
			e.delete(adGroupOf("d"))
			f.changes("a group deleted")
			e.move("OU=sub,"+ldif.ADPeople, "OU=sub2", "")
			f.everything("an organisational unit renamed", "may have other names now")
			// As it was, for the next account.
			e.move("OU=sub2,"+ldif.ADPeople, "OU=sub", "")
			e.move(adGroupOf("b2"), "CN=b", "")
			e.leave(adGroupOf("a"), adGroupOf("b"), "CN=outer,"+outside, adUser(4))
			e.join("CN=outer,"+outside, adUser(5))
			e.join(adGroupOf("a"), adUser(0))
			e.join(adGroupOf("many"), adUser(15), adUser(2))
			e.leave(adGroupOf("many"), adUser(1), adUser(18))
			f.everything("and back", "may have other names now")
		})
	}
	t.Run("after a restart", func(t *testing.T) {
		f := follow(t, open(t, followedAD(server, server.AdminDN, server.AdminPasswordFile)), true)
		server.Kill(t)
		server.Start(t)
		e := &editor{t, server.Admin(t)}
		e.replace(adUser(0), "mail", "later@ad.test")
		f.changes("after a kill")
	})
	t.Run("a change is noticed", func(t *testing.T) {
		e := &editor{t, server.Admin(t)}
		notices(t, open(t, followedAD(server, server.AdminDN, server.AdminPasswordFile)), func(mail string) { e.replace(adUser(0), "mail", mail) })
	})
}

func TestSambaTellsSingleMembersOfALargeGroup(t *testing.T) {
	server := peer.StartSambaWith(t, func(w io.Writer) error { return smallAD(w, 1810) }, peer.SambaOptions{})
	f := follow(t, open(t, followedAD(server, server.AdminDN, server.AdminPasswordFile)), true)
	e := &editor{t, server.Admin(t)}
	e.leave(adGroupOf("many"), adUser(1500), adUser(2))
	e.join(adGroupOf("many"), adUser(1), adUser(1808), adUser(1809))
	delta := f.changes("members of a large group")
	if n := len(people(delta)["many"]); n != 1805 {
		t.Errorf("%d members", n)
	}
}
