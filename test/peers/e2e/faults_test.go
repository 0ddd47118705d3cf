//go:build peers

package e2e

import (
	"net/url"
	"os"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"groupsyncd/test/faults"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

// TestNobodyLosesAccessByTheNetwork is the matrix of package faults at a modest size,
// between us and a real slapd and between us and a real Open WebUI.
func TestNobodyLosesAccessByTheNetwork(t *testing.T) {
	company, err := ldif.New(ldif.Options{Users: 12, Groups: 4, Memberships: 30, Seed: 11})
	if err != nil {
		t.Fatal(err)
	}
	slapd, chat := peer.StartSlapd(t, company, peer.SlapdOptions{}), peer.StartOpenWebUI(t, 13)
	password, err := os.ReadFile(slapd.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(chat.URL)
	if err != nil {
		t.Fatal(err)
	}
	site := &faults.Site{Directory: slapd.Addr(), Chat: address.Host, Key: chat.Key(t), Outsider: ldif.Mail(13),
		Files: map[string]string{"password": string(password)},
		Source: `{type: ldap, url: "ldap://%s", bind: {dn: "` + slapd.BindDN + `", password: file:password}, users: {base: "` + ldif.People +
			`"}, groups: {base: "` + ldif.Groups + `"}, page_size: 5}`}
	for i := range company.Users {
		site.People = append(site.People, company.Users[i].Mail)
	}
	for i := range company.Groups {
		site.Groups = append(site.Groups, company.Groups[i].Name)
	}
	admin := slapd.Admin(t)
	site.SetMembers = func(tb testing.TB, g int, people []int) {
		tb.Helper()
		var members []string
		for _, p := range people {
			members = append(members, company.Users[p].DN())
		}
		change := ldap.NewModifyRequest(company.Groups[g].DN(), nil)
		change.Replace("member", members)
		if err := admin.Modify(change); err != nil {
			tb.Fatal(err)
		}
	}
	var cells []faults.Cell
	for _, directory := range []bool{true, false} {
		for _, k := range []faults.Kind{faults.Reset, faults.Cut, faults.Stall} {
			for _, percent := range []int{0, 60, 100} {
				cells = append(cells, faults.Cell{Directory: directory, Fault: faults.Fault{Kind: k, Direction: faults.Down}, Percent: percent})
			}
			cells = append(cells, faults.Cell{Directory: directory, Fault: faults.Fault{Kind: k, Direction: faults.Up}, Percent: 60},
				faults.Cell{Directory: directory, Fault: faults.Fault{Kind: k, Direction: faults.Up, Once: true}, Percent: 80})
		}
		for _, k := range []faults.Kind{faults.Latency, faults.Bandwidth, faults.SlowClose} {
			cells = append(cells, faults.Cell{Directory: directory, Fault: faults.Fault{Kind: k, Direction: faults.Down}})
		}
	}
	tally := faults.Play(t, site, cells)
	t.Logf("%+v", tally)
	if tally.Acted < len(cells)-4 || tally.Incomplete < 10 || tally.Failed < 8 {
		t.Errorf("the faults did not act as they should: %+v", tally)
	}
}
