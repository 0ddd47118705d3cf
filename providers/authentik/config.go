// Package authentik reads people and groups by the API of authentik, 2024 and later.
//
// It owns what authentik calls things, how its lists are walked so that nobody is missed, and
// how a token that sees only a part of them is noticed. What a missing member means it leaves
// to package replica.
package authentik

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"groupsyncd/internal/httpx"
	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// The words of the configuration.
const (
	// ByUUID and ByPK are the ids of a user that never change.
	ByUUID = "uuid"
	ByPK   = "pk"
)

// Config is the configuration of an authentik source.
type Config struct {
	URL            string      `yaml:"url" doc:"Address of authentik, without /api: https://auth.example.org."`
	Token          secret.Ref  `yaml:"token,omitempty" doc:"An API token of a service account; or client_id."`
	ClientID       string      `yaml:"client_id,omitempty" doc:"Client id of an OAuth2 provider of authentik that gives tokens with the scope goauthentik.io/api, in place of token."`
	ClientSecret   secret.Ref  `yaml:"client_secret,omitempty" doc:"Its client secret."`
	PrivateKey     secret.Ref  `yaml:"private_key,omitempty" doc:"Private key in place of a secret, as PEM or JWK, whose public half a federated source of the provider has."`
	KeyID          string      `yaml:"key_id,omitempty" doc:"Key id (kid) of private_key, where a JWK does not name it; authentik insists on one."`
	FederatedToken secret.Ref  `yaml:"federated_token,omitempty" doc:"A token of another issuer, such as Kubernetes, that the provider trusts, in place of a secret."`
	CAFile         scalar.Path `yaml:"ca_file,omitempty" doc:"Certificates to trust beside those of the system, as PEM."`
	Nested         bool        `yaml:"nested" doc:"Members of a group count as members of its parents, as they do in authentik."`
	Types          []string    `yaml:"types,omitempty" words:"internal external service_account internal_service_account" doc:"Types of users that count as people."`
	PageSize       int         `yaml:"page_size,omitempty" doc:"Rows per request. authentik gives no more than its own limit, which is 100 unless changed."`
	Users          Users       `yaml:"users,omitempty" doc:"What of a user is what."`
}

// Users says what of a user is what.
type Users struct {
	ID       string `yaml:"id,omitempty" words:"uuid pk" doc:"What people are known by: neither ever changes."`
	Email    string `yaml:"email,omitempty" doc:"Field with the mail address: email, username, name, or the key of a custom attribute."`
	Username string `yaml:"username,omitempty" doc:"Field with the name that people sign in with, in the same way."`
	Name     string `yaml:"name,omitempty" doc:"Field with the name for display, in the same way."`
	// Attributes are further attributes for rules, by the name that rules use.
	Attributes map[string]string `yaml:"attributes,omitempty" doc:"Further attributes for rules and for sign_in, by the name that those use: the key of a custom attribute, or pk, uuid, uid (the subject of authentik's tokens, unless changed), type, path."`
}

const (
	defaultPageSize = 100
	maxPageSize     = 1000
	maxAttributes   = 50
)

// Type is the kind of source behind `type: authentik`.
func Type() providers.Type {
	return providers.Type{Name: "authentik", Walks: true, New: func() providers.Config {
		return &Config{Nested: true, Types: []string{"internal", "external"}, PageSize: defaultPageSize,
			Users: Users{ID: ByUUID, Email: "email", Username: "username", Name: "name"}}
	}}
}

// Check finds missing and contradicting values.
func (c *Config) Check() []providers.Problem {
	p := &providers.Problems{}
	const example = "write the address at which people sign in, such as https://auth.example.org"
	if c.URL == "" {
		p.Add("url is missing", example, "url")
	} else if base, err := httpx.ParseBase(c.URL); err != nil {
		p.Add("url "+err.Error(), example, "url")
	} else if strings.Contains(base.Path+"/", "/api/") || strings.Contains(base.Path+"/", "/if/") {
		p.Add("url leads into authentik", "write the address before /api or /if", "url")
	}
	c.checkCredential(p)
	if len(c.Types) == 0 {
		p.Add("types is empty", "write types: [internal, external]", "types")
	}
	for _, name := range c.Types {
		if !slices.Contains([]string{"internal", "external", "service_account", "internal_service_account"}, name) {
			p.Add(fmt.Sprintf("the type %q is not known", name), "known: internal, external, service_account, internal_service_account", "types")
		}
	}
	if c.PageSize < 1 || c.PageSize > maxPageSize {
		p.Add(fmt.Sprintf("page_size is %d", c.PageSize), fmt.Sprintf("write a number from 1 to %d", maxPageSize), "page_size")
	}
	if c.Users.ID != ByUUID && c.Users.ID != ByPK {
		p.Add(fmt.Sprintf("users.id %q is not known", c.Users.ID), "write uuid or pk; for the subject of tokens declare an attribute, subject: uid, and name it in sign_in", "users", "id")
	}
	c.checkFields(p)
	if len(c.Users.Attributes) > maxAttributes {
		p.Add(fmt.Sprintf("there are more than %d attributes", maxAttributes), "name those that rules use", "users", "attributes")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Users.Attributes)) {
		if c.Users.Attributes[name] == "" {
			p.Add("the attribute "+name+" names none of authentik", "write "+name+": the key in authentik", "users", "attributes", name)
		}
	}
	return *p
}

// checkFields finds fields that cannot be what they are meant for: people are looked up by
// their mail address and user name, and authentik can be asked for some fields only.
func (c *Config) checkFields(p *providers.Problems) {
	for _, f := range []struct{ key, field string }{{"email", c.Users.Email}, {"username", c.Users.Username}, {"name", c.Users.Name}} {
		switch {
		case f.field == "":
			p.Add("users."+f.key+" is empty", "leave it out for "+f.key, "users", f.key)
		case f.key != "name" && slices.Contains([]string{"pk", "uuid", "uid", "type", "path"}, f.field):
			p.Add("users."+f.key+" cannot be "+f.field, "write email, username, name or the key of a custom attribute", "users", f.key)
		}
	}
}

// checkCredential finds what is wrong with who we are.
func (c *Config) checkCredential(p *providers.Problems) {
	ways := 0
	for _, ref := range []secret.Ref{c.ClientSecret, c.PrivateKey, c.FederatedToken} {
		if !ref.IsZero() {
			ways++
		}
	}
	const one = "write token: file:…, or client_id with client_secret, private_key or federated_token"
	switch {
	case c.Token.IsZero() && c.ClientID == "":
		p.Add("token is missing", one, "token")
	case !c.Token.IsZero() && (c.ClientID != "" || ways > 0):
		p.Add("token and client_id are both given", one, "token")
	case c.ClientID != "" && ways == 0:
		p.Add("client_id has no secret", one, "client_secret")
	case ways > 1:
		p.Add("several of client_secret, private_key and federated_token are given", one, "client_secret")
	case c.Token.IsZero() && !c.PrivateKey.IsZero(), c.KeyID == "":
	default:
		p.Add("key_id means nothing without private_key", "take it out", "key_id")
	}
}

// Scope names what decides about ids and about who is shown.
func (c *Config) Scope() string {
	types := slices.Sorted(slices.Values(c.Types))
	return fmt.Sprintf("id=%s types=%q", c.Users.ID, slices.Compact(types))
}

// Place gives the type and the address.
func (c *Config) Place() string { return "authentik " + strings.TrimRight(c.URL, "/") }

// Replicated is false: all that answer for one authentik read one database.
func (c *Config) Replicated() bool { return false }

// Open makes the source. It opens no connection.
func (c *Config) Open(o providers.Options) (providers.Source, error) {
	if err := o.Sound(c); err != nil {
		return nil, err
	}
	return newSource(*c, o)
}
