package keycloak

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
)

// rolesOf reads the rights out of an access token of ours, whose signature concerns the
// server alone: nil where the token does not show any, as a lightweight one.
func rolesOf(token secret.Value, client string) map[string]bool {
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return nil
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var claims struct {
		Access map[string]struct {
			Roles []string `json:"roles"`
		} `json:"resource_access"`
	}
	if json.Unmarshal(body, &claims) != nil || claims.Access == nil {
		return nil
	}
	rights := map[string]bool{}
	for _, role := range claims.Access[client].Roles {
		rights[role] = true
	}
	return rights
}

// need is a right, and what it is for.
type need struct {
	// roles are those of which any is enough, the least one first.
	roles []string
	what  string
}

// holds reports whether the rights are enough for it.
func (n need) holds(rights map[string]bool) bool {
	for _, role := range n.roles {
		if rights[role] {
			return true
		}
	}
	return false
}

// needs are the rights without which a read would show less than there is.
func (c *Config) needs() []need {
	list := []need{{[]string{"view-users", "manage-users"}, "users, groups and their members"}}
	if c.roles() {
		list = append(list, need{[]string{"view-realm", "manage-realm"}, "roles"}, need{[]string{"view-clients", "manage-clients"}, "clients and their roles"})
	}
	return list
}

// allowed gives an error unless the rights are enough to see everything. It comes before
// every read, because Keycloak leaves out what somebody may not see and says nothing: with
// query-users and query-groups alone, a realm full of people looks empty.
func (s *source) allowed(rights map[string]bool) error {
	if rights == nil {
		return s.fail(fault.Auth, "check rights", "switch off lightweight access tokens for the client, give its service account the role view-users of "+s.managedBy()+", and leave Full scope allowed on",
			"the access token shows no rights in %s, so nobody could tell an empty realm from one that is hidden", s.managedBy())
	}
	for _, n := range s.config.needs() {
		if !n.holds(rights) {
			return s.fail(fault.Auth, "check rights", "assign the role "+n.roles[0]+" of "+s.managedBy()+" to the service account of the client; fine-grained permissions do not replace it",
				"the service account lacks %s, without which the server leaves out %s and says nothing", n.roles[0], n.what)
		}
	}
	return nil
}
