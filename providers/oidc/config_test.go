package oidc

import (
	"slices"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/scalar"
	"groupsyncd/providers"
)

func example(change ...func(*Config)) *Config {
	cfg := Type().New().(*Config)
	cfg.Issuer, cfg.Audience, cfg.Target = "https://idp.example.org/realms/main", audience, "chat"
	for _, f := range change {
		f(cfg)
	}
	return cfg
}

func TestMistakesAreFound(t *testing.T) {
	t.Parallel()
	if list := example().Check(); len(list) != 0 {
		t.Errorf("a good configuration: %+v", list)
	}
	if list := example(webhook).Check(); len(list) != 0 {
		t.Errorf("one for posted tokens: %+v", list)
	}
	for name, c := range map[string]struct {
		change func(*Config)
		at     []string
	}{
		"no issuer":                 {func(c *Config) { c.Issuer = "" }, []string{"issuer"}},
		"an issuer in clear":        {func(c *Config) { c.Issuer = "http://idp.example.org" }, []string{"issuer"}},
		"an issuer that is no URL":  {func(c *Config) { c.Issuer = "idp.example.org" }, []string{"issuer"}},
		"a password in the issuer":  {func(c *Config) { c.Issuer = "https://a:b@idp.example.org" }, []string{"issuer"}},
		"a question in the issuer":  {func(c *Config) { c.Issuer = "https://idp.example.org?x=1" }, []string{"issuer"}},
		"a space in the issuer":     {func(c *Config) { c.Issuer = "https://idp.example.org/a b" }, []string{"issuer"}},
		"discovery in clear":        {func(c *Config) { c.Discovery = "http://idp.internal/x" }, []string{"discovery"}},
		"no audience":               {func(c *Config) { c.Audience = "" }, []string{"audience"}},
		"no target":                 {func(c *Config) { c.Target = "" }, []string{"target"}},
		"a target for posted ones":  {func(c *Config) { c.Tokens = FromWebhook }, []string{"target"}},
		"tokens from elsewhere":     {func(c *Config) { c.Tokens = "cookie" }, []string{"tokens"}},
		"no claim":                  {func(c *Config) { c.Claims.Groups = nil }, []string{"claims", "groups"}},
		"a claim that is no path":   {func(c *Config) { c.Claims.Groups = []string{`a."b`} }, []string{"claims", "groups"}},
		"an empty claim":            {func(c *Config) { c.Claims.Email = "" }, []string{"claims", "email"}},
		"an empty username":         {func(c *Config) { c.Claims.Username = "" }, []string{"claims", "username"}},
		"an empty name":             {func(c *Config) { c.Claims.Name = "" }, []string{"claims", "name"}},
		"an attribute that is none": {func(c *Config) { c.Claims.Attributes = map[string]string{"d": ""} }, []string{"claims", "attributes", "d"}},
		"another absence":           {func(c *Config) { c.AbsentClaim = "gone" }, []string{"absent_claim"}},
		"another userinfo":          {func(c *Config) { c.UserInfo = "on" }, []string{"userinfo"}},
		"a long separator":          {func(c *Config) { c.Separator = "123456789" }, []string{"separator"}},
		"a shared secret":           {func(c *Config) { c.Algorithms = []string{"RS256", "HS256"} }, []string{"algorithms"}},
		"no signature":              {func(c *Config) { c.Algorithms = []string{"none"} }, []string{"algorithms"}},
		"no sweep":                  {func(c *Config) { c.SweepRate = 0 }, []string{"sweep_rate"}},
		"a storm of a sweep":        {func(c *Config) { c.SweepRate = maxSweepRate + 1 }, []string{"sweep_rate"}},
	} {
		cfg := example(c.change)
		list := cfg.Check()
		if len(list) != 1 || !slices.Equal(list[0].Path, c.at) || list[0].Message == "" || list[0].Hint == "" || strings.Contains(list[0].Message, "a:b") {
			t.Errorf("%s: %+v", name, list)
		}
		if s, err := cfg.Open(providers.Options{Name: "sso", Sessions: newChat()}); err == nil || s != nil || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s is opened: %v", name, err)
		}
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	t.Parallel()
	if _, err := example().Open(providers.Options{Name: "sso"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("without sessions: %v", err)
	}
	missing := example(func(c *Config) { c.CAFile = scalar.Path(t.TempDir() + "/ca.pem") })
	if _, err := missing.Open(providers.Options{Name: "sso", Sessions: newChat()}); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
		t.Errorf("without its ca_file: %v", err)
	}
}

func TestTheSourceIsKnownAgain(t *testing.T) {
	t.Parallel()
	base := example()
	if base.Replicated() || base.Place() != "oidc https://idp.example.org/realms/main" || base.ReadsTarget() != "chat" {
		t.Errorf("place %q, target %q", base.Place(), base.ReadsTarget())
	}
	if provider, subject := base.SignsIn(); provider != "" || subject != "id" {
		t.Errorf("signs in through %q by %q", provider, subject)
	}
	if webhooks := example(webhook); webhooks.ReadsTarget() != "" || webhooks.Scope() != base.Scope() {
		t.Errorf("posted tokens read %q", webhooks.ReadsTarget())
	}
	for name, change := range map[string]func(*Config){
		"audience":  func(c *Config) { c.Audience = "other" },
		"claim":     func(c *Config) { c.Claims.Groups = []string{"roles"} },
		"separator": func(c *Config) { c.Separator = "," },
		"absence":   func(c *Config) { c.AbsentClaim = AbsentEmpty },
	} {
		if example(change).Scope() == base.Scope() {
			t.Errorf("another %s has the same scope", name)
		}
	}
	if same := example(func(c *Config) { c.SweepRate, c.UserInfo, c.Provider = 5, Off, "oidc" }); same.Scope() != base.Scope() {
		t.Error("how tokens are got changes the scope")
	}
	kind := Type()
	if kind.Name != "oidc" || !kind.Single || kind.Changes || kind.Schedule != "every 24h" {
		t.Errorf("type %+v", kind)
	}
}
