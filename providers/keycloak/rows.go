package keycloak

import (
	"strings"

	"groupsyncd/directory"
)

// userRow is a user as lists show them.
type userRow struct {
	ID            string              `json:"id"`
	Username      string              `json:"username"`
	FirstName     string              `json:"firstName"`
	LastName      string              `json:"lastName"`
	Email         string              `json:"email"`
	EmailVerified bool                `json:"emailVerified"`
	Enabled       bool                `json:"enabled"`
	Attributes    map[string][]string `json:"attributes"`
	// ServiceAccountOf is set for the account of a client, which is nobody's; lists of
	// members show those without it.
	ServiceAccountOf string `json:"serviceAccountClientId"`
	FederationLink   string `json:"federationLink"`
}

func (u userRow) place() (id, key string) { return u.ID, u.Username }

// serviceAccount reports whether this is the account of a client, as its name says where
// nothing else does: Keycloak gives the name to no person.
func (u userRow) serviceAccount() bool {
	return u.ServiceAccountOf != "" || strings.HasPrefix(u.Username, serviceAccounts)
}

// serviceAccounts begins the names of the accounts of clients.
const serviceAccounts = "service-account-"

// user gives the person. A mail address that is not verified may be one that somebody typed
// in to become somebody else, so it is left out unless the configuration trusts them.
func (c *Config) user(u userRow) directory.User {
	out := directory.User{ID: u.ID, Username: u.Username, Name: strings.TrimSpace(u.FirstName + " " + u.LastName), Disabled: !u.Enabled, StatusKnown: true}
	if u.EmailVerified || c.UnverifiedEmail {
		out.Email = u.Email
	}
	for name, attribute := range c.Attributes {
		if out.Attributes == nil {
			out.Attributes = map[string][]string{}
		}
		if values := u.Attributes[attribute]; len(values) > 0 {
			out.Attributes[name] = values
		}
	}
	return out
}

// groupRow is a group as lists show it.
type groupRow struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Path        string `json:"path"`
	ParentID    string `json:"parentId"`
	// SubGroups is how many groups are directly below; nil where the server does not say.
	SubGroups *int `json:"subGroupCount"`
}

func (g groupRow) place() (id, key string) { return g.ID, g.Name }

func (g groupRow) group() directory.Group {
	return directory.Group{ID: g.ID, Name: g.Name, Path: g.Path, Description: g.Description}
}

// roleRow is a role as lists show it.
type roleRow struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Composite   bool   `json:"composite"`
	ClientRole  bool   `json:"clientRole"`
	// Container is the id of the client, or of the realm.
	Container string `json:"containerId"`
	// client is the client id of its client, shown whether the configuration includes it.
	client string
	shown  bool
}

func (r roleRow) place() (id, key string) { return r.ID, r.Name }

// roleID keeps the ids of roles apart from those of groups.
func roleID(id string) string { return "role:" + id }

// group shows the role as a group. Its name says that it is a role, so that no rule for a
// group of the same name takes it.
func (r roleRow) group() directory.Group {
	name := "role:" + r.Name
	if r.ClientRole {
		name = "role:" + r.client + ":" + r.Name
	}
	description := r.Description
	if strings.HasPrefix(description, "${") {
		description = "" // a key into translations that the console has
	}
	return directory.Group{ID: roleID(r.ID), Name: name, Path: name, Description: description, Unlisted: !r.shown}
}

// clientRow is a client as lists show it.
type clientRow struct {
	ID       string `json:"id"`
	ClientID string `json:"clientId"`
}

func (c clientRow) place() (id, key string) { return c.ID, c.ClientID }
