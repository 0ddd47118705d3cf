// Package oidc reads people and their groups from the claims that an OpenID provider
// signs at sign-in: from the sign-in sessions that Open WebUI stores, or from ID tokens
// that somebody posts to us.
//
// A provider has no list of people to ask for, so this source knows single people only:
// what a token says of its subject, as of the time when it was issued. It owns discovery,
// keys, verification and the shapes of claims. Whatever is not an explicit value of the
// groups claim in a token that was verified covers nothing, with a reason: no token, an
// expired one, no claim, a claim that was too large, a shape that nobody expected.
package oidc

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/scalar"
	"groupsyncd/providers"
)

// The words of the configuration.
const (
	// FromOpenWebUI reads the sign-in sessions that a target stores, FromWebhook the ID
	// tokens that are posted to us.
	FromOpenWebUI = "openwebui"
	FromWebhook   = "webhook"
	// AbsentUnknown takes a token without the groups claim for one that says nothing of
	// groups, AbsentEmpty for one that says that there are none.
	AbsentUnknown = "unknown"
	AbsentEmpty   = "empty"
	// Auto asks userinfo for a claim that the ID token lacks, Off never does.
	Auto = "auto"
	Off  = "off"
)

// Config is the configuration of an OpenID Connect source.
type Config struct {
	Issuer    string `yaml:"issuer" doc:"Issuer of the tokens, exactly as they name it in iss."`
	Discovery string `yaml:"discovery,omitempty" doc:"Where the provider describes itself, where that is not at issuer: an address inside the network. What it says must name the same issuer."`
	Audience  string `yaml:"audience" doc:"Client id that the tokens are for: the one under which Open WebUI signs people in."`
	Tokens    string `yaml:"tokens" words:"openwebui webhook" doc:"Where tokens come from: openwebui reads the sign-in sessions that the target stores; webhook takes ID tokens posted to us."`
	Target    string `yaml:"target,omitempty" doc:"The target whose sign-in sessions are read, with tokens: openwebui. Default: the first one."`
	Provider  string `yaml:"provider,omitempty" doc:"Name of the OAuth provider inside Open WebUI. Default: the only one it shows."`
	Claims    Claims `yaml:"claims,omitempty" doc:"Which claims hold what: a name, a.b for nesting, or a JSON pointer such as /realm_access/roles."`
	// AbsentClaim is AbsentUnknown or AbsentEmpty.
	AbsentClaim string      `yaml:"absent_claim,omitempty" words:"unknown empty" doc:"What a token without the groups claim says: nothing at all, or that the person is in no group."`
	Separator   string      `yaml:"separator,omitempty" doc:"What separates groups where the claim is one text. Omitted: a text is one group."`
	UserInfo    string      `yaml:"userinfo,omitempty" words:"auto off" doc:"auto asks userinfo, with a living access token, for a groups claim that the ID token lacks; off never does."`
	Algorithms  []string    `yaml:"algorithms,omitempty" doc:"Signatures that are accepted. Omitted: those that the provider names."`
	SweepRate   int         `yaml:"sweep_rate,omitempty" doc:"How many accounts a second are looked at when all are, at most."`
	CAFile      scalar.Path `yaml:"ca_file,omitempty" doc:"Certificates to trust beside those of the system, as PEM."`
}

// Claims says which claims hold what.
type Claims struct {
	Groups   []string `yaml:"groups,omitempty" doc:"Claim with the groups, or several, which are united."`
	Email    string   `yaml:"email,omitempty" doc:"Claim with the mail address; one with email_verified: false is ignored."`
	Username string   `yaml:"username,omitempty" doc:"Claim with the name that people sign in with."`
	Name     string   `yaml:"name,omitempty" doc:"Claim with the name for display."`
	// Attributes are further claims for rules, by the name that rules use.
	Attributes map[string]string `yaml:"attributes,omitempty" doc:"Further claims for rules, by the name that rules use."`
}

const (
	defaultSweepRate = 20
	maxSweepRate     = 1000
	maxSeparator     = 8
	maxAttributes    = 50
)

var _ providers.TargetReader = (*Config)(nil)

// Type is the kind of source behind `type: oidc`.
func Type() providers.Type {
	return providers.Type{Name: "oidc", Single: true, Schedule: "every 24h", New: func() providers.Config {
		return &Config{Tokens: FromOpenWebUI, AbsentClaim: AbsentUnknown, UserInfo: Auto, SweepRate: defaultSweepRate,
			Claims: Claims{Groups: []string{"groups"}, Email: "email", Username: "preferred_username", Name: "name"}}
	}}
}

// ReadsTarget names the target whose sessions are read.
func (c *Config) ReadsTarget() string {
	if c.Tokens != FromOpenWebUI {
		return ""
	}
	return c.Target
}

// DefaultTarget is the target whose sessions are read where the file names none.
func (c *Config) DefaultTarget(name string) {
	if c.Target == "" && c.Tokens == FromOpenWebUI {
		c.Target = name
	}
}

// SignsIn says that the id of a person is the subject at the provider.
func (c *Config) SignsIn() (provider, subject string) { return c.Provider, "id" }

// Check finds missing and contradicting values.
func (c *Config) Check() []providers.Problem {
	p := &providers.Problems{}
	const example = "write the issuer as the tokens name it, such as https://idp.example.org/realms/main"
	if c.Issuer == "" {
		p.Add("issuer is missing", example, "issuer")
	} else if why := checkAddress(c.Issuer); why != "" {
		p.Add(why, example, "issuer")
	}
	if c.Discovery != "" {
		if why := checkAddress(c.Discovery); why != "" {
			p.Add(why, "write the whole address, such as https://idp.internal/realms/main/.well-known/openid-configuration", "discovery")
		}
	}
	if c.Audience == "" {
		p.Add("audience is missing", "write the client id under which Open WebUI signs people in", "audience")
	}
	c.checkTokens(p)
	c.checkClaims(p)
	if !slices.Contains([]string{AbsentUnknown, AbsentEmpty}, c.AbsentClaim) {
		p.Add(fmt.Sprintf("absent_claim %q is not known", c.AbsentClaim), "write unknown, or empty where the provider leaves the claim out for people without groups", "absent_claim")
	}
	if !slices.Contains([]string{Auto, Off}, c.UserInfo) {
		p.Add(fmt.Sprintf("userinfo %q is not known", c.UserInfo), "write auto or off", "userinfo")
	}
	if len(c.Separator) > maxSeparator {
		p.Add("separator is too long", `write what stands between two groups, such as ","`, "separator")
	}
	for _, alg := range c.Algorithms {
		if !slices.Contains(accepted(), alg) {
			p.Add(fmt.Sprintf("signatures with %q are not accepted", alg), "known: "+strings.Join(accepted(), ", "), "algorithms")
		}
	}
	if c.SweepRate < 1 || c.SweepRate > maxSweepRate {
		p.Add(fmt.Sprintf("sweep_rate is %d", c.SweepRate), fmt.Sprintf("write a number from 1 to %d", maxSweepRate), "sweep_rate")
	}
	return *p
}

func (c *Config) checkTokens(p *providers.Problems) {
	switch c.Tokens {
	case FromOpenWebUI:
		if c.Target == "" {
			p.Add("target is missing", "name the target whose sign-in sessions are read", "target")
		}
	case FromWebhook:
		if c.Target != "" {
			p.Add("target means nothing with tokens: webhook", "take it out: tokens are posted, and no session is read", "target")
		}
	default:
		p.Add(fmt.Sprintf("tokens %q is not known", c.Tokens), "write openwebui or webhook", "tokens")
	}
}

func (c *Config) checkClaims(p *providers.Problems) {
	if len(c.Claims.Groups) == 0 {
		p.Add("claims.groups is empty", "name the claim with the groups, such as groups", "claims", "groups")
	}
	check := func(text string, at ...string) {
		if _, err := parsePath(text); err != nil {
			p.Add(err.Error(), `write a name, a.b, "a.b".c or /a/b`, append([]string{"claims"}, at...)...)
		}
	}
	for _, text := range c.Claims.Groups {
		check(text, "groups")
	}
	check(c.Claims.Email, "email")
	check(c.Claims.Username, "username")
	check(c.Claims.Name, "name")
	if len(c.Claims.Attributes) > maxAttributes {
		p.Add(fmt.Sprintf("there are more than %d attributes", maxAttributes), "name those that rules use", "claims", "attributes")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Claims.Attributes)) {
		check(c.Claims.Attributes[name], "attributes", name)
	}
}

// checkAddress says what is wrong with an address, of which it repeats nothing. Whoever
// can change an answer on its way decides on the keys, and so on who is who; only what
// stays on this machine may be without TLS.
func checkAddress(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return "must be an address that begins with https://"
	case u.User != nil:
		return "must not contain a user or password"
	case u.RawQuery != "" || u.Fragment != "":
		return "must end before ? and #"
	case strings.ContainsFunc(text, unicode.IsSpace):
		return "must not contain spaces"
	case httpx.InClear(u):
		return "must begin with https://: who can change the provider's answers on their way decides who is who"
	}
	return ""
}

// Scope names what decides about ids and about which groups are shown.
func (c *Config) Scope() string {
	return fmt.Sprintf("audience=%q groups=%q separator=%q absent=%s", c.Audience, c.Claims.Groups, c.Separator, c.AbsentClaim)
}

// Place names the issuer.
func (c *Config) Place() string { return "oidc " + c.Issuer }

// Replicated is false: a token says what was so when it was issued, wherever it is read.
func (c *Config) Replicated() bool { return false }

// Open makes the source. It opens no connection: the provider is asked when it is first
// needed, and again after a failure, so that one that is down delays no start.
func (c *Config) Open(o providers.Options) (providers.Source, error) {
	if err := o.Sound(c); err != nil {
		return nil, err
	}
	if c.Tokens == FromOpenWebUI && o.Sessions == nil {
		return nil, fault.New(fault.Invalid, "open source", o.Name, fmt.Errorf("the sign-in sessions of %q cannot be read", c.Target), "name a target of the type openwebui")
	}
	roots, err := httpx.LoadRoots(string(c.CAFile))
	if err != nil {
		return nil, err
	}
	return newSource(*c, o, httpx.NewTransport(roots))
}
