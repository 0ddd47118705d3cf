package config

import (
	"strings"

	"groupsyncd/permission"
)

// foreign says which key of ours does what a setting of Open WebUI does, for people
// who bring their settings along. It knows the names of the environment variables,
// and the LDAP ones without their prefix, as its settings page stores them.
func foreign(key string) (hint string, ok bool) {
	if name, found := strings.CutPrefix(strings.ToUpper(key), "USER_PERMISSIONS_"); found && name != "" {
		return foreignPermission(key), true
	}
	name := strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
	table := foreignNames()
	if ours, found := table[name]; found {
		return "Open WebUI's " + name + " is " + ours, true
	}
	if ours, found := table["LDAP_"+name]; found {
		return "Open WebUI's LDAP_" + name + " is " + ours, true
	}
	return "", false
}

// foreignPermission explains a USER_PERMISSIONS_… variable as an entry of a set.
func foreignPermission(variable string) string {
	key, ok := permission.FromEnvironment(variable)
	if !ok {
		return "permissions go into a set below permission_sets, spelled as in Open WebUI's own tree: permission_sets: {NAME: {chat: {file_upload: true}}}"
	}
	category, leaf, _ := strings.Cut(key, ".")
	return "this permission is " + key + ": permission_sets: {NAME: {" + category + ": {" + leaf + ": true}}}"
}

func foreignNames() map[string]string {
	const (
		url      = `"url" of the source here, such as ldaps://ldap.example.org`
		tls      = `part of "url" of the source here (ldaps://), or "start_tls"; certificates are always checked`
		ca       = `"ca_file" of the source here`
		groups   = `not needed here: groups are read from "groups" of the source`
		built    = `not needed here: "rules" say which groups are kept. Switch it off in Open WebUI, so that the two do not fight`
		create   = `"create" of a rule here`
		share    = `"share" of a rule here`
		roles    = `"accounts.role" of a target here: lines of directory groups below admin and user. Switch role management off in Open WebUI, so that the two do not fight`
		username = `"users.username" of the source here`
		email    = `"users.email" of the source here`
		header   = `not needed here: groups and roles come from a source. It must not be set, since the two would fight`
	)
	return map[string]string{
		"OAUTH_BLOCKED_GROUPS":             `"except" of a rule here`,
		"OAUTH_ALLOWED_GROUPS":             `"match" of a rule here`,
		"OAUTH_ALLOWED_DOMAINS":            `"email_domains" of a source here`,
		"OAUTH_MERGE_ACCOUNTS_BY_EMAIL":    `"match: [email]" of the target here`,
		"OAUTH_SUB_CLAIM":                  `"sign_in.subject" of a source here`,
		"OAUTH_PROVIDER_NAME":              `"sign_in.provider" of a source here (the provider's key, such as oidc)`,
		"OPENID_PROVIDER_URL":              `"issuer" of a source with "type: oidc" here, without /.well-known/openid-configuration`,
		"OAUTH_CLIENT_ID":                  `"audience" of a source with "type: oidc" here`,
		"OAUTH_GROUP_CLAIM":                `"claims.groups" of a source with "type: oidc" here`,
		"OAUTH_GROUPS_CLAIM":               `"claims.groups" of a source with "type: oidc" here`,
		"OAUTH_GROUPS_SEPARATOR":           `"separator" of a source with "type: oidc" here`,
		"OAUTH_EMAIL_CLAIM":                `"claims.email" of a source with "type: oidc" here`,
		"OAUTH_USERNAME_CLAIM":             `"claims.name" of a source with "type: oidc" here`,
		"OAUTH_ROLES_CLAIM":                roles,
		"MICROSOFT_CLIENT_TENANT_ID":       `"tenant" of a source with "type: entra" here`,
		"DEFAULT_GROUP_ID":                 `a rule with "match: everyone" here; groups that Open WebUI gives by itself are left alone`,
		"OAUTH_GROUP_DEFAULT_SHARE":        share,
		"DEFAULT_GROUP_SHARE_PERMISSION":   share,
		"ENABLE_OAUTH_GROUP_MANAGEMENT":    built,
		"ENABLE_OAUTH_GROUP_CREATION":      create,
		"ENABLE_LDAP_GROUP_MANAGEMENT":     built,
		"ENABLE_LDAP_GROUP_CREATION":       create,
		"ENABLE_OAUTH_ROLE_MANAGEMENT":     roles,
		"OAUTH_ADMIN_ROLES":                roles,
		"OAUTH_ALLOWED_ROLES":              roles,
		"DEFAULT_USER_ROLE":                `not needed here: what a first sign-in makes is left as it is, and "accounts.create" of a target makes accounts before it`,
		"USER_PERMISSIONS":                 `"defaults" of a target here, the name of a set below permission_sets`,
		"ENABLE_LDAP":                      `a source with "type: ldap" here`,
		"WEBUI_AUTH_TRUSTED_GROUPS_HEADER": header,
		"WEBUI_AUTH_TRUSTED_ROLE_HEADER":   header,
		"WEBUI_URL":                        `"url" of a target here`,
		"OPENWEBUI_URL":                    `"url" of a target here`,
		"LDAP_SERVER_HOST":                 url,
		"LDAP_SERVER_PORT":                 url,
		"LDAP_SERVER_LABEL":                `the name of the source below "sources" here`,
		"LDAP_HOST":                        url,
		"LDAP_PORT":                        url,
		"LDAP_USE_TLS":                     tls,
		"LDAP_VALIDATE_CERT":               tls,
		"LDAP_CIPHERS":                     tls,
		"LDAP_CA_CERT_FILE":                ca,
		"LDAP_CERTIFICATE_PATH":            ca,
		"LDAP_APP_DN":                      `"bind.dn" of the source here`,
		"LDAP_APP_PASSWORD":                `"bind.password" of the source here, as a reference: file:PATH`,
		"LDAP_APP_DN_PASSWORD":             `"bind.password" of the source here, as a reference: file:PATH`,
		"LDAP_SEARCH_BASE":                 `"users.base" of the source here`,
		"LDAP_SEARCH_FILTER":               `"users.filter" of the source here`,
		"LDAP_SEARCH_FILTERS":              `"users.filter" of the source here`,
		"LDAP_DEFAULT_EMAIL_DOMAIN":        `not needed here: whoever has no mail address is found by "sign_in", or by "groupsyncd link set"`,
		"LDAP_ATTRIBUTE_FOR_MAIL":          email,
		"LDAP_ATTRIBUTE_FOR_USERNAME":      username,
		"LDAP_ATTRIBUTE_FOR_GROUPS":        groups,
	}
}
