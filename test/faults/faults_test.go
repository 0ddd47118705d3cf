package faults

import (
	"fmt"
	"sync"
	"testing"

	"groupsyncd/providers/ldap/ldaptest"
	"groupsyncd/target/openwebui/openwebuitest"
)

// inside is a site with both servers in this process.
func inside(t *testing.T) *Site {
	t.Helper()
	const suffix = "dc=example,dc=org"
	ldap := ldaptest.New(ldaptest.Options{BindDN: "cn=sync," + suffix, Password: "secret"})
	chat := openwebuitest.NewTest(t, openwebuitest.Options{})
	s := &Site{Chat: chat.URL[len("http://"):], Key: chat.Key, Outsider: "outsider@example.org", Files: map[string]string{"password": "secret"},
		Source: `{type: ldap, url: "ldap://%s", bind: {dn: "cn=sync,` + suffix + `", password: file:password}, users: {base: "ou=people,` + suffix +
			`"}, groups: {base: "ou=groups,` + suffix + `"}, page_size: 5}`}
	outsider := chat.AddAccount(openwebuitest.Account{Email: s.Outsider})
	s.Knowledge = chat.Share(openwebuitest.Resource{Type: "knowledge", Grants: []openwebuitest.Grant{{Kind: "user", ID: outsider, Permission: "read"}}})
	entries := []ldaptest.Entry{{DN: "ou=people," + suffix}, {DN: "ou=groups," + suffix}}
	person := func(p int) string { return fmt.Sprintf("uid=p%d,ou=people,%s", p, suffix) }
	for p := range 12 {
		s.People = append(s.People, fmt.Sprintf("p%d@example.org", p))
		chat.AddAccount(openwebuitest.Account{Email: s.People[p]})
		entries = append(entries, ldaptest.Entry{DN: person(p), Attributes: map[string][]string{
			"objectClass": {"inetOrgPerson"}, "uid": {fmt.Sprint("p", p)}, "cn": {s.People[p]}, "mail": {s.People[p]}}})
	}
	group := func(g int) string { return fmt.Sprintf("cn=g%d,ou=groups,%s", g, suffix) }
	for g := range 4 {
		s.Groups = append(s.Groups, fmt.Sprint("g", g))
		entries = append(entries, ldaptest.Entry{DN: group(g), Attributes: map[string][]string{"objectClass": {"groupOfNames"}, "cn": {s.Groups[g]}}})
	}
	if err := ldap.Add(entries...); err != nil {
		t.Fatal(err)
	}
	address, err := ldap.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ldap.Close(); err != nil {
			t.Error(err)
		}
	})
	s.Directory = address[len("ldap://"):]
	s.SetMembers = func(tb testing.TB, g int, people []int) {
		tb.Helper()
		var members []string
		for _, p := range people {
			members = append(members, person(p))
		}
		if err := ldap.Modify(group(g), "member", members...); err != nil {
			tb.Fatal(err)
		}
	}
	return s
}

// at are the places in the stream, in percent of what an undisturbed run moves.
func at(k Kind) []int {
	if k == Cut {
		return []int{0, 4, 15, 30, 45, 55, 65, 75, 85, 95, 100}
	}
	return []int{0, 20, 50, 80, 100}
}

func TestNobodyLosesAccessByTheNetwork(t *testing.T) {
	t.Parallel()
	var rows sync.WaitGroup // They wait for the clock, so all go together.
	for _, directory := range []bool{true, false} {
		where := map[bool]string{true: "directory", false: "Open WebUI"}[directory]
		for _, d := range []Direction{Up, Down} {
			for _, k := range []Kind{Reset, Cut, Stall} {
				for _, once := range []bool{true, false} {
					rows.Go(func() {
						t.Run(fmt.Sprintf("%s/%s/%s/once=%t", where, d, k, once), func(t *testing.T) {
							row(t, directory, Fault{Kind: k, Direction: d, Once: once})
						})
					})
				}
			}
			rows.Go(func() {
				t.Run(fmt.Sprintf("%s/%s/slow", where, d), func(t *testing.T) {
					var cells []Cell
					for _, k := range []Kind{Latency, Bandwidth, SlowClose} {
						cells = append(cells, Cell{Directory: directory, Fault: Fault{Kind: k, Direction: d}})
					}
					if tally := Play(t, inside(t), cells); tally.Acted != len(cells) {
						t.Errorf("a fault did not act: %+v", tally)
					}
				})
			})
		}
	}
	rows.Wait()
}

// row plays a fault at all its places. One that lasts must do harm, or it proves nothing;
// where we wait for a server that stalls, a busy machine may fail the other one before. One
// that comes once may come too late: how much a run moves depends on how many seconds
// it takes, because what was written in the second of its reading is read again.
func row(t *testing.T, directory bool, f Fault) {
	t.Helper()
	var cells []Cell
	for _, percent := range at(f.Kind) {
		cells = append(cells, Cell{Directory: directory, Fault: f, Percent: percent})
	}
	tally := Play(t, inside(t), cells)
	t.Logf("%+v", tally)
	least := len(cells) - 1
	if f.Kind == Stall || f.Once {
		least = len(cells) / 2
	}
	if tally.Acted < least || !f.Once && tally.Unharmed > 1 {
		t.Errorf("the fault did not act as it should: %+v", tally)
	}
}
