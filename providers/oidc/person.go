package oidc

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"groupsyncd/directory"
)

// person is what the tokens of one person prove.
type person struct {
	user   directory.User
	groups []directory.Group
}

// oid is the attribute with the id that Entra's directory knows a person by. Its sub is
// another one for every application, so that nothing else leads from a sign-in to the
// entry of that person in Graph.
const oid = "oid"

// describe makes a person of the claims of a verified token. asOf is when they were true.
func (s *source) describe(subject string, claims map[string]any, asOf time.Time) directory.User {
	u := directory.User{ID: subject, GroupsKnown: true, AsOf: asOf,
		Email: s.mail(claims), Username: claimText(claims, s.username), Name: claimText(claims, s.full)}
	set := func(name string, values []string) {
		if len(values) > 0 {
			if u.Attributes == nil {
				u.Attributes = map[string][]string{}
			}
			u.Attributes[name] = values
		}
	}
	if id := text(claims, oid); id != "" && id != subject && proper(id) == nil {
		set(oid, []string{id})
	}
	for _, name := range slices.Sorted(maps.Keys(s.attributes)) {
		set(name, claimTexts(claims, s.attributes[name]))
	}
	return u
}

// mail gives the address, unless the provider says that it was not verified: everybody
// can write anybody's address into a profile, and addresses link people with accounts.
func (s *source) mail(claims map[string]any) string {
	switch claims["email_verified"] {
	case false, "false":
		return ""
	}
	return claimText(claims, s.email)
}

// claimText gives a claim that is a text or a whole number, else nothing.
func claimText(claims map[string]any, p path) string {
	value, there, err := p.find(claims)
	if err != nil || !there {
		return ""
	}
	t, err := scalarText(value)
	if err != nil || proper(t) != nil {
		return ""
	}
	return t
}

// claimTexts gives the values of a claim that is one text, number or truth, or a list.
func claimTexts(claims map[string]any, p path) []string {
	value, there, err := p.find(claims)
	if err != nil || !there {
		return nil
	}
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	var out []string
	for _, item := range list[:min(len(list), 100)] {
		t, err := scalarText(item)
		if b, truth := item.(bool); truth {
			t, err = fmt.Sprint(b), nil
		}
		if err == nil && t != "" && proper(t) == nil {
			out = append(out, t)
		}
	}
	return out
}

// crowd gathers people into one snapshot.
type crowd struct {
	s      *directory.Snapshot
	users  map[string]int
	groups map[string]int
	people []*person
}

func newCrowd(asOf time.Time) *crowd {
	return &crowd{s: &directory.Snapshot{AsOf: asOf}, users: map[string]int{}, groups: map[string]int{}}
}

// add takes a person in. Of two tokens of one subject, under two accounts, the newer counts.
func (c *crowd) add(p *person) {
	if i, twice := c.users[p.user.ID]; twice {
		if p.user.AsOf.After(c.people[i].user.AsOf) {
			c.people[i] = p
		}
		return
	}
	c.users[p.user.ID] = len(c.people)
	c.people = append(c.people, p)
}

// snapshot shows everybody who was taken in, and their groups with exactly them in it.
func (c *crowd) snapshot(reason string) *directory.Snapshot {
	c.s.Reason = reason
	for i, p := range c.people {
		c.s.Users = append(c.s.Users, p.user)
		for _, g := range p.groups {
			n, known := c.groups[g.ID]
			if !known {
				n = len(c.s.Groups)
				c.groups[g.ID] = n
				c.s.Groups = append(c.s.Groups, directory.Group{ID: g.ID, Name: g.Name, Path: g.Path})
			}
			c.s.Groups[n].Direct = append(c.s.Groups[n].Direct, uint32(i))
		}
	}
	c.s.Close(false)
	return c.s
}
