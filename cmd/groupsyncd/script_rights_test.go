package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"groupsyncd/permission"
	"groupsyncd/target/openwebui/openwebuitest"
)

// rightsCommand is the hand of an administrator on what people may do in the Open WebUI of a
// script. A grant is written KIND:NAME:PERMISSION, as group:Sales:read or user:ana:write or
// user:*:read.
func rightsCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := stageOf(ts)
	onGroup := func(do func(id, word string) error) func([]string) error {
		return func(args []string) error {
			g, err := s.chat.group(args[0])
			if err != nil {
				return err
			}
			return do(g.ID, args[1])
		}
	}
	choose(ts, neg, "rights", map[string]subcommand{
		"permissions": {2, "GROUP JSON", onGroup(func(id, tree string) error { s.chat.server.SetPermissions(id, json.RawMessage(tree)); return nil })},
		"parent": {2, "GROUP PARENT", onGroup(func(id, name string) error {
			parent, err := s.chat.group(name)
			if err == nil {
				s.chat.server.SetParent(id, parent.ID)
			}
			return err
		})},
		"defaults": {1, "JSON", func(args []string) error { s.chat.server.SetDefaultPermissions(json.RawMessage(args[0])); return nil }},
		"default": {2, "KEY true|false", func(args []string) error {
			tree, err := permission.Merge(s.chat.server.DefaultPermissions(), permission.Set{args[0]: args[1] == "true"})
			if err == nil {
				s.chat.server.SetDefaultPermissions(tree)
			}
			return err
		}},
		"role": {2, "MAIL ROLE", func(args []string) error {
			id, err := s.chat.account(args[0])
			if err == nil {
				s.chat.server.SetRole(id, args[1])
			}
			return err
		}},
		"bypass": {1, "true|false", func(args []string) error { s.chat.server.SetAdminBypass(args[0] == "true"); return nil }},
		"share": {4, "TYPE ID NAME OWNER GRANT…", func(args []string) error {
			r := openwebuitest.Resource{Type: args[0], ID: args[1], Name: args[2]}
			var err error
			if args[3] != "-" {
				if r.Owner, err = s.chat.account(args[3]); err != nil {
					return err
				}
			}
			if r.Grants, err = s.chat.grants(args[4:]); err == nil {
				s.chat.server.Share(r)
			}
			return err
		}},
	}, args)
}

// grants reads words such as group:Sales:read.
func (c *chatStage) grants(words []string) (out []openwebuitest.Grant, err error) {
	for _, word := range words {
		parts := strings.Split(word, ":")
		if len(parts) != 3 {
			return nil, fmt.Errorf("%q is no grant", word)
		}
		g := openwebuitest.Grant{Kind: parts[0], ID: parts[1], Permission: parts[2]}
		switch {
		case g.Kind == "group":
			var found openwebuitest.Group
			found, err = c.group(g.ID)
			g.ID = found.ID
		case g.ID != "*":
			g.ID, err = c.account(g.ID)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}
