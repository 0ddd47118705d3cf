package config_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"groupsyncd/config"
	"groupsyncd/directory"
	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// dirConfig is a source with every kind of key that sources have.
type dirConfig struct {
	URL    []string    `yaml:"url" doc:"Addresses, tried in order."`
	CAFile scalar.Path `yaml:"ca_file"`
	Bind   *bind       `yaml:"bind"`
	Layout string      `yaml:"layout" words:"auto rfc2307 ad"`
	Users  block       `yaml:"users"`
	Groups block       `yaml:"groups"`
	Nested bool        `yaml:"nested"`
	Page   uint16      `yaml:"page_size"`
	Every  scalar.Duration
	Keys   map[string]secret.Ref `yaml:"keys"`
	// Schedule is a key that every source has already; it is never filled.
	Schedule int `yaml:"schedule"`
}

type bind struct {
	DN       string     `yaml:"dn"`
	Password secret.Ref `yaml:"password"`
}

type block struct {
	Base       bases             `yaml:"base"`
	Filter     string            `yaml:"filter"`
	Attributes map[string]string `yaml:"attributes"`
}

// bases read and write themselves.
type bases []string

func (b *bases) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		if node.Value == "nowhere" {
			return fmt.Errorf("%q is not a base", node.Value)
		}
		*b = bases{node.Value}
		return nil
	}
	var many []string
	if err := node.Decode(&many); err != nil {
		return err
	}
	*b = many
	return nil
}

func (b bases) MarshalYAML() (any, error) { return []string(b), nil }

func (c *dirConfig) ShowsOwners() bool { return c.Layout != "rfc2307" }

func (c *dirConfig) Check() []providers.Problem {
	var problems []providers.Problem
	if len(c.URL) == 0 {
		problems = append(problems, providers.Problem{Path: []string{"url"}, Message: "is missing", Hint: "write ldaps://ldap.example.org"})
	}
	for _, u := range c.URL {
		if !strings.HasPrefix(u, "ldap") {
			problems = append(problems, providers.Problem{Path: []string{"url"}, Message: fmt.Sprintf("%q is not an LDAP address", u)})
		}
	}
	if len(c.Users.Base) == 0 {
		problems = append(problems, providers.Problem{Path: []string{"users", "base"}, Message: "is missing"})
	}
	return problems
}

func (c *dirConfig) Scope() string                                    { return strings.Join(c.Users.Base, ";") }
func (c *dirConfig) Place() string                                    { return strings.Join(c.URL, ";") }
func (c *dirConfig) Replicated() bool                                 { return len(c.URL) > 1 }
func (c *dirConfig) Open(providers.Options) (providers.Source, error) { return fakeSource{}, nil }

type fakeSource struct{}

func (fakeSource) Pull(context.Context, providers.Progress) (*directory.Snapshot, error) {
	return &directory.Snapshot{}, nil
}
func (fakeSource) Close() error { return nil }

type listConfig struct {
	Path scalar.Path `yaml:"path"`
}

func (c *listConfig) Check() []providers.Problem {
	if c.Path == "" {
		return []providers.Problem{{Path: []string{"path"}, Message: "is missing"}}
	}
	return nil
}
func (c *listConfig) Scope() string                                    { return string(c.Path) }
func (c *listConfig) Place() string                                    { return string(c.Path) }
func (c *listConfig) Replicated() bool                                 { return false }
func (c *listConfig) Open(providers.Options) (providers.Source, error) { return fakeSource{}, nil }

// peopleConfig is a source of single people that reads what a target keeps.
type peopleConfig struct {
	Target string `yaml:"target"`
	Tokens string `yaml:"tokens" words:"target webhook"`
}

func (c *peopleConfig) Check() []providers.Problem {
	if c.ReadsTarget() == "" && c.Tokens == "target" {
		return []providers.Problem{{Path: []string{"target"}, Message: "is missing"}}
	}
	return nil
}
func (c *peopleConfig) Scope() string                                    { return "people" }
func (c *peopleConfig) Place() string                                    { return "people" }
func (c *peopleConfig) Replicated() bool                                 { return false }
func (c *peopleConfig) Open(providers.Options) (providers.Source, error) { return fakeSource{}, nil }
func (c *peopleConfig) SignsIn() (provider, subject string)              { return "", "id" }
func (c *peopleConfig) ReadsTarget() string {
	if c.Tokens == "webhook" {
		return ""
	}
	return c.Target
}

func (c *peopleConfig) DefaultTarget(name string) {
	if c.Target == "" {
		c.Target = name
	}
}

func registry() providers.Registry {
	return providers.Registry{
		{Name: "people", Single: true, New: func() providers.Config { return &peopleConfig{Tokens: "target"} }},
		{Name: "ldap", Changes: true, New: func() providers.Config { return &dirConfig{Layout: "auto", Nested: true, Page: 500} }},
		{Name: "file", New: func() providers.Config { return &listConfig{} }},
	}
}

// hookKinds are a kind of each sort.
func hookKinds() []config.HookKind {
	verifiers := []string{"file"}
	return []config.HookKind{
		{Type: "standard", Secret: config.Required, Source: config.Optional, Target: config.Unwanted, Verifiers: verifiers},
		{Type: "openwebui", Secret: config.Required, Source: config.Unwanted, Target: config.Required, Verifiers: verifiers},
		{Type: "keycloak", Secret: config.Optional, Source: config.Optional, Target: config.Unwanted, Verifiers: verifiers},
		{Type: "logout", Secret: config.Unwanted, Source: config.Required, Target: config.Unwanted, Tokens: true, Verifiers: verifiers},
	}
}

func options() config.Options {
	return config.Options{
		File: "groupsyncd.yaml", Dir: "/etc/groupsyncd", Registry: registry(), Hooks: hookKinds(),
		CheckNotice: func(title, body string) error {
			if strings.Contains(title+body, "nope") {
				return errors.New("template: body:1: function \"nope\" not defined")
			}
			return nil
		},
		CheckSchedule: func(spec string) error {
			if !strings.HasPrefix(spec, "every ") && !strings.HasPrefix(spec, "@") && len(strings.Fields(spec)) != 5 {
				return fmt.Errorf("%q is not a schedule", spec)
			}
			return nil
		},
	}
}

func load(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Load([]byte(text), options())
	if err != nil {
		t.Fatalf("%v", err)
	}
	return c
}

func problems(t *testing.T, text string) config.Problems {
	t.Helper()
	_, err := config.Load([]byte(text), options())
	p, ok := errors.AsType[config.Problems](err)
	if !ok {
		t.Fatalf("no problems, but %v", err)
	}
	return p
}
