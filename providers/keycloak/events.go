package keycloak

import (
	"slices"
	"strings"

	"groupsyncd/directory"
)

// event is an admin event or one of a person's own, as far as it concerns us.
type event struct {
	ID   string `json:"id"`
	Time int64  `json:"time"` // milliseconds
	// Of admin events.
	Operation string `json:"operationType"`
	Resource  string `json:"resourceType"`
	Path      string `json:"resourcePath"`
	// Of events of people.
	Type string `json:"type"`
	User string `json:"userId"`
	// Error is set where it came to nothing.
	Error string `json:"error"`
}

// loginTypes are the events of people after which their groups may be others: mappers of an
// identity provider or of a federation change them at sign-in, and no admin event says so.
func loginTypes() []string {
	return []string{"LOGIN", "REGISTER", "UPDATE_PROFILE", "UPDATE_EMAIL", "VERIFY_EMAIL", "DELETE_ACCOUNT"}
}

// hints are whom some events concern.
type hints struct {
	people map[string]bool
	all    bool
}

// take adds an event. With roles, events of roles count.
func (h *hints) take(e event, roles bool) {
	if e.Error != "" {
		return
	}
	if e.Type != "" {
		switch {
		case !slices.Contains(loginTypes(), e.Type):
		case e.Type == "DELETE_ACCOUNT":
			h.all = true // Only a list shows that somebody is gone.
		case e.User != "":
			h.people[e.User] = true
		}
		return
	}
	person := ""
	if parts := strings.Split(e.Path, "/"); len(parts) > 1 && parts[0] == "users" {
		person = parts[1]
	}
	switch e.Resource {
	case "GROUP_MEMBERSHIP":
	case "USER":
		if e.Operation == "ACTION" {
			return // a mail was sent, sessions were ended
		}
		if e.Operation == "DELETE" && strings.Count(e.Path, "/") == 1 {
			person = ""
		}
	case "REALM_ROLE_MAPPING", "CLIENT_ROLE_MAPPING":
		if !roles {
			return
		}
	case "REALM_ROLE", "CLIENT_ROLE", "CLIENT":
		if !roles {
			return
		}
		person = ""
	case "GROUP", "USER_FEDERATION_PROVIDER", "USER_FEDERATION_MAPPER", "COMPONENT":
		person = ""
	default:
		return
	}
	if person == "" {
		h.all = true
	} else {
		h.people[person] = true
	}
}

// persons gives whom the hints name, sorted.
func (h *hints) persons() []directory.Person {
	var out []directory.Person
	for id := range h.people {
		out = append(out, directory.Person{ID: id})
	}
	slices.SortFunc(out, func(a, b directory.Person) int { return strings.Compare(a.ID, b.ID) })
	return out
}
