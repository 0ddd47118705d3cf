package scimtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"groupsyncd/providers/providertest"
)

type object = map[string]any

// answer writes what a server says.
type answer struct {
	profile *Profile
	w       http.ResponseWriter
}

func (a *answer) write(status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // Bodies are made of maps and texts.
	}
	a.w.Header().Set("Content-Type", cmp.Or(a.profile.Media, "application/scim+json"))
	a.w.WriteHeader(status)
	_, _ = a.w.Write(b)
}

// refuse writes an error (RFC 7644, 3.12), whose status is a text.
func (a *answer) refuse(status int, scimType, detail string) {
	body := object{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": strconv.Itoa(status), "detail": detail}
	if scimType != "" {
		body["scimType"] = scimType
	}
	a.write(status, body)
}

const core = "urn:ietf:params:scim:schemas:core:2.0:"

func (s *Server) route(a *answer, r *http.Request, path string) {
	kind, id, single := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	id, err := url.PathUnescape(id)
	if err != nil {
		a.refuse(http.StatusBadRequest, "invalidValue", "the id cannot be read")
		return
	}
	query := r.URL.Query()
	if s.profile.NoExclude && (query.Has("attributes") || query.Has("excludedAttributes")) {
		a.refuse(http.StatusBadRequest, "invalidValue", "attributes cannot be chosen")
		return
	}
	switch kind {
	case "ServiceProviderConfig", "ResourceTypes", "Schemas":
		s.describe(a, kind)
		return
	case "Users", "Groups":
	default:
		a.refuse(http.StatusNotFound, "", "there is no such resource type")
		return
	}
	if single {
		s.single(a, r, kind, id)
		return
	}
	s.list(a, kind, query)
}

func (s *Server) describe(a *answer, document string) {
	if s.profile.Discovery != 0 {
		a.refuse(s.profile.Discovery, "", "not for you")
		return
	}
	supported := func(yes bool) object { return object{"supported": yes} }
	endpoints := [2]string{cmp.Or(s.profile.Endpoints[0], "/Users"), cmp.Or(s.profile.Endpoints[1], "/Groups")}
	var items []any
	switch document {
	case "ServiceProviderConfig":
		body := object{"schemas": []string{core + "ServiceProviderConfig"}, "patch": supported(false), "bulk": object{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
			"filter": object{"supported": true, "maxResults": s.profile.Cap}, "changePassword": supported(false), "sort": supported(false), "etag": supported(s.profile.ETags),
			"authenticationSchemes": []object{{"type": "oauthbearertoken", "name": "token", "description": "a token"}}}
		if s.profile.SaysCursor {
			body["pagination"] = object{"cursor": true, "index": !s.profile.NoIndex, "maxPageSize": s.profile.Cap}
		}
		a.write(http.StatusOK, body)
		return
	case "ResourceTypes":
		for i, name := range []string{"User", "Group"} {
			items = append(items, object{"schemas": []string{core + "ResourceType"}, "id": name, "name": name, "endpoint": endpoints[i], "schema": core + name})
		}
	case "Schemas":
		returned := "default"
		if s.profile.Members == ByName {
			returned = "request"
		}
		items = append(items, object{"id": core + "Group", "name": "Group", "attributes": []object{{"name": "members", "type": "complex", "multiValued": true, "returned": returned}}})
	}
	if s.profile.Bare {
		a.write(http.StatusOK, items)
		return
	}
	a.write(http.StatusOK, object{"schemas": []string{listResponse}, "totalResults": len(items), "startIndex": 1, "itemsPerPage": len(items), "Resources": items})
}

const listResponse = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

// resource is an entry with what filters may look at.
type resource struct {
	id    string
	shown object
	// values are by the lower-case names that filters use.
	values map[string][]string
}

func (s *Server) user(u providertest.User) resource {
	shown := object{"schemas": []string{core + "User"}, "id": u.ID, "userName": u.Username, "displayName": u.Name, "active": !u.Disabled, "externalId": "ext-" + u.ID,
		"meta": object{"resourceType": "User"}}
	if u.Email != "" {
		shown["emails"] = []object{{"value": "private-" + u.Email, "type": "home"}, {"value": u.Email, "type": "work", "primary": true}}
	}
	if list := u.Attributes["department"]; len(list) > 0 {
		shown[enterprise] = object{"department": list}
	}
	if s.profile.NoActive {
		delete(shown, "active")
	}
	direct, all := s.groupsOf(u.ID)
	if s.profile.UserGroups {
		groups := []object{}
		for _, g := range s.world.Groups {
			switch {
			case slices.Contains(direct, g.ID):
				groups = append(groups, object{"value": g.ID, "display": g.Name, "type": "direct"})
			case s.profile.Indirect && slices.Contains(all, g.ID):
				groups = append(groups, object{"value": g.ID, "display": g.Name, "type": "indirect"})
			}
		}
		shown["groups"] = groups
	}
	return resource{id: u.ID, shown: shown, values: map[string][]string{"id": {u.ID}, "username": {u.Username}, "emails.value": {u.Email, "private-" + u.Email},
		"externalid": {"ext-" + u.ID}, "groups.value": direct}}
}

const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// groupsOf gives the groups that name a user, and those with the ones above them.
func (s *Server) groupsOf(id string) (direct, all []string) {
	direct = s.above[id]
	all = slices.Clone(direct)
	for i := 0; i < len(all) && !s.profile.NoNesting; i++ {
		for _, g := range s.above[all[i]] {
			if !slices.Contains(all, g) {
				all = append(all, g)
			}
		}
	}
	return direct, all
}

func (s *Server) group(g providertest.Group) resource {
	members, ids := []object{}, []string{}
	add := func(id, kind string) {
		m := object{"value": id}
		if !s.profile.NoTypes {
			m["type"] = kind
		}
		if s.profile.Refs {
			m["$ref"] = "https://example.org/v2/" + kind + "s/" + id
		}
		members, ids = append(members, m), append(ids, id)
	}
	for _, id := range g.Members {
		add(id, "User")
	}
	for _, id := range g.Groups {
		if !s.profile.NoNesting {
			add(id, "Group")
		}
	}
	version := s.versions[g.ID]
	if s.profile.StuckETags {
		version = 1
	}
	return resource{id: g.ID, values: map[string][]string{"id": {g.ID}, "displayname": {g.Name}, "members.value": ids, "members": ids},
		shown: object{"schemas": []string{core + "Group"}, "id": g.ID, "displayName": g.Name, "members": members,
			"meta": object{"resourceType": "Group", "version": fmt.Sprintf(`W/"%d"`, version)}}}
}

// resources gives all entries of a kind; they are made once for each world.
func (s *Server) resources(kind string) []resource {
	if s.made[kind] == nil {
		all := []resource{}
		if kind == "Users" {
			for _, u := range s.world.Users {
				all = append(all, s.user(u))
			}
		} else {
			for _, g := range s.world.Groups {
				all = append(all, s.group(g))
			}
		}
		s.made[kind] = all
	}
	return slices.Clone(s.made[kind])
}

func (s *Server) single(a *answer, r *http.Request, kind, id string) {
	all := s.resources(kind)
	i := slices.IndexFunc(all, func(r resource) bool { return r.id == id })
	if i < 0 {
		a.refuse(http.StatusNotFound, "", "there is no "+id)
		return
	}
	found := all[i].shown
	if kind == "Groups" {
		found = s.hide(found, false, r.URL.Query())
		if s.profile.ETags || s.profile.StuckETags {
			tag := found["meta"].(object)["version"].(string)
			a.w.Header().Set("ETag", tag)
			if r.Header.Get("If-None-Match") == tag {
				a.w.WriteHeader(http.StatusNotModified)
				return
			}
		}
	}
	a.write(http.StatusOK, found)
}

// hide takes the members out of a group where they are not shown.
func (s *Server) hide(g object, inList bool, query url.Values) object {
	g = maps.Clone(g)
	switch {
	case query.Get("excludedAttributes") == "members":
		delete(g, "members")
	case s.profile.Members == Never, s.profile.Members == Alone && inList:
		g["members"] = []object{}
	case s.profile.Members == ByName && !strings.Contains(query.Get("attributes"), "members"):
		delete(g, "members")
	}
	if list, ok := g["members"].([]object); ok && inList && s.profile.ListMembers > 0 {
		g["members"] = list[:min(len(list), s.profile.ListMembers)]
	}
	return g
}

var comparison = regexp.MustCompile(`^([A-Za-z.]+) eq (".*")$`)

// filter gives what a filter finds, or says that it is refused.
func (s *Server) filter(kind, text string, all []resource) ([]resource, bool) {
	m := comparison.FindStringSubmatch(text)
	var value string
	if len(m) < 3 || json.Unmarshal([]byte(m[2]), &value) != nil || !slices.Contains(s.profile.Filters, kind+" "+m[1]) {
		switch s.profile.Unknown {
		case Ignore:
			return all, true
		case Zero:
			return nil, true
		}
		return nil, false
	}
	name := strings.ToLower(m[1])
	return slices.DeleteFunc(all, func(r resource) bool {
		return !slices.ContainsFunc(r.values[name], func(v string) bool { return v != "" && strings.EqualFold(v, value) })
	}), true
}
