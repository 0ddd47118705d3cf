package ldap

import (
	"slices"
	"strings"
	"testing"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers/ldap/ldaptest"
	"groupsyncd/providers/providertest"
)

func known(classes, attributes string) *ldaptest.Schema {
	s := ldaptest.OpenLDAP()
	if classes != "" {
		s.Classes = strings.Fields(classes)
	}
	s.Attributes = append(s.Attributes, strings.Fields(attributes)...)
	return s
}

func vendor389() map[string][]string {
	return map[string][]string{"objectClass": {"top"}, "vendorName": {"389 Project"}, "vendorVersion": {"389-Directory/2.3.1 B2023.10"}}
}

func TestAutoChoosesByTheServerAndItsSchema(t *testing.T) {
	t.Parallel()
	noID := known("inetOrgPerson groupOfNames", "")
	noID.Attributes = []string{"member"}
	adRoot := map[string][]string{"objectClass": nil, "supportedCapabilities": {"1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670"}}
	for _, c := range []struct {
		name   string
		root   map[string][]string
		schema *ldaptest.Schema
		want   string // name, users, groups, id, members, disabled
	}{
		{"OpenLDAP", nil, nil, "openldap (|(objectClass=inetOrgPerson)(objectClass=posixAccount)) (|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)) entryUUID member, uniqueMember, memberUid -"},
		{"with the attributes of ppolicy", nil, known("", "pwdAccountLockedTime"), "openldap (|(objectClass=inetOrgPerson)(objectClass=posixAccount)) (|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)) entryUUID member, uniqueMember, memberUid -"},
		{"with ppolicy", map[string][]string{"supportedControl": {ldap.ControlTypePaging, ldap.ControlTypeBeheraPasswordPolicy}}, known("", "pwdAccountLockedTime"), "openldap (|(objectClass=inetOrgPerson)(objectClass=posixAccount)) (|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)) entryUUID member, uniqueMember, memberUid (pwdAccountLockedTime=000001010000Z)"},
		{"core alone", nil, known("inetOrgPerson groupOfMembers", ""), "openldap (objectClass=inetOrgPerson) (objectClass=groupOfMembers) entryUUID member, uniqueMember, memberUid -"},
		{"389", vendor389(), known("", "nsUniqueId nsAccountLock"), "389 (|(objectClass=inetOrgPerson)(objectClass=posixAccount)) (|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)) nsUniqueId member, uniqueMember, memberUid (nsAccountLock=TRUE)"},
		{"FreeIPA", vendor389(), known("posixAccount ipaObject ipaUserGroup groupOfNames", "nsUniqueId nsAccountLock ipaUniqueID"), "freeipa (objectClass=posixAccount) (objectClass=ipaUserGroup) ipaUniqueID member (nsAccountLock=TRUE)"},
		{"AD", adRoot, &ldaptest.Schema{}, "ad (&(objectCategory=person)(objectClass=user)) (objectCategory=group) objectGUID member -"},
		{"another, with classes of IPA", map[string][]string{"objectClass": {"top"}, "vendorName": {"LLDAP"}}, known("inetOrgPerson ipaObject ipaUserGroup groupOfNames", "ipaUniqueID"), "schema (objectClass=inetOrgPerson) (objectClass=groupOfNames) entryUUID member, uniqueMember, memberUid -"},
		{"no schema", nil, &ldaptest.Schema{}, "error shows no schema"},
		{"no people", nil, known("groupOfNames", ""), "error neither inetOrgPerson"},
		{"no groups", nil, known("inetOrgPerson", ""), "error no groups"},
		{"no id", nil, noID, "error users.id is not set"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := options()
			o.Root, o.Schema = c.root, c.schema
			_, url := serve(t, o, person(1))
			config := configure(t, Auto, url)
			config.Users.Disabled = ""
			made, err := open(t, config).connect(t.Context())
			if want, fails := strings.CutPrefix(c.want, "error "); fails {
				if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) || !strings.Contains(fault.HintOf(err), "layout:") && !strings.Contains(fault.HintOf(err), "attribute") {
					t.Errorf("error %v, hint %q, want %q", err, fault.HintOf(err), want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer made.close()
			l := made.layout
			disabled := l.users.Disabled
			if disabled == "" {
				disabled = "-"
			}
			if l.groups.ID != l.users.ID || !l.detected || l.ad != (l.name == AD) {
				t.Errorf("layout %+v", l)
			}
			if got := strings.Join([]string{l.name, l.users.Filter, l.groups.Filter, l.users.ID, l.groups.Members.String(), disabled}, " "); got != c.want {
				t.Errorf("chosen\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestAutoKeepsWhatTheFileSays(t *testing.T) {
	t.Parallel()
	_, url := serve(t, options(), person(1))
	config := configure(t, Auto, url)
	config.Users.Filter, config.Groups.Members, config.Users.ID = "(uid=*)", List{"uniqueMember"}, "uid"
	s := open(t, config)
	made, err := s.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer made.close()
	if l := made.layout; l.users.Filter != "(uid=*)" || l.users.ID != "uid" || l.groups.Members.String() != "uniqueMember" || l.users.Email != "mail" {
		t.Errorf("layout %+v", l)
	}
	// An attribute that no entry can have is a mistake to be told, not an empty directory.
	for key, edit := range map[string]func(*Config){
		"users.id":       func(c *Config) { c.Users.ID = "employeeUUID" },
		"groups.id":      func(c *Config) { c.Groups.ID = "groupUUID" },
		"groups.members": func(c *Config) { c.Groups.Members = List{"member", "members"} },
	} {
		config := configure(t, Auto, url)
		edit(config)
		_, err := open(t, config).Pull(t.Context(), nil)
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestTheDataNeverDecidesOnTheLayout is why auto is safe: whoever may write entries, or
// empties the directory, changes what is there, never what it means.
func TestTheDataNeverDecidesOnTheLayout(t *testing.T) {
	t.Parallel()
	server, url := serve(t, options(), person(1), group("cn=a,"+groups, userDN(1)))
	s := open(t, configure(t, Auto, url))
	before, err := s.Pull(t.Context(), nil)
	if err != nil || before.Coverage() != directory.Full || before.Scope == "" || before.Memberships() != 1 {
		t.Fatalf("%+v, %v", before, err)
	}
	if err := server.Replace(tree()...); err != nil {
		t.Fatal(err)
	}
	after, err := s.Pull(t.Context(), nil)
	if err != nil || after.Coverage() != directory.Full || after.Scope != before.Scope {
		t.Errorf("scope\n%s\nthen\n%s\n%v", before.Scope, after.Scope, err)
	}
	explicit, err := open(t, configure(t, RFC2307bis, url)).Pull(t.Context(), nil)
	if err != nil || explicit.Scope != "" {
		t.Errorf("what is configured is no decision of the server: %q, %v", explicit.Scope, err)
	}
}

func TestAutoAsksOnceForTheSchemaAndAgainForAnotherServer(t *testing.T) {
	t.Parallel()
	server, url := serve(t, options(), person(1))
	config := configure(t, Auto, url)
	config.Users.Disabled = ""
	s := open(t, config)
	now := time.Now()
	s.now = func() time.Time { return now }
	searches := func(want int, why string) {
		t.Helper()
		_, before := server.Counts()
		made, err := s.connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		made.close()
		if _, after := server.Counts(); after-before != want {
			t.Errorf("%s: %d searches, want %d", why, after-before, want)
		}
	}
	searches(2, "the first time")
	searches(1, "known")
	now = now.Add(detectedFor)
	searches(2, "a while later")
	searches(1, "known again")
	server.SetRoot("vendorVersion", "2")
	searches(2, "another server behind the name")
	s = open(t, configure(t, RFC2307bis, url))
	searches(0, "configured")
}

func TestServersWithoutARootEntryNeedALayout(t *testing.T) {
	t.Parallel()
	o := options()
	o.Root = map[string][]string{"subschemaSubentry": nil}
	_, url := serve(t, o, person(1))
	_, err := open(t, configure(t, Auto, url)).Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), "layout: rfc2307bis") {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
}

func TestConformanceAuto(t *testing.T) {
	t.Parallel()
	providertest.Run(t, harness(Auto, options()))
}

func TestNamesInASchema(t *testing.T) {
	t.Parallel()
	names := described([]string{
		"( 2.5.4.3 NAME ( 'cn' 'commonName' ) DESC 'RFC4519: (NAME) ''x''' SUP name )",
		"(1.2.3 NAME 'member' DESC 'x')", "( 1.2.4 )", "( 1.2.5 NAME 'a", "", "(", "NAME",
	})
	var got []string
	for n := range names {
		got = append(got, n)
	}
	slices.Sort(got)
	if want := "1.2.3 1.2.4 1.2.5 2.5.4.3 a cn commonname member"; strings.Join(got, " ") != want {
		t.Errorf("names %q, want %q", got, want)
	}
}
