package main

import (
	"fmt"
	"time"

	"groupsyncd/providers/ldap/ldaptest"
	"groupsyncd/sync/run"
)

// employee is one person of the demonstration's company.
type employee struct {
	uid, name string
	account   bool
	groups    []string
}

func staff() []employee {
	return []employee{
		{"ana", "Ana Lindqvist", true, []string{"dep-sales"}},
		{"bo", "Bo Haraldsen", true, []string{"dep-sales"}},
		{"chloe", "Chloé Martin", true, []string{"dep-sales"}},
		{"dmitri", "Dmitri Orlov", true, []string{"dep-sales", "dep-research"}},
		{"emre", "Emre Yıldız", true, []string{"dep-sales"}},
		{"fay", "Fay O'Neil", true, []string{"dep-research"}},
		{"goro", "Goro Tanaka", true, []string{"dep-research"}},
		{"hana", "Hana Dvořák", true, []string{"platform"}},
		{"ivo", "Ivo Weiß", true, []string{"platform"}},
		{"jun", "Jun Park", true, []string{"platform"}},
		{"kofi", "Kofi Mensah", true, []string{"dep-engineering"}},
		{"lena", "Lena Brown", true, []string{"dep-engineering"}},
		{"mia", "Mia Fernández", false, []string{"dep-engineering"}},
	}
}

const (
	peopleDN = "ou=people,dc=example,dc=org"
	groupsDN = "ou=groups,dc=example,dc=org"
)

func personDN(uid string) string { return "uid=" + uid + "," + peopleDN }

func groupDN(cn string) string { return "cn=" + cn + "," + groupsDN }

// company is the directory of the demonstration: three departments, one of which holds
// a team.
func company() []ldaptest.Entry {
	entries := []ldaptest.Entry{
		{DN: "dc=example,dc=org", Attributes: map[string][]string{"objectClass": {"dcObject", "organization"}, "dc": {"example"}, "o": {"Example"}}},
		{DN: peopleDN, Attributes: map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {"people"}}},
		{DN: groupsDN, Attributes: map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {"groups"}}},
	}
	members := map[string][]string{"dep-engineering": {groupDN("platform")}}
	for i, p := range staff() {
		employment := "permanent"
		if p.uid == "kofi" || p.uid == "lena" {
			employment = "contractor"
		}
		entries = append(entries, ldaptest.Entry{DN: personDN(p.uid), Attributes: map[string][]string{
			"objectClass": {"inetOrgPerson"}, "entryUUID": {fmt.Sprintf("00000000-0000-4000-8000-%012d", i+1)}, "uid": {p.uid}, "cn": {p.name},
			"sn": {p.name}, "mail": {p.uid + "@example.org"}, "employeeType": {employment}}})
		for _, g := range p.groups {
			members[g] = append(members[g], personDN(p.uid))
		}
	}
	for i, g := range []string{"dep-engineering", "dep-research", "dep-sales", "platform"} {
		entries = append(entries, ldaptest.Entry{DN: groupDN(g), Attributes: map[string][]string{
			"objectClass": {"groupOfNames"}, "entryUUID": {fmt.Sprintf("00000000-0000-4000-9000-%012d", i+1)}, "cn": {g}, "member": members[g]}})
	}
	return entries
}

// chapter is one part of the story: what is told, what happens, and how the command
// that follows must end.
type chapter struct {
	text   string
	happen func() error
	args   []string
	code   int
}

// story tells in a few seconds what groupsyncd is for. It fails when anything ends
// otherwise than told.
func (d *demo) story() error {
	const wrong, right = "(employeeType=contractor)", "(objectClass=inetOrgPerson)"
	later := func(t time.Duration) func() error { return func() error { d.wait(t); return nil } }
	chapters := []chapter{
		{"A company of 13 people in an LDAP directory, 12 of them with an account in Open WebUI.\nThe first sync makes the groups and puts everybody in.",
			nil, []string{"sync"}, run.ExitOK},
		{"Nothing changed. (A run in between has read what was just written a second time, because times in\nOpen WebUI are whole seconds.) From now on that costs three requests, and no writes.",
			func() error { d.wait(time.Minute); d.silently("sync"); d.wait(time.Minute); return nil }, []string{"sync"}, run.ExitOK},
		{"Bo leaves Sales. Somebody put Fay there by hand in Open WebUI: she stays, because groupsyncd\ntakes away only what it gave.",
			func() error { d.wait(time.Minute); return d.handAndLeave() }, []string{"sync"}, run.ExitOK},
		{"Why is Hana in Engineering? She is not named there.",
			nil, []string{"explain", "user", "hana@example.org"}, run.ExitOK},
		{"Now a mistake: the filter for people is changed and shows two contractors only. A tool that trusts\nwhat it reads would empty every group. Missing people are in doubt at first …",
			func() error { d.wait(time.Minute); return d.configure(wrong) }, []string{"sync"}, run.ExitHeld},
		{"… and when they are still missing 20 minutes later, the guard holds every removal.",
			later(20 * time.Minute), []string{"sync"}, run.ExitHeld},
		{"This is what waits for a decision.",
			nil, []string{"holds"}, run.ExitOK},
		{"Nobody approves it; the filter is mended. Nothing was lost, and the holds are gone.",
			func() error { d.wait(time.Minute); return d.configure(right) }, []string{"sync"}, run.ExitOK},
		{"How it all stands.",
			nil, []string{"status"}, run.ExitOK},
	}
	for i, ch := range chapters {
		if d.c.ctx.Err() != nil {
			return d.c.ctx.Err()
		}
		d.c.line("")
		d.c.line("── %d. %s", i+1, ch.text)
		if ch.happen != nil {
			if err := ch.happen(); err != nil {
				return err
			}
		}
		if code := d.run(ch.args...); code != ch.code {
			return fmt.Errorf("the demonstration went wrong: the command ended with %d instead of %d", code, ch.code)
		}
	}
	return nil
}

func (d *demo) handAndLeave() error {
	for _, a := range d.chat.Accounts() {
		if a.Email != "fay@example.org" {
			continue
		}
		for _, g := range d.chat.Groups() {
			if g.Name == "Sales" {
				d.chat.AddMembers(g.ID, a.ID)
			}
		}
	}
	return d.ldap.RemoveValues(groupDN("dep-sales"), "member", personDN("bo"))
}
