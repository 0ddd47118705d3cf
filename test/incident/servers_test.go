package incident

import (
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap"
	"groupsyncd/providers/ldap/ldaptest"
	"groupsyncd/sync/engine"
	"groupsyncd/target/openwebui"
	"groupsyncd/target/openwebui/openwebuitest"
)

// The names of the LDAP directory.
const (
	base     = "dc=example,dc=test"
	people   = "ou=people," + base
	groups   = "ou=groups," + base
	reader   = "cn=reader," + base
	password = "correct horse"
)

// ldap adds a source that is a real reader of a real server. change may edit the
// configuration of both.
func (o *office) ldap(change func(*ldap.Config, *ldaptest.Options)) (*ldaptest.Server, *engine.Source) {
	o.t.Helper()
	config, ok := ldap.Type().New().(*ldap.Config)
	if !ok {
		o.t.Fatal("the configuration has another type")
	}
	options := ldaptest.Options{BindDN: reader, Password: password}
	config.Layout = ldap.RFC2307bis
	config.Bind = ldap.Bind{DN: reader, Password: keep(o.t, filepath.Join(o.t.TempDir(), "password"), password)}
	config.Users.Base, config.Groups.Base = ldap.List{people}, ldap.List{groups}
	if change != nil {
		change(config, &options)
	}
	server := ldaptest.New(options)
	ou := func(dn string) ldaptest.Entry {
		return ldaptest.Entry{DN: dn, Attributes: map[string][]string{"objectClass": {"organizationalUnit"}}}
	}
	o.add(server, ou(base), ou(people), ou(groups))
	url, err := server.Start("127.0.0.1:0")
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { o.must(server.Close()) })
	config.URL = ldap.List{url}
	o.config = config
	made := o.source("corp", nil)
	o.open(made)
	return server, made
}

// open makes the reader of the LDAP source by its configuration as it is now.
func (o *office) open(source *engine.Source) {
	o.t.Helper()
	made, err := o.config.Open(providers.Options{Name: "corp", Logger: slog.New(slog.DiscardHandler), Now: o.clock.Now})
	o.must(err)
	o.t.Cleanup(func() { o.must(made.Close()) })
	source.Provider, source.Scope = made, o.config.Scope()
}

// keep writes a secret to a file and gives the reference to it.
func keep(t *testing.T, path, value string) secret.Ref {
	t.Helper()
	if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
	ref, err := secret.Parse("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// add puts entries into a server.
func (o *office) add(server *ldaptest.Server, entries ...ldaptest.Entry) {
	o.t.Helper()
	o.must(server.Add(entries...))
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// enter makes entries of people, each with an account in Open WebUI.
func (o *office) enter(names ...string) []ldaptest.Entry {
	var entries []ldaptest.Entry
	for _, n := range names {
		entries = append(entries, person(n))
		o.signUp(n, mail(n))
	}
	return entries
}

func person(name string) ldaptest.Entry {
	return ldaptest.Entry{DN: userDN(name), Attributes: map[string][]string{
		"objectClass": {"inetOrgPerson"}, "entryUUID": {uuid("user " + name)}, "uid": {name}, "cn": {name}, "mail": {mail(name)},
	}}
}

// team makes the entry of a group.
func team(name string, members ...string) ldaptest.Entry {
	e := ldaptest.Entry{DN: groupDN(name), Attributes: map[string][]string{
		"objectClass": {"groupOfMembers"}, "entryUUID": {uuid("group " + name)}, "cn": {name},
	}}
	for _, m := range members {
		e.Attributes["member"] = append(e.Attributes["member"], userDN(m))
	}
	return e
}

func userDN(name string) string  { return "uid=" + name + "," + people }
func groupDN(name string) string { return "cn=" + name + "," + groups }

// uuid gives an id that depends on a text alone.
func uuid(text string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return fmt.Sprintf("00000000-0000-4000-8000-%012x", h.Sum64()&(1<<48-1))
}

// chat puts a real client of a simulated Open WebUI in the place of the one in memory.
func (o *office) chat() *openwebuitest.Server {
	o.t.Helper()
	server := openwebuitest.New(openwebuitest.Options{Now: o.clock.Now, Deployment: "d1"})
	client, err := openwebui.New(openwebui.Options{Name: target, URL: "http://chat.example.org", Transport: server.Transport(), Now: o.clock.Now,
		NeedSubjects: true, APIKey: func() (secret.Value, error) { return secret.New(server.Key), nil },
		Logger: slog.New(slog.DiscardHandler), Timeout: 5 * time.Second})
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(client.Close)
	o.setup.Targets[0].Open = func() engine.Target { return client.Session() }
	o.signUp = func(person, mail string) { server.AddAccount(openwebuitest.Account{ID: person, Email: mail}) }
	o.members = func(group string) []string {
		ids := []string{}
		for _, g := range server.Groups() {
			if g.Name == group {
				ids = append(ids, g.Members...)
			}
		}
		slices.Sort(ids)
		return ids
	}
	return server
}
