package authentiktest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	onePath = regexp.MustCompile(`^/api/v3/core/(users|groups)/([^/]+)/$`)
	isUUID  = regexp.MustCompile(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)
)

// refuse answers as authentik does when it says no.
func refuse(w http.ResponseWriter, status int, text string) {
	send(w, status, map[string]string{"detail": text})
}

func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/application/o/token/" {
		s.serveToken(w, r)
		return
	}
	s.mu.Lock()
	fits := r.Header.Get("Authorization") == "Bearer "+s.token || r.Header.Get("Authorization") == s.bearer()
	s.mu.Unlock()
	switch {
	case !strings.HasPrefix(r.URL.Path, "/api/v3/"):
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusNotFound)
	case r.Header.Get("Authorization") == "":
		refuse(w, http.StatusForbidden, "Authentication credentials were not provided.")
	case !fits:
		refuse(w, http.StatusForbidden, "Token invalid/expired")
	case r.Method != http.MethodGet:
		refuse(w, http.StatusMethodNotAllowed, "Method \""+r.Method+"\" not allowed.")
	case r.URL.Path == "/api/v3/core/users/me/":
		s.serveMe(w)
	case r.URL.Path == "/api/v3/core/users/":
		s.serveUsers(w, r.URL.Query())
	case r.URL.Path == "/api/v3/core/groups/":
		s.serveGroups(w, r.URL.Query())
	default:
		s.serveOne(w, r)
	}
}

// bearer is the access token that is valid now; the lock is held.
func (s *Server) bearer() string { return fmt.Sprintf("Bearer access-%d-%s", s.issued, Token) }

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	switch {
	case r.Method != http.MethodPost:
		send(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": "The request is otherwise malformed"})
	case r.PostForm.Get("client_id") != Client:
		send(w, http.StatusBadRequest, map[string]string{"error": "invalid_client", "error_description": "Client authentication failed"})
	case r.PostForm.Get("grant_type") != "client_credentials" || r.PostForm.Get("client_secret") != Secret:
		send(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant", "error_description": "The provided authorization grant is invalid"})
	default:
		s.mu.Lock()
		defer s.mu.Unlock()
		token := strings.TrimPrefix(s.bearer(), "Bearer ")
		if r.PostForm.Get("scope") != "goauthentik.io/api" {
			token = "of-no-use"
		}
		send(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer", "scope": r.PostForm.Get("scope"), "expires_in": 300, "id_token": ""})
	}
}

func (s *Server) serveOne(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := onePath.FindStringSubmatch(r.URL.Path)
	if at == nil {
		refuse(w, http.StatusNotFound, "Not found.")
		return
	}
	if at[1] == "groups" {
		if g := s.byUUID[strings.ToLower(at[2])]; g != nil && s.sees(g.ID) {
			send(w, http.StatusOK, s.groupRow(g, r.URL.Query()))
			return
		}
		refuse(w, http.StatusNotFound, "No Group matches the given query.")
		return
	}
	pk, _ := strconv.ParseInt(at[2], 10, 64)
	if u := s.byPK[pk]; u != nil && s.sees(u.ID) {
		send(w, http.StatusOK, s.userRow(u, url.Values{}))
		return
	}
	refuse(w, http.StatusNotFound, "No User matches the given query.")
}

func (s *Server) serveUsers(w http.ResponseWriter, q url.Values) {
	if s.set.Turned != nil {
		s.set.Turned("users", atLeastOne(q.Get("page")))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.someSeen(w) {
		return
	}
	if v := q.Get("uuid"); v != "" && !isUUID.MatchString(v) {
		send(w, http.StatusBadRequest, map[string][]string{"uuid": {"Enter a valid UUID."}})
		return
	}
	rows := slices.Clone(s.users)
	if fits := userFilter(q); fits != nil || s.set.Sees != nil {
		rows = slices.DeleteFunc(rows, func(u *user) bool { return !s.sees(u.ID) || fits != nil && !fits(u) })
	}
	if s.byName(q) {
		slices.SortFunc(rows, func(a, b *user) int { return strings.Compare(a.Username, b.Username) })
	}
	sendPage(s, w, q, rows, func(u *user) any { return s.userRow(u, q) })
}

// byName reports whether rows come by their names: without the parameter ordering, or with
// one that is not known.
func (s *Server) byName(q url.Values) bool { return s.set.Unsorted || q.Get("ordering") != "pk" }

// someSeen refuses where the token may see nothing at all; the lock is held.
func (s *Server) someSeen(w http.ResponseWriter) bool {
	if slices.ContainsFunc(s.users, func(u *user) bool { return s.sees(u.ID) }) {
		return true
	}
	refuse(w, http.StatusForbidden, "You do not have permission to perform this action.")
	return false
}

// userFilter gives the filters of a request that authentik has; nil where there are none.
func userFilter(q url.Values) func(*user) bool {
	exact := map[string]func(*user) string{
		"email": func(u *user) string { return u.Email }, "username": func(u *user) string { return u.Username }, "name": func(u *user) string { return u.Name },
	}
	var all []func(*user) bool
	for key, value := range exact {
		if want := q.Get(key); want != "" {
			all = append(all, func(u *user) bool { return value(u) == want })
		}
	}
	if want := q.Get("uuid"); want != "" {
		all = append(all, func(u *user) bool { return strings.EqualFold(want, u.ID) })
	}
	if want := strings.ToLower(q.Get("search")); want != "" {
		all = append(all, func(u *user) bool {
			return strings.Contains(strings.ToLower(u.Username+"\n"+u.Name+"\n"+u.Email+"\n"+u.ID), want)
		})
	}
	if types := q["type"]; len(types) > 0 {
		all = append(all, func(u *user) bool { return slices.Contains(types, u.kind) })
	}
	var attributes map[string]any
	if text := q.Get("attributes"); text != "" && json.Unmarshal([]byte(text), &attributes) == nil {
		all = append(all, func(u *user) bool {
			for key, want := range attributes {
				if have := u.Attributes[key]; len(have) != 1 || have[0] != want {
					return false
				}
			}
			return true
		})
	}
	if len(all) == 0 {
		return nil
	}
	return func(u *user) bool {
		return !slices.ContainsFunc(all, func(fits func(*user) bool) bool { return !fits(u) })
	}
}

func (s *Server) serveGroups(w http.ResponseWriter, q url.Values) {
	if s.set.Turned != nil {
		s.set.Turned("groups", atLeastOne(q.Get("page")))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.someSeen(w) {
		return
	}
	rows := slices.Clone(s.groups)
	var member *user
	if v := q.Get("members_by_pk"); v != "" {
		pk, _ := strconv.ParseInt(v, 10, 64)
		if member = s.byPK[pk]; member == nil {
			send(w, http.StatusBadRequest, map[string][]string{"members_by_pk": {"Select a valid choice. " + v + " is not one of the available choices."}})
			return
		}
	}
	rows = slices.DeleteFunc(rows, func(g *group) bool {
		return !s.sees(g.ID) || member != nil && !slices.Contains(g.users, member)
	})
	if s.byName(q) {
		slices.SortFunc(rows, func(a, b *group) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
	}
	sendPage(s, w, q, rows, func(g *group) any { return s.groupRow(g, q) })
}

// atLeastOne reads the number of a page.
func atLeastOne(text string) int {
	n, _ := strconv.Atoi(text)
	return max(1, n)
}

// sendPage answers with a page of rows.
func sendPage[T any](s *Server, w http.ResponseWriter, q url.Values, rows []T, row func(T) any) {
	limit := cmp.Or(s.set.PageLimit, 100)
	size, _ := strconv.Atoi(q.Get("page_size"))
	if size <= 0 || size > limit {
		size = limit
	}
	n := atLeastOne(q.Get("page"))
	pages := max(1, (len(rows)+size-1)/size)
	if n > pages {
		refuse(w, http.StatusNotFound, "Invalid page.")
		return
	}
	from, to := (n-1)*size, min(n*size, len(rows))
	next, previous := n+1, n-1
	if n == pages {
		next = 0
	}
	results := make([]any, 0, to-from)
	for _, r := range rows[from:to] {
		results = append(results, row(r))
	}
	first := min(from+1, len(rows))
	answer := map[string]any{
		"pagination": map[string]int{"next": next, "previous": previous, "count": len(rows), "current": n, "total_pages": pages, "start_index": first, "end_index": to},
		"results":    results,
	}
	if !s.set.Old {
		answer["autocomplete"] = map[string]any{}
	}
	send(w, http.StatusOK, answer)
}
