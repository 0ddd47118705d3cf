package ldap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
	"groupsyncd/providers/ldap/ldaptest"
)

// usernames gives who is in a group of a snapshot, sorted.
func usernames(s *directory.Snapshot, name string) []string {
	var list []string
	for i := range s.Groups {
		if s.Groups[i].Name == name {
			for _, u := range s.Groups[i].Members {
				list = append(list, s.Users[u].Username)
			}
		}
	}
	slices.Sort(list)
	return list
}

// TestALargeGroupOfADomainControllerIsReadToTheLastMember reads 50,000 members in slices
// of 1,500, below thirty levels that lead back up, before and after renames and moves.
func TestALargeGroupOfADomainControllerIsReadToTheLastMember(t *testing.T) {
	t.Parallel()
	const n = 50000
	controller := &ldaptest.AD{Domain: suffix}
	o := options()
	o.AD = controller
	o.Changes.AD = true // Links follow whom they lead to.
	var entries []ldaptest.Entry
	var members, want []string
	for i := range n {
		name := fmt.Sprintf("p%05d", i)
		dn := fmt.Sprintf(`CN=Person\, %s,%s`, name, people)
		entries = append(entries, ldaptest.Entry{DN: dn, Attributes: map[string][]string{"objectClass": {"user"}, "sAMAccountName": {name}, "displayName": {name}, "mail": {name + "@example.org"}}})
		members, want = append(members, dn), append(want, name)
	}
	below := func(name string, members ...string) ldaptest.Entry {
		return ldaptest.Entry{DN: "CN=" + name + "," + groups, Attributes: map[string][]string{"objectClass": {"group"}, "cn": {name}, "member": members}}
	}
	for i := 30; i > 0; i-- {
		child := "everybody"
		if i < 30 {
			child = fmt.Sprintf("level%02d", i+1)
		}
		g := below(fmt.Sprintf("level%02d", i), "CN="+child+","+groups)
		if i == 30 {
			g.Attributes["member"] = append(g.Attributes["member"], "CN=level10,"+groups)
		}
		entries = append(entries, g)
	}
	server, url := serve(t, o, append(entries, below("everybody", members...))...)
	s := open(t, configure(t, AD, url))
	check := func() {
		t.Helper()
		snapshot, err := s.Pull(t.Context(), nil)
		if err != nil || snapshot.Coverage() != directory.Full || len(snapshot.Cycles) == 0 {
			t.Fatalf("coverage %s, cycles %v, %v", snapshot.Coverage(), snapshot.Cycles, err)
		}
		for _, name := range []string{"everybody", "level30", "level10", "level01"} {
			if got := usernames(snapshot, name); !slices.Equal(got, want) {
				t.Errorf("%s has %d members, want %d", name, len(got), n)
			}
		}
	}
	check()
	for _, i := range []int{0, 1500, n - 1} {
		if err := server.Rename(members[i], strings.Replace(members[i], "Person", `New\+`, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Rename("CN=level10,"+groups, "CN=level10,ou=north,"+groups); err != nil {
		t.Fatal(err)
	}
	check()
}

// TestOddNamesAreReadToTheLastMember has names that need care, as names and in the DNs of
// members, which are spelled in other ways than those of the entries.
func TestOddNamesAreReadToTheLastMember(t *testing.T) {
	t.Parallel()
	names := []string{
		"Müller, Jörg", `Robert "Bob" O'Neil`, "plus+minus", "a=b", "İstanbul", "ISPARTA", "ısparta", "straße", "  leading", "trailing  ", "#hash", "<angle> ; semicolon",
		`back\slash`, `back\\slash\`, "(star*)", "コマ,コマ", `all ,+"\<>;=# of it`, "\u200fright to left", "#04024869", strings.Repeat("ä long name ", 17), strings.Repeat("x", 200), strings.Repeat(`,`, 40),
	}
	spellings := []func(string) string{
		func(v string) string { return "cn=" + ldap.EscapeDN(v) },
		func(v string) string { return "CN = " + hexEscaped(v) },
		func(v string) string { return "2.5.4.3=" + ldap.EscapeDN(v) },
	}
	for _, layout := range []string{RFC2307bis, AD} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			var entries []ldaptest.Entry
			want := map[string]string{}
			for i, name := range names {
				a := map[string][]string{"objectClass": {"user", "inetOrgPerson"}, "cn": {name}, "sAMAccountName": {fmt.Sprintf("u%02d", i)}, "uid": {fmt.Sprintf("u%02d", i)}, "mail": {"x@example.org"}}
				entries = append(entries, ldaptest.Entry{DN: "cn=" + ldap.EscapeDN(name) + fmt.Sprintf("+uid=u%02d,", i) + people, Attributes: a})
			}
			for i, name := range names {
				next := (i + 1) % len(names)
				spell := spellings[i%len(spellings)]
				a := map[string][]string{"objectClass": {"group", "groupOfNames"}, "cn": {name}, "member": {
					fmt.Sprintf("UID=U%02d + ", i) + spell(name) + " , " + people, // Parts of a name have no order.
					spell(names[next]) + fmt.Sprintf("+uid=u%02d,", next) + people,
				}}
				want[name] = strings.Join(slices.Sorted(slices.Values([]string{fmt.Sprintf("u%02d", i), fmt.Sprintf("u%02d", next)})), " ")
				entries = append(entries, ldaptest.Entry{DN: "cn=" + ldap.EscapeDN(name) + "," + groups, Attributes: a})
			}
			o := options()
			if layout == AD {
				o.AD = &ldaptest.AD{Domain: suffix}
			}
			_, url := serve(t, o, entries...)
			snapshot, _ := pulled(t, open(t, configure(t, layout, url)))
			for name, members := range want {
				if got := strings.Join(usernames(snapshot, name), " "); got != members {
					t.Errorf("group %q has %q, want %q", name, got, members)
				}
			}
		})
	}
}

// hexEscaped writes every byte of a value as \xx.
func hexEscaped(value string) string {
	var b strings.Builder
	for i := range len(value) {
		fmt.Fprintf(&b, `\%02X`, value[i])
	}
	return b.String()
}
