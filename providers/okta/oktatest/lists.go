package oktatest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// rows writes a page of a list whose entries are in the order of their ids.
func (s *Server) rows(w http.ResponseWriter, r *http.Request, ids []string, shape func(id string) any) {
	q := r.URL.Query()
	limit := s.o.PageSize
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			refuse(w, http.StatusBadRequest, "E0000001", "Api validation failed: limit")
			return
		}
		limit = min(limit, n)
	}
	from := 0
	if after := q.Get("after"); after != "" {
		last, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(after, "cursor,"))
		if err != nil || !strings.HasPrefix(after, "cursor,") {
			refuse(w, http.StatusBadRequest, "E0000031", "Invalid search criteria.")
			return
		}
		at, found := slices.BinarySearch(ids, string(last))
		if from = at; found {
			from++
		}
	}
	page := ids[min(from, len(ids)):min(from+limit, len(ids))]
	s.links(w, r, page, from+limit < len(ids))
	// What is JSON already is not read once more: lists are long.
	body := []byte("[")
	for i, id := range page {
		if i > 0 {
			body = append(body, ',')
		}
		raw, ready := shape(id).(json.RawMessage)
		if !ready {
			raw, _ = json.Marshal(shape(id))
		}
		body = append(body, raw...)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, ']'))
}

// links writes where a page is, and where the next one is.
func (s *Server) links(w http.ResponseWriter, r *http.Request, page []string, more bool) {
	base := url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	w.Header().Add("Link", "<"+base.String()+`>; rel="self"`)
	if !more {
		return
	}
	if s.o.LinkHost != "" {
		base.Host = s.o.LinkHost
	}
	q := r.URL.Query()
	q.Set("after", "cursor,"+base64.RawURLEncoding.EncodeToString([]byte(page[len(page)-1])))
	base.RawQuery = strings.ReplaceAll(q.Encode(), "%2C", ",")
	w.Header().Add("Link", "<"+base.String()+`>; rel="next"`)
}

// only refuses parameters that the description does not know.
func only(w http.ResponseWriter, r *http.Request, known ...string) bool {
	for name := range r.URL.Query() {
		if !slices.Contains(known, name) {
			refuse(w, http.StatusBadRequest, "E0000001", "Api validation failed: "+name)
			return false
		}
	}
	return true
}

func (s *Server) listUsers(w http.ResponseWriter, r *http.Request) {
	if !only(w, r, "q", "after", "limit", "filter", "search", "sortBy", "sortOrder") {
		return
	}
	q := r.URL.Query()
	matches := func(u *user) bool { return u.status != "DEPROVISIONED" }
	for _, parameter := range []string{"filter", "search"} {
		if q.Get(parameter) == "" {
			continue
		}
		f, err := parse(q.Get(parameter))
		if err != nil {
			refuse(w, http.StatusBadRequest, "E0000031", "Invalid search criteria.")
			return
		}
		folded := parameter == "search"
		matches = func(u *user) bool { return f.holds(u.value, folded) }
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.order == nil {
		s.order = sorted(s.users)
	}
	ids := slices.DeleteFunc(slices.Clone(s.order), func(id string) bool { return !matches(s.users[id]) })
	s.rows(w, r, ids, func(id string) any { return s.json(s.users[id]) })
}

// value gives what a filter compares.
func (u *user) value(property string) string {
	switch property {
	case "id":
		return u.id
	case "status":
		return u.status
	case "lastUpdated":
		return form(u.updated)
	}
	text, _ := u.profile[strings.TrimPrefix(property, "profile.")].(string)
	return text
}

func (s *Server) getUser(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.PathValue("user")
	u := s.users[id]
	for _, other := range s.users {
		if u == nil && strings.EqualFold(other.value("profile.login"), id) {
			u = other
		}
	}
	if u == nil {
		missing(w, id, "User")
		return
	}
	send(w, http.StatusOK, s.json(u))
}

func missing(w http.ResponseWriter, id, what string) {
	refuse(w, http.StatusNotFound, "E0000007", "Not found: Resource not found: "+id+" ("+what+")")
}

func (s *Server) listGroupsOf(w http.ResponseWriter, r *http.Request) {
	if !only(w, r, "after", "limit") {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.PathValue("user")
	if s.users[id] == nil {
		missing(w, id, "User")
		return
	}
	var ids []string
	for _, g := range sorted(s.groups) {
		if s.groups[g].id == Everyone || slices.Contains(s.members(s.groups[g]), id) {
			ids = append(ids, g)
		}
	}
	s.rows(w, r, s.visible(ids), func(id string) any { return s.group(s.groups[id]) })
}

// visible leaves out what the role of the app does not show.
func (s *Server) visible(ids []string) []string {
	return slices.DeleteFunc(ids, func(id string) bool { return s.o.GroupAdmin && id == Everyone })
}

func (s *Server) listGroups(w http.ResponseWriter, r *http.Request) {
	if !only(w, r, "q", "after", "limit", "filter", "search", "expand", "sortBy", "sortOrder") {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := s.visible(sorted(s.groups))
	if text := r.URL.Query().Get("filter"); text != "" {
		f, err := parse(text)
		if err != nil {
			refuse(w, http.StatusBadRequest, "E0000031", "Invalid search criteria.")
			return
		}
		ids = slices.DeleteFunc(ids, func(id string) bool {
			g := s.groups[id]
			return !f.holds(func(property string) string {
				return map[string]string{"id": id, "type": g.kind, "lastUpdated": form(g.updated), "lastMembershipUpdated": form(g.now().stamp)}[property]
			}, false)
		})
	}
	s.rows(w, r, ids, func(id string) any { return s.group(s.groups[id]) })
}

// withGroup answers for one group, or that there is none.
func (s *Server) withGroup(w http.ResponseWriter, r *http.Request, answer func(*group)) {
	if !only(w, r, "after", "limit", "filter") {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[r.PathValue("group")]
	if g == nil {
		missing(w, r.PathValue("group"), "UserGroup")
		return
	}
	answer(g)
}

func (s *Server) getGroup(w http.ResponseWriter, r *http.Request) {
	s.withGroup(w, r, func(g *group) { send(w, http.StatusOK, s.group(g)) })
}

func (s *Server) listMembers(w http.ResponseWriter, r *http.Request) {
	s.withGroup(w, r, func(g *group) {
		s.rows(w, r, s.members(g), func(id string) any { return s.json(s.users[id]) })
	})
}

func (s *Server) listOwners(w http.ResponseWriter, r *http.Request) {
	s.withGroup(w, r, func(g *group) {
		s.rows(w, r, slices.Sorted(slices.Values(g.owners)), s.owner)
	})
}

func (s *Server) listApps(w http.ResponseWriter, r *http.Request) {
	if !only(w, r, "q", "after", "limit", "filter", "expand", "includeNonDeleted") {
		return
	}
	var ids []string
	if strings.HasPrefix(strings.ToLower(AppLabel), strings.ToLower(r.URL.Query().Get("q"))) {
		ids = []string{AppID}
	}
	s.rows(w, r, ids, func(string) any { return appShape() })
}

// withApp answers for the app, or that there is none.
func (s *Server) withApp(w http.ResponseWriter, r *http.Request, answer func()) {
	if !only(w, r, "q", "query_scope", "after", "limit", "filter", "expand") {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := r.PathValue("app"); id != AppID {
		missing(w, id, "AppInstance")
		return
	}
	answer()
}

func (s *Server) listAppGroups(w http.ResponseWriter, r *http.Request) {
	s.withApp(w, r, func() { s.rows(w, r, sorted(s.app.groups), s.appGroup) })
}

func (s *Server) listAppUsers(w http.ResponseWriter, r *http.Request) {
	s.withApp(w, r, func() {
		var ids []string
		for _, id := range sorted(s.users) {
			if in, _ := s.assigned(id); in {
				ids = append(ids, id)
			}
		}
		s.rows(w, r, ids, func(id string) any {
			_, byGroup := s.assigned(id)
			return s.appUser(id, byGroup)
		})
	})
}

func (s *Server) getAppUser(w http.ResponseWriter, r *http.Request) {
	s.withApp(w, r, func() {
		id := r.PathValue("user")
		in, byGroup := s.assigned(id)
		if !in {
			missing(w, id, "AppUser")
			return
		}
		send(w, http.StatusOK, s.appUser(id, byGroup))
	})
}
