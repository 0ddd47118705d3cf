package kill

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"groupsyncd/providers/ldap/ldaptest"
)

// group is a group of the directory, known by its place in the list of groups.
type group struct {
	name     string
	direct   map[int]bool
	children []int
}

// standing is what the directory says of a person.
type standing int

const (
	active standing = iota
	disabled
	gone
)

// chapter is what the directory and the rules say for a while.
type chapter struct {
	people []standing
	groups []group
	// title is put before the names of groups, except names the group that the rule
	// leaves out (-1: none), about is the description that the rule writes.
	title, about string
	except       int
}

// story is what is drawn from a seed, without the server that it happens to.
type story struct {
	prefix string
	mails  []string
	file   bool
	reads  int
	// adopts: a group that an administrator made has the name of the first one.
	adopts   bool
	chapters []chapter
}

func draw(rng *rand.Rand, prefix string, mails []string) *story {
	s := &story{prefix: prefix, mails: mails, file: rng.IntN(3) == 0, reads: 1 + rng.IntN(2), adopts: rng.IntN(2) == 0}
	first := chapter{people: make([]standing, len(mails)), except: -1}
	for g := range 3 + rng.IntN(4) {
		made := group{name: fmt.Sprintf("%sg%d", prefix, g), direct: map[int]bool{}}
		for range 1 + rng.IntN(len(mails)) {
			made.direct[rng.IntN(len(mails))] = true
		}
		if rng.IntN(3) == 0 && g > 0 {
			made.children = append(made.children, rng.IntN(g))
		}
		first.groups = append(first.groups, made)
	}
	if rng.IntN(4) == 0 { // a cycle
		first.groups[0].children = append(first.groups[0].children, len(first.groups)-1)
	}
	s.chapters = append(s.chapters, first)
	for range 1 + rng.IntN(2) {
		s.chapters = append(s.chapters, s.next(rng, s.chapters[len(s.chapters)-1]))
	}
	return s
}

// next draws changes until few enough people lose something, so that no limit on people
// holds them. A group that is emptied may still be held, and what a rule drops always is.
func (s *story) next(rng *rand.Rand, old chapter) chapter {
	for {
		c := old.clone()
		for range 1 + rng.IntN(3) {
			s.leave(rng, &c)
		}
		for range rng.IntN(5) {
			c.groups[rng.IntN(len(c.groups))].direct[rng.IntN(len(s.mails))] = true
		}
		if rng.IntN(3) == 0 {
			c.people[rng.IntN(len(s.mails))] = active
		}
		if rng.IntN(3) == 0 {
			g := rng.IntN(len(c.groups))
			c.groups[g].name = fmt.Sprintf("%sg%d-%d", s.prefix, g, rng.IntN(1000))
		}
		if s.losers(&old, &c) > 4 {
			continue
		}
		switch rng.IntN(8) {
		case 0:
			c.title = fmt.Sprintf("T%d ", rng.IntN(10))
		case 1:
			c.except = rng.IntN(len(c.groups))
		case 2:
			c.about = fmt.Sprintf("kept by groupsyncd %d", rng.IntN(10))
		}
		if rng.IntN(4) == 0 {
			c.groups = append(c.groups, group{name: fmt.Sprintf("%sg%d", s.prefix, len(c.groups)),
				direct: map[int]bool{rng.IntN(len(s.mails)): true}})
		}
		return c
	}
}

func (s *story) leave(rng *rand.Rand, c *chapter) {
	p := rng.IntN(len(s.mails))
	switch rng.IntN(5) {
	case 0:
		c.people[p] = disabled
	case 1:
		c.people[p] = gone
	case 2:
		for g := range c.groups {
			delete(c.groups[g].direct, p)
		}
	default:
		delete(c.groups[rng.IntN(len(c.groups))].direct, p)
	}
}

func (c *chapter) clone() chapter {
	d := *c
	d.people, d.groups = slices.Clone(c.people), slices.Clone(c.groups)
	for i := range d.groups {
		d.groups[i].direct, d.groups[i].children = maps.Clone(d.groups[i].direct), slices.Clone(d.groups[i].children)
	}
	return d
}

// has reports whether the directory says that a person is in a group.
func (c *chapter) has(g, p int) bool {
	if c.people[p] != active || g >= len(c.groups) {
		return false
	}
	seen := map[int]bool{}
	var look func(g int) bool
	look = func(g int) bool {
		if seen[g] {
			return false
		}
		seen[g] = true
		return c.groups[g].direct[p] || slices.ContainsFunc(c.groups[g].children, look)
	}
	return look(g)
}

// wants reports whether groupsyncd is to see to a membership.
func (c *chapter) wants(g, p int) bool { return g != c.except && c.has(g, p) }

func (s *story) losers(old, now *chapter) int {
	n := 0
	for p := range s.mails {
		for g := range old.groups {
			if old.has(g, p) && !now.has(g, p) {
				n++
				break
			}
		}
	}
	return n
}

// title gives the name that a group has in Open WebUI.
func (c *chapter) name(g int) string { return c.title + c.groups[g].name }

// rule writes the rule of a chapter.
func (s *story) rule(c *chapter) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  - name: all\n    match: %q\n    to: %q\n", s.prefix+"*", c.title+"{{ .Name }}")
	if c.except >= 0 {
		fmt.Fprintf(&b, "    except: [%q]\n", c.groups[c.except].name)
	}
	if c.about != "" {
		fmt.Fprintf(&b, "    description: %q\n", c.about)
	}
	return b.String()
}

// The ids that the directory gives to people and groups.
func personID(p int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", p) }
func groupID(g int) string  { return fmt.Sprintf("00000000-0000-4000-9000-%012d", g) }

const suffix = "dc=example,dc=org"

// entries writes a chapter as a directory server has it.
func (s *story) entries(c *chapter) []ldaptest.Entry {
	personDN := func(p int) string { return fmt.Sprintf("uid=p%d,ou=people,%s", p, suffix) }
	groupDN := func(g int) string { return fmt.Sprintf("cn=%s,ou=groups,%s", c.groups[g].name, suffix) }
	list := []ldaptest.Entry{{DN: "ou=people," + suffix}, {DN: "ou=groups," + suffix}}
	for p, mail := range s.mails {
		if c.people[p] == gone {
			continue
		}
		e := ldaptest.Entry{DN: personDN(p), Attributes: map[string][]string{"objectClass": {"inetOrgPerson"}, "entryUUID": {personID(p)},
			"uid": {fmt.Sprintf("p%d", p)}, "cn": {mail}, "mail": {mail}}}
		if c.people[p] == disabled {
			e.Attributes["employeeType"] = []string{"disabled"}
		}
		list = append(list, e)
	}
	for g := range c.groups {
		e := ldaptest.Entry{DN: groupDN(g), Attributes: map[string][]string{"objectClass": {"groupOfNames"}, "entryUUID": {groupID(g)}, "cn": {c.groups[g].name}}}
		for _, p := range slices.Sorted(maps.Keys(c.groups[g].direct)) {
			if c.people[p] != gone {
				e.Attributes["member"] = append(e.Attributes["member"], personDN(p))
			}
		}
		for _, child := range c.groups[g].children {
			e.Attributes["member"] = append(e.Attributes["member"], groupDN(child))
		}
		list = append(list, e)
	}
	return list
}

// list writes a chapter as a file has it.
func (s *story) list(c *chapter) string {
	var b strings.Builder
	b.WriteString("users:\n")
	for p, mail := range s.mails {
		if c.people[p] != gone {
			fmt.Fprintf(&b, "  - {id: %s, email: %s, username: p%d, disabled: %t}\n", personID(p), mail, p, c.people[p] == disabled)
		}
	}
	b.WriteString("groups:\n")
	for g := range c.groups {
		var members, children []string
		for _, p := range slices.Sorted(maps.Keys(c.groups[g].direct)) {
			if c.people[p] != gone {
				members = append(members, personID(p))
			}
		}
		for _, child := range c.groups[g].children {
			children = append(children, groupID(child))
		}
		fmt.Fprintf(&b, "  - {id: %s, name: %s, members: [%s], groups: [%s]}\n", groupID(g), c.groups[g].name, strings.Join(members, ", "), strings.Join(children, ", "))
	}
	return b.String()
}
