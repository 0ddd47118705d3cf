// Package file reads people and groups from a file: YAML, JSON, CSV or LDIF. It is
// the source of small installations, of exports from systems that have no interface,
// and of tests.
//
// A file counts as a whole or not at all: whatever cannot be read, changes while it
// is read, or holds a mistake anywhere covers nothing, because a file cut short looks
// exactly like a file from which people were taken out. How its answers are merged
// with earlier ones is not decided here.
package file

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"groupsyncd/internal/scalar"
	"groupsyncd/providers"
)

// The formats of a file.
const (
	YAML = "yaml"
	JSON = "json"
	CSV  = "csv"
	LDIF = "ldif"
)

// Config is the configuration of a file source.
type Config struct {
	Path scalar.Path `yaml:"path" doc:"The file with people and groups; replace it by renaming a new one over it."`
	// Format is one of the constants; empty: by the ending of the name.
	Format string `yaml:"format,omitempty" words:"yaml json csv ldif" doc:"How the file is written. Default: by the ending of its name."`
	// Nested counts the members of member groups.
	Nested bool `yaml:"nested" doc:"Members of member groups count; cycles are fine."`
}

// Type describes the source to the registry.
func Type() providers.Type {
	return providers.Type{Name: "file", New: func() providers.Config { return &Config{Nested: true} }}
}

// format gives the format, or nothing where neither the key nor the name tells it.
func (c *Config) format() string {
	if c.Format != "" {
		return c.Format
	}
	switch strings.ToLower(filepath.Ext(string(c.Path))) {
	case ".yaml", ".yml":
		return YAML
	case ".json":
		return JSON
	case ".csv":
		return CSV
	case ".ldif", ".ldf":
		return LDIF
	}
	return ""
}

// Check finds missing and contradicting values.
func (c *Config) Check() []providers.Problem {
	const hint = "write yaml, json, csv or ldif"
	switch {
	case c.Path == "":
		return []providers.Problem{{Path: []string{"path"}, Message: "path is missing", Hint: "name the file with the people and groups"}}
	case c.format() == "":
		return []providers.Problem{{Path: []string{"format"}, Message: fmt.Sprintf("the name %q does not tell the format", filepath.Base(string(c.Path))), Hint: hint}}
	case !slices.Contains([]string{YAML, JSON, CSV, LDIF}, c.format()):
		return []providers.Problem{{Path: []string{"format"}, Message: fmt.Sprintf("format %q is not known", c.Format), Hint: hint}}
	}
	return nil
}

// Scope names what decides about ids and entries: the format, because each has its
// own ids, and nesting.
func (c *Config) Scope() string { return c.format() + " nested=" + strconv.FormatBool(c.Nested) }

// ShowsOwners reports whether groups have owners: CSV has no place for them.
func (c *Config) ShowsOwners() bool { return c.format() != CSV }

// Place names the file.
func (c *Config) Place() string { return "file " + string(c.Path) }

// Replicated is false: a file is one place.
func (c *Config) Replicated() bool { return false }

// Open makes the source. The file is first read by Pull.
func (c *Config) Open(o providers.Options) (providers.Source, error) {
	if err := o.Sound(c); err != nil {
		return nil, err
	}
	return &source{path: string(c.Path), format: c.format(), nested: c.Nested, now: o.Clock()}, nil
}
