package config

import (
	"maps"
	"slices"

	"groupsyncd/providers"
)

// What is special about sources that know single people only, and about those that read
// what a target keeps.

// TargetDefault is a kind of source that reads what a target keeps, and that can be told
// which one where the file names none.
type TargetDefault interface {
	// DefaultTarget is called with the first target of the file before anything is checked.
	DefaultTarget(name string)
}

// readTargets has sources that name no target read the first one.
func readTargets(c *Config) {
	if len(c.Targets) == 0 {
		return
	}
	for _, s := range c.Sources {
		if able, ok := s.Config.(TargetDefault); ok {
			able.DefaultTarget(c.Targets[0].Name)
		}
	}
}

// checkSingle finds sources that read a target that there is not, and rules that would take
// people out of groups because a source that has no lists does not show them.
func (d *decoder) checkSingle(c *Config) {
	var single []string
	for _, s := range c.Sources {
		if s.Single {
			single = append(single, s.Name)
		}
		reader, ok := s.Config.(providers.TargetReader)
		if !ok {
			continue
		}
		if name := reader.ReadsTarget(); name != "" {
			d.checkNames(path{"sources", s.Name, "target"}, "target", []string{name}, targetNames(c))
		}
	}
	for i, r := range c.Rules {
		p := path{"rules"}.index(i)
		if r.Members != "exact" || len(single) == 0 {
			continue
		}
		if len(r.From) == 0 {
			d.reportAt(p.child("members"), "exact means nothing for source "+single[0]+", which knows single people only: whom it does not show has not left",
				"name in from the sources that have lists, or write members: owned")
			continue
		}
		for _, name := range r.From {
			if slices.Contains(single, name) {
				d.reportAt(p.child("members"), "exact means nothing for source "+name+", which knows single people only: whom it does not show has not left",
					"take "+name+" out of from, and give it a rule of its own with members: owned, or write members: owned here")
				break
			}
		}
	}
}

func sourceNames(c *Config) []string {
	var names []string
	for _, s := range c.Sources {
		names = append(names, s.Name)
	}
	return names
}

func setNames(c *Config) []string { return slices.Sorted(maps.Keys(c.PermissionSets)) }

func targetNames(c *Config) []string {
	var names []string
	for _, t := range c.Targets {
		names = append(names, t.Name)
	}
	return names
}
