// Package keycloak reads people and their groups, and roles as groups, over the admin REST
// API of Keycloak.
//
// Keycloak gives lists in pages by offset, of a database that changes meanwhile, and answers
// whoever may not see everything with a shorter list. The package owns what makes such pages
// a proof: pages that overlap, a second look behind the first, a check of everybody who seems
// to have left, and the rights of the token. What a missing membership means is decided
// elsewhere.
package keycloak

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"groupsyncd/internal/httpx"
	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// What can be included.
const (
	Groups      = "groups"
	RealmRoles  = "realm_roles"
	ClientRoles = "client_roles"
)

// The bounds of the numbers in the configuration.
const (
	defaultPageSize = 100
	minPageSize     = 10
	maxPageSize     = 10_000
	defaultParallel = 4
	maxParallel     = 32
	maxAttributes   = 50
)

// Config is the configuration of a Keycloak source.
type Config struct {
	URL          string      `yaml:"url" doc:"Address of the server, with the relative path where it has one: https://kc.example.org."`
	Realm        string      `yaml:"realm" doc:"The realm whose people and groups are read."`
	TokenRealm   string      `yaml:"token_realm,omitempty" doc:"The realm of the service account, where that is another one, such as master."`
	ClientID     string      `yaml:"client_id" doc:"The client whose service account reads; it needs view-users."`
	ClientSecret secret.Ref  `yaml:"client_secret,omitempty" doc:"Secret of the client; or private_key."`
	PrivateKey   secret.Ref  `yaml:"private_key,omitempty" doc:"Private key of the client (private_key_jwt), as PEM or JWK, in place of a secret."`
	KeyID        string      `yaml:"key_id,omitempty" doc:"Key id (kid) under which the server knows private_key."`
	CAFile       scalar.Path `yaml:"ca_file,omitempty" doc:"Certificates to trust beside those of the system, as PEM."`
	Inherit      bool        `yaml:"inherit" doc:"Members of a sub-group count as members of the groups above it."`
	Include      []string    `yaml:"include,omitempty" words:"groups realm_roles client_roles" doc:"What is shown as groups. Roles are called role:NAME and role:CLIENT:NAME, and their members are all who have them, through groups and composite roles too."`
	ClientRoles  []string    `yaml:"client_roles,omitempty" doc:"Client ids of the clients whose roles are shown, with include: [client_roles]."`
	Group        string      `yaml:"group,omitempty" doc:"Path of a group: it and those below it are read, and no others."`
	// Attributes are attributes of users for rules, by the name that rules use.
	Attributes      map[string]string `yaml:"attributes,omitempty" doc:"Attributes of users for rules, by the name that rules use: department: departmentNumber."`
	UnverifiedEmail bool              `yaml:"unverified_email" doc:"Use mail addresses that Keycloak does not call verified too. Only where nobody can write their own: whoever claims somebody else's would get that account."`
	PageSize        int               `yaml:"page_size,omitempty" doc:"Rows per request."`
	Parallel        int               `yaml:"parallel,omitempty" doc:"Requests at a time, at most."`
}

// Type is the kind of source behind `type: keycloak`.
func Type() providers.Type {
	return providers.Type{Name: "keycloak", Walks: true, Changes: true, New: func() providers.Config {
		return &Config{Include: []string{Groups}, PageSize: defaultPageSize, Parallel: defaultParallel}
	}}
}

// Check finds missing and contradicting values.
func (c *Config) Check() []providers.Problem {
	p := &providers.Problems{}
	if c.URL == "" {
		p.Add("url is missing", "write the address of the server, such as https://kc.example.org", "url")
	} else if base, err := httpx.ParseBase(c.URL); err != nil {
		p.Add("url "+err.Error(), "write the address of the server, such as https://kc.example.org", "url")
	} else if strings.Contains(base.Path+"/", "/realms/") || strings.Contains(base.Path+"/", "/admin/") {
		p.Add("url leads into the server", "write the address before /realms or /admin; the realm has a key of its own", "url")
	}
	if c.Realm == "" {
		p.Add("realm is missing", "name the realm as it is in the address of its console", "realm")
	}
	for key, name := range map[string]string{"realm": c.Realm, "token_realm": c.TokenRealm} {
		if strings.ContainsAny(name, "/?#%") {
			p.Add(key+" is no name of a realm", "write the name alone", key)
		}
	}
	if c.ClientID == "" {
		p.Add("client_id is missing", "make a client with a service account in Keycloak and name it", "client_id")
	}
	switch {
	case c.ClientSecret.IsZero() && c.PrivateKey.IsZero():
		p.Add("client_secret is missing", "write client_secret: file:…, or private_key: file:…", "client_secret")
	case !c.ClientSecret.IsZero() && !c.PrivateKey.IsZero():
		p.Add("client_secret and private_key are both given", "keep the one by which the client signs in", "private_key")
	}
	if c.KeyID != "" && c.PrivateKey.IsZero() {
		p.Add("key_id means nothing without private_key", "take it out", "key_id")
	}
	c.checkInclude(p)
	if c.Group != "" && (!strings.HasPrefix(c.Group, "/") || strings.HasSuffix(c.Group, "/")) {
		p.Add(fmt.Sprintf("group %q is no path", c.Group), "write the path of the group, such as /apps/chat", "group")
	}
	if len(c.Attributes) > maxAttributes {
		p.Add(fmt.Sprintf("there are more than %d attributes", maxAttributes), "name those that rules use", "attributes")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Attributes)) {
		if c.Attributes[name] == "" {
			p.Add("the attribute "+name+" names none of Keycloak", "write "+name+": the name in Keycloak", "attributes", name)
		}
	}
	if c.PageSize < minPageSize || c.PageSize > maxPageSize {
		p.Add(fmt.Sprintf("page_size is %d", c.PageSize), fmt.Sprintf("write a number from %d to %d", minPageSize, maxPageSize), "page_size")
	}
	if c.Parallel < 1 || c.Parallel > maxParallel {
		p.Add(fmt.Sprintf("parallel is %d", c.Parallel), fmt.Sprintf("write a number from 1 to %d", maxParallel), "parallel")
	}
	return *p
}

func (c *Config) checkInclude(p *providers.Problems) {
	if len(c.Include) == 0 {
		p.Add("include is empty", "write groups, realm_roles, client_roles, or several", "include")
	}
	for _, word := range c.Include {
		if !slices.Contains([]string{Groups, RealmRoles, ClientRoles}, word) {
			p.Add(fmt.Sprintf("%q cannot be included", word), "write groups, realm_roles or client_roles", "include")
		}
	}
	switch {
	case c.includes(ClientRoles) && len(c.ClientRoles) == 0:
		p.Add("client_roles is missing", "name the clients whose roles are shown: client_roles: [open-webui]", "client_roles")
	case !c.includes(ClientRoles) && len(c.ClientRoles) > 0:
		p.Add("client_roles means nothing without include: [client_roles]", "add client_roles to include, or take the clients out", "client_roles")
	}
	if c.Group != "" && c.roles() {
		p.Add("group and roles do not go together", "roles come through groups anywhere in the realm: take one of the two out, or make a second source", "group")
	}
}

func (c *Config) includes(word string) bool { return slices.Contains(c.Include, word) }

// roles reports whether any roles are shown.
func (c *Config) roles() bool { return c.includes(RealmRoles) || c.includes(ClientRoles) }

// Scope names what decides about which entries are shown.
func (c *Config) Scope() string {
	sorted := func(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
	return fmt.Sprintf("include=%q clients=%q inherit=%t group=%q", sorted(c.Include), sorted(c.ClientRoles), c.Inherit, c.Group)
}

// Place names the realm.
func (c *Config) Place() string {
	return "keycloak " + strings.TrimRight(c.URL, "/") + "/realms/" + url.PathEscape(c.Realm)
}

// Replicated is false: the nodes of a cluster share one database.
func (c *Config) Replicated() bool { return false }

// tokenRealm is the realm of the service account.
func (c *Config) tokenRealm() string {
	if c.TokenRealm != "" {
		return c.TokenRealm
	}
	return c.Realm
}

// Open makes the source. It opens no connection.
func (c *Config) Open(o providers.Options) (providers.Source, error) {
	if err := o.Sound(c); err != nil {
		return nil, err
	}
	return newSource(*c, o)
}
