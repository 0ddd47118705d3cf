// Package all lists every kind of source that the program knows. The list is written
// out, so that what a binary can read is found in one place.
package all

import (
	"groupsyncd/providers"
	"groupsyncd/providers/authentik"
	"groupsyncd/providers/entra"
	"groupsyncd/providers/file"
	"groupsyncd/providers/google"
	"groupsyncd/providers/keycloak"
	"groupsyncd/providers/ldap"
	"groupsyncd/providers/oidc"
	"groupsyncd/providers/okta"
	"groupsyncd/providers/scim"
	"groupsyncd/providers/scimpush"
)

// Registry gives the kinds of sources.
func Registry() providers.Registry {
	return providers.Registry{authentik.Type(), entra.Type(), file.Type(), google.Type(), keycloak.Type(), ldap.Type(), oidc.Type(), okta.Type(), scim.Type(), scimpush.Type()}
}
