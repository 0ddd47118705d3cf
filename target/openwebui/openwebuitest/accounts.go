package openwebuitest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// passwordSignIn answers a sign-in by password. Somebody pending is signed in too, and then
// refused everywhere.
func (s *Server) passwordSignIn(c *call) *answer {
	var form struct{ Email, Password string }
	if json.Unmarshal(c.body, &form) != nil {
		return invalid("json_invalid", "0", "JSON decode error")
	}
	a := s.db.byEmail(form.Email)
	if a == nil || a.password == "" || a.password != form.Password {
		return refuse(http.StatusBadRequest, "The email or password provided is incorrect. Please check for typos and try logging in again.")
	}
	s.publish("auth.login", "password", a, "user", a.id, map[string]any{"auth_method": "password"})
	return send(map[string]any{
		"token": s.db.signIn(a), "token_type": "Bearer", "id": a.id, "email": a.email, "name": a.name, "role": a.role,
		"permissions": s.effective(a),
	})
}

// signIn makes a token with which an account is signed in.
func (st *store) signIn(a *account) string {
	token := "eyJhbGciOiJIUzI1NiJ9." + strings.ReplaceAll(st.id(6), "-", "") + ".c2lnbmF0dXJl"
	st.tokens[token] = a.id
	return token
}

// signOut ends every sign-in of an account.
func (st *store) signOut(id string) {
	maps.DeleteFunc(st.tokens, func(_, owner string) bool { return owner == id })
}

// revoke ends the sign-ins of an account for an administrator.
func (s *Server) revoke(c *call, id string) *answer {
	switch {
	case s.db.accounts[id] == nil:
		return refuse(http.StatusNotFound, "User not found.")
	case s.db.first().id == id && c.by.id != id:
		return refuse(http.StatusForbidden, restricted)
	}
	s.db.signOut(id)
	s.publish("auth.sessions_revoked", "api", c.by, "user", id, nil)
	return send(true)
}

// updateUser changes an account. Before 0.9.0 every field but the password is required; a
// role is stored whatever it is.
func (s *Server) updateUser(c *call, id string) *answer {
	var form struct {
		Role     *string `json:"role"`
		Name     *string `json:"name"`
		Email    *string `json:"email"`
		Picture  *string `json:"profile_image_url"`
		Password string  `json:"password"`
	}
	if json.Unmarshal(c.body, &form) != nil {
		return invalid("json_invalid", "0", "JSON decode error")
	}
	for name, v := range map[string]*string{"role": form.Role, "name": form.Name, "email": form.Email, "profile_image_url": form.Picture} {
		if v == nil && !s.shape.roleAlone {
			return invalid("missing", name, "Field required")
		}
	}
	if form.Picture != nil && s.shape.checksPicture && !uploaded(*form.Picture) {
		return invalid("value_error", "profile_image_url", "Invalid profile image URL: only data URIs and default avatars are allowed.")
	}
	a := s.db.accounts[id]
	switch {
	case id == s.db.first().id && (c.by.id != id || form.Role != nil && *form.Role != "admin"):
		return refuse(s.shape.primaryAdmin, restricted)
	case a == nil:
		return refuse(http.StatusBadRequest, notFound)
	}
	if form.Email != nil && !strings.EqualFold(*form.Email, a.email) {
		if s.db.byEmail(*form.Email) != nil {
			return refuse(http.StatusBadRequest, emailTaken)
		}
		a.email = strings.ToLower(*form.Email)
	}
	for field, v := range map[*string]*string{&a.name: form.Name, &a.picture: form.Picture} {
		if v != nil {
			*field = *v
		}
	}
	if form.Password != "" {
		a.password = form.Password
	}
	if form.Role != nil && *form.Role != a.role {
		a.role = *form.Role
		s.publish("user.role_updated", "api", c.by, "user", id, map[string]any{"role": a.role})
	}
	return send(s.userJSON(a))
}

// uploaded reports whether a picture is one of those that 0.8 takes back.
func uploaded(picture string) bool {
	return slices.Contains([]string{"", "/user.png", "/static/favicon.png"}, picture) ||
		slices.ContainsFunc([]string{"png", "jpeg", "gif", "webp"}, func(kind string) bool { return strings.HasPrefix(picture, "data:image/"+kind) })
}

// handleOneUser routes what follows /api/v1/users/{id}/; ok is false for what is not here.
func (s *Server) handleOneUser(c *call) (*answer, bool) {
	id, action, ok := strings.Cut(strings.TrimPrefix(c.r.URL.Path, "/api/v1/users/"), "/")
	switch {
	case !ok:
		return nil, false
	case action == "update":
		return s.post(c, s.administrator(func(c *call) *answer { return s.updateUser(c, id) })), true
	case action == "sessions/revoke" && s.shape.revokes:
		return s.post(c, s.administrator(func(c *call) *answer { return s.revoke(c, id) })), true
	case action == "preview" && s.shape.previews:
		return s.get(c, s.administrator(func(c *call) *answer { return s.previewUser(c, id) })), true
	}
	return nil, false
}
