package config

import (
	"reflect"
	"slices"

	"go.yaml.in/yaml/v4"

	"groupsyncd/sync/plan"
)

// Resources are what of Open WebUI a group may use, by type.
type Resources struct {
	Models    Access `yaml:"models" doc:"Models the group may use, as globs on id or name: a list may be read; or {read: […], write: […]}."`
	Knowledge Access `yaml:"knowledge" doc:"Knowledge bases, in the same way."`
	Prompts   Access `yaml:"prompts" doc:"Prompts, in the same way."`
	Tools     Access `yaml:"tools" doc:"Tools, in the same way."`
	Skills    Access `yaml:"skills" doc:"Skills, in the same way."`
}

// Access are globs on the id or name of resources that may be read, and be written.
type Access struct {
	Read  []string `yaml:"read" doc:"Resources that may be used."`
	Write []string `yaml:"write" doc:"Resources that may be used and changed."`
}

// given reports whether anything may be used.
func (a *Access) given() bool { return len(a.Read)+len(a.Write) > 0 }

// byType gives what is used in the form of a Spec; nil: nothing.
func (r *Resources) byType() map[string]plan.Access {
	var out map[string]plan.Access
	for name, a := range r.types() {
		if !a.given() {
			continue
		}
		if out == nil {
			out = map[string]plan.Access{}
		}
		out[name] = plan.Access{Read: slices.Clone(a.Read), Write: slices.Clone(a.Write)}
	}
	return out
}

func (r *Resources) types() map[string]*Access {
	return map[string]*Access{plan.Models: &r.Models, plan.Knowledge: &r.Knowledge, plan.Prompts: &r.Prompts, plan.Tools: &r.Tools, plan.Skills: &r.Skills}
}

// ResourceTypes lists the types of resources that the rules of a target are about. A team
// that owns what its managers own is about all of them.
func (c *Config) ResourceTypes(target string) []string {
	named := map[string]bool{}
	for _, spec := range c.Specs(target) {
		for name := range spec.Resources {
			named[name] = true
		}
		if spec.Team != nil && spec.Team.OwnedByManagers {
			return plan.ResourceTypes()
		}
	}
	return slices.DeleteFunc(plan.ResourceTypes(), func(name string) bool { return !named[name] })
}

// access reads what may be read as a list of globs, or a block with what may be read and
// be written.
func (d *decoder) access(n *yaml.Node, a *Access, p path) {
	if n.Kind == yaml.MappingNode {
		d.block(n, slotsOf(reflect.ValueOf(a).Elem()), p)
		return
	}
	if n.Kind != yaml.SequenceNode && n.Kind != yaml.ScalarNode {
		d.wrongType(n, p, "a list of globs, or a block with read and write")
		return
	}
	d.list(n, reflect.ValueOf(&a.Read).Elem(), p, nil)
}

func (d *decoder) checkAccess(r *Resources, p path) {
	for name, a := range r.types() {
		at := p.child(name)
		for key, list := range map[string][]string{"read": a.Read, "write": a.Write} {
			for i, pattern := range list {
				if pattern != "" {
					continue
				}
				place := at
				if d.at.has(at.child(key)) {
					place = at.child(key)
				}
				d.reportAt(listed(d, place, i), "a pattern is empty", "")
			}
		}
	}
}

// encodeAccess writes a list where nothing may be written; nil where nothing may be used.
func encodeAccess(a Access) *yaml.Node {
	switch {
	case !a.given():
		return nil
	case len(a.Write) == 0:
		return textList(a.Read)
	}
	node := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	if len(a.Read) > 0 {
		node.Content = append(node.Content, textNode("read"), textList(a.Read))
	}
	node.Content = append(node.Content, textNode("write"), textList(a.Write))
	return node
}
