package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"groupsyncd/providers/ldap/ldaptest"
	"groupsyncd/target/openwebui/openwebuitest"
)

// ldapStage is the directory of a script.
type ldapStage struct {
	server *ldaptest.Server
	url    string
	// entries are given to the next server, when one is stopped and started again.
	entries []ldaptest.Entry
}

const (
	ldapPassword = `ldap-secret-4711"<&\+/%`
	chatKey      = `sk-canary0123456789abcdef"<&\+/%456789`
)

func (l *ldapStage) start(addr string) error {
	l.server = ldaptest.New(ldaptest.Options{BindDN: "cn=sync,dc=example,dc=org", Password: ldapPassword, Echo: true})
	if err := l.server.Add(l.entries...); err != nil {
		return err
	}
	var err error
	l.url, err = l.server.Start(addr)
	return err
}

func (l *ldapStage) stop() {
	if l.server != nil {
		_ = l.server.Close() // Its connections are cut; nothing is left to fail.
		l.server = nil
	}
}

func (l *ldapStage) address() string { return strings.TrimPrefix(l.url, "ldap://") }

// dn completes a short name: uid=ana is a person, cn=dep-sales a group.
func dn(name string) string {
	switch {
	case strings.Contains(name, ","):
		return name
	case strings.HasPrefix(name, "uid="):
		return name + "," + peopleDN
	}
	return name + "," + groupsDN
}

// values completes the values of an attribute that holds names.
func values(attribute string, list []string) []string {
	if attribute != "member" {
		return list
	}
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = dn(v)
	}
	return out
}

// ldapCommand is the directory server of a script, with the company of the
// demonstration in it.
func ldapCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := stageOf(ts)
	choose(ts, neg, "ldap", map[string]subcommand{
		"start": {0, "", func([]string) error {
			if s.ldap == nil {
				s.ldap = &ldapStage{entries: company()}
			}
			addr := "127.0.0.1:0"
			if s.ldap.url != "" {
				addr = s.ldap.address()
			}
			s.open(addr)
			if err := s.ldap.start(addr); err != nil {
				return err
			}
			ts.Setenv("LDAP_URL", s.ldap.url)
			return secretFile(s.dir, "ldap", ldapPassword)
		}},
		"stop": {0, "", func([]string) error { s.ldap.stop(); return s.shut(s.ldap.address()) }},
		"add": {1, "FILE", func(args []string) error {
			entries, err := readLDIF(ts.ReadFile(args[0]))
			if err != nil {
				return err
			}
			return s.ldap.server.Add(entries...)
		}},
		"set": {2, "DN ATTRIBUTE VALUE…", func(args []string) error {
			return s.ldap.server.Modify(dn(args[0]), args[1], values(args[1], args[2:])...)
		}},
		"give": {3, "DN ATTRIBUTE VALUE…", func(args []string) error {
			return s.ldap.server.AddValues(dn(args[0]), args[1], values(args[1], args[2:])...)
		}},
		"take": {3, "DN ATTRIBUTE VALUE…", func(args []string) error {
			return s.ldap.server.RemoveValues(dn(args[0]), args[1], values(args[1], args[2:])...)
		}},
		"delete": {1, "DN", func(args []string) error { return s.ldap.server.Delete(dn(args[0])) }},
		"rename": {2, "DN DN", func(args []string) error { return s.ldap.server.Rename(dn(args[0]), dn(args[1])) }},
		"heal":   {0, "", func([]string) error { s.ldap.server.SetFault(nil); return nil }},
		"fault":  {1, "sizelimit | cut | echo | slow DURATION", func(args []string) error { return s.ldap.fault(args) }},
		"searches": {0, "", func([]string) error {
			_, n := s.ldap.server.Counts()
			ts.Setenv("SEARCHES", strconv.Itoa(n))
			return nil
		}},
	}, args)
}

// fault spoils the answers to searches for groups.
func (l *ldapStage) fault(args []string) error {
	var f ldaptest.Fault
	switch args[0] {
	case "sizelimit":
		f = ldaptest.Fault{Code: 4, CodeAfter: 1}
	case "cut":
		f = ldaptest.Fault{Cut: 1}
	case "echo":
		f = ldaptest.Fault{Code: 50, Diagnostic: "who reads with the password " + ldapPassword + "?"}
	case "slow":
		d, err := time.ParseDuration(args[1])
		if err != nil {
			return err
		}
		f = ldaptest.Fault{Delay: d}
	default:
		return fmt.Errorf("no fault is called %s", args[0])
	}
	l.server.SetFault(func(s ldaptest.Search) ldaptest.Fault {
		if strings.HasPrefix(s.Base, "ou=groups") && s.Scope != 0 {
			return f
		}
		return ldaptest.Fault{}
	})
	return nil
}

// readLDIF reads entries of plain lines, with an empty line between two of them.
func readLDIF(text string) ([]ldaptest.Entry, error) {
	var entries []ldaptest.Entry
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		e := ldaptest.Entry{Attributes: map[string][]string{}}
		for line := range strings.Lines(block) {
			name, value, found := strings.Cut(strings.TrimSpace(line), ": ")
			switch {
			case !found:
				return nil, fmt.Errorf("%q is no line of LDIF", line)
			case name == "dn":
				e.DN = dn(value)
			default:
				e.Attributes[name] = append(e.Attributes[name], values(name, []string{value})...)
			}
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// chatStage is the Open WebUI of a script.
type chatStage struct {
	server *openwebuitest.Server
	// slow counts the calls that came since writes were made slow.
	slow atomic.Int32
	// ahead is by how much the clock of the server goes ahead.
	ahead atomic.Int64
	// kept is its backup.
	kept openwebuitest.Backup
}

func (c *chatStage) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *chatStage) account(mail string) (string, error) {
	if !strings.Contains(mail, "@") {
		mail += "@example.org"
	}
	for _, a := range c.server.Accounts() {
		if a.Email == mail {
			return a.ID, nil
		}
	}
	return "", fmt.Errorf("nobody has the mail address %s", mail)
}

func (c *chatStage) group(name string) (openwebuitest.Group, error) {
	for _, g := range c.server.Groups() {
		if g.Name == name {
			return g, nil
		}
	}
	return openwebuitest.Group{}, fmt.Errorf("no group is called %s", name)
}

// members gives the members of a group by the first part of their mail addresses.
func (c *chatStage) members(name string) ([]string, error) {
	g, err := c.group(name)
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, a := range c.server.Accounts() {
		if slices.Contains(g.Members, a.ID) {
			uid, _, _ := strings.Cut(a.Email, "@")
			out = append(out, uid)
		}
	}
	slices.Sort(out)
	return out, nil
}

// chatCommand is the Open WebUI of a script, with the accounts of the demonstration.
func chatCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := stageOf(ts)
	both := func(f func(group, account string)) func([]string) error {
		return func(args []string) error {
			g, err := s.chat.group(args[0])
			if err != nil {
				return err
			}
			id, err := s.chat.account(args[1])
			if err == nil {
				f(g.ID, id)
			}
			return err
		}
	}
	choose(ts, neg, "chat", map[string]subcommand{
		"start": {0, "[VERSION]", func(args []string) error {
			if s.chat != nil {
				s.chat.server.Close()
			}
			s.chat = &chatStage{}
			s.chat.server = openwebuitest.New(openwebuitest.Options{Key: chatKey, Version: strings.Join(args, ""), Now: s.chat.now})
			s.chat.ahead.Add(int64(time.Second)) // the administrator is the oldest account
			for _, p := range staff() {
				if p.account {
					s.chat.server.AddAccount(openwebuitest.Account{Email: p.uid + "@example.org", Name: p.name})
				}
			}
			if err := s.chat.server.Start(); err != nil {
				return err
			}
			ts.Setenv("CHAT_URL", s.chat.server.URL)
			ts.Setenv("CHAT_HOST", strings.TrimPrefix(s.chat.server.URL, "http://"))
			return secretFile(s.dir, "openwebui", chatKey)
		}},
		"stop": {0, "", func([]string) error {
			s.chat.server.Close()
			return s.shut(strings.TrimPrefix(s.chat.server.URL, "http://"))
		}},
		"account": {1, "MAIL", func(args []string) error {
			s.chat.server.AddAccount(openwebuitest.Account{Email: args[0] + "@example.org", Name: args[0]})
			return nil
		}},
		"hides": {1, "MAIL", func(args []string) error { return s.chat.hides(ts, args[0]) }},
		"delete-account": {1, "MAIL", func(args []string) error {
			id, err := s.chat.account(args[0])
			if err == nil {
				s.chat.server.DeleteAccount(id)
			}
			return err
		}},
		"create-group": {1, "NAME", func(args []string) error { s.chat.server.CreateGroup(args[0]); return nil }},
		"delete-group": {1, "NAME", func(args []string) error {
			g, err := s.chat.group(args[0])
			if err == nil {
				s.chat.server.DeleteGroup(g.ID)
			}
			return err
		}},
		"add":    {2, "GROUP MAIL", both(func(g, a string) { s.chat.server.AddMembers(g, a) })},
		"remove": {2, "GROUP MAIL", both(func(g, a string) { s.chat.server.RemoveMembers(g, a) })},
		"members": {1, "GROUP NAME…", func(args []string) error {
			got, err := s.chat.members(args[0])
			want := slices.Sorted(slices.Values(args[1:]))
			if err == nil && !slices.Equal(got, want) {
				err = fmt.Errorf("the members are %s", strings.Join(got, " "))
			}
			return err
		}},
		"eventually": {1, "GROUP NAME…", func(args []string) error {
			want := slices.Sorted(slices.Values(args[1:]))
			return wait("the membership", func() (bool, error) {
				got, err := s.chat.members(args[0])
				return err == nil && slices.Equal(got, want), nil
			})
		}},
		"group":    {1, "NAME", func(args []string) error { _, err := s.chat.group(args[0]); return err }},
		"groups":   {1, "NUMBER", func(args []string) error { return demand(len(s.chat.server.Groups()), args[0]) }},
		"admin":    {1, "ROLE", func(args []string) error { s.chat.server.SetRole(s.chat.server.Admin, args[0]); return nil }},
		"webhooks": {1, "NUMBER", func(args []string) error { return demand(len(s.chat.server.Webhooks()), args[0]) }},
		"webhook": {2, "NAME URL", func(args []string) error {
			s.chat.server.SetWebhook(openwebuitest.Webhook{Name: args[0], URL: args[1], Enabled: true, Events: []string{"*"}})
			return nil
		}},
		"calls-private": {1, "true|false", func(args []string) error { s.chat.server.AllowLocalFetch(args[0] == "true"); return nil }},
		"restrict":      {1, "PATH…", func(args []string) error { s.chat.server.AllowKeys(true, args...); return nil }},
		"deployment":    {1, "ID", func(args []string) error { s.chat.server.SetDeployment(args[0]); return nil }},
		"backup":        {0, "", func([]string) error { s.chat.kept = s.chat.server.Backup(); return nil }},
		"restore":       {0, "", func([]string) error { s.chat.server.Restore(s.chat.kept); return nil }},
		"later": {1, "DURATION", func(args []string) error {
			d, err := time.ParseDuration(args[0])
			s.chat.ahead.Add(int64(d))
			return err
		}},
		"built-in": {0, "", func([]string) error { s.chat.server.SetBuiltIn(openwebuitest.BuiltIn{OAuth: true}); return nil }},
		"fault":    {1, "KIND", func(args []string) error { return s.chat.fault(args) }},
		"heal":     {0, "", func([]string) error { s.chat.server.Heal(); return nil }},
		"reset":    {0, "", func([]string) error { s.chat.server.ResetLog(); return nil }},
		"writes":   {1, "NUMBER", func(args []string) error { _, n := s.chat.server.Count(); return demand(n, args[0]) }},
		"requests": {1, "NUMBER", func(args []string) error { r, w := s.chat.server.Count(); return demand(r+w, args[0]) }},
		"called": {0, "", func([]string) error {
			return wait("a slow call", func() (bool, error) { return s.chat.slow.Load() > 0, nil })
		}},
	}, args)
}

func demand(got int, want string) error {
	if strconv.Itoa(got) != want {
		return fmt.Errorf("it is %d", got)
	}
	return nil
}

// fault spoils answers: of every call, or for writes of those that write members.
func (c *chatStage) fault(args []string) error {
	var f openwebuitest.Fault
	switch args[0] {
	case "401", "403", "500", "503":
		f.Status, _ = strconv.Atoi(args[0])
		f.Detail = "no"
	case "echo":
		// Everything that the client sent, in all the forms that a server may give it.
		said := []string{"Bearer " + chatKey}
		for _, form := range disguises(chatKey) {
			said = append(said, form)
		}
		f.Status, _ = strconv.Atoi(args[1])
		f.Detail = strings.Join(said, " ")
	case "echo-sent":
		f.Status, _ = strconv.Atoi(args[1])
		f.Path, f.Echo = args[2], true
	case "echo-redirect":
		f.Location = "http://elsewhere.example/" + url.PathEscape(chatKey) + "?key=" + url.QueryEscape(chatKey)
	case "html":
		f.HTML = true
	case "drop":
		f.Drop = openwebuitest.DropBefore
	case "lose":
		f.Lose = func(string) bool { return true }
	case "slow-writes":
		d, err := time.ParseDuration(args[1])
		if err != nil {
			return err
		}
		c.slow.Store(0)
		f.Path, f.Latency, f.Do = "/api/v1/groups/id/*/users/add", d, func() { c.slow.Add(1) }
	case "fail-writes":
		f.Path, f.Status, f.Detail = "/api/v1/groups/id/*/users/add", 400, "no"
	default:
		return errors.New("no such fault")
	}
	c.server.Inject(f)
	return nil
}
