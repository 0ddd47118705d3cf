// Package scimpush is a source that its provider fills: a SCIM 2.0 service provider
// (RFC 7643, RFC 7644) into which Entra, Okta and others provision users and groups.
//
// It owns what was provisioned, in a store that the state keeps, and what that proves: single
// people until the provider's first round has ended, everything from then on, and nothing at
// all when the store may be older than the provider's knowledge. Who may ask, and how much, is
// decided before a request comes here.
package scimpush

import (
	"fmt"
	"strings"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// Config is the configuration of a source that is provisioned into.
type Config struct {
	Token []secret.Ref `yaml:"token" doc:"Where the bearer token that the provider shows is kept, one or several: while it is changed both are taken."`
	Users Users        `yaml:"users,omitempty" doc:"Which attributes of a user are what."`
	// SettledAfter is how long nothing must be written before everything counts as brought.
	SettledAfter scalar.Duration `yaml:"settled_after,omitempty" doc:"How long the provider must be quiet, while the daemon listens, before what it has brought counts as everything. Longer than the 40 minutes between two cycles of Entra."`
}

// Users says which attributes are what, each as a path such as userName, name.formatted,
// emails[type eq "work"].value or urn:…:User:department.
type Users struct {
	Email    string `yaml:"email,omitempty" doc:"Mail address: primary (the primary one, else the first for work, else the first), or the path of an attribute."`
	Username string `yaml:"username,omitempty" doc:"Name that the person signs in with: the path of an attribute."`
	Name     string `yaml:"name,omitempty" doc:"Name for display: auto (displayName, else name.formatted, else given and family name), or the path of an attribute."`
	// Attributes are further attributes for rules, by the name that rules use.
	Attributes map[string]string `yaml:"attributes,omitempty" doc:"Further attributes for rules, by the name that rules use. externalId is always there."`
}

const (
	primaryMail = "primary"
	autoName    = "auto"

	defaultSettled = time.Hour
	maxAttributes  = 50
	maxTokens      = 10
)

// Type is the kind of source behind `type: scim-push`.
func Type() providers.Type {
	return providers.Type{Name: "scim-push", Push: true, Schedule: "every 1h", New: func() providers.Config {
		return &Config{Users: Users{Email: primaryMail, Username: "userName", Name: autoName}, SettledAfter: scalar.Duration(defaultSettled)}
	}}
}

// Check finds missing and contradicting values.
func (c *Config) Check() []providers.Problem {
	p := &providers.Problems{}
	if len(c.Token) == 0 {
		p.Add("token is missing", "name where it is kept, such as file:secrets/scim-in, and make one with: openssl rand -hex 32", "token")
	}
	if len(c.Token) > maxTokens {
		p.Add(fmt.Sprintf("there are more than %d tokens", maxTokens), "two are enough while one is changed for another", "token")
	}
	if c.SettledAfter <= 0 {
		p.Add("settled_after must be longer than nothing", "write how long the provider is quiet when it has brought everything, such as 1h", "settled_after")
	}
	if len(c.Users.Attributes) > maxAttributes {
		p.Add(fmt.Sprintf("there are more than %d attributes", maxAttributes), "leave out those that no rule uses", "users", "attributes")
	}
	for _, at := range c.paths() {
		if _, err := parsePath(at.path); err != nil {
			p.Add(fmt.Sprintf("%q is no path of an attribute: %v", at.path, err), `write it as SCIM does, such as userName or emails[type eq "work"].value`, at.key...)
		}
	}
	return *p
}

type configured struct {
	path string
	key  []string
}

// paths are the paths that the configuration names.
func (c *Config) paths() []configured {
	var list []configured
	if c.Users.Email != primaryMail {
		list = append(list, configured{c.Users.Email, []string{"users", "email"}})
	}
	list = append(list, configured{c.Users.Username, []string{"users", "username"}})
	if c.Users.Name != autoName {
		list = append(list, configured{c.Users.Name, []string{"users", "name"}})
	}
	for name, p := range c.Users.Attributes {
		list = append(list, configured{p, []string{"users", "attributes", name}})
	}
	return list
}

// Scope is empty: the provider alone decides what it brings.
func (c *Config) Scope() string { return "" }

// Place names where the tokens are kept: what a source holds is in our state, and one that is
// named anew in the file, with the tokens that it had, keeps it.
func (c *Config) Place() string {
	place := []string{"scim-push"}
	for _, ref := range c.Token {
		place = append(place, ref.String())
	}
	return strings.Join(place, " ")
}

// Replicated is never true: the store is ours.
func (c *Config) Replicated() bool { return false }

// Open makes the source.
func (c *Config) Open(o providers.Options) (providers.Source, error) {
	s := &Source{config: *c, options: o, now: o.Clock(), prefix: "/scim/" + o.Name + "/v2", signal: make(chan struct{}, 1)}
	if o.Pushed == nil {
		s.options.Pushed = nothing{}
	}
	for _, at := range c.paths() {
		if _, err := parsePath(at.path); err != nil {
			return nil, fault.New(fault.Invalid, "open the source", at.path, err, "")
		}
	}
	s.reader = newReader(&c.Users)
	s.handler = s.routes()
	return s, nil
}

// nothing is a store that holds nothing and keeps nothing: for a look at the configuration alone.
type nothing struct{}

func (nothing) Revision() uint64                                      { return 0 }
func (nothing) Load(func(string, []byte) error) (uint64, error)       { return 0, nil }
func (nothing) Get(string) ([]byte, error)                            { return nil, nil }
func (nothing) Save(uint64, []providers.PushedRecord) (uint64, error) { return 0, nil }
