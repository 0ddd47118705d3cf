package run

import (
	"fmt"
	"strings"
)

// Lines writes the first changes of a list as a line each, for people who read them
// elsewhere, and says how many there are beside them.
func Lines(changes []Change, most int) (lines []string, more int) {
	for i := range changes {
		if changes[i].Op == "" {
			continue // All that is left of it is its key.
		}
		if len(lines) == most {
			more++
			continue
		}
		lines = append(lines, changes[i].Line())
	}
	return lines, more
}

// Line writes a change as one line.
func (c *Change) Line() string {
	parts := []string{strings.ReplaceAll(string(c.Op), "_", " ")}
	if where := c.Where(); where != "" {
		parts = append(parts, where)
	}
	what, values := c.Who(), c.Values()
	if what != "" && values != "" {
		what += ":"
	}
	for _, part := range []string{what, values} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	line := strings.Join(parts, " ")
	if c.Reason != "" {
		line += " (" + c.Reason + ")"
	}
	return line
}

// Words says in one line what was done, leaving out what was not.
func (s *Summary) Words() string {
	var parts []string
	add := func(n int, noun, text string) {
		if n > 1 {
			noun += "s"
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s %s", n, noun, text))
		}
	}
	add(s.GroupsCreated, "group", "created")
	add(s.GroupsUpdated, "group", "updated")
	add(s.MembersAdded, "member", "added")
	add(s.MembersRemoved, "member", "removed")
	add(s.MembersAdopted, "member", "adopted")
	add(s.MembersReleased, "membership", "released")
	add(s.RolesChanged, "role", "changed")
	add(s.AccountsCreated, "account", "created")
	add(s.GrantsChanged, "grant", "changed")
	if s.DefaultsChanged > 0 {
		parts = append(parts, "default permissions changed")
	}
	add(s.Held, "change", "held")
	add(s.Failed, "change", "failed")
	add(s.Drift, "value", "changed by somebody")
	if len(parts) == 0 {
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}
