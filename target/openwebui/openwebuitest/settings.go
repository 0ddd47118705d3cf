package openwebuitest

import (
	"encoding/json"
	"maps"
	"strings"
)

// settings are the administrator's pages as far as they concern groups and keys.
type settings struct {
	// keys: API keys are on; keysForUsers: for those who are no administrators too.
	keys, keysForUsers bool
	// endpoints are the only paths that a key may use; empty: all.
	endpoints []string
	// oauthGroups and ldapGroups: the server's own group sync at sign-in; ldap: sign-in
	// by LDAP is on at all.
	oauthGroups, oauthCreate, ldap, ldapGroups bool
	blockedGroups                              []string
	permissions                                json.RawMessage
	// providers are the OAuth providers that the sign-in page offers, by name.
	providers map[string]string
	// localFetch: private addresses may be called. activeEvery is how many seconds pass
	// between two moves of last_active_at.
	localFetch bool
	// mergeByEmail: a first sign-in takes over the account with the same mail.
	mergeByEmail bool
	activeEvery  int64
	// roleSync: the server sets roles at sign-in. noBypass: administrators see only what
	// is shared with them. channels are switched on.
	roleSync, noBypass, channels bool
	defaultRole                  string
	// offered are the ids of the models of the providers.
	offered []string
	// policy says whether a password will do; nil: any.
	policy func(string) bool
	// pages has the settings of the pages oauth and ldap that are not as they were shipped.
	pages map[string]map[string]any
}

// changed gives a page with what an administrator has set there.
func (s *settings) changed(page string, values map[string]any) map[string]any {
	maps.Copy(values, s.pages[page])
	return values
}

// SetPage sets values on the administrator's page "oauth" or "ldap", by the names that it
// answers with.
func (s *Server) SetPage(page string, values map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settings.pages == nil {
		s.settings.pages = map[string]map[string]any{}
	}
	s.settings.pages[page] = values
}

func newSettings(version string) settings {
	return settings{keys: true, keysForUsers: true, permissions: permissionsOf(version), providers: map[string]string{}, activeEvery: 60,
		defaultRole: "user"}
}

// getSettings answers the pages of settings; the secrets in them are planted so that
// a client that shows them is caught.
func (s *Server) getSettings(c *call) *answer {
	blocked := append([]string{}, s.settings.blockedGroups...)
	switch strings.TrimPrefix(c.r.URL.Path, "/api/v1/auths/admin/config") {
	case "":
		return send(map[string]any{
			"ENABLE_SIGNUP": false, "ENABLE_API_KEYS": s.settings.keys, "DEFAULT_USER_ROLE": s.settings.defaultRole, "DEFAULT_GROUP_ID": "",
			"ENABLE_API_KEYS_ENDPOINT_RESTRICTIONS": len(s.settings.endpoints) > 0,
			"API_KEYS_ALLOWED_ENDPOINTS":            strings.Join(s.settings.endpoints, ","), "JWT_EXPIRES_IN": "4w",
		})
	case "/oauth":
		if !s.shape.oauthPage {
			return fallback(c)
		}
		return send(s.settings.changed("oauth", map[string]any{
			"ENABLE_OAUTH": true, "ENABLE_OAUTH_SIGNUP": true, "ENABLE_OAUTH_GROUP_MANAGEMENT": s.settings.oauthGroups,
			"ENABLE_OAUTH_ROLE_MANAGEMENT": s.settings.roleSync, "OAUTH_MERGE_ACCOUNTS_BY_EMAIL": s.settings.mergeByEmail,
			"ENABLE_OAUTH_GROUP_CREATION": s.settings.oauthCreate, "OAUTH_GROUP_CLAIM": "groups", "OAUTH_ROLES_CLAIM": "roles",
			"OAUTH_ADMIN_ROLES": "admin", "OAUTH_ALLOWED_ROLES": "user,admin", "OAUTH_ALLOWED_DOMAINS": "*",
			"OAUTH_BLOCKED_GROUPS": string(send(blocked).body), "OAUTH_PROVIDER_NAME": "SSO", "OPENID_PROVIDER_URL": "",
			"OAUTH_CLIENT_ID": "open-webui", "OAUTH_CLIENT_SECRET": "canary-client-secret", "OAUTH_SCOPES": "openid email profile",
			"OAUTH_TIMEOUT": "", "OAUTH_EMAIL_CLAIM": "email", "OAUTH_USERNAME_CLAIM": "name", "OAUTH_SUB_CLAIM": nil,
			"ENABLE_OAUTH_PERSISTENT_CONFIG": false,
		}))
	case "/ldap":
		return send(map[string]bool{"ENABLE_LDAP": s.settings.ldap})
	case "/ldap/server":
		page := map[string]any{
			"label": "LDAP Server", "host": "ldap.example.org", "port": 389, "attribute_for_mail": "mail",
			"attribute_for_username": "uid", "app_dn": "cn=reader,dc=example,dc=org", "app_dn_password": "canary-ldap-password",
			"search_base": "dc=example,dc=org", "search_filters": "", "use_tls": true, "certificate_path": "", "validate_cert": true,
			"ciphers": "ALL",
		}
		if s.shape.ldapGroups {
			page["enable_group_management"], page["enable_group_creation"], page["attribute_for_groups"] = s.settings.ldapGroups, false, "memberOf"
		}
		if s.shape.hierarchy {
			page["default_email_domain"] = ""
		}
		return send(s.settings.changed("ldap", page))
	}
	return fallback(c)
}

// permissionsOf gives the default permissions of a version: those of the newest
// without the switches that came later.
func permissionsOf(version string) json.RawMessage {
	v := numbers(version)
	tree := map[string]map[string]bool{}
	for _, line := range leaves() {
		fields := strings.Fields(line)
		if less(v, numbers(fields[0])) {
			continue
		}
		for _, leaf := range fields[2:] {
			key, on := strings.CutSuffix(leaf, "+")
			if tree[fields[1]] == nil {
				tree[fields[1]] = map[string]bool{}
			}
			tree[fields[1]][key] = on
		}
	}
	return send(tree).body
}

// leaves lists the switches by the version in which they were first seen and their
// category; a plus marks those that are on by default.
func leaves() []string {
	return []string{
		"0.0.0 workspace knowledge models prompts tools",
		"0.0.0 sharing public_models public_knowledge public_prompts public_tools public_notes",
		"0.0.0 chat controls+ valves+ system_prompt+ params+ file_upload+ delete+ delete_message+ continue_response+ " +
			"regenerate_response+ rate_response+ edit+ share+ export+ stt+ tts+ call+ multiple_models+ temporary+ temporary_enforced",
		"0.0.0 features notes+ direct_tool_servers web_search+ image_generation+ code_interpreter+",
		"0.6.37 features api_keys",
		"0.6.37 sharing models knowledge prompts tools notes",
		"0.6.37 workspace models_import models_export prompts_import prompts_export tools_import tools_export",
		"0.6.41 features channels+ folders+",
		"0.7.2 features memories+",
		"0.7.2 settings interface+",
		"0.8.0 workspace skills",
		"0.8.12 sharing skills public_skills",
		"0.8.12 chat web_upload+",
		"0.8.12 access_grants allow_users+",
		"0.9.0 features automations",
		"0.9.6 features calendar+",
		"0.9.6 sharing public_calendars public_chats",
		"0.10.2 chat import+",
		"0.10.2 features webhooks",
		"0.10.2 workspace skills_import skills_export",
		"0.11.4 access_grants allow_groups+",
		"0.11.4 sharing folders open_chats",
		"0.12.4 features encrypted_channels",
		"0.12.4 workspace models_hidden",
	}
}
