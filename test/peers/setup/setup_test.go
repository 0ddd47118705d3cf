//go:build peers

// Package setup begins a configuration with a real Open WebUI, and works there with a key
// that may use no more than it needs.
package setup

import (
	"net/http"
	"strings"
	"testing"

	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

func TestMain(m *testing.M) { peer.Main(m) }

// TestAConfigurationBeginsWithARealServerAndAShortList: what the pages of settings say
// becomes a configuration that loads, no secret of theirs is in it, and a sync that grants
// works with the endpoints that doctor prints, while others are closed to the key.
func TestAConfigurationBeginsWithARealServerAndAShortList(t *testing.T) {
	const list = "/api/v1/groups,/api/v1/users,/api/v1/models,/api/models/base"
	chat := peer.StartOpenWebUI(t, 6,
		"ENABLE_LDAP=true", "LDAP_SERVER_LABEL=Corp", "LDAP_SERVER_HOST=ldap.example.org", "LDAP_SERVER_PORT=636", "LDAP_USE_TLS=true",
		"LDAP_APP_DN=cn=reader,dc=example,dc=org", "LDAP_APP_PASSWORD=canary-bind-password", "LDAP_SEARCH_BASE=ou=people,dc=example,dc=org",
		"LDAP_SEARCH_FILTERS=(objectClass=inetOrgPerson)", "LDAP_ATTRIBUTE_FOR_USERNAME=uid", "ENABLE_LDAP_GROUP_MANAGEMENT=true",
		"OPENID_PROVIDER_URL=https://kc.example.org/realms/main/.well-known/openid-configuration", "OAUTH_CLIENT_ID=open-webui",
		"OAUTH_CLIENT_SECRET=canary-client-secret", "ENABLE_OAUTH_SIGNUP=true", "OAUTH_BLOCKED_GROUPS=[\"admins\"]",
		"MICROSOFT_CLIENT_ID=ms", "MICROSOFT_CLIENT_SECRET=canary-ms-secret", "MICROSOFT_CLIENT_TENANT_ID=common",
		"ENABLE_API_KEYS_ENDPOINT_RESTRICTIONS=true", "API_KEYS_ALLOWED_ENDPOINTS="+list+",/api/v1/auths/admin/config")
	p := peer.NewProgram(t)

	begun := p.Must(t, 0, "config", "init", "--from-open-webui", chat.URL, "--api-key", "file:"+chat.KeyFile).Out
	for _, want := range []string{
		"from what Open WebUI 0.12.4 at", "mode: plan", "  corp:\n    type: ldap\n    url: \"ldaps://ldap.example.org\"",
		`bind: {dn: "cn=reader,dc=example,dc=org", password: "file:secrets/ldap"}`, `filter: "(objectClass=inetOrgPerson)"`, "username: uid",
		"type: keycloak", `url: "https://kc.example.org"`, `realm: "main"`, "type: entra", "ENABLE_LDAP_GROUP_MANAGEMENT: it takes people out",
	} {
		if !strings.Contains(begun, want) {
			t.Errorf("nothing says %q:\n%s", want, begun)
		}
	}
	if strings.Contains(begun, "canary") {
		t.Errorf("a secret is in it:\n%s", begun)
	}
	p.Write(t, "begun.yaml", begun)
	p.Must(t, 0, "config", "validate", "--no-secrets", "--config", "begun.yaml")

	// The same key, with what doctor says that it needs.
	key := chat.Key(t)
	p.Write(t, "people.yaml", "users: [{id: a, email: "+ldif.Mail(1)+"}, {id: b, email: "+ldif.Mail(2)+"}]\ngroups: [{id: g, name: setup-team, members: [a, b]}]\n")
	p.Configure(t, `state: state
sources: {list: {type: file, path: people.yaml}}
targets: {chat: {url: "`+chat.URL+`", api_key: "file:`+chat.KeyFile+`"}}
rules: [{name: all, match: "setup-*", models: ["*"]}]
server: {admin: {listen: ""}}
`)
	found := p.Must(t, 0, "doctor").Out
	if !strings.Contains(found, "endpoints: the key may use what this configuration needs, and nothing else") {
		t.Errorf("doctor says:\n%s", found)
	}
	if report := p.Sync(t, 0); !strings.Contains(report.Out, `"members_added": 2`) {
		t.Errorf("%s", report.Out)
	}
	p.Sync(t, 0)
	if status := chat.Try(t, key, http.MethodGet, "/api/v1/knowledge/", nil); status != http.StatusForbidden {
		t.Errorf("another path answers %d: the key is not restricted", status)
	}

	// One fewer is refused, and doctor says which.
	p.Configure(t, `state: state
sources: {list: {type: file, path: people.yaml}}
targets: {chat: {url: "`+chat.URL+`", api_key: "file:`+chat.KeyFile+`"}}
rules: [{name: all, match: "setup-*", models: ["*"], knowledge: ["*"]}]
server: {admin: {listen: ""}}
`)
	found = p.Must(t, 6, "doctor").Out
	if !strings.Contains(found, "the key may not use /api/v1/knowledge, which this configuration needs") || !strings.Contains(found, "remedy: set API_KEYS_ALLOWED_ENDPOINTS="+strings.Replace(list, "/api/models/base", "/api/models/base,/api/v1/knowledge", 1)) {
		t.Errorf("doctor says:\n%s", found)
	}
	p.Sync(t, 6)

}
