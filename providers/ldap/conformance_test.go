package ldap

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap/ldaptest"
	"groupsyncd/providers/providertest"
)

const (
	suffix   = "dc=example,dc=test"
	people   = "ou=people," + suffix
	groups   = "ou=groups," + suffix
	bindDN   = "cn=reader," + suffix
	password = "canary-7f3a-secret"
)

// options are those of a server that wants a bind.
func options() ldaptest.Options { return ldaptest.Options{BindDN: bindDN, Password: password} }

// serve starts a server with these entries below the usual suffix.
func serve(t testing.TB, o ldaptest.Options, entries ...ldaptest.Entry) (*ldaptest.Server, string) {
	t.Helper()
	s := ldaptest.New(o)
	if err := s.Add(append(tree(), entries...)...); err != nil {
		t.Fatal(err)
	}
	url, err := s.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, url
}

func tree() []ldaptest.Entry {
	ou := func(dn string) ldaptest.Entry {
		return ldaptest.Entry{DN: dn, Attributes: map[string][]string{"objectClass": {"organizationalUnit"}}}
	}
	return []ldaptest.Entry{
		{DN: suffix, Attributes: map[string][]string{"objectClass": {"domain"}}},
		ou(people), ou(groups), ou("ou=north," + groups), ou("ou=south," + groups),
	}
}

// secretFile keeps a password where a reference finds it.
func secretFile(t testing.TB, value string) secret.Ref {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(value+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ref, err := secret.Parse("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// configure gives a working configuration for the usual suffix.
func configure(t testing.TB, layout, url string) *Config {
	t.Helper()
	c, ok := Type().New().(*Config)
	if !ok {
		t.Fatal("New gives another type")
	}
	c.URL, c.Layout = List{url}, layout
	c.Bind = Bind{DN: bindDN, Password: secretFile(t, password)}
	c.Users.Base, c.Groups.Base = List{people}, List{groups}
	if layout == namedByUsers {
		c.Layout, c.Groups.Members = RFC2307bis, List{"memberOf"}
	}
	c.Users.Attributes = map[string]string{"department": "departmentNumber"}
	if layout != AD && layout != FreeIPA {
		c.Users.Disabled = "(pwdAccountLockedTime=*)"
	}
	return c
}

func open(t testing.TB, c *Config) *source {
	t.Helper()
	made, err := c.Open(providers.Options{Name: "corp", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := made.Close(); err != nil {
			t.Error(err)
		}
	})
	s, ok := made.(*source)
	if !ok {
		t.Fatal("Open gives another type")
	}
	s.slow = time.Hour // However busy the machine is, that is no missing index.
	return s
}

// entriesOf writes a world as entries of a layout.
func entriesOf(w providertest.World, layout string) []ldaptest.Entry {
	var entries []ldaptest.Entry
	dns := map[string]string{}
	usernames := map[string]string{}
	for _, u := range w.Users {
		dn := "cn=" + ldap.EscapeDN(u.Name) + "+uid=" + ldap.EscapeDN(u.Username) + "," + people
		dns[u.ID], usernames[u.ID] = dn, u.Username
		entries = append(entries, userEntry(u, dn, layout))
	}
	for _, g := range w.Groups {
		base := groups
		if g.Place != "" {
			base = "ou=" + g.Place + "," + groups
		}
		dns[g.ID] = "cn=" + ldap.EscapeDN(g.Name) + "," + base
	}
	for _, g := range w.Groups {
		entries = append(entries, groupEntry(g, dns, usernames, layout))
	}
	switch layout {
	case namedByUsers:
		turn(entries)
	case FreeIPA:
		join(entries)
	}
	return entries
}

func userEntry(u providertest.User, dn, layout string) ldaptest.Entry {
	a := map[string][]string{"mail": {u.Email}}
	if d := u.Attributes["department"]; d != nil {
		a["departmentNumber"] = d
	}
	switch layout {
	case AD:
		a["objectClass"], a["objectCategory"] = []string{"top", "person", "user"}, []string{"person"}
		a["objectGUID"], a["sAMAccountName"], a["displayName"] = []string{guidBytes(u.ID)}, []string{u.Username}, []string{u.Name}
		a["userAccountControl"], a["accountExpires"] = []string{"512"}, []string{neverExpires}
		a["primaryGroupID"], a["objectSid"] = []string{"513"}, []string{sidBytes(5000)}
		if u.Disabled {
			a["userAccountControl"] = []string{"514"}
		}
	default:
		a["objectClass"] = []string{"top", "person", "inetOrgPerson", "posixAccount"}
		a["entryUUID"], a["uid"], a["cn"] = []string{u.ID}, []string{u.Username}, []string{u.Name}
		if u.Disabled {
			a["pwdAccountLockedTime"] = []string{"000001010000Z"}
		}
	}
	return ldaptest.Entry{DN: dn, Attributes: a}
}

func groupEntry(g providertest.Group, dns, usernames map[string]string, layout string) ldaptest.Entry {
	a := map[string][]string{"cn": {g.Name}, "entryUUID": {g.ID}}
	if g.Description != "" {
		a["description"] = []string{g.Description}
	}
	var members []string
	for i, id := range append(append([]string{}, g.Members...), g.Groups...) {
		dn, ok := dns[id]
		if !ok {
			dn = "uid=ghost-" + id + "," + people
		}
		// Servers and people spell DNs in many ways.
		if i%3 == 1 {
			dn = strings.ReplaceAll(dn, ",dc=", ", DC=")
		}
		members = append(members, dn)
	}
	for _, id := range g.Owners {
		a["owner"] = append(a["owner"], strings.ReplaceAll(dns[id], ",dc=", ", DC="))
	}
	switch layout {
	case AD:
		a["objectClass"], a["objectCategory"] = []string{"top", "group"}, []string{"group"}
		a["objectGUID"] = []string{guidBytes(g.ID)}
		delete(a, "entryUUID")
		a["member"] = members
	case RFC2307:
		a["objectClass"] = []string{"posixGroup"}
		for _, id := range g.Members {
			name, ok := usernames[id]
			if !ok {
				name = "ghost-" + id
			}
			a["memberUid"] = append(a["memberUid"], name)
		}
	default:
		a["objectClass"] = []string{"groupOfNames"}
		if len(members) == 0 {
			members = []string{"cn=dummy"}
		}
		a["member"] = members
	}
	return ldaptest.Entry{DN: dns[g.ID], Attributes: a}
}

// guidBytes gives the 16 bytes that Active Directory stores for an id, written out by
// hand from its text.
func guidBytes(id string) string {
	raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(raw) != 16 {
		panic("not a UUID: " + id)
	}
	return string([]byte{raw[3], raw[2], raw[1], raw[0], raw[5], raw[4], raw[7], raw[6]}) + string(raw[8:])
}

// sidBytes gives a SID of the test domain, S-1-5-21-1-2-3-RID.
func sidBytes(rid uint32) string {
	b := bytes.NewBuffer([]byte{1, 5, 0, 0, 0, 0, 0, 5})
	for _, part := range []uint32{21, 1, 2, 3, rid} {
		_ = binary.Write(b, binary.LittleEndian, part)
	}
	return b.String()
}

// harness runs the suite on one layout.
func harness(layout string, o ldaptest.Options) providertest.Harness {
	start := func(t testing.TB, w providertest.World) (*ldaptest.Server, *source) {
		server, url := serve(t, o, entriesOf(w, layout)...)
		c := configure(t, layout, url)
		c.PageSize = 250
		if slices.ContainsFunc(w.Groups, func(g providertest.Group) bool { return g.Owners != nil }) {
			c.Groups.Owners = "owner"
		}
		return server, open(t, c)
	}
	return providertest.Harness{
		Owners: true,
		Secret: password,
		Open: func(t testing.TB, w providertest.World) providers.Source {
			_, s := start(t, w)
			return s
		},
		Live: func(t testing.TB, w providertest.World) (providers.Source, func(providertest.World)) {
			server, s := start(t, w)
			return s, func(w providertest.World) {
				if err := server.Replace(append(tree(), entriesOf(w, layout)...)...); err != nil {
					t.Error(err)
				}
			}
		},
		Faults: faults(start),
	}
}

type starter func(testing.TB, providertest.World) (*ldaptest.Server, *source)

// faults breaks the pages of the suite's broken world: three of users, two of groups.
func faults(start starter) []providertest.Fault {
	var list []providertest.Fault
	// on adds a fault in a part of the searches of a pull.
	on := func(name string, kind fault.Kind, partial bool, when func(ldaptest.Search) bool, f ldaptest.Fault) {
		list = append(list, providertest.Fault{Name: name, Kinds: []fault.Kind{kind}, Partial: partial, PullOnly: partial,
			Open: func(t testing.TB, w providertest.World) providers.Source {
				server, s := start(t, w)
				server.SetFault(func(q ldaptest.Search) ldaptest.Fault {
					if when(q) {
						return f
					}
					return ldaptest.Fault{}
				})
				return s
			}})
	}
	always := func(ldaptest.Search) bool { return true }
	users := func(page int) func(ldaptest.Search) bool {
		return func(q ldaptest.Search) bool { return q.Base == people && q.Page == page }
	}
	groupPage := func(page int) func(ldaptest.Search) bool {
		return func(q ldaptest.Search) bool { return q.Base == groups && q.Page == page }
	}
	on("cut before anything", fault.Unavailable, false, always, ldaptest.Fault{Cut: -1})
	on("may not read", fault.Auth, false, always, ldaptest.Fault{Code: ldap.LDAPResultInsufficientAccessRights})
	on("busy", fault.Throttled, false, always, ldaptest.Fault{Code: ldap.LDAPResultBusy})
	on("answers without the paging control", fault.Incomplete, true, always, ldaptest.Fault{NoControl: true})
	on("the same page for ever", fault.Incomplete, true, always, ldaptest.Fault{SamePage: true})
	on("cut among the users", fault.Unavailable, true, users(2), ldaptest.Fault{Cut: 123})
	on("size limit among the users", fault.Incomplete, true, users(1), ldaptest.Fault{Code: ldap.LDAPResultSizeLimitExceeded, CodeAfter: 7})
	on("cut among the groups", fault.Unavailable, true, groupPage(1), ldaptest.Fault{Cut: 21})
	on("size limit among the groups", fault.Incomplete, true, groupPage(1), ldaptest.Fault{Code: ldap.LDAPResultSizeLimitExceeded, CodeAfter: 9})
	on("admin limit among the groups", fault.Incomplete, true, groupPage(0), ldaptest.Fault{Code: ldap.LDAPResultAdminLimitExceeded})
	on("referral instead of the users", fault.Incomplete, true, users(0), ldaptest.Fault{Code: ldap.LDAPResultReferral})
	wrong := func(name string, kind fault.Kind, edit func(testing.TB, *Config)) {
		list = append(list, providertest.Fault{Name: name, Kinds: []fault.Kind{kind},
			Open: func(t testing.TB, w providertest.World) providers.Source {
				_, s := start(t, w)
				c := s.config
				edit(t, &c)
				return open(t, &c)
			}})
	}
	wrong("wrong password", fault.Auth, func(t testing.TB, c *Config) { c.Bind.Password = secretFile(t, password+"-wrong") })
	wrong("no server", fault.Unavailable, func(_ testing.TB, c *Config) { c.URL = List{"ldap://127.0.0.1:1"} })
	wrong("a missing secret file", fault.Invalid, func(t testing.TB, c *Config) {
		ref, err := secret.Parse("file:" + filepath.Join(t.TempDir(), "missing"))
		if err != nil {
			t.Fatal(err)
		}
		c.Bind.Password = ref
	})
	return list
}

func TestConformanceRFC2307bis(t *testing.T) {
	t.Parallel()
	providertest.Run(t, harness(RFC2307bis, options()))
}

func TestConformanceRFC2307(t *testing.T) {
	t.Parallel()
	h := harness(RFC2307, options())
	h.NoNesting = true
	providertest.Run(t, h)
}

func TestConformanceFreeIPA(t *testing.T) {
	t.Parallel()
	providertest.Run(t, harness(FreeIPA, options()))
}

// join makes entries those of FreeIPA.
func join(entries []ldaptest.Entry) {
	for i := range entries {
		a := entries[i].Attributes
		a["ipaUniqueID"] = a["entryUUID"]
		delete(a, "entryUUID")
		class := "ipaObject"
		if a["member"] != nil {
			class = "ipaUserGroup"
		}
		a["objectClass"] = append(a["objectClass"], class)
		if a["pwdAccountLockedTime"] != nil {
			a["nsAccountLock"] = []string{"TRUE"}
		}
	}
}

func TestConformanceActiveDirectory(t *testing.T) {
	t.Parallel()
	o := options()
	o.AD = &ldaptest.AD{Domain: suffix}
	h := harness(AD, o)
	// The domain controller cuts this page to 1,000 entries without a word.
	wide := func(t testing.TB, w providertest.World) (*ldaptest.Server, *source) {
		server, url := serve(t, o, entriesOf(w, AD)...)
		c := configure(t, AD, url)
		c.Users.Base, c.Groups.Base, c.PageSize = List{suffix}, List{suffix}, 5000
		return server, open(t, c)
	}
	h.Open = func(t testing.TB, w providertest.World) providers.Source {
		_, s := wide(t, w)
		return s
	}
	providertest.Run(t, h)
}

// sinceEpoch writes a time as Active Directory stores it.
func sinceEpoch(t time.Time) string {
	return strconv.FormatInt((t.Unix()+11644473600)*1e7, 10)
}
