package keycloaktest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answerer answers a request of the admin API; the server is locked.
type answerer func(r *http.Request) answer

// answer is a status, and a body unless it is nil.
type answer struct {
	status int
	body   any
}

func ok(body any) answer { return answer{http.StatusOK, body} }

func fail(status int, text string) answer {
	return answer{status, map[string]string{"error": text}}
}

func write(w http.ResponseWriter, a answer) {
	if a.body != nil {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(a.status)
	if a.body != nil {
		_ = json.NewEncoder(w).Encode(a.body)
	}
}

// admin stands for somebody who may do everything.
const admin = "*"

// serve answers a request of somebody who has one of the rights.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, rights []string, h answerer) {
	if s.Hook != nil && r.Method == http.MethodGet {
		s.Hook(strings.TrimPrefix(r.URL.Path, "/admin/realms/"+RealmName))
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	defer s.mu.Unlock()
	held, known := s.rightsOf(token)
	switch {
	case !known:
		write(w, fail(http.StatusUnauthorized, "HTTP 401 Unauthorized"))
	case r.PathValue("realm") != RealmName:
		write(w, fail(http.StatusNotFound, "Realm not found."))
	case !slices.ContainsFunc(rights, func(right string) bool { return held[right] || held[admin] }):
		write(w, fail(http.StatusForbidden, "HTTP 403 Forbidden"))
	default:
		if r.Method != http.MethodGet {
			defer s.changed()
		}
		r.Header.Set("X-Sees", strconv.FormatBool(held["view-users"] || held[admin]))
		write(w, h(r))
	}
}

// sees reports whether the one who asks sees people and groups. Somebody without the right, who
// may ask nevertheless, sees none: fine-grained permissions give some of them to somebody.
func sees(r *http.Request) bool { return r.Header.Get("X-Sees") == "true" }

// rightsOf gives the rights behind a token, those that contain others resolved.
func (s *Server) rightsOf(token string) (map[string]bool, bool) {
	if token == admin {
		return map[string]bool{admin: true}, true
	}
	t, known := s.tokens[token]
	if !known || !time.Now().Before(t.until) {
		return nil, false
	}
	return effectiveRights(s.clients[t.client].rights), true
}

func effectiveRights(rights []string) map[string]bool {
	held := map[string]bool{}
	for _, right := range rights {
		held[right] = true
		switch right {
		case "view-users":
			held["query-users"], held["query-groups"] = true, true
		case "view-clients":
			held["query-clients"] = true
		}
	}
	return held
}

// window cuts a page out of a list, as the parameters of the request say. Without max there
// are as many as the call gives by itself; a negative number has no bound.
func window[T any](r *http.Request, list []T, usual int) []T {
	number := func(name string, usual int) int {
		n, err := strconv.Atoi(r.URL.Query().Get(name))
		if err != nil {
			return usual
		}
		return n
	}
	first, most := max(0, number("first", 0)), number("max", usual)
	list = list[min(first, len(list)):]
	if most >= 0 {
		list = list[:min(most, len(list))]
	}
	if list == nil {
		list = []T{}
	}
	return list
}

func brief(r *http.Request, usual bool) bool {
	switch r.URL.Query().Get("briefRepresentation") {
	case "true":
		return true
	case "false":
		return false
	}
	return usual
}

// sorted gives the values of a map in the order of a key, which the server sorts by bytes.
func sorted[T any](m map[string]T, keep func(T) bool, key func(T) string) []T {
	var out []T
	for _, v := range m {
		if keep(v) {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	return out
}

func each[T any](list []T, f func(T) map[string]any) []map[string]any {
	out := make([]map[string]any, 0, len(list))
	for _, v := range list {
		out = append(out, f(v))
	}
	return out
}
