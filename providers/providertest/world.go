package providertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

type pullCase struct {
	name  string
	world World
}

// pullCases are the worlds that a pull must show completely.
func pullCases(h Harness) []pullCase {
	cases := []pullCase{
		{"several groups", company()},
		{"names with commas, quotes and other scripts", strangeNames()},
		{"names that break other people's parsers", oddNames()},
		{"more than a page of everything", big()},
		{"whole pages of everything", whole()},
		{"people without a mail address", mailless(h)},
		{"a member named twice", World{Users: people(2), Groups: []Group{{ID: gid(1), Name: "twice", Members: []string{uid(1), uid(2), uid(1)}}}}},
	}
	if !h.NoLoneUsers {
		cases = append(cases,
			pullCase{"an empty directory", World{}},
			pullCase{"users without groups", World{Users: people(3)}})
	}
	if !h.NoEmptyGroups {
		cases = append(cases, pullCase{"one group and nobody in it", World{Users: people(1), Groups: []Group{{ID: gid(1), Name: "empty"}}}})
	}
	if !h.NoNesting {
		cases = append(cases,
			pullCase{"groups nested five deep", nested(false)},
			pullCase{"nested groups that contain each other", nested(true)},
			pullCase{"a group that contains itself", World{Users: people(2), Groups: []Group{{ID: gid(1), Name: "me", Members: []string{uid(1)}, Groups: []string{gid(1)}}}}},
			pullCase{"thirty levels with a way back up", thirtyLevels()},
			pullCase{"a large group inside others", above1500(1804)})
	}
	if !h.NoSameName {
		cases = append(cases, pullCase{"two groups of one name", sameName()})
	}
	if !h.NoDisabled {
		cases = append(cases, pullCase{"disabled users", disabled()})
	}
	if !h.NoUnresolved {
		cases = append(cases, pullCase{"a member who is nobody", World{
			Users:  people(2),
			Groups: []Group{{ID: gid(1), Name: "ghosts", Members: []string{uid(1), uid(99)}}},
		}})
	}
	for i := range cases {
		cases[i].world = h.fit(cases[i].world)
	}
	return cases
}

// uid and gid give ids that are valid UUIDs, because some sources insist on them.
func uid(n int) string { return fmt.Sprintf("0a000000-0000-4000-8000-%012d", n) }
func gid(n int) string { return fmt.Sprintf("0b000000-0000-4000-8000-%012d", n) }

// people makes n users, numbered from 1.
func people(n int) []User {
	users := make([]User, n)
	for i := range users {
		name := fmt.Sprintf("user%04d", i+1)
		users[i] = User{ID: uid(i + 1), Username: name, Email: name + "@example.org", Name: fmt.Sprintf("User %d", i+1)}
	}
	return users
}

func company() World {
	w := World{Users: people(6)}
	w.Users[0].Attributes = map[string][]string{"department": {"Finance"}}
	w.Users[1].Attributes = map[string][]string{"department": {"Finance", "Research"}}
	w.Groups = []Group{
		{ID: gid(1), Name: "staff", Description: "Everybody who works here", Members: []string{uid(1), uid(2), uid(3), uid(4)}},
		{ID: gid(2), Name: "finance", Description: "Counts the money", Members: []string{uid(2), uid(1)}},
		{ID: gid(3), Name: "research", Members: []string{uid(5)}},
		{ID: gid(4), Name: "nobody yet"},
	}
	return w
}

func strangeNames() World {
	w := World{Users: people(5)}
	for i, name := range []string{`Müller, Jörg`, `O'Brien "Bob"`, `李小龍`, `Zoë+Ann; <x> = #1 \ y`, "Ольга Ёлкина"} {
		w.Users[i].Name = name
	}
	w.Users[2].Username = "lǐ.xiǎolóng"
	for i, name := range []string{`Sales, EMEA`, `R&D "core" + more`, `財務`, `a\b;c<d>e=f`, "# leading hash", "Ärzte  (zwei Räume)", "*"} {
		w.Groups = append(w.Groups, Group{ID: gid(i + 1), Name: name, Members: []string{uid(i%5 + 1), uid((i+1)%5 + 1)}})
	}
	return w
}

// oddNames are names of people and of groups that need care in a DN, in a filter, in a
// file or in a comparison without case.
func oddNames() World {
	names := []string{
		`Smith, John; "Jack" <jack>`, `a+b=c`, `back\slash\`, "#1 fan", "Işık İstanbul", "ışık istanbul", "ÄÖÜ äöü ß SS", "\"quoted\"", "(a*b)\\2a", "Zoe\u0308",
		"ﬃ ligature", "ᾳ στο ΣΤΟΣ", "🦆 duck", "a  two spaces", "%s %00 $HOME `x`",
	}
	w := World{Users: people(len(names))}
	var everybody []string
	for i, name := range names {
		w.Users[i].Name = name
		everybody = append(everybody, uid(i+1))
		w.Groups = append(w.Groups, Group{ID: gid(i + 1), Name: "g " + name, Members: []string{uid(i + 1), uid((i+1)%len(names) + 1)}})
	}
	w.Groups = append(w.Groups, Group{ID: gid(len(names) + 1), Name: "everybody", Members: everybody})
	return w
}

// thirtyLevels is a chain of thirty groups with a person in each, whose last group
// contains the tenth.
func thirtyLevels() World {
	w := World{Users: people(31)}
	for i := 1; i <= 30; i++ {
		g := Group{ID: gid(i), Name: fmt.Sprintf("floor%02d", i), Members: []string{uid(i)}}
		if i < 30 {
			g.Groups = []string{gid(i + 1)}
		} else {
			g.Groups = []string{gid(10)}
		}
		w.Groups = append(w.Groups, g)
	}
	return w
}

// above1500 has a group of so many people, which comes in slices from Active Directory,
// in a group of its own and together with another.
func above1500(n int) World {
	w := World{Users: people(n + 3)}
	var many []string
	for i := range n {
		many = append(many, uid(i+2))
	}
	w.Groups = []Group{
		{ID: gid(1), Name: "large", Members: many},
		{ID: gid(2), Name: "around it", Groups: []string{gid(1)}},
		{ID: gid(3), Name: "and one more", Members: []string{uid(1)}, Groups: []string{gid(2)}},
	}
	return w
}

// big has one user more than whole pages of the usual sizes, a group above the
// limit of 1,500 values of Active Directory, and many small groups.
func big() World {
	w := World{Users: people(2001)}
	var many []string
	for i := range 1600 {
		many = append(many, uid(i+2))
	}
	w.Groups = append(w.Groups, Group{ID: gid(1), Name: "many", Members: many})
	for i := range 1001 {
		w.Groups = append(w.Groups, Group{ID: gid(i + 2), Name: fmt.Sprintf("group%04d", i), Members: []string{uid(i + 1), uid(2001)}})
	}
	return w
}

// whole has as many users and groups as fill pages of the usual sizes to the last row: a
// reader that expects one page more, or one less, does not get on.
func whole() World {
	w := World{Users: people(1000)}
	for i := range 500 {
		w.Groups = append(w.Groups, Group{ID: gid(i + 1), Name: fmt.Sprintf("group%04d", i), Members: []string{uid(i*2 + 1), uid(i*2 + 2)}})
	}
	return w
}

// mailless has people without a mail address, as far as the source knows such.
func mailless(h Harness) World {
	w := company()
	for i := range w.Users {
		if i%2 == 0 && !h.NoStableIDs && !h.MailUsernames {
			w.Users[i].Email = ""
		}
	}
	return w
}

// joiner is in more groups than a page holds.
func joiner() World {
	w := World{Users: people(3)}
	for i := range 130 {
		w.Groups = append(w.Groups, Group{ID: gid(i + 1), Name: fmt.Sprintf("group%04d", i), Members: []string{uid(2), uid(i%3 + 1)}})
	}
	return w
}

// medium is big enough for several pages of 250, for the many worlds that break.
func medium() World {
	w := World{Users: people(701)}
	for i := range 301 {
		w.Groups = append(w.Groups, Group{ID: gid(i + 1), Name: fmt.Sprintf("group%04d", i), Members: []string{uid(i + 1), uid(701), uid(i + 300)}})
	}
	return w
}

// nested is a chain of five groups, each containing the next and one user, and in
// the cyclic form the last contains the second.
func nested(cyclic bool) World {
	w := World{Users: people(7)}
	for i := 1; i <= 5; i++ {
		g := Group{ID: gid(i), Name: fmt.Sprintf("level%d", i), Members: []string{uid(i)}}
		if i < 5 {
			g.Groups = []string{gid(i + 1)}
		}
		w.Groups = append(w.Groups, g)
	}
	if cyclic {
		w.Groups[4].Groups = []string{gid(2)}
	}
	w.Groups = append(w.Groups,
		Group{ID: gid(6), Name: "above", Groups: []string{gid(3), gid(7)}, Members: []string{uid(6)}},
		Group{ID: gid(7), Name: "aside", Members: []string{uid(6), uid(7)}})
	return w
}

// cyclic reports whether a group of the world contains itself, through others.
func (w World) cyclic() bool {
	children := make(map[string][]string, len(w.Groups))
	for _, g := range w.Groups {
		children[g.ID] = g.Groups
	}
	for _, g := range w.Groups {
		seen := map[string]bool{}
		for next := slices.Clone(g.Groups); len(next) > 0; next = next[1:] {
			if next[0] == g.ID {
				return true
			}
			if !seen[next[0]] {
				seen[next[0]] = true
				next = append(next, children[next[0]]...)
			}
		}
	}
	return false
}

func sameName() World {
	return World{Users: people(3), Groups: []Group{
		{ID: gid(1), Name: "admins", Place: "north", Members: []string{uid(1)}},
		{ID: gid(2), Name: "admins", Place: "south", Members: []string{uid(2), uid(3)}},
	}}
}

func disabled() World {
	w := World{Users: people(4), Groups: []Group{{ID: gid(1), Name: "all", Members: []string{uid(1), uid(2), uid(3), uid(4)}}}}
	w.Users[1].Disabled = true
	w.Users[3].Disabled = true
	return w
}

// closure gives, per group of the world, the ids of the users who count as members,
// nested ones included, sorted.
func (w World) closure() [][]string {
	known := make(map[string]bool, len(w.Users))
	for _, u := range w.Users {
		known[u.ID] = true
	}
	at := make(map[string]int, len(w.Groups))
	for i, g := range w.Groups {
		at[g.ID] = i
	}
	all := make([][]string, len(w.Groups))
	for i := range w.Groups {
		seen, ids := map[int]bool{}, map[string]bool{}
		var walk func(int)
		walk = func(i int) {
			if seen[i] {
				return
			}
			seen[i] = true
			for _, id := range w.Groups[i].Members {
				if known[id] {
					ids[id] = true
				}
			}
			for _, id := range w.Groups[i].Groups {
				walk(at[id])
			}
		}
		walk(i)
		all[i] = slices.Sorted(maps.Keys(ids))
	}
	return all
}

// groupsOf gives the groups that a user counts as a member of.
func (w World) groupsOf(id string) []Group {
	var in []Group
	for i, members := range w.closure() {
		if slices.Contains(members, id) {
			in = append(in, w.Groups[i])
		}
	}
	return in
}

// text gives a world in lines that can be compared with those of a snapshot.
func (h Harness) text(w World) []string {
	var lines []string
	for _, u := range w.Users {
		lines = append(lines, userLine(h.userKey(u.ID, u.Username), u.Email, u.Username, u.Name, u.Disabled, u.Attributes))
	}
	keys := make(map[string]string, len(w.Users))
	for _, u := range w.Users {
		keys[u.ID] = h.userKey(u.ID, u.Username)
	}
	closure := w.closure()
	for i, g := range w.Groups {
		var members, direct []string
		for _, id := range closure[i] {
			members = append(members, keys[id])
		}
		for _, id := range g.Members {
			if key, ok := keys[id]; ok {
				direct = append(direct, key)
			}
		}
		lines = append(lines, groupLine(h.groupKey(g.ID, g.Name), g.Name, g.Description, members, direct))
	}
	slices.Sort(lines)
	return lines
}

func (h Harness) userKey(id, username string) string {
	if h.OwnIDs {
		return username
	}
	return id
}

func (h Harness) groupKey(id, name string) string {
	if h.OwnIDs {
		return name
	}
	return id
}

func userLine(key, email, username, name string, disabled bool, attributes map[string][]string) string {
	department := slices.Clone(attributes["department"])
	slices.Sort(department)
	return fmt.Sprintf("user %s: mail %q, username %q, name %q, disabled %v, department %q", key, email, username, name, disabled, department)
}

func groupLine(key, name, description string, members, direct []string) string {
	list := func(keys []string) string {
		keys = slices.Clone(keys)
		slices.Sort(keys)
		return strings.Join(slices.Compact(keys), " ")
	}
	return fmt.Sprintf("group %s: name %q, description %q, members [%s], direct [%s]", key, name, description, list(members), list(direct))
}
