package keycloaktest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// log are the events that the realm saves.
type log struct {
	admin, people bool
	ofAdmins      []event
	ofPeople      []event
}

type event struct {
	at     time.Time
	fields map[string]any
}

// SaveEvents says which events are saved from now on.
func (s *Server) SaveEvents(admin, people bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events.admin, s.events.people = admin, people
}

// SignIn saves the event of somebody who signs in, as at another application.
func (s *Server) SignIn(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.events.people {
		s.events.ofPeople = append(s.events.ofPeople, s.newEvent(map[string]any{"type": "LOGIN", "clientId": "open-webui", "userId": user, "ipAddress": "127.0.0.1"}))
	}
}

func (s *Server) newEvent(fields map[string]any) event {
	now := time.Now()
	fields["id"], fields["time"], fields["realmId"] = s.id(), now.UnixMilli(), "0e000000-0000-4000-8000-000000000001"
	return event{now, fields}
}

// happened saves an admin event.
func (s *Server) happened(operation, resource, path string) {
	if s.events.admin {
		s.events.ofAdmins = append(s.events.ofAdmins, s.newEvent(map[string]any{"operationType": operation, "resourceType": resource, "resourcePath": path, "authDetails": map[string]string{"ipAddress": "127.0.0.1"}}))
	}
}

func (s *Server) eventConfig(*http.Request) answer {
	return ok(map[string]any{"adminEventsEnabled": s.events.admin, "eventsEnabled": s.events.people, "enabledEventTypes": []string{"LOGIN", "REGISTER"}, "eventsListeners": []string{"jboss-logging"}})
}

func (s *Server) adminEvents(r *http.Request) answer {
	return s.listEvents(r, s.events.ofAdmins, func(event) bool { return true })
}

func (s *Server) peopleEvents(r *http.Request) answer {
	types := r.URL.Query()["type"]
	return s.listEvents(r, s.events.ofPeople, func(e event) bool {
		name, _ := e.fields["type"].(string)
		return len(types) == 0 || slices.Contains(types, name)
	})
}

// listEvents gives events, the newest first. dateFrom is a day.
func (s *Server) listEvents(r *http.Request, list []event, keep func(event) bool) answer {
	var from time.Time
	if day := r.URL.Query().Get("dateFrom"); day != "" {
		var err error
		if from, err = time.Parse(time.DateOnly, day); err != nil {
			return fail(http.StatusBadRequest, "Invalid value for 'dateFrom', expected format is yyyy-MM-dd or an Epoch timestamp")
		}
	}
	var out []map[string]any
	for _, e := range slices.Backward(list) {
		if keep(e) && !e.at.Before(from) {
			out = append(out, e.fields)
		}
	}
	return ok(window(r, out, 100))
}

// resourcePath is the path of a request below the realm.
func resourcePath(r *http.Request) string {
	return strings.TrimPrefix(r.URL.Path, "/admin/realms/"+RealmName+"/")
}
