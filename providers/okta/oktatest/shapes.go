package oktatest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"
)

// form is how Okta writes times.
func form(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

type object = map[string]any

func href(base string, parts ...string) object {
	for _, p := range parts {
		base += "/" + p
	}
	return object{"href": base}
}

// json gives a user as a list shows them.
func (s *Server) json(u *user) json.RawMessage {
	if u.raw == nil {
		shown := object{
			"id": u.id, "status": u.status, "created": form(u.created), "activated": form(u.created), "statusChanged": form(u.updated),
			"lastLogin": nil, "lastUpdated": form(u.updated), "passwordChanged": form(u.created), "type": object{"id": "oty1"}, "profile": u.profile,
			"credentials": object{"provider": object{"type": "OKTA", "name": "OKTA"}},
			"_links":      object{"self": href(s.URL()+"/api/v1/users", u.id)},
		}
		raw, err := json.Marshal(shown)
		if err != nil {
			panic(err)
		}
		u.raw = raw
	}
	return u.raw
}

// group gives a group as it is shown now.
func (s *Server) group(g *group) json.RawMessage {
	base := s.URL() + "/api/v1/groups"
	class := map[string]string{"APP_GROUP": "okta:windows_security_principal"}[g.kind]
	if class == "" {
		class = "okta:user_group"
	}
	raw, err := json.Marshal(object{
		"id": g.id, "created": form(g.created), "lastUpdated": form(g.updated), "lastMembershipUpdated": form(g.as(s.o.Now().Add(-s.o.IndexLag)).stamp),
		"objectClass": []string{class}, "type": g.kind, "profile": object{"name": g.name, "description": g.description},
		"_links": object{"users": href(base, g.id, "users"), "apps": href(base, g.id, "apps"), "logo": []object{{"name": "medium", "href": s.URL() + "/logo.png", "type": "image/png"}}},
	})
	if err != nil {
		panic(err)
	}
	return raw
}

// members gives the ids of who is shown in a group, sorted.
func (s *Server) members(g *group) []string {
	if g.id == Everyone {
		var all []string
		for _, u := range s.users {
			if u.status != "DEPROVISIONED" {
				all = append(all, u.id)
			}
		}
		slices.Sort(all)
		return all
	}
	return slices.DeleteFunc(slices.Clone(g.as(s.o.Now().Add(-s.o.MemberLag)).members), func(id string) bool { return s.users[id] == nil })
}

func (s *Server) owner(id string) any {
	kind, name := "USER", ""
	if g := s.groups[id]; g != nil {
		kind, name = "GROUP", g.name
	} else if u := s.users[id]; u != nil {
		name, _ = u.profile["displayName"].(string)
	}
	return object{"id": id, "type": kind, "resolved": true, "originType": "OKTA_DIRECTORY", "displayName": name, "lastUpdated": form(s.o.Now())}
}

func (s *Server) appUser(id string, byGroup bool) any {
	u := s.users[id]
	scope := "USER"
	if byGroup {
		scope = "GROUP"
	}
	return object{
		"id": id, "created": form(u.created), "lastUpdated": form(u.updated), "scope": scope, "status": "ACTIVE", "statusChanged": form(u.created), "syncState": "DISABLED",
		"credentials": object{"userName": u.profile["login"]}, "profile": object{},
		"_links": object{"app": href(s.URL()+"/api/v1/apps", AppID), "user": href(s.URL()+"/api/v1/users", id)},
	}
}

func (s *Server) appGroup(id string) any {
	return object{"id": id, "lastUpdated": form(s.o.Now()), "priority": 0, "profile": object{}, "_links": object{"self": href(s.URL()+"/api/v1/apps", AppID, "groups", id)}}
}

func appShape() object {
	return object{
		"id": AppID, "name": "oidc_client", "label": AppLabel, "status": "ACTIVE", "signOnMode": "OPENID_CONNECT", "created": "2026-01-01T00:00:00.000Z", "lastUpdated": "2026-01-01T00:00:00.000Z",
		"features": []string{}, "accessibility": object{"selfService": false}, "visibility": object{"autoLaunch": false, "autoSubmitToolbar": false, "hide": object{"iOS": false, "web": false}},
		"credentials": object{"oauthClient": object{"client_id": AppID, "token_endpoint_auth_method": "client_secret_basic"}},
		"settings":    object{"oauthClient": object{"response_types": []string{"code"}, "grant_types": []string{"authorization_code"}, "application_type": "web"}},
	}
}

func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// send writes JSON.
func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// refuse writes an error as Okta does.
func refuse(w http.ResponseWriter, status int, code, summary string) {
	send(w, status, Error(code, summary))
}

// Error is the body of an error.
func Error(code, summary string) any {
	return object{"errorCode": code, "errorSummary": summary, "errorLink": code, "errorId": "oaeTest", "errorCauses": []any{}}
}
