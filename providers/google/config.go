// Package google reads the people and groups of Google Workspace and Cloud Identity with the
// Directory API of the Admin SDK.
//
// It owns what that API means: who is a member of a group in which of its four ways, who is
// disabled, which groups are our customer's, and which error means what. Requests are those of
// internal/httpx, tokens those of internal/oauth, nesting is directory's.
package google

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// Config is the configuration of a Google source.
type Config struct {
	Customer    string     `yaml:"customer,omitempty" doc:"Id of the customer, such as C0123abcd; my_customer is that of the account that asks."`
	Credentials secret.Ref `yaml:"credentials" doc:"Where the key of the service account is kept, as the JSON that Google Cloud gives."`
	Subject     string     `yaml:"subject,omitempty" doc:"The administrator in whose name the service account reads (domain-wide delegation). Omitted: in its own name, with an administrator role of its own."`
	Domain      string     `yaml:"domain,omitempty" doc:"Only people and groups with their primary address in this domain. Omitted: all domains of the customer."`
	Groups      string     `yaml:"groups,omitempty" doc:"Which groups are read, as a query of the Directory API: email:ai-* or name='AI users'. Google's search may be hours behind. Omitted: all."`
	// Attributes are further attributes for rules, by the name that rules use.
	Attributes map[string]string `yaml:"attributes,omitempty" doc:"Further attributes for rules, by the name that rules use: orgUnitPath, organizations.department, or customSchemas.SCHEMA.FIELD."`
	Nested     bool              `yaml:"nested" doc:"Members of member groups count."`
	Owners     bool              `yaml:"owners,omitempty" doc:"Show who owns a group, for teams: members with the role owner, not managers."`
	PageSize   int               `yaml:"page_size,omitempty" doc:"Groups and members per request, at most 200."`
	Parallel   int               `yaml:"parallel,omitempty" doc:"Requests at a time."`
	URL        string            `yaml:"url,omitempty" doc:"Address of the API, for tests; tokens are then asked for at URL/token. Omitted: Google's."`
}

const (
	myCustomer      = "my_customer"
	defaultPageSize = 200
	maxPageSize     = 200
	defaultParallel = 8
	maxParallel     = 32
	apiURL          = "https://admin.googleapis.com"
	tokenURL        = "https://oauth2.googleapis.com/token" //nolint:gosec // It is an address.
)

// Type is the kind of source behind `type: google`.
func Type() providers.Type {
	return providers.Type{Name: "google", Walks: true, New: func() providers.Config {
		return &Config{Customer: myCustomer, Nested: true, PageSize: defaultPageSize, Parallel: defaultParallel}
	}}
}

// Check finds missing and contradicting values.
func (c *Config) Check() []providers.Problem {
	p := &providers.Problems{}
	if c.Credentials.IsZero() {
		p.Add("credentials is missing", "name the JSON file of the service account's key, such as file:secrets/google.json", "credentials")
	}
	if c.Customer != myCustomer && !regexp.MustCompile(`^C[0-9A-Za-z]+$`).MatchString(c.Customer) {
		p.Add(fmt.Sprintf("customer %q is no customer id", c.Customer), "write my_customer, or the id below Account > Account settings in the Admin console, which begins with C", "customer")
	}
	if c.Subject != "" && !isMail(c.Subject) {
		p.Add(fmt.Sprintf("subject %q is no mail address", c.Subject), "write the primary address of the administrator, or leave it out", "subject")
	}
	if c.Domain != "" && (!strings.Contains(c.Domain, ".") || strings.ContainsAny(c.Domain, "@/*: ")) {
		p.Add(fmt.Sprintf("domain %q is no domain", c.Domain), "write one domain, such as example.org, or leave it out", "domain")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Attributes)) {
		if _, err := parseField(c.Attributes[name]); err != nil {
			p.Add(err.Error(), "write orgUnitPath, organizations.department or customSchemas.SCHEMA.FIELD", "attributes", name)
		}
	}
	if c.PageSize < 1 || c.PageSize > maxPageSize {
		p.Add(fmt.Sprintf("page_size is %d", c.PageSize), fmt.Sprintf("write a number from 1 to %d, which is Google's limit", maxPageSize), "page_size")
	}
	if c.Parallel < 1 || c.Parallel > maxParallel {
		p.Add(fmt.Sprintf("parallel is %d", c.Parallel), fmt.Sprintf("write a number from 1 to %d", maxParallel), "parallel")
	}
	if c.URL != "" {
		if _, err := httpx.ParseSecure(c.URL); err != nil {
			p.Add("url "+err.Error(), "leave it out: it is for tests", "url")
		}
	}
	return *p
}

// Scope names what decides which people and groups are shown.
func (c *Config) Scope() string {
	return fmt.Sprintf("customer=%q domain=%q groups=%q nested=%t", c.Customer, strings.ToLower(c.Domain), c.Groups, c.Nested)
}

// Place names the customer: by its id, else by the domain of who is asked for.
func (c *Config) Place() string {
	place := "google " + c.Customer
	if _, domain, ok := strings.Cut(c.Subject, "@"); ok && c.Customer == myCustomer {
		place += " of " + strings.ToLower(domain)
	}
	if c.URL != "" {
		place += " at " + strings.ToLower(strings.TrimRight(c.URL, "/"))
	}
	return place
}

// Replicated is true: answers come from many servers of Google, some of which are behind.
func (c *Config) Replicated() bool { return true }

// ShowsOwners reports whether groups come with their owners.
func (c *Config) ShowsOwners() bool { return c.Owners }

// Open makes the source. It opens no connection and reads no secret.
func (c *Config) Open(o providers.Options) (providers.Source, error) {
	if err := o.Sound(c); err != nil {
		return nil, err
	}
	base, token := apiURL, tokenURL
	if other := strings.TrimRight(c.URL, "/"); other != "" && other != apiURL {
		base, token = other, other+"/token"
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, fault.New(fault.Invalid, "open source", o.Name, errors.New("the url cannot be understood"), "")
	}
	return newSource(*c, o, u, token)
}

var (
	_ providers.Config      = (*Config)(nil)
	_ providers.OwnerShower = (*Config)(nil)
)
