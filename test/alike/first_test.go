package alike

import (
	"slices"
	"strings"
	"testing"
)

// first works out what the story should lead to, without any of the program.
func first(t *testing.T) []told {
	t.Helper()
	var out []told
	was := make([]map[string]bool, len(groups()))
	for i, c := range story() {
		said := told{Chapter: c.title}
		for g, group := range groups() {
			is := map[string]bool{}
			list := c.members[g]
			if g == everybody {
				list = slices.Concat(c.members[:]...)
			}
			for _, n := range list {
				if n != nora {
					is[mail(n)] = true
				}
			}
			if i == 0 {
				said.Changes = append(said.Changes, "create_group "+group+": applied")
			}
			var in []string
			for n := range names() {
				m := mail(n)
				switch {
				case is[m] && !was[g][m]:
					said.Changes = append(said.Changes, "add_member "+group+" "+m+": applied")
				case !is[m] && was[g][m]:
					said.Changes = append(said.Changes, "remove_member "+group+" "+m+" left: applied")
				}
				if is[m] {
					in = append(in, m)
				}
			}
			slices.Sort(in)
			said.Members = append(said.Members, group+": "+strings.Join(in, " "))
			was[g] = is
		}
		slices.Sort(said.Changes)
		slices.Sort(said.Members)
		out = append(out, said)
	}
	return out
}
