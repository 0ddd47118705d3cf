package main

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"groupsyncd/permission"
	"groupsyncd/target/openwebui/openwebuitest"
)

// may reports whether a tree of permissions says something else about a key.
func may(tree []byte, key, want string) error {
	set, _, err := permission.Flatten(tree)
	if err != nil {
		return err
	}
	if got := strconv.FormatBool(set[key]); got != want {
		return fmt.Errorf("%s is %s", key, got)
	}
	return nil
}

// givenCommand looks at what people may do in the Open WebUI of a script. Grants are
// written as for the command rights.
func givenCommand(ts *testscript.TestScript, neg bool, args []string) {
	c := stageOf(ts).chat
	choose(ts, neg, "given", map[string]subcommand{
		"role": {2, "MAIL ROLE", func(args []string) error {
			id, err := c.account(args[0])
			if err != nil {
				return err
			}
			for _, a := range c.server.Accounts() {
				if a.ID == id && a.Role != args[1] {
					return fmt.Errorf("the role is %s", a.Role)
				}
			}
			return nil
		}},
		"grants": {2, "TYPE ID GRANT…", func(args []string) error {
			want, err := c.grants(args[2:])
			if err != nil {
				return err
			}
			got := c.server.Grants(args[0], args[1])
			if len(got) != len(want) || slices.ContainsFunc(want, func(g openwebuitest.Grant) bool { return !slices.Contains(got, g) }) {
				return fmt.Errorf("the grants are %v", got)
			}
			return nil
		}},
		"default": {2, "KEY true|false", func(args []string) error { return may(c.server.DefaultPermissions(), args[0], args[1]) }},
		"may": {3, "MAIL KEY true|false", func(args []string) error {
			id, err := c.account(args[0])
			if err != nil {
				return err
			}
			return may(c.server.Permissions(id), args[1], args[2])
		}},
	}, args)
}
