// Package scim reads people and groups from a SCIM 2.0 server (RFC 7643, 7644 and 9865).
//
// It owns discovery, the walks over pages, the ways in which servers show who is in a group,
// and the proof that a list was read to its end. Servers differ widely from the standard, and
// their own description of themselves is often wrong, so that what counts is what a server was
// seen to do. What a missing member means is decided elsewhere.
package scim

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/oauth"
	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// The words of the configuration.
const (
	Auto = "auto"
	// ByIndex walks with startIndex, ByCursor with cursors.
	ByIndex  = "index"
	ByCursor = "cursor"
	// FromList takes members from the list of groups, FromGroup from each group, FromFilter
	// from filters that name a group or a person.
	FromList   = "list"
	FromGroup  = "group"
	FromFilter = "filter"
	// Primary, Work and First choose among the mail addresses of a person.
	Primary = "primary"
	Work    = "work"
	First   = "first"
)

// Config is the configuration of a SCIM source.
type Config struct {
	URL          string      `yaml:"url" doc:"Address of the SCIM server, with everything before /Users."`
	Token        secret.Ref  `yaml:"token,omitempty" doc:"Where the bearer token is kept."`
	ClientID     string      `yaml:"client_id,omitempty" doc:"Client id at token_url, in place of token."`
	ClientSecret secret.Ref  `yaml:"client_secret,omitempty" doc:"Where the secret of the client is kept."`
	TokenURL     string      `yaml:"token_url,omitempty" doc:"Where access tokens are asked for (OAuth 2.0 client credentials)."`
	Scopes       string      `yaml:"scope,omitempty" doc:"Scopes to ask for, separated by spaces. Omitted: what the client has."`
	Audience     string      `yaml:"audience,omitempty" doc:"Audience to ask for, where token_url wants one."`
	CAFile       scalar.Path `yaml:"ca_file,omitempty" doc:"Certificates to trust beside those of the system, as PEM."`
	Users        Users       `yaml:"users,omitempty" doc:"What the attributes of people are called."`
	Nested       bool        `yaml:"nested" doc:"Members of member groups count."`
	PageSize     int         `yaml:"page_size,omitempty" doc:"How many entries to ask for at a time; a server may give fewer."`
	Paging       string      `yaml:"paging,omitempty" words:"auto index cursor" doc:"How to walk through lists; auto: by what the server says and does."`
	Members      string      `yaml:"members,omitempty" words:"auto list group filter" doc:"Where members are shown: in the list of groups, in each group, or by filters; auto: where they were seen."`
	Parallel     int         `yaml:"parallel,omitempty" doc:"How many requests may be under way at a time."`
}

// Users says what the attributes of people are called.
type Users struct {
	Email    string `yaml:"email,omitempty" doc:"Which mail address: auto (the primary one, else that for work, else the first), primary, work, first, or an attribute."`
	Username string `yaml:"username,omitempty" doc:"Attribute with the name that people sign in with."`
	Name     string `yaml:"name,omitempty" doc:"Attribute with the name for display. Omitted: displayName, else what name says."`
	// Attributes are further attributes for rules, by the name that rules use.
	Attributes map[string]string `yaml:"attributes,omitempty" doc:"Further attributes for rules, by the name that rules use: externalId, name.familyName, urn:…:User:department."`
}

const (
	defaultPageSize = 100
	maxPageSize     = 10_000
	defaultParallel = 4
	maxParallel     = 32
)

// Type is the kind of source behind `type: scim`.
func Type() providers.Type {
	return providers.Type{Name: "scim", Walks: true, New: func() providers.Config {
		return &Config{Nested: true, PageSize: defaultPageSize, Paging: Auto, Members: Auto, Parallel: defaultParallel,
			Users: Users{Email: Auto, Username: "userName"}}
	}}
}

// Check finds missing and contradicting values.
func (c *Config) Check() []providers.Problem {
	p := &providers.Problems{}
	checkAddress(p, c.URL, "write the address before /Users, such as https://scim.example.org/v2", "url")
	if strings.HasSuffix(strings.TrimRight(c.URL, "/"), "/Users") {
		p.Add("url leads to the users", "write the address before /Users", "url")
	}
	c.checkCredential(p)
	if !slices.Contains([]string{Auto, ByIndex, ByCursor}, c.Paging) {
		p.Add(fmt.Sprintf("paging %q is not known", c.Paging), "write auto, index or cursor", "paging")
	}
	if !slices.Contains([]string{Auto, FromList, FromGroup, FromFilter}, c.Members) {
		p.Add(fmt.Sprintf("members %q is not known", c.Members), "write auto, list, group or filter", "members")
	}
	if c.PageSize < 1 || c.PageSize > maxPageSize {
		p.Add(fmt.Sprintf("page_size is %d", c.PageSize), fmt.Sprintf("write a number from 1 to %d; many servers allow 100", maxPageSize), "page_size")
	}
	if c.Parallel < 1 || c.Parallel > maxParallel {
		p.Add(fmt.Sprintf("parallel is %d", c.Parallel), fmt.Sprintf("write a number from 1 to %d", maxParallel), "parallel")
	}
	check := func(text string, at ...string) {
		if _, err := parsePath(text); err != nil {
			p.Add(err.Error(), `write it as userName, name.familyName, emails[type eq "work"].value or urn:…:User:department`, append([]string{"users"}, at...)...)
		}
	}
	if !slices.Contains([]string{Auto, Primary, Work, First}, c.Users.Email) {
		check(c.Users.Email, "email")
	}
	check(c.Users.Username, "username")
	if c.Users.Name != "" {
		check(c.Users.Name, "name")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Users.Attributes)) {
		check(c.Users.Attributes[name], "attributes", name)
	}
	return *p
}

func (c *Config) checkCredential(p *providers.Problems) {
	client := c.ClientID != "" || !c.ClientSecret.IsZero() || c.TokenURL != ""
	switch {
	case client && !c.Token.IsZero():
		p.Add("both a token and a client are given", "keep token, or client_id, client_secret and token_url", "token")
	case !client && c.Token.IsZero():
		p.Add("token is missing", "write token: file:PATH, or client_id, client_secret and token_url", "token")
	case client && c.ClientID == "":
		p.Add("client_id is missing", "name the client at token_url", "client_id")
	case client && c.ClientSecret.IsZero():
		p.Add("client_secret is missing", "write client_secret: file:PATH", "client_secret")
	case client:
		checkAddress(p, c.TokenURL, "write the address of the token endpoint, such as https://idp.example.org/oauth2/token", "token_url")
	case c.Scopes != "" || c.Audience != "":
		p.Add("scope and audience are for a client, and there is none", "leave them out, or use client_id, client_secret and token_url", "scope")
	}
}

// checkAddress finds addresses that cannot be used.
func checkAddress(p *providers.Problems, text, example, key string) {
	if text == "" {
		p.Add(key+" is missing", example, key)
	} else if _, err := httpx.ParseBase(text); err != nil {
		p.Add(key+" "+err.Error(), example, key)
	}
}

// Scope names what decides which entries are shown. Ids are always those of the server.
func (c *Config) Scope() string { return fmt.Sprintf("nested=%v", c.Nested) }

// Place names the server.
func (c *Config) Place() string {
	u, err := httpx.ParseBase(c.URL)
	if err != nil {
		return "scim " + strings.TrimRight(c.URL, "/")
	}
	u.Host = strings.ToLower(u.Host)
	return "scim " + u.String()
}

// Replicated is false: one address is taken for one server.
func (c *Config) Replicated() bool { return false }

// Open makes the source. It opens no connection.
func (c *Config) Open(o providers.Options) (providers.Source, error) {
	if err := o.Sound(c); err != nil {
		return nil, err
	}
	s, err := newSource(*c, o)
	if err != nil {
		return nil, err
	}
	base, err := httpx.ParseBase(c.URL)
	if err != nil {
		return nil, fault.New(fault.Invalid, "open source", o.Name, err, "")
	}
	reach := httpx.Reach{Base: base, Private: true, Dial: o.Dial}
	if reach.Roots, err = httpx.LoadRoots(string(c.CAFile)); err != nil {
		return nil, err
	}
	transport := http.RoundTripper(reach.Transport())
	bearer := httpx.Key(c.Token.Read)
	if c.ClientID != "" {
		at, err := httpx.ParseBase(c.TokenURL)
		if err != nil {
			return nil, fault.New(fault.Invalid, "open source", o.Name, err, "")
		}
		to := reach
		to.Base = at
		client, err := oauth.New(oauth.Options{Name: "source " + o.Name, TokenURL: c.TokenURL, ClientID: c.ClientID, Secret: c.ClientSecret,
			Scopes: strings.Fields(c.Scopes), Params: c.params(), Transport: to.Transport(), Logger: o.Logger, Now: o.Clock()})
		if err != nil {
			return nil, err
		}
		bearer, transport = client.Bearer, client.Transport(transport)
	}
	s.base = base
	s.client = httpx.New(httpx.Options{
		Name: "source " + o.Name, Base: base, Meter: o.Meter, Bearer: bearer, Transport: transport, Logger: o.Logger, Timeout: o.Timeout, Now: o.Now,
		Limiter: o.Limiters.For(c.Place()+" "+c.Token.String()+c.ClientID, httpx.Limit{Parallel: c.Parallel}),
	})
	return s, nil
}

func (c *Config) params() url.Values {
	if c.Audience == "" {
		return nil
	}
	return url.Values{"audience": {c.Audience}}
}
