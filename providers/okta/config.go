// Package okta reads the people and groups of an Okta organisation through its management API,
// as a service app with a private key.
//
// It owns the lists, their cursors and statuses, the members of each group, and what Okta says
// of its limits. Okta has no groups in groups, so nothing is nested here. Whatever was not read
// to its proved end covers nothing: a page that is missing, a cursor that leads elsewhere, a
// group that was there a moment ago.
package okta

import (
	"fmt"
	"slices"
	"strings"

	"groupsyncd/internal/httpx"
	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// The words of the configuration.
const (
	// Auto binds access tokens to a key where the organisation demands it, On always.
	Auto = "auto"
	On   = "on"

	oktaGroup = "OKTA_GROUP"
	appGroup  = "APP_GROUP"
	builtIn   = "BUILT_IN"

	suspended     = "SUSPENDED"
	deprovisioned = "DEPROVISIONED"
)

// Config is the configuration of an Okta source.
type Config struct {
	URL        string     `yaml:"url" doc:"Address of the organisation, such as https://example.okta.com or a custom domain; not that of the Admin Console."`
	ClientID   string     `yaml:"client_id" doc:"Client id of the service app."`
	PrivateKey secret.Ref `yaml:"private_key" doc:"Private key of the service app, as PEM or JWK."`
	KeyID      string     `yaml:"key_id,omitempty" doc:"Id (kid) of that key in the app. Omitted: that of a JWK, else none."`
	Scopes     []string   `yaml:"scopes,omitempty" doc:"Scopes to ask for. Omitted: okta.groups.read and okta.users.read, with assigned_to also okta.apps.read."`
	DPoP       string     `yaml:"dpop,omitempty" words:"auto on" doc:"auto binds access tokens to a key of this process (DPoP) where the app demands it; on always does."`
	// Disabled are the statuses of people who count as disabled.
	Disabled   []string          `yaml:"disabled,omitempty" doc:"Statuses of users that count as disabled."`
	Types      []string          `yaml:"types,omitempty" doc:"Types of groups that are shown: OKTA_GROUP, APP_GROUP, BUILT_IN. BUILT_IN has Everyone, which the match everyone selects without reading its members."`
	AssignedTo string            `yaml:"assigned_to,omitempty" doc:"Id or label of an app: only people and groups that are assigned to it are shown. Omitted: all."`
	Attributes map[string]string `yaml:"attributes,omitempty" doc:"Further properties of profiles for rules, by the name that rules use."`
	Owners     bool              `yaml:"owners,omitempty" doc:"Read who owns each group, for teams. It costs a request for each group, and everything is read each time."`
	PageSize   int               `yaml:"page_size,omitempty" doc:"How many entries Okta sends at a time, at most 200."`
	Rate       int               `yaml:"rate,omitempty" doc:"How many requests a minute each of Okta's limits is used for, at most. Omitted: 45 percent of what Okta says the limit is, and 270 at least. Less where Okta says that less is left."`
	CAFile     scalar.Path       `yaml:"ca_file,omitempty" doc:"Certificates to trust beside those of the system, as PEM."`
}

const (
	maxPageSize   = 200
	maxAttributes = 50
	maxRate       = 60_000
)

var _ providers.OwnerShower = (*Config)(nil)

// Type is the kind of source behind `type: okta`.
func Type() providers.Type {
	return providers.Type{Name: "okta", Walks: true, Changes: true, New: func() providers.Config {
		return &Config{DPoP: Auto, Disabled: []string{suspended, deprovisioned}, Types: []string{oktaGroup, appGroup}, PageSize: maxPageSize}
	}}
}

// statuses are those that Okta knows.
func statuses() []string {
	return []string{"ACTIVE", deprovisioned, "LOCKED_OUT", "PASSWORD_EXPIRED", "PROVISIONED", "RECOVERY", "STAGED", suspended}
}

func types() []string { return []string{oktaGroup, appGroup, builtIn} }

// ShowsOwners reports whether groups are read with their owners.
func (c *Config) ShowsOwners() bool { return c.Owners }

// Check finds missing and contradicting values.
func (c *Config) Check() []providers.Problem {
	p := &providers.Problems{}
	const example = "write the address of the organisation, such as https://example.okta.com"
	if c.URL == "" {
		p.Add("url is missing", example, "url")
	} else if why := checkAddress(c.URL); why != "" {
		p.Add("url "+why, example, "url")
	}
	if c.ClientID == "" {
		p.Add("client_id is missing", "write the client id of the service app", "client_id")
	}
	if c.PrivateKey.IsZero() {
		p.Add("private_key is missing", "Okta knows a service app by its key only: write file:PATH", "private_key")
	}
	if c.DPoP != Auto && c.DPoP != On {
		p.Add(fmt.Sprintf("dpop %q is not known", c.DPoP), "write auto or on", "dpop")
	}
	for _, s := range c.Disabled {
		if !slices.Contains(statuses(), s) {
			p.Add(fmt.Sprintf("there is no status %q", s), "known: "+strings.Join(statuses(), ", "), "disabled")
		}
	}
	if len(c.Types) == 0 {
		p.Add("types is empty", "name the types of groups to show: "+strings.Join(types(), ", "), "types")
	}
	for _, t := range c.Types {
		if !slices.Contains(types(), t) {
			p.Add(fmt.Sprintf("there is no type of groups %q", t), "known: "+strings.Join(types(), ", "), "types")
		}
	}
	c.checkNumbers(p)
	return *p
}

func (c *Config) checkNumbers(p *providers.Problems) {
	if c.PageSize < 1 || c.PageSize > maxPageSize {
		p.Add(fmt.Sprintf("page_size is %d", c.PageSize), fmt.Sprintf("write a number from 1 to %d", maxPageSize), "page_size")
	}
	if c.Rate < 0 || c.Rate > maxRate {
		p.Add(fmt.Sprintf("rate is %d", c.Rate), fmt.Sprintf("write how many requests a minute, up to %d, or leave it out", maxRate), "rate")
	}
	if len(c.Attributes) > maxAttributes {
		p.Add(fmt.Sprintf("there are more than %d attributes", maxAttributes), "name those that rules use", "attributes")
	}
	for name, property := range c.Attributes {
		if property == "" {
			p.Add(fmt.Sprintf("attribute %q names no property of the profile", name), "write its name in Okta, such as department", "attributes", name)
		}
	}
}

// checkAddress says what is wrong with an address, of which it repeats nothing.
func checkAddress(text string) string {
	u, err := httpx.ParseSecure(text)
	if err != nil {
		return err.Error()
	}
	host, _, _ := strings.Cut(u.Hostname(), ".")
	switch {
	case u.Path != "":
		return "must end behind the host: an authorization server of its own has no management API"
	case strings.HasSuffix(host, "-admin"):
		return "is the address of the Admin Console: leave -admin out"
	}
	return ""
}

// scopes are those to ask for.
func (c *Config) scopes() []string {
	switch {
	case len(c.Scopes) > 0:
		return c.Scopes
	case c.AssignedTo != "":
		return []string{"okta.groups.read", "okta.users.read", "okta.apps.read"}
	}
	return []string{"okta.groups.read", "okta.users.read"}
}

// Scope names what decides which entries are shown.
func (c *Config) Scope() string {
	return fmt.Sprintf("types=%q assigned_to=%q", slices.Sorted(slices.Values(c.Types)), c.AssignedTo)
}

// Place names the organisation.
func (c *Config) Place() string { return "okta " + strings.ToLower(strings.TrimRight(c.URL, "/")) }

// Replicated is true: Okta's lists may lag behind what was just written.
func (c *Config) Replicated() bool { return true }

// Open makes the source. It opens no connection.
func (c *Config) Open(o providers.Options) (providers.Source, error) {
	if err := o.Sound(c); err != nil {
		return nil, err
	}
	return newSource(*c, o)
}
