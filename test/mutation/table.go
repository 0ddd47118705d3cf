package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mutation switches one guard off.
type mutation struct {
	// rule is what the guard belongs to: "incident 7", or the section of the design.
	rule string
	// name says what the guard does.
	name string
	file string
	// old occurs exactly once in the file; new takes its place.
	old, new string
	// pkg is the folder of the package whose test must fail, run the pattern of that test.
	pkg, run string
	// histories is how many histories the test lives through, where it is one.
	histories int
	// beyond says why no history can show that the guard is gone.
	beyond string
}

// table gives every mutation, those of the incidents first.
func table() []mutation {
	return slices.Concat(incidents(), replicas(), plans(), identities(), guards(), engines(), changes(), oracles(), signIns(), oidcTokens(), scimLists(), directories(), receivers(), noticing(), verifications(), singles(), doors(), teams(), targets(), sharing(), portable(), configured(), roles(), clients(), authentikLists(), entras(), oktas(), keycloaks(), googleGroups(), provisioned(), setup(), figures(), page())
}

// apply gives the file with the guard switched off.
func (m *mutation) apply(root string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		return nil, fmt.Errorf("the text occurs %d times in %s, not once: %q", n, m.file, m.old)
	}
	return []byte(strings.Replace(string(text), m.old, m.new, 1)), nil
}

// in makes mutations of one rule and package out of short ones.
func in(rule, pkg string, list ...mutation) []mutation {
	for i := range list {
		list[i].rule, list[i].pkg = rule, pkg
		list[i].run = "^(" + list[i].run + ")$"
	}
	return list
}
