package openwebuitest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// pageSize is how many accounts one page holds; clients cannot change it.
const pageSize = 30

// userJSON is an account as the paged list and the single read write it.
type userJSON struct {
	ID        string `json:"id"`
	Email     string `json:"email"`
	Username  any    `json:"username"`
	Role      string `json:"role"`
	Name      string `json:"name"`
	Picture   string `json:"profile_image_url"`
	Info      any    `json:"info"`
	Settings  any    `json:"settings"`
	OAuth     any    `json:"oauth,omitempty"`
	OAuthSub  any    `json:"oauth_sub,omitempty"`
	SCIM      any    `json:"scim,omitempty"`
	ActiveAt  int64  `json:"last_active_at"`
	UpdatedAt int64  `json:"updated_at"`
	CreatedAt int64  `json:"created_at"`
	GroupIDs  any    `json:"group_ids,omitempty"`
	Groups    any    `json:"groups,omitempty"`
	IsActive  any    `json:"is_active,omitempty"`
}

func (s *Server) userJSON(a *account) userJSON {
	out := userJSON{
		ID: a.id, Email: a.email, Role: a.role, Name: a.name, Picture: cmp.Or(a.picture, "/user.png"),
		ActiveAt: a.active, UpdatedAt: a.created, CreatedAt: a.created,
	}
	null := json.RawMessage("null")
	if s.shape.scim {
		out.SCIM = null
	}
	if s.shape.oauthSub {
		out.OAuthSub = null
		for provider, sub := range a.oauth {
			out.OAuthSub = provider + "@" + sub
		}
		return out
	}
	out.OAuth = null
	if len(a.oauth) > 0 {
		subs := map[string]map[string]string{}
		for provider, sub := range a.oauth {
			subs[provider] = map[string]string{"sub": sub}
		}
		out.OAuth = subs
	}
	return out
}

// pageOfUsers answers one page in the asked order; created_at, last_active_at and the
// server's own default are the orders that exist here.
func (s *Server) pageOfUsers(c *call) *answer {
	q := c.r.URL.Query()
	n := 1
	if text := q.Get("page"); text != "" {
		v, err := strconv.Atoi(text)
		if err != nil {
			return invalid("int_parsing", "page", "Input should be a valid integer")
		}
		n = max(1, v)
	}
	accounts := s.db.byAge()
	oldest := s.shape.oldestFirst
	switch q.Get("order_by") {
	case "created_at":
		oldest = q.Get("direction") == "asc"
	case "last_active_at":
		accounts, oldest = s.db.byActivity(), q.Get("direction") == "asc"
	}
	if text := strings.ToLower(q.Get("query")); text != "" {
		accounts = slices.DeleteFunc(slices.Clone(accounts), func(a *account) bool {
			return !strings.Contains(strings.ToLower(a.name), text) && !strings.Contains(a.email, text)
		})
	}
	users := []userJSON{}
	for i := (n - 1) * pageSize; i < min(n*pageSize, len(accounts)); i++ {
		a := accounts[i]
		if oldest {
			a = accounts[len(accounts)-1-i]
		}
		u := s.userJSON(a)
		if s.shape.groupIDs {
			u.GroupIDs = append([]string{}, a.groups...)
		}
		users = append(users, u)
	}
	return send(map[string]any{"users": users, "total": len(accounts)})
}

// allUsers answers every account, without its sign-in subjects and groups.
func (s *Server) allUsers(*call) *answer {
	type user struct {
		ID       string   `json:"id"`
		Name     string   `json:"name"`
		Email    string   `json:"email"`
		Role     string   `json:"role"`
		ActiveAt int64    `json:"last_active_at"`
		Groups   []string `json:"groups"`
	}
	accounts := s.db.byAge()
	users := make([]user, 0, len(accounts))
	for _, a := range accounts {
		users = append(users, user{ID: a.id, Name: a.name, Email: a.email, Role: a.role, ActiveAt: a.active, Groups: []string{}})
	}
	return send(map[string]any{"users": users, "total": len(users)})
}

// handleUser routes /api/v1/users/{id}.
func (s *Server) handleUser(c *call) *answer {
	id := strings.TrimPrefix(c.r.URL.Path, "/api/v1/users/")
	if c.r.Method == http.MethodDelete {
		return s.administrator(func(c *call) *answer { return s.deleteUser(c, id) })(c)
	}
	return s.get(c, s.administrator(func(*call) *answer {
		a := s.db.accounts[id]
		if a == nil {
			return refuse(http.StatusBadRequest, notFound)
		}
		u := s.userJSON(a)
		u.IsActive = false
		type ref struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		}
		refs := []ref{}
		for _, gid := range a.groups {
			refs = append(refs, ref{ID: gid, Name: s.db.groups[gid].name})
		}
		u.Groups = refs
		return send(u)
	}))
}

func (s *Server) deleteUser(c *call, id string) *answer {
	switch {
	case s.db.first().id == id:
		return refuse(s.shape.primaryAdmin, restricted)
	case c.by.id == id:
		return refuse(http.StatusForbidden, restricted)
	}
	s.publish("user.deleted", "api", c.by, "user", id, nil)
	s.db.deleteAccount(id, s.seconds())
	return send(true)
}

// addAccount makes an account by hand, as the administrator's page does.
func (s *Server) addAccount(c *call) *answer {
	var form struct {
		Name     string `json:"name"`
		Email    string `json:"email"`
		Password string `json:"password"`
		Role     string `json:"role"`
	}
	if json.Unmarshal(c.body, &form) != nil || form.Name == "" || form.Password == "" {
		return invalid("missing", "password", "Field required")
	}
	if !strings.Contains(form.Email, "@") {
		return refuse(http.StatusBadRequest, "The email format you entered is invalid.")
	}
	if s.db.byEmail(form.Email) != nil {
		return refuse(http.StatusBadRequest, emailTaken)
	}
	if s.settings.policy != nil && !s.settings.policy(form.Password) {
		return refuse(http.StatusBadRequest, "Invalid password.")
	}
	if form.Role == "" {
		form.Role = "pending"
	}
	a := s.db.addAccount(&account{name: form.Name, email: form.Email, role: form.Role, password: form.Password, created: s.seconds()})
	s.publish("user.created", "admin", c.by, "user", a.id, map[string]any{"role": a.role})
	return send(map[string]string{
		"id": a.id, "name": a.name, "email": a.email, "role": a.role, "token": s.db.signIn(a), "token_type": "Bearer",
	})
}
