package entratest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// graph routes requests of the API, each with the permission that it needs.
func (s *Server) graph() http.Handler {
	mux := http.NewServeMux()
	handle := func(path, permission string, h func(w http.ResponseWriter, r *http.Request)) {
		mux.HandleFunc("GET /v1.0"+path, func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			defer s.mu.Unlock()
			token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			switch {
			case !s.tokens[token]:
				refuse(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token is empty or not valid.")
			case !slices.Contains(s.o.Granted, permission):
				refuse(w, http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
			default:
				h(w, r)
			}
		})
	}
	handle("/users/delta", "User.Read.All", func(w http.ResponseWriter, r *http.Request) { s.delta(w, r, "users") })
	handle("/groups/delta", "GroupMember.Read.All", func(w http.ResponseWriter, r *http.Request) { s.delta(w, r, "groups") })
	handle("/users", "User.Read.All", s.listUsers)
	handle("/users/{id}", "User.Read.All", s.oneUser)
	handle("/users/{id}/memberOf", "GroupMember.Read.All", func(w http.ResponseWriter, r *http.Request) { s.memberOf(w, r, false) })
	handle("/users/{id}/transitiveMemberOf", "GroupMember.Read.All", func(w http.ResponseWriter, r *http.Request) { s.memberOf(w, r, true) })
	handle("/groups", "GroupMember.Read.All", s.listGroups)
	handle("/groups/{id}", "GroupMember.Read.All", s.oneGroup)
	handle("/groups/{id}/members", "GroupMember.Read.All", s.members)
	handle("/groups/{id}/owners", "GroupMember.Read.All", s.owners)
	handle("/servicePrincipals", "Application.Read.All", s.findApplication)
	handle("/servicePrincipals/{id}", "Application.Read.All", s.oneApplication)
	handle("/servicePrincipals/{id}/appRoleAssignedTo", "Application.Read.All", s.assignments)
	handle("/{entity}", "Application.Read.All", s.byAppID)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusBadRequest, "BadRequest", "Resource not found for the segment '"+r.URL.Path+"'.")
	})
	return mux
}

// list writes a list in pages, after $top and $skiptoken.
func (s *Server) list(w http.ResponseWriter, r *http.Request, rows []any) {
	q := r.URL.Query()
	top, from := 100, 0
	if text := q.Get("$top"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 999 {
			refuse(w, http.StatusBadRequest, "Request_UnsupportedQuery", "Invalid page size specified: '"+text+"'. Must be between 1 and 999 inclusive.")
			return
		}
		top = n
	}
	if text := q.Get("$skiptoken"); text != "" {
		from, _ = strconv.Atoi(text)
	}
	from = min(from, len(rows))
	until := min(from+top, len(rows))
	body := map[string]any{"@odata.context": s.URL() + "/v1.0/$metadata", "value": append([]any{}, rows[from:until]...)}
	if until < len(rows) {
		next := maps.Clone(q)
		next.Set("$skiptoken", strconv.Itoa(until))
		body["@odata.nextLink"] = s.URL() + r.URL.Path + "?" + next.Encode()
	}
	if q.Get("$count") == "true" {
		body["@odata.count"] = len(rows)
	}
	answer(w, body)
}

// properties reads $select and answers itself when there is something wrong.
func properties(w http.ResponseWriter, r *http.Request, kind string) ([]string, bool) {
	list, bad := selected(r.URL.Query(), kind)
	if bad != "" {
		refuse(w, http.StatusBadRequest, "Request_BadRequest", "Could not find a property named '"+bad+"' on type 'microsoft.graph."+strings.TrimSuffix(kind, "s")+"'.")
		return nil, false
	}
	return list, true
}

func (s *Server) listUsers(w http.ResponseWriter, r *http.Request) {
	sel, ok := properties(w, r, "users")
	if !ok {
		return
	}
	fits, why := userFilter(r)
	if why != "" {
		refuse(w, http.StatusBadRequest, "Request_UnsupportedQuery", why)
		return
	}
	rows := []any{}
	for _, id := range s.dir.userIDs {
		if u := s.dir.users[id]; u.state == alive && fits(u) {
			rows = append(rows, u.fields(sel, true))
		}
	}
	s.list(w, r, rows)
}

// userFilter reads equations that are joined by or.
func userFilter(r *http.Request) (fits func(*user) bool, why string) {
	filter := r.URL.Query().Get("$filter")
	if filter == "" {
		return func(*user) bool { return true }, ""
	}
	eventual := strings.EqualFold(r.Header.Get("ConsistencyLevel"), "eventual") && r.URL.Query().Get("$count") == "true"
	var tests []func(*user) bool
	for len(filter) > 0 {
		name, rest, ok := strings.Cut(filter, " eq '")
		if !ok {
			return nil, "Invalid filter clause."
		}
		value, end := "", -1
		for i := 0; i < len(rest); i++ {
			if rest[i] != '\'' {
				continue
			}
			if i+1 < len(rest) && rest[i+1] == '\'' {
				i++
				continue
			}
			end = i
			break
		}
		if end < 0 {
			return nil, "There is an unterminated string literal in the filter."
		}
		value, filter = strings.ReplaceAll(rest[:end], "''", "'"), strings.TrimPrefix(rest[end+1:], " or ")
		switch name {
		case "mail", "userPrincipalName", "mailNickname", "employeeId":
		case "onPremisesSamAccountName":
			if !eventual {
				return nil, "Unsupported or invalid query filter clause specified for property 'onPremisesSamAccountName'."
			}
		default:
			return nil, "Unsupported or invalid query filter clause specified for property '" + name + "'."
		}
		tests = append(tests, func(u *user) bool {
			is, _ := u.fields([]string{name}, true)[name].(string)
			return is != "" && strings.EqualFold(is, value)
		})
	}
	return func(u *user) bool {
		return slices.ContainsFunc(tests, func(t func(*user) bool) bool { return t(u) })
	}, ""
}

func notFound(w http.ResponseWriter, id string) {
	refuse(w, http.StatusNotFound, "Request_ResourceNotFound", "Resource '"+id+"' does not exist or one of its queried reference-property objects are not present.")
}

func (s *Server) oneUser(w http.ResponseWriter, r *http.Request) {
	sel, ok := properties(w, r, "users")
	if !ok {
		return
	}
	u := s.dir.users[r.PathValue("id")]
	if u == nil || u.state != alive {
		notFound(w, r.PathValue("id"))
		return
	}
	answer(w, u.fields(sel, true))
}

func (s *Server) memberOf(w http.ResponseWriter, r *http.Request, transitive bool) {
	sel, ok := properties(w, r, "groups")
	if !ok {
		return
	}
	u := s.dir.users[r.PathValue("id")]
	if u == nil || u.state != alive {
		notFound(w, r.PathValue("id"))
		return
	}
	seesHidden := slices.Contains(s.o.Granted, "Member.Read.Hidden")
	in, open := map[string]bool{}, []string{u.ID}
	for len(open) > 0 {
		member := open[0]
		open = open[1:]
		for _, id := range s.dir.groupIDs {
			g := s.dir.groups[id]
			if _, is := g.members[member]; !is || in[id] || g.state != alive || g.visibility == "HiddenMembership" && !seesHidden {
				continue
			}
			in[id] = true
			if transitive {
				open = append(open, id)
			}
		}
	}
	rows := []any{map[string]any{"@odata.type": "#microsoft.graph.directoryRole", "id": "0c000000-0000-4000-8000-000000000001", "displayName": "Directory Readers", "description": "A role"}}
	for _, id := range s.dir.groupIDs {
		if in[id] {
			row := s.dir.groups[id].fields(sel, true)
			row["@odata.type"] = "#microsoft.graph.group"
			rows = append(rows, row)
		}
	}
	s.list(w, r, rows)
}

func (s *Server) listGroups(w http.ResponseWriter, r *http.Request) {
	sel, ok := properties(w, r, "groups")
	if !ok {
		return
	}
	rows := []any{}
	for _, id := range s.dir.groupIDs {
		if g := s.dir.groups[id]; g.state == alive && id != s.lagging {
			rows = append(rows, g.fields(sel, true))
		}
	}
	s.list(w, r, rows)
}

func (s *Server) alive(w http.ResponseWriter, r *http.Request) *group {
	g := s.dir.groups[r.PathValue("id")]
	if g == nil || g.state != alive {
		notFound(w, r.PathValue("id"))
		return nil
	}
	return g
}

func (s *Server) oneGroup(w http.ResponseWriter, r *http.Request) {
	sel, ok := properties(w, r, "groups")
	if g := s.alive(w, r); ok && g != nil {
		answer(w, g.fields(sel, true))
	}
}

func (s *Server) members(w http.ResponseWriter, r *http.Request) {
	g := s.alive(w, r)
	if g == nil {
		return
	}
	rows := []any{}
	if g.visibility != "HiddenMembership" || slices.Contains(s.o.Granted, "Member.Read.Hidden") {
		for id, kind := range g.members {
			if s.dir.shows(id) {
				rows = append(rows, map[string]any{"@odata.type": "#microsoft.graph." + kind, "id": id})
			}
		}
	}
	s.list(w, r, rows)
}

func (s *Server) owners(w http.ResponseWriter, r *http.Request) {
	g := s.alive(w, r)
	if g == nil {
		return
	}
	rows := []any{}
	for _, id := range g.owners {
		kind := "user"
		if s.dir.users[id] == nil {
			kind = "servicePrincipal"
		}
		rows = append(rows, map[string]any{"@odata.type": "#microsoft.graph." + kind, "id": id})
	}
	s.list(w, r, rows)
}

func (a *Application) fields() map[string]any {
	roles := []any{}
	for _, x := range a.Roles {
		roles = append(roles, map[string]any{"id": x.ID, "displayName": x.Name, "description": x.Description, "value": x.Value, "isEnabled": true, "origin": "Application", "allowedMemberTypes": []string{"User"}})
	}
	roles = append(roles, map[string]any{"id": "0c000000-0000-4000-8000-0000000000ff", "displayName": "For programs", "description": "For programs only", "value": "Programs", "isEnabled": true, "origin": "Application", "allowedMemberTypes": []string{"Application"}})
	return map[string]any{"id": a.ID, "appId": a.AppID, "displayName": a.Name, "appRoles": roles}
}

func (s *Server) findApplication(w http.ResponseWriter, r *http.Request) {
	rows := []any{}
	if s.app != nil && r.URL.Query().Get("$filter") == "displayName eq '"+strings.ReplaceAll(s.app.Name, "'", "''")+"'" {
		rows = append(rows, s.app.fields())
	}
	s.list(w, r, rows)
}

func (s *Server) oneApplication(w http.ResponseWriter, r *http.Request) {
	if s.app == nil || s.app.ID != r.PathValue("id") {
		notFound(w, r.PathValue("id"))
		return
	}
	answer(w, s.app.fields())
}

// byAppID answers for paths such as servicePrincipals(appId='…').
func (s *Server) byAppID(w http.ResponseWriter, r *http.Request) {
	entity, rest, _ := strings.Cut(r.PathValue("entity"), "(appId='")
	id := strings.TrimSuffix(rest, "')")
	switch {
	case entity == "servicePrincipals" && s.app != nil && s.app.AppID == id:
		answer(w, s.app.fields())
	case entity == "applications" && id == ClientID && !s.ends.IsZero():
		answer(w, map[string]any{"passwordCredentials": []any{
			map[string]any{"keyId": "0c000000-0000-4000-8000-0000000000aa", "displayName": "old", "hint": "old", "startDateTime": "2020-01-01T00:00:00Z", "endDateTime": "2021-01-01T00:00:00Z", "customKeyIdentifier": nil, "secretText": nil},
			map[string]any{"keyId": "0c000000-0000-4000-8000-0000000000ab", "displayName": "groupsyncd", "hint": Secret[:3], "startDateTime": "2026-01-01T00:00:00Z", "endDateTime": s.ends.UTC().Format(time.RFC3339), "customKeyIdentifier": nil, "secretText": nil},
		}})
	default:
		notFound(w, id)
	}
}

func (s *Server) assignments(w http.ResponseWriter, r *http.Request) {
	if s.app == nil || s.app.ID != r.PathValue("id") {
		notFound(w, r.PathValue("id"))
		return
	}
	rows := []any{}
	for i, a := range s.app.Assigned {
		rows = append(rows, map[string]any{"id": fmt.Sprintf("assignment-%d", i), "appRoleId": a.Role, "principalId": a.Principal, "principalType": a.Type, "principalDisplayName": "x",
			"resourceId": s.app.ID, "resourceDisplayName": s.app.Name, "createdDateTime": "2026-01-01T00:00:00Z", "deletedDateTime": nil})
	}
	s.list(w, r, rows)
}

// fields gives the properties of a user. all shows those that were never set, as null.
func (u *user) fields(selected []string, all bool) map[string]any {
	name, _, _ := strings.Cut(u.Username, "@")
	values := map[string]any{
		"id": u.ID, "userPrincipalName": u.Username, "displayName": u.Name, "mail": u.Email, "accountEnabled": !u.Disabled, "mailNickname": name,
		"userType": u.kind, "createdDateTime": u.created.Format(time.RFC3339), Department: u.Attributes["department"], onPremises: u.sam,
	}
	return u.ever.pick(values, selected, all)
}

const onPremises = "onPremisesSamAccountName"

func (g *group) fields(selected []string, all bool) map[string]any {
	values := map[string]any{"id": g.id, "displayName": g.name, "description": g.description, "visibility": g.visibility, "createdDateTime": g.created.Format(time.RFC3339)}
	return g.ever.pick(values, selected, all)
}

// ever are properties that were set at some time. Delta queries leave out what never was.
type ever map[string]bool

func (e ever) pick(values map[string]any, selected []string, all bool) map[string]any {
	out := map[string]any{"id": values["id"]}
	for _, name := range selected {
		v, known := values[name]
		empty := !known
		switch v := v.(type) {
		case string:
			empty = v == ""
		case []string:
			empty = len(v) == 0
		}
		switch {
		case !empty:
			out[name], e[name] = v, true
		case (all || e[name]) && name != "members":
			out[name] = nil
		}
	}
	return out
}

// selected reads $select; bad is a property that is none.
func selected(q url.Values, kind string) (list []string, bad string) {
	if !q.Has("$select") {
		return nil, ""
	}
	for name := range strings.SplitSeq(q.Get("$select"), ",") {
		known := Facts()["User"]
		if kind == "groups" {
			known = Facts()["Group"]
		}
		if !slices.Contains(known, name) && !strings.HasPrefix(name, "extension_") {
			return nil, name
		}
		list = append(list, name)
	}
	return list, ""
}
