//go:build peers

// Package rights shows on a real Open WebUI, and a real OpenLDAP, who may do and see what:
// effective rights, teams, roles, accounts and grants. What somebody may is always asked of
// Open WebUI in their name.
package rights

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

func TestMain(m *testing.M) { peer.Main(m) }

// world is an Open WebUI with models, and the binary beside it.
type world struct {
	*peer.Program
	// t is that of the step.
	t    *testing.T
	chat *peer.OpenWebUI
	key  string
}

// newWorld starts an Open WebUI that has these models of a provider, and that many accounts.
func newWorld(t *testing.T, accounts int, ids []string, settings ...string) *world {
	t.Helper()
	models := peer.Models(t, ids)
	chat := peer.StartOpenWebUI(t, accounts, append(settings, "ENABLE_OPENAI_API=true", "OPENAI_API_BASE_URL="+models, "OPENAI_API_KEY=none", "RAG_OPENAI_API_BASE_URL="+models)...)
	return &world{Program: peer.NewProgram(t), t: t, chat: chat, key: chat.Key(t)}
}

// step is a part of a test whose later parts need it.
func (w *world) step(name string, do func()) {
	whole := w.t
	ok := whole.Run(name, func(t *testing.T) {
		w.t = t
		do()
	})
	w.t = whole
	if !ok {
		whole.FailNow()
	}
}

// do makes a call with the administrator's key, which succeeds.
func (w *world) do(method, path string, body, into any) {
	w.t.Helper()
	w.chat.Do(w.t, w.key, method, path, body, into)
}

// as makes a call in somebody's name and gives the status of the answer.
func (w *world) as(token, method, path string, body any) int {
	w.t.Helper()
	text := []byte(nil)
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			w.t.Fatal(err)
		}
	}
	return w.chat.Call(w.t, token, method, path, string(text), nil)
}

// account is somebody's account as an administrator sees it.
type account struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Role  string `json:"role"`
}

// accounts gives all accounts by their mail address.
func (w *world) accounts() map[string]account {
	w.t.Helper()
	var list struct{ Users []account }
	w.do(http.MethodGet, "/api/v1/users/all", nil, &list)
	out := map[string]account{}
	for _, a := range list.Users {
		out[a.Email] = a
	}
	return out
}

// role gives the role of person number n.
func (w *world) role(n int) string { return w.accounts()[ldif.Mail(n)].Role }

// setRole changes a role by hand.
func (w *world) setRole(id, role string) {
	w.t.Helper()
	w.do(http.MethodPost, "/api/v1/users/"+id+"/update", map[string]string{"role": role}, nil)
}

// company is a real directory of numbered people beside an Open WebUI.
type company struct {
	*world
	slapd *peer.Slapd
	ldap  *ldap.Conn
}

// directory starts a directory with that many people and no group.
func (w *world) directory(people int, o peer.SlapdOptions) *company {
	w.t.Helper()
	all, err := ldif.New(ldif.Options{Users: people, Groups: 1, Memberships: 1, Seed: 3})
	if err != nil {
		w.t.Fatal(err)
	}
	all.Groups = nil
	slapd := peer.StartSlapd(w.t, all, o)
	return &company{world: w, slapd: slapd, ldap: slapd.Admin(w.t)}
}

// source is the block of a source that reads the directory.
func (c *company) source(more string) string {
	return fmt.Sprintf(`{type: ldap, url: %q, bind: {dn: %q, password: "file:%s"}, users: {base: %q, disabled: "(|(employeeType=left)(pwdAccountLockedTime=*))"}, groups: {base: %q}%s}`,
		c.slapd.URL, c.slapd.BindDN, c.slapd.PasswordFile, ldif.People, ldif.Groups, more)
}

func groupDN(name string) string { return "cn=" + name + "," + ldif.Groups }

func personDN(n int) string { return "uid=" + ldif.UID(n) + "," + ldif.People }

// group makes a group of people, and of groups by their names.
func (c *company) group(name string, people []int, groups ...string) {
	c.t.Helper()
	add := ldap.NewAddRequest(groupDN(name), nil)
	add.Attribute("objectClass", []string{"groupOfNames"})
	add.Attribute("cn", []string{name})
	add.Attribute("member", members(people, groups))
	if err := c.ldap.Add(add); err != nil {
		c.t.Fatal(err)
	}
}

// staff makes exactly those the members of a group.
func (c *company) staff(name string, people []int, groups ...string) {
	c.t.Helper()
	change := ldap.NewModifyRequest(groupDN(name), nil)
	change.Replace("member", members(people, groups))
	if err := c.ldap.Modify(change); err != nil {
		c.t.Fatal(err)
	}
}

// disable disables somebody, or ends that.
func (c *company) disable(n int, disabled bool) {
	c.t.Helper()
	change := ldap.NewModifyRequest(personDN(n), nil)
	if disabled {
		change.Replace("employeeType", []string{"left"})
	} else {
		change.Replace("employeeType", nil)
	}
	if err := c.ldap.Modify(change); err != nil {
		c.t.Fatal(err)
	}
}

func members(people []int, groups []string) []string {
	var out []string
	for _, n := range people {
		out = append(out, personDN(n))
	}
	for _, g := range groups {
		out = append(out, groupDN(g))
	}
	return out
}

// span gives the numbers from one to another, both included.
func span(from, to int) []int {
	out := []int{}
	for n := from; n <= to; n++ {
		out = append(out, n)
	}
	return out
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }
