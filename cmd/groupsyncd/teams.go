package main

import (
	"cmp"
	"strconv"
	"strings"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/server"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

func (c *command) teamsCommand() *cobra.Command {
	var target string
	var full bool
	cmd := &cobra.Command{
		Use:   "teams [NAME]",
		Short: "People, rights, resources and leaks of each team",
		Long: `The teams of the configuration as they stand in Open WebUI, from a fresh look that changes
nothing there: who is in them and who runs them, what they may do, what belongs to them, and
what lets anybody else in. NAME shows one in full.

A leak marked "yes" under CLOSES is taken away by isolation: enforce; the others need a
person. Leaks do not change the exit code.

Exit codes: 0 answered; 1 no team is called that; 2 wrong usage; 6 Open WebUI could not be
looked at, and the answer is of the last look.`,
		Example: "  groupsyncd teams\n  groupsyncd teams Finance\n  groupsyncd teams -o json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			name := strings.Join(args, "")
			return c.look(func(b server.Backend, _ *config.Config) error {
				all, err := b.Teams(c.ctx, target, name)
				if err != nil {
					return c.unreached(err)
				}
				for _, s := range all.Stale {
					c.code = run.ExitTarget
					c.complain(fault.Errorf(fault.Unavailable, "", "", "Open WebUI %s could not be looked at: %s\nwhat follows of it is as of %s", s.Target, s.Reason, c.when(s.AsOf)))
				}
				return c.print(all, func() {
					if name == "" {
						c.teams(all.Teams, full)
						return
					}
					for i := range all.Teams {
						if i > 0 {
							c.line("")
						}
						c.team(&all.Teams[i], full)
					}
				})
			})
		},
	}
	cmd.Flags().StringVar(&target, "target", "", "of this target only")
	cmd.Flags().BoolVar(&full, "full", false, "show every line")
	return cmd
}

// teams shows a line for each team.
func (c *command) teams(all []run.Team, full bool) {
	if len(all) == 0 {
		c.line("no team is configured, or none was discovered")
		return
	}
	several := false
	for i := range all {
		several = several || all[i].Target != all[0].Target
	}
	head := []string{"TEAM", "PEOPLE", "MANAGERS", "RIGHTS", "RESOURCES", "LEAKS", "ISOLATION"}
	if several {
		head = append([]string{"TARGET"}, head...)
	}
	var rows [][]string
	for i := range all {
		t := &all[i]
		row := []string{t.Name, strconv.Itoa(len(t.Members) + len(t.Managers)), strconv.Itoa(len(t.Managers)), strconv.Itoa(len(t.Rights)),
			strconv.Itoa(len(t.Resources)), leakCount(t), or(t.Isolation, "-")}
		if len(t.ManagerRights) > 0 {
			row[3] += " +" + strconv.Itoa(len(t.ManagerRights))
		}
		if t.Group == nil {
			row[0] += " (not there yet)"
		}
		if several {
			row = append([]string{t.Target}, row...)
		}
		rows = append(rows, row)
	}
	c.long(head, rows, full)
}

// leakCount sums up what lets others in, by what can be done about it. Administrators, and
// what two teams share, are no leaks that anybody has to close.
func leakCount(t *run.Team) string {
	closable, others := 0, 0
	for i := range t.Leaks {
		switch l := &t.Leaks[i]; {
		case l.Closable:
			closable++
		case !noted(l):
			others++
		}
	}
	switch {
	case t.Isolation == "":
		return "-"
	case closable+others == 0:
		return "none"
	case closable == 0:
		return strconv.Itoa(others)
	case others == 0:
		return plural(closable, "grant")
	}
	return plural(closable, "grant") + ", " + strconv.Itoa(others) + " other"
}

func noted(l *run.TeamLeak) bool { return l.Kind == "administrators" || l.Kind == "two teams" }

// team shows one team in full.
func (c *command) team(t *run.Team, full bool) {
	c.line("%s on %s: %s, %s", t.Name, t.Target, plural(len(t.Members)+len(t.Managers), "person"), plural(len(t.Managers), "manager"))
	c.line("groups: %s, %s", groupText(t.Group), groupText(t.ManagersGroup))
	c.line("rules: %s", strings.Join(t.Rules, ", "))
	if people := teamPeople(t); len(people) > 0 {
		c.line("")
		c.long([]string{"PERSON", "IS"}, people, full)
	}
	if rights := teamRights(t); len(rights) > 0 {
		c.line("")
		c.long([]string{"PERMISSION", "OF"}, rights, full)
	}
	c.line("")
	var rows [][]string
	for i := range t.Resources {
		r := &t.Resources[i]
		rows = append(rows, []string{r.Type + "/" + r.ID, r.Name, or(r.Owner, "-")})
	}
	if len(rows) == 0 {
		c.line("nothing belongs to the team")
	} else {
		c.long([]string{"RESOURCE", "NAME", "OWNER"}, rows, full)
	}
	c.line("")
	rows = nil
	for i := range t.Leaks {
		l := &t.Leaks[i]
		closes := "no"
		if l.Closable {
			closes = "yes"
		}
		who := l.Who
		if l.Permission != "" {
			who += " (" + l.Permission + ")"
		}
		rows = append(rows, []string{l.Kind, or(l.What, "-"), who, closes, l.Why})
	}
	switch {
	case t.Isolation == "":
		c.line("what lets others in is not looked for: isolation is not set")
	case len(rows) == 0:
		c.line("nothing lets anybody else in")
	default:
		c.long([]string{"LEAK", "WHAT", "WHO", "CLOSES", "WHY"}, rows, full)
	}
}

func groupText(g *run.GroupRef) string {
	if g == nil {
		return "(not there yet)"
	}
	return g.Name
}

func teamPeople(t *run.Team) [][]string {
	var rows [][]string
	for i := range t.Managers {
		rows = append(rows, []string{cmp.Or(t.Managers[i].Email, t.Managers[i].ID), "manager"})
	}
	for i := range t.Members {
		rows = append(rows, []string{cmp.Or(t.Members[i].Email, t.Members[i].ID), "member"})
	}
	return rows
}

func teamRights(t *run.Team) [][]string {
	var rows [][]string
	for _, key := range t.Rights {
		rows = append(rows, []string{key, "everybody in the team"})
	}
	for _, key := range t.ManagerRights {
		rows = append(rows, []string{key, "its managers"})
	}
	return rows
}
