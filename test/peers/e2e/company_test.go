//go:build peers

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"groupsyncd/sync/run"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

// TestCompany is the main job at the size of a large company: 10,000 people with
// accounts, 500 groups, 50,000 memberships.
func TestCompany(t *testing.T) {
	company, err := ldif.New(ldif.Options{Users: 10_000, Groups: 500, Memberships: 50_000, Nested: 0.1, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, peer.StartSlapd(t, company, peer.SlapdOptions{}), peer.StartOpenWebUI(t, 10_000))
	want := wanted(company)

	r := w.sync(run.ExitOK)
	if s := r.Target().Summary; s.GroupsCreated != 500 || s.MembersAdded != 50_000 {
		t.Fatalf("the first sync made %d groups and added %d members", s.GroupsCreated, s.MembersAdded)
	}
	w.equal("after the first sync", want)

	w.sync(run.ExitOK) // reads once more what was written in the same second as it was read
	quiet(t, w)

	leaver := company.Users[0].Mail
	t.Run("a member added by hand stays", func(t *testing.T) {
		name, outsider := w.groupWithout(company)
		w.call(http.MethodPost, "/api/v1/groups/id/"+w.id(name)+"/users/add", fmt.Sprintf(`{"user_ids":[%q]}`, w.account(outsider)), nil)
		want[name] = sorted(append(want[name], outsider))
		if s := w.sync(run.ExitOK).Target().Summary; s.MembersRemoved != 0 || s.Foreign == 0 {
			t.Errorf("the sync removed %d members and saw %d by hand", s.MembersRemoved, s.Foreign)
		}
		w.equal("after a member was added by hand", want)
	})

	t.Run("a member removed in the directory goes", func(t *testing.T) {
		group := smallest(company)
		leaver = company.Users[group.Direct[0]].Mail
		change := ldap.NewModifyRequest(group.DN(), nil)
		change.Delete("member", []string{company.Users[group.Direct[0]].DN()})
		if err := w.slapd.Admin(t).Modify(change); err != nil {
			t.Fatal(err)
		}
		r := w.sync(run.ExitOK)
		if s := r.Target().Summary; s.MembersRemoved != 1 || r.Target().Changes[0].Absence != "left" {
			t.Errorf("the sync removed %d members: %+v", s.MembersRemoved, r.Target().Changes)
		}
		if n := r.Target().Writes; n != 2 {
			t.Errorf("%d writes, not the removal and the number of the run in our mark", n)
		}
		want[group.Name] = slices.DeleteFunc(want[group.Name], func(m string) bool { return m == leaver })
		w.equal("after a member left", want)
	})

	t.Run("explain names the nested path and the rule", func(*testing.T) { w.explainNested(company) })

	t.Run("a renamed directory group keeps its Open WebUI group", func(t *testing.T) {
		group := smallest(company)
		before := w.id(group.Name)
		if err := w.slapd.Admin(t).ModifyDN(ldap.NewModifyDNRequest(group.DN(), "cn=Renamed team", true, "")); err != nil {
			t.Fatal(err)
		}
		if s := w.sync(run.ExitOK).Target().Summary; s.GroupsUpdated != 1 || s.GroupsCreated != 0 || s.MembersRemoved != 0 {
			t.Errorf("the sync did %+v", s)
		}
		if after := w.id("Renamed team"); after != before {
			t.Errorf("the group has the id %s and had %s", after, before)
		}
		want["Renamed team"] = want[group.Name]
		delete(want, group.Name)
	})

	t.Run("a directory killed in the middle of the read removes nobody", func(t *testing.T) {
		w.ldapURL = cutAfter(t, w.slapd.Addr(), 200_000, func() { w.slapd.Kill(t) })
		w.configure()
		unharmed(t, w.sync(run.ExitSource))
		w.slapd.Start(t, peer.SlapdOptions{})
		w.ldapURL = w.slapd.URL
		w.configure()
	})

	t.Run("a size limit removes nobody", func(t *testing.T) {
		w.slapd.Stop(t)
		w.slapd.Start(t, peer.SlapdOptions{SizeLimit: 1200})
		unharmed(t, w.sync(run.ExitSource, "--reread"))
		w.slapd.Stop(t)
		w.slapd.Start(t, peer.SlapdOptions{})
	})

	t.Run("a wrong filter removes nobody and is held", func(t *testing.T) {
		w.usersFilter = "(uid=u00000*)"
		w.configure()
		r := w.sync(run.ExitHeld)
		unharmed(t, r)
		if len(r.Target().Holds) == 0 {
			t.Error("the report names no hold")
		}
		w.usersFilter = "(objectClass=inetOrgPerson)"
		w.configure()
	})

	t.Run("two groups of one name are a collision", func(*testing.T) { w.collision(company) })

	w.sync(run.ExitHeld) // the collision is still there
	w.equal("in the end", want)
}

// quiet shows that a run with nothing to do costs three requests, and what it costs us.
func quiet(t *testing.T, w *world) {
	t.Helper()
	var best *peer.Result
	for range 5 {
		r := w.sync(run.ExitOK)
		if tr := r.Target(); tr.Requests != 3 || tr.Writes != 0 {
			t.Fatalf("a run with nothing to do made %d requests and %d writes", tr.Requests, tr.Writes)
		}
		if best == nil || r.CPU < best.CPU {
			best = r
		}
	}
	search := ldapsearch(t, w)
	t.Logf("a run with nothing to do: %s wall, %s cpu, %d MB; ldapsearch of the same entries: %s; ratio %.1f",
		best.Wall, best.CPU, best.RSS>>20, search, best.Wall.Seconds()/search.Seconds())
}

func ldapsearch(t *testing.T, w *world) time.Duration {
	t.Helper()
	best := time.Hour
	for range 3 {
		begun := time.Now()
		for _, args := range [][]string{
			{"-b", "ou=people,dc=example,dc=test", "(objectClass=inetOrgPerson)", "entryUUID", "mail", "uid", "cn"},
			{"-b", "ou=groups,dc=example,dc=test", "(objectClass=groupOfNames)", "entryUUID", "cn", "description", "member"},
		} {
			cmd := exec.CommandContext(t.Context(), "ldapsearch", append([]string{"-x", "-LLL", "-o", "ldif-wrap=no", "-E", "pr=1000/noprompt",
				"-H", w.slapd.URL, "-D", w.slapd.BindDN, "-y", w.slapd.PasswordFile}, args...)...)
			cmd.Stdout = io.Discard
			if err := cmd.Run(); err != nil {
				t.Fatalf("ldapsearch: %v", err)
			}
		}
		best = min(best, time.Since(begun))
	}
	return best
}

// wanted gives the members of each group by mail address.
func wanted(c *ldif.Company) map[string][]string {
	out := map[string][]string{}
	for i := range c.Groups {
		var mails []string
		for _, m := range c.Groups[i].Members {
			mails = append(mails, c.Users[m].Mail)
		}
		out[c.Groups[i].Name] = sorted(mails)
	}
	return out
}

func sorted(s []string) []string { slices.Sort(s); return s }

// equal compares Open WebUI with what is wanted, member by member.
func (w *world) equal(when string, want map[string][]string) {
	w.t.Helper()
	have := w.groups()
	for name, members := range want {
		if !slices.Equal(have[name].members, members) {
			w.t.Errorf("%s: group %q has %d members, not %d", when, name, len(have[name].members), len(members))
		}
	}
	if len(have) != len(want) {
		w.t.Errorf("%s: %d groups, not %d", when, len(have), len(want))
	}
}

func (w *world) id(name string) string {
	w.t.Helper()
	var list []struct{ ID, Name string }
	w.call(http.MethodGet, "/api/v1/groups/", "", &list)
	for _, g := range list {
		if g.Name == name {
			return g.ID
		}
	}
	w.t.Fatalf("no group is named %q", name)
	return ""
}

// groupWithout finds a group and somebody who is not in it.
func (w *world) groupWithout(c *ldif.Company) (name, mail string) {
	w.t.Helper()
	for i := range c.Groups {
		if n := len(c.Groups[i].Members); n > 20 && n < 200 {
			for u := range c.Users {
				if !slices.Contains(c.Groups[i].Members, u) {
					return c.Groups[i].Name, c.Users[u].Mail
				}
			}
		}
	}
	w.t.Fatal("no group of a middling size")
	return "", ""
}

// smallest finds a group of at least five people that neither holds nor lies in
// another, so that a change of it concerns nothing else.
func smallest(c *ldif.Company) *ldif.Group {
	inside := map[int]bool{}
	for i := range c.Groups {
		for _, child := range c.Groups[i].Children {
			inside[child] = true
		}
	}
	var best *ldif.Group
	for i := range c.Groups {
		g := &c.Groups[i]
		if len(g.Children) == 0 && !inside[i] && len(g.Direct) >= 5 && (best == nil || len(g.Direct) < len(best.Direct)) {
			best = g
		}
	}
	return best
}

func unharmed(t *testing.T, r *peer.Result) {
	t.Helper()
	if s := r.Target().Summary; s.MembersRemoved != 0 || s.MembersReleased != 0 || r.Target().Writes != 0 {
		t.Errorf("the run did %+v with %d writes", s, r.Target().Writes)
	}
}

func (w *world) explainNested(c *ldif.Company) {
	w.t.Helper()
	for i := range c.Groups {
		outer := &c.Groups[i]
		for _, child := range outer.Children {
			inner := &c.Groups[child]
			for _, u := range inner.Direct {
				if slices.Contains(outer.Direct, u) || len(outer.Children) != 1 {
					continue
				}
				r := w.command("explain", "user", c.Users[u].Mail)
				// DNs are shown in the form in which they are compared.
				path := strings.ToLower(outer.DN() + " > " + inner.DN())
				if r.Code != run.ExitOK || !strings.Contains(r.Out, "rule all: "+path) {
					w.t.Errorf("explain ended with %d and does not name %q:\n%s", r.Code, path, r.Out)
				}
				return
			}
		}
	}
	w.t.Fatal("nobody is in a group through another")
}

// collision adds a second place for groups, with a name that the first has too.
func (w *world) collision(c *ldif.Company) {
	t, admin := w.t, w.slapd.Admin(w.t)
	unit := ldap.NewAddRequest("ou=more,dc=example,dc=test", nil)
	unit.Attribute("objectClass", []string{"organizationalUnit"})
	unit.Attribute("ou", []string{"more"})
	twins := []*ldap.AddRequest{unit}
	name := c.Groups[3].Name
	for _, cn := range []string{name, "Twins"} {
		add := ldap.NewAddRequest("cn="+ldap.EscapeDN(cn)+",ou=more,dc=example,dc=test", nil)
		add.Attribute("objectClass", []string{"groupOfNames"})
		add.Attribute("cn", []string{cn})
		add.Attribute("member", []string{c.Users[1].DN()})
		twins = append(twins, add)
	}
	other := ldap.NewAddRequest("cn=Twins,ou=groups,dc=example,dc=test", nil)
	other.Attribute("objectClass", []string{"groupOfNames"})
	other.Attribute("cn", []string{"Twins"})
	other.Attribute("member", []string{c.Users[2].DN()})
	for _, add := range append(twins, other) {
		if err := admin.Add(add); err != nil {
			t.Fatalf("add %s: %v", add.DN, err)
		}
	}
	w.groupsBase = `"ou=groups,dc=example,dc=test", "ou=more,dc=example,dc=test"`
	w.configure()
	r := w.sync(run.ExitHeld)
	unharmed(t, r)
	kinds := 0
	for _, p := range r.Target().Problems {
		if p.Kind == run.KindCollision {
			kinds++
		}
	}
	if kinds != 2 {
		t.Errorf("%d collisions are reported, not 2: %+v", kinds, r.Target().Problems)
	}
	for n := range w.groups() {
		if n == "Twins" {
			t.Error("a group was made for two that are not to be told apart")
		}
	}
}

// cutAfter gives the URL of a proxy that lets n bytes of answers through, then calls f
// and ends everything.
func cutAfter(t *testing.T, addr string, n int64, f func()) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var once sync.Once
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", addr)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(server, client) }()
			go func() {
				_, _ = io.CopyN(client, server, n)
				once.Do(f)
				_ = client.Close()
				_ = server.Close()
			}()
		}
	}()
	return "ldap://" + l.Addr().String()
}

// TestReportEqualsTheContract checks the names of a report's JSON, which scripts rely on.
func TestReportEqualsTheContract(t *testing.T) {
	company, err := ldif.New(ldif.Options{Users: 20, Groups: 3, Memberships: 12, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, peer.StartSlapd(t, company, peer.SlapdOptions{}), peer.StartOpenWebUI(t, 20))
	var report map[string]any
	if err := json.Unmarshal([]byte(w.sync(run.ExitOK).Out), &report); err != nil {
		t.Fatal(err)
	}
	keys(t, "report", report, "duration_ms exit mode run schema sources started targets trigger")
	keys(t, "source", first(t, report["sources"]), "as_of coverage groups memberships name reason users")
	target := first(t, report["targets"])
	keys(t, "target", target, "changes name plan problems requests summary version writes")
	keys(t, "summary", target["summary"].(map[string]any), "accounts_created defaults_changed drift failed foreign grants_changed groups_created groups_deleted "+
		"groups_updated held members_added members_adopted members_released members_removed pending roles_changed unchanged")
	for _, c := range target["changes"].([]any) {
		change := c.(map[string]any)
		if change["op"] == "add_member" {
			keys(t, "change", change, "group op outcome reason rule user")
			return
		}
	}
	t.Error("no member was added")
}

func first(t *testing.T, list any) map[string]any {
	t.Helper()
	all, ok := list.([]any)
	if !ok || len(all) == 0 {
		t.Fatalf("%v is no list with an entry", list)
	}
	return all[0].(map[string]any)
}

func keys(t *testing.T, what string, m map[string]any, want string) {
	t.Helper()
	var have []string
	for k := range m {
		have = append(have, k)
	}
	if got := strings.Join(sorted(have), " "); got != want {
		t.Errorf("a %s has the keys %s, not %s", what, got, want)
	}
}
