// Package entra reads users, groups and app roles of a Microsoft Entra tenant by Microsoft
// Graph v1.0.
//
// A full read is the first round of a delta query, so that what follows it is the cursor of
// the next read of changes: both go through the same code, and a picture that changes were
// applied to is put together like one that was read whole. Nesting is closed by us. What the
// permissions of our application hide is not covered; it never looks like nobody.
//
// Access tokens are package oauth's, connections, retries and limits httpx's.
package entra

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"groupsyncd/internal/httpx"
	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// The words of the configuration.
const (
	// Global, US and China are the clouds that Microsoft runs apart from each other.
	Global = "global"
	US     = "us"
	China  = "china"
	// Groups and AppRoles are what is shown as a group.
	Groups   = "groups"
	AppRoles = "app_roles"
)

// Config is the configuration of a Microsoft Entra source.
type Config struct {
	Tenant         string      `yaml:"tenant" doc:"Id of the directory (tenant), or one of its domains."`
	ClientID       string      `yaml:"client_id" doc:"Id of the application that is registered for groupsyncd."`
	ClientSecret   secret.Ref  `yaml:"client_secret,omitempty" doc:"Where the secret of the application is kept; or private_key and certificate, or federated_token."`
	PrivateKey     secret.Ref  `yaml:"private_key,omitempty" doc:"Where the private key of certificate is kept, as PEM."`
	Certificate    scalar.Path `yaml:"certificate,omitempty" doc:"Certificate that was uploaded to the application, as PEM."`
	FederatedToken secret.Ref  `yaml:"federated_token,omitempty" doc:"Where a token of another issuer is kept that the application trusts (workload identity); read anew each time."`
	Cloud          string      `yaml:"cloud,omitempty" words:"global us china" doc:"Which of Microsoft's clouds the tenant is in."`
	URL            string      `yaml:"url,omitempty" doc:"Address of Microsoft Graph, where it is another than that of cloud, without /v1.0."`
	LoginURL       string      `yaml:"login_url,omitempty" doc:"Address where tokens come from, where it is another than that of cloud."`
	CAFile         scalar.Path `yaml:"ca_file,omitempty" doc:"Certificates to trust beside those of the system, as PEM: for a proxy that looks into TLS."`
	AssignedTo     string      `yaml:"assigned_to,omitempty" doc:"Name or id of an enterprise application: only groups that are assigned to it are shown, and groups inside them count."`
	Include        []string    `yaml:"include,omitempty" words:"groups app_roles" doc:"What is shown as groups: groups, app_roles (who has each role of the application of assigned_to), or both."`
	Nested         bool        `yaml:"nested" doc:"Members of member groups count. App roles never reach them: Entra gives a role to the direct members of a group only."`
	Owners         bool        `yaml:"owners,omitempty" doc:"Read the owners of each group, with one request for each. Changes cannot be followed with it: everything is read each time."`
	Guests         bool        `yaml:"guests" doc:"Show guests (userType Guest) too."`
	Users          Users       `yaml:"users,omitempty" doc:"Which properties of users hold what."`
}

// Users says which properties of users hold what.
type Users struct {
	Email    []string `yaml:"email,omitempty" words:"mail userPrincipalName" doc:"Property with the mail address: mail, userPrincipalName, or both, of which the first that is set counts."`
	Username string   `yaml:"username,omitempty" words:"userPrincipalName mail mailNickname onPremisesSamAccountName employeeId" doc:"Property with the name that people sign in with."`
	Name     string   `yaml:"name,omitempty" doc:"Property with the name for display."`
	// Attributes are further properties for rules, by the name that rules use.
	Attributes map[string]string `yaml:"attributes,omitempty" doc:"Further properties for rules, by the name that rules use, such as department or onPremisesExtensionAttributes/extensionAttribute1."`
}

// Type is the kind of source behind `type: entra`.
func Type() providers.Type {
	return providers.Type{Name: "entra", Walks: true, Changes: true, New: func() providers.Config {
		return &Config{Cloud: Global, Include: []string{Groups}, Nested: true, Guests: true,
			Users: Users{Email: []string{"mail"}, Username: "userPrincipalName", Name: "displayName"}}
	}}
}

const maxAttributes = 50

// property is what properties are called, with one step into those that have parts.
var property = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}(/[A-Za-z][A-Za-z0-9_]{0,99})?$`)

// Check finds missing and contradicting values.
func (c *Config) Check() []providers.Problem {
	p := &providers.Problems{}
	if c.Tenant == "" {
		p.Add("tenant is missing", "write the directory (tenant) id of the overview page in the Entra admin centre", "tenant")
	} else if strings.ContainsAny(c.Tenant, "/?#% \t\n") || slices.Contains([]string{"common", "organizations", "consumers"}, strings.ToLower(c.Tenant)) {
		p.Add(fmt.Sprintf("tenant %q is none", c.Tenant), "write the directory (tenant) id, or a domain of it such as example.onmicrosoft.com", "tenant")
	}
	if c.ClientID == "" {
		p.Add("client_id is missing", "write the application (client) id of the app registration", "client_id")
	}
	c.checkCredential(p)
	if _, known := clouds()[c.Cloud]; !known {
		p.Add(fmt.Sprintf("cloud %q is not known", c.Cloud), "write global, us or china; other clouds need url and login_url", "cloud")
	}
	for key, text := range map[string]string{"url": c.URL, "login_url": c.LoginURL} {
		example := map[string]string{"url": "https://graph.microsoft.com", "login_url": "https://login.microsoftonline.com"}[key]
		if text == "" {
			continue
		}
		if _, err := httpx.ParseSecure(text); err != nil {
			p.Add(key+" "+err.Error(), "write it as "+example+", or leave it out", key)
		}
	}
	c.checkShown(p)
	c.checkUsers(p)
	slices.SortStableFunc(*p, func(a, b providers.Problem) int { return cmp.Compare(a.Path[0], b.Path[0]) })
	return *p
}

func (c *Config) checkCredential(p *providers.Problems) {
	ways := 0
	for _, used := range []bool{!c.ClientSecret.IsZero(), !c.PrivateKey.IsZero() || c.Certificate != "", !c.FederatedToken.IsZero()} {
		if used {
			ways++
		}
	}
	switch {
	case ways == 0:
		p.Add("there is no credential", "add client_secret: file:PATH, or private_key and certificate, or federated_token", "client_secret")
	case ways > 1:
		p.Add("there is more than one credential", "keep one of client_secret, private_key with certificate, and federated_token", "client_secret")
	case c.Certificate != "" && c.PrivateKey.IsZero():
		p.Add("certificate has no private_key", "add private_key: file:PATH with the key of the certificate", "private_key")
	case c.Certificate == "" && !c.PrivateKey.IsZero():
		p.Add("private_key has no certificate", "add certificate with the file that was uploaded to the application: Entra finds the key by it", "certificate")
	}
}

func (c *Config) checkShown(p *providers.Problems) {
	if len(c.Include) == 0 {
		p.Add("include is empty", "write groups, app_roles, or both", "include")
	}
	for _, word := range c.Include {
		if word != Groups && word != AppRoles {
			p.Add(fmt.Sprintf("include %q is not known", word), "write groups, app_roles, or both", "include")
		}
	}
	if c.shows(AppRoles) && c.AssignedTo == "" {
		p.Add("app_roles are those of an application, and assigned_to names none", "add assigned_to with the enterprise application", "assigned_to")
	}
	if strings.TrimSpace(c.AssignedTo) != c.AssignedTo {
		p.Add("assigned_to begins or ends with a space", "take it away", "assigned_to")
	}
}

func (c *Config) shows(what string) bool { return slices.Contains(c.Include, what) }

func (c *Config) checkUsers(p *providers.Problems) {
	if len(c.Users.Email) == 0 {
		p.Add("users.email is empty", "write mail", "users", "email")
	}
	for _, name := range c.Users.Email {
		if name != "mail" && name != "userPrincipalName" {
			p.Add(fmt.Sprintf("users.email %q is no property by which people are found", name), "write mail, userPrincipalName, or [mail, userPrincipalName]", "users", "email")
		}
	}
	if !slices.Contains([]string{"userPrincipalName", "mail", "mailNickname", onPremisesName, "employeeId"}, c.Users.Username) {
		p.Add(fmt.Sprintf("users.username %q is no property by which people are found", c.Users.Username),
			"write userPrincipalName, mail, mailNickname, onPremisesSamAccountName or employeeId", "users", "username")
	}
	if !property.MatchString(c.Users.Name) {
		p.Add(fmt.Sprintf("users.name %q is not the name of a property", c.Users.Name), "write displayName", "users", "name")
	}
	if len(c.Users.Attributes) > maxAttributes {
		p.Add(fmt.Sprintf("there are more than %d attributes", maxAttributes), "name those that rules use", "users", "attributes")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Users.Attributes)) {
		if !property.MatchString(c.Users.Attributes[name]) {
			p.Add(fmt.Sprintf("%q is not the name of a property", c.Users.Attributes[name]), "write a property of users, such as department", "users", "attributes", name)
		}
	}
}

// onPremisesName is a property that only searches of the eventual kind find people by.
const onPremisesName = "onPremisesSamAccountName"

// cloud are the addresses of a cloud.
type cloud struct{ graph, login string }

func clouds() map[string]cloud {
	return map[string]cloud{
		Global: {"https://graph.microsoft.com", "https://login.microsoftonline.com"},
		US:     {"https://graph.microsoft.us", "https://login.microsoftonline.us"},
		China:  {"https://microsoftgraph.chinacloudapi.cn", "https://login.partner.microsoftonline.cn"},
	}
}

// addresses gives where Graph is and where tokens come from.
func (c *Config) addresses() (graph, login *url.URL, err error) {
	at := clouds()[c.Cloud]
	if graph, err = httpx.ParseBase(cmp.Or(c.URL, at.graph)); err == nil {
		login, err = httpx.ParseBase(cmp.Or(c.LoginURL, at.login))
	}
	return graph, login, err
}

// ShowsOwners reports whether owners of groups are read.
func (c *Config) ShowsOwners() bool { return c.Owners }

// Scope names what decides which entries are shown.
func (c *Config) Scope() string {
	return fmt.Sprintf("assigned_to=%q include=%q nested=%v guests=%v", c.AssignedTo, slices.Compact(slices.Sorted(slices.Values(c.Include))), c.Nested, c.Guests)
}

// Place names cloud and tenant.
func (c *Config) Place() string {
	return "entra " + strings.ToLower(strings.TrimRight(cmp.Or(c.URL, clouds()[c.Cloud].graph), "/")+" "+c.Tenant)
}

// Replicated is true: any request may be answered by another copy of the directory.
func (c *Config) Replicated() bool { return true }
