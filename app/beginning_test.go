package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/providers/keycloak"
	"groupsyncd/providers/ldap"
	"groupsyncd/target/openwebui/openwebuitest"
)

// begins makes a configuration from a simulator and loads it.
func begins(t *testing.T, chat *openwebuitest.Server) (string, *config.Config, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(chat.Key), 0o600); err != nil {
		t.Fatal(err)
	}
	ref, err := secret.Parse("file:key")
	if err != nil {
		t.Fatal(err)
	}
	text, err := Begin(t.Context(), &Beginning{URL: chat.URL, Key: ref, Dir: dir})
	if strings.Contains(string(text), "canary") || strings.Contains(string(text), chat.Key) {
		t.Errorf("a secret is in it:\n%s", text)
	}
	if err != nil {
		return "", nil, err
	}
	opts := loadOptions()
	opts.File, opts.Dir = "groupsyncd.yaml", dir
	cfg, err := config.Load(text, opts)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if cfg.Mode != "plan" || cfg.Targets[0].URL != chat.URL || cfg.Targets[0].APIKey.String() != "file:key" || len(cfg.Rules) != 1 {
		t.Errorf("mode %s, target %+v, %d rules", cfg.Mode, cfg.Targets[0], len(cfg.Rules))
	}
	return string(text), cfg, nil
}

func TestAConfigurationBeginsWithTheDirectoryOfOpenWebUI(t *testing.T) {
	t.Parallel()
	chat := openwebuitest.NewTest(t, openwebuitest.Options{})
	chat.SetBuiltIn(openwebuitest.BuiltIn{LDAP: true, LDAPGroups: true})
	chat.SetPage("ldap", map[string]any{
		"label": "Corp & Sons", "host": "ldap.example.org", "port": 636, "search_base": "ou=people,dc=example,dc=org",
		"search_filters": "(a=b)(c=d)", "certificate_path": "/certs/ca.pem", "validate_cert": false, "attribute_for_username": "sAMAccountName",
	})
	text, cfg, err := begins(t, chat)
	if err != nil {
		t.Fatal(err)
	}
	c, ok := cfg.Sources[0].Config.(*ldap.Config)
	if !ok || cfg.Sources[0].Name != "corp-sons" || len(cfg.Sources) != 1 {
		t.Fatalf("sources: %+v", cfg.Sources[0])
	}
	if c.URL[0] != "ldaps://ldap.example.org" || c.StartTLS || c.Bind.DN != "cn=reader,dc=example,dc=org" || c.Bind.Password.String() != "file:secrets/ldap" ||
		c.Users.Base[0] != "ou=people,dc=example,dc=org" || c.Users.Filter != "(&(a=b)(c=d))" || c.Users.Username != "sAMAccountName" || c.Users.Email != "mail" ||
		c.Groups.Base[0] != "dc=example,dc=org" || !strings.HasSuffix(string(c.CAFile), "/certs/ca.pem") {
		t.Errorf("%+v", c)
	}
	for _, want := range []string{"secrets/ldap               the password of cn=reader,dc=example,dc=org", "ENABLE_LDAP_GROUP_MANAGEMENT", "LDAP_VALIDATE_CERT", "ca_file: \"/certs/ca.pem\" # as Open WebUI sees it"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing says %q:\n%s", want, text)
		}
	}
}

func TestPasswordsOfABegunConfigurationCrossNoNetworkInClear(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host, port string
		tls        bool
		url        string
		startTLS   bool
	}{
		{"ldap.example.org", "389", false, "ldap://ldap.example.org", true},
		{"ldap.example.org", "389", true, "ldaps://ldap.example.org:389", false},
		{"ldap.example.org", "3268", false, "ldap://ldap.example.org:3268", true},
		{"127.0.0.1", "1389", false, "ldap://127.0.0.1:1389", false},
		{"localhost", "389", false, "ldap://localhost", false},
		{"::1", "636", true, "ldaps://[::1]", false},
		{"ldaps://ldap.example.org:636/", "", true, "ldaps://ldap.example.org", false},
		{"", "389", true, "ldaps://ldap.example.org:389", false},
		{"a b\nx: y", "389", true, "ldaps://ldap.example.org:389", false},
	} {
		chat := openwebuitest.NewTest(t, openwebuitest.Options{})
		chat.SetBuiltIn(openwebuitest.BuiltIn{LDAP: true})
		chat.SetPage("ldap", map[string]any{"host": c.host, "port": c.port, "use_tls": c.tls})
		_, cfg, err := begins(t, chat)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := cfg.Sources[0].Config.(*ldap.Config)
		if !ok || got.URL[0] != c.url || got.StartTLS != c.startTLS {
			t.Errorf("%+v: %s, start_tls %t", c, got.URL, got.StartTLS)
		}
	}
}

func TestAConfigurationBeginsWithTheProvidersOfOpenWebUI(t *testing.T) {
	t.Parallel()
	const well = "/.well-known/openid-configuration"
	for name, c := range map[string]struct {
		providers []string
		page      map[string]any
		kinds     string
		says      []string
	}{
		"keycloak": {[]string{"oidc"}, map[string]any{"OPENID_PROVIDER_URL": "https://kc.example.org/auth/realms/main" + well}, "keycloak",
			[]string{`url: "https://kc.example.org/auth"`, `realm: "main"`, "sign_in: {provider: oidc, subject: id}", `#   issuer: "https://kc.example.org/auth/realms/main"`}},
		"keycloak with another subject": {[]string{"oidc"}, map[string]any{"OPENID_PROVIDER_URL": "https://kc.example.org/realms/main" + well, "OAUTH_SUB_CLAIM": "preferred_username"}, "keycloak",
			[]string{"subject: username}"}},
		"entra by oidc": {[]string{"oidc"}, map[string]any{"OPENID_PROVIDER_URL": "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0" + well, "OAUTH_SUB_CLAIM": "oid"}, "entra",
			[]string{`tenant: "11111111-2222-3333-4444-555555555555"`, "sign_in: {provider: oidc, subject: id}"}},
		"entra": {[]string{"microsoft"}, nil, "entra", []string{"MICROSOFT_CLIENT_TENANT_ID, which Open WebUI does not show", "# Accounts are found by mail."}},
		"okta": {[]string{"oidc"}, map[string]any{"OPENID_PROVIDER_URL": "https://example.okta.com/oauth2/default" + well, "OAUTH_ALLOWED_DOMAINS": "example.org, example.net"}, "okta",
			[]string{`url: "https://example.okta.com"`, `email_domains: ["example.org", "example.net"]`}},
		"google":    {[]string{"google"}, nil, "google", []string{"sign_in: {provider: google, subject: id}", "secrets/google.json"}},
		"authentik": {[]string{"oidc"}, map[string]any{"OPENID_PROVIDER_URL": "https://ak.example.org/application/o/chat/" + well[1:]}, "authentik", []string{`url: "https://ak.example.org"`}},
		"any other": {[]string{"oidc"}, map[string]any{"OPENID_PROVIDER_URL": "https://user:canary@idp.example.org/x" + well + "?key=canary", "OAUTH_GROUP_CLAIM": "realm.groups"}, "oidc",
			[]string{`issuer: "https://idp.example.org/x"`, `audience: "open-webui"`, `claims: {groups: "realm.groups"}`}},
		"two of them": {[]string{"oidc", "microsoft"}, map[string]any{"OPENID_PROVIDER_URL": "https://idp.example.org" + well}, "oidc entra", []string{"  # - name: all-of-entra"}},
		"one by two ways": {[]string{"oidc", "microsoft"}, map[string]any{"OPENID_PROVIDER_URL": "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0" + well}, "entra entra",
			[]string{"  entra:\n", "  entra-2:\n", "from: entra-2"}},
		"nobody's":    {[]string{"github"}, nil, "ldap", []string{"people who sign in by github", "Open WebUI says of no directory"}},
		"none":        {nil, nil, "ldap", []string{"Open WebUI says of no directory"}},
		"odd address": {[]string{"oidc"}, map[string]any{"OPENID_PROVIDER_URL": "https://idp.example.org/x"}, "ldap", []string{"is not where one describes itself"}},
		"no address":  {[]string{"oidc"}, map[string]any{"OPENID_PROVIDER_URL": "\u0000:"}, "ldap", []string{"cannot be understood"}},
		"its own groups and roles": {[]string{"oidc"}, map[string]any{
			"OPENID_PROVIDER_URL": "https://idp.example.org" + well, "ENABLE_OAUTH_GROUP_MANAGEMENT": true,
			"ENABLE_OAUTH_ROLE_MANAGEMENT": true, "OAUTH_BLOCKED_GROUPS": `["admins*", "^x.y$"]`, "OAUTH_ROLES_CLAIM": "roles\nsources: {}",
		}, "oidc", []string{"ENABLE_OAUTH_GROUP_MANAGEMENT:", "ENABLE_OAUTH_ROLE_MANAGEMENT:", `except: ["admins*"]`, "the pattern ^x.y$ of", "by the claim roles sources: {}:"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chat := openwebuitest.NewTest(t, openwebuitest.Options{})
			chat.SetProviders(c.providers...)
			chat.SetPage("oauth", c.page)
			text, cfg, err := begins(t, chat)
			if err != nil {
				t.Fatal(err)
			}
			var kinds []string
			for _, s := range cfg.Sources {
				kinds = append(kinds, s.Type)
			}
			if got := strings.Join(kinds, " "); got != c.kinds {
				t.Errorf("sources are %s, want %s", got, c.kinds)
			}
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("nothing says %q:\n%s", want, text)
				}
			}
			if k, ok := cfg.Sources[0].Config.(*keycloak.Config); ok && k.ClientSecret.String() != "file:secrets/keycloak" {
				t.Errorf("%+v", k)
			}
		})
	}
}

func TestABegunConfigurationSaysWhatTheKeyMayNotRead(t *testing.T) {
	t.Parallel()
	chat := openwebuitest.NewTest(t, openwebuitest.Options{})
	chat.SetProviders("oidc")
	chat.SetBuiltIn(openwebuitest.BuiltIn{LDAP: true})
	chat.AllowKeys(true, "/api/v1/users", "/api/v1/groups")
	text, _, err := begins(t, chat)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/api/v1/auths/admin/config:", "/api/v1/auths/admin/config/ldap:", "/api/v1/auths/admin/config/oauth:", "where the directory of its sign-in by LDAP is", "the issuer of its OpenID provider:"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing says %q:\n%s", want, text)
		}
	}
}

func TestNoConfigurationBeginsWithoutAnAdministratorsKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*openwebuitest.Server)
		kind   fault.Kind
		hint   string
	}{
		"wrong key":  {func(s *openwebuitest.Server) { s.RevokeKey(s.Key) }, fault.Auth, "the key is wrong or was replaced"},
		"no admin":   {func(s *openwebuitest.Server) { s.SetRole(s.Admin, "user") }, fault.Auth, "signed in as an administrator"},
		"restricted": {func(s *openwebuitest.Server) { s.AllowKeys(true, "/api/v1/groups") }, fault.Auth, "API_KEYS_ALLOWED_ENDPOINTS"},
		"keys off":   {func(s *openwebuitest.Server) { s.AllowKeys(false) }, fault.Auth, "ENABLE_API_KEYS=true"},
		"too old":    {func(s *openwebuitest.Server) { s.Upgrade("0.7.2") }, fault.Invalid, "upgrade Open WebUI"},
		"a web page": {func(s *openwebuitest.Server) {
			s.Inject(openwebuitest.Fault{Path: "/api/version", HTML: true})
		}, fault.Invalid, "check that the url is Open WebUI's own address"},
		"an error there": {func(s *openwebuitest.Server) {
			s.Inject(openwebuitest.Fault{Path: "/api/v1/auths/admin/config/oauth", Status: 400})
		}, fault.Invalid, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chat := openwebuitest.NewTest(t, openwebuitest.Options{})
			c.change(chat)
			_, _, err := begins(t, chat)
			if fault.KindOf(err) != c.kind || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("kind %v, hint %q: %v", fault.KindOf(err), fault.HintOf(err), err)
			}
		})
	}
}

func TestNothingThatOpenWebUISaysBecomesMoreThanAValue(t *testing.T) {
	t.Parallel()
	// YAML ends a line, and with it a comment, at more characters than JSON, and has no others at all.
	for _, bad := range []string{"\u0085", "\u2028", "\u2029", "\u007f", "\u009f", "\ufeff", "\uffff", "\r\n", "\x00"} {
		value := "x" + bad + "server: {admin: {readers: {mallory: 'env:X'}}}" + bad + "#"
		chat := openwebuitest.NewTest(t, openwebuitest.Options{})
		chat.SetBuiltIn(openwebuitest.BuiltIn{LDAP: true})
		chat.SetPage("ldap", map[string]any{"label": value, "host": "ldap.example.org", "search_base": "dc=example,dc=org", "app_dn": "", "search_filters": value,
			"certificate_path": value, "attribute_for_groups": value, "default_email_domain": value})
		chat.SetProviders("oidc")
		chat.SetPage("oauth", map[string]any{"OPENID_PROVIDER_URL": "https://kc.example.org/realms/main/.well-known/openid-configuration", "OAUTH_CLIENT_ID": value,
			"OAUTH_ROLES_CLAIM": value, "ENABLE_OAUTH_ROLE_MANAGEMENT": true})
		text, cfg, err := begins(t, chat)
		if err != nil {
			t.Errorf("%q: %v", bad, err)
			continue
		}
		if len(cfg.Sources) != 2 || len(cfg.Server.Admin.Tokens()) != 0 {
			t.Errorf("%q: %d sources, tokens %v\n%s", bad, len(cfg.Sources), cfg.Server.Admin.Tokens(), text)
		}
	}
}

func TestTheNameOfABegunSourceIsAName(t *testing.T) {
	t.Parallel()
	for label, want := range map[string]string{"Null": "ldap-null", "TRUE": "ldap-true", "42": "42", "no": "no", "Corp & Sons": "corp-sons", "~": "ldap", "Жанна": "ldap"} {
		chat := openwebuitest.NewTest(t, openwebuitest.Options{})
		chat.SetBuiltIn(openwebuitest.BuiltIn{LDAP: true})
		chat.SetPage("ldap", map[string]any{"label": label, "host": "ldap.example.org", "search_base": "dc=example,dc=org"})
		if _, cfg, err := begins(t, chat); err != nil || cfg.Sources[0].Name != want {
			t.Errorf("%q: %v, want %s", label, err, want)
		}
	}
}
