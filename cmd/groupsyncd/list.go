package main

import (
	"cmp"
	"strconv"
	"strings"

	"groupsyncd/config"
	"groupsyncd/server"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

func (c *command) listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "What the directories have, and which rule takes it",
	}
	var source string
	var unmatched, full bool
	groups := &cobra.Command{
		Use:   "groups",
		Short: "Directory groups, as last read, with the rules that take them",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return c.look(func(b server.Backend, _ *config.Config) error {
				all, err := b.ListGroups(c.ctx, source, unmatched)
				if err != nil {
					return err
				}
				none := unmatched // Nobody has read anything where the whole list is empty too.
				if none && len(all) == 0 {
					read, err := b.ListGroups(c.ctx, source, false)
					if err != nil {
						return err
					}
					none = len(read) > 0
				}
				return c.print(map[string]any{"groups": all}, func() { c.directoryGroups(all, none, full) })
			})
		},
	}
	users := &cobra.Command{
		Use:   "users",
		Short: "Directory users, as last read, with their accounts",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return c.look(func(b server.Backend, _ *config.Config) error {
				all, err := b.ListUsers(c.ctx, source, unmatched)
				if err != nil {
					return err
				}
				none := unmatched
				if none && len(all) == 0 {
					read, err := b.ListUsers(c.ctx, source, false)
					if err != nil {
						return err
					}
					none = len(read) > 0
				}
				return c.print(map[string]any{"users": all}, func() { c.directoryUsers(all, none, full) })
			})
		},
	}
	for _, sub := range []*cobra.Command{groups, users} {
		sub.Flags().StringVar(&source, "source", "", "of this source only")
		sub.Flags().BoolVar(&full, "full", false, "show every line")
	}
	groups.Flags().BoolVar(&unmatched, "unmatched", false, "only groups that no rule takes")
	users.Flags().BoolVar(&unmatched, "unmatched", false, "only people without an account, with why")
	cmd.AddCommand(groups, users)
	return cmd
}

func (c *command) directoryGroups(all []run.DirectoryGroup, unmatched, full bool) {
	if len(all) == 0 {
		if unmatched {
			c.line("a rule takes every directory group")
			return
		}
		c.line("no group was read yet")
		return
	}
	var rows [][]string
	for i := range all {
		if i == shownLines && !full {
			break
		}
		g := &all[i]
		row := []string{g.Source, g.Name, cmp.Or(g.DN, g.Path, g.ID), strconv.Itoa(g.Members), g.Status}
		if len(g.Rules) == 0 {
			rows = append(rows, append(row, "no rule", "-"))
		}
		for j := range g.Rules {
			t := &g.Rules[j]
			to := or(t.Group.Name, "no usable name")
			if t.Group.ID == "" {
				to += " (not there yet)"
			}
			rows = append(rows, append(row[:5:5], t.Rule, to+" on "+t.Target))
		}
	}
	c.table([]string{"SOURCE", "GROUP", "DN OR PATH", "MEMBERS", "STATUS", "RULE", "OPEN WEBUI GROUP"}, rows)
	if !full {
		c.rest(len(all)-shownLines, "--full")
	}
}

func (c *command) directoryUsers(all []run.DirectoryUser, unmatched, full bool) {
	if len(all) == 0 {
		if unmatched {
			c.line("everybody who is enabled has an account")
			return
		}
		c.line("nobody was read yet")
		return
	}
	var rows [][]string
	for i := range all {
		if i == shownLines && !full {
			break
		}
		u := &all[i]
		var accounts, why []string
		for j := range u.Accounts {
			l := &u.Accounts[j]
			text := l.State
			if l.State == "linked" && l.Account != nil {
				text = or(l.Account.Email, l.Account.ID)
			}
			accounts = append(accounts, text+" on "+l.Target)
			if l.Why != "" && (unmatched || l.State == "conflict" || l.State == "unmatched") {
				why = append(why, l.Why)
			}
		}
		rows = append(rows, []string{u.Source, cmp.Or(u.Email, u.Username, u.Name, u.ID), u.Status, strconv.Itoa(u.Groups), strings.Join(accounts, ", "), strings.Join(why, "; ")})
	}
	c.table([]string{"SOURCE", "PERSON", "STATUS", "GROUPS", "ACCOUNT", "WHY NOT"}, rows)
	if !full {
		c.rest(len(all)-shownLines, "--full")
	}
}
