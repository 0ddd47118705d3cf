package openwebuitest

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// Resource is something that grants share, as a test sees it.
type Resource struct {
	// Type is models, knowledge, prompts, tools, skills or channels.
	Type, ID, Name string
	// Owner is the id of an account; empty: the first administrator.
	Owner string
	// Base is the model that a model builds on; without one it is a row for a model of a
	// provider.
	Base     string
	Inactive bool
	Grants   []Grant
}

// Grant is one entry of who may use something.
type Grant struct {
	// Kind is user, group or anyone.
	Kind, ID, Permission string
}

// Share puts something there with its grants, or replaces it, and gives its id.
func (s *Server) Share(r Resource) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.ID == "" {
		r.ID = s.db.id(4)
	}
	made := &resource{
		key: key{r.Type, r.ID}, name: cmp.Or(r.Name, r.ID), owner: cmp.Or(r.Owner, s.Admin), base: r.Base, inactive: r.Inactive, grants: s.stored(r.Grants),
	}
	s.db.share(made, s.seconds())
	return r.ID
}

func (s *Server) stored(grants []Grant) []grant {
	out := make([]grant, 0, len(grants))
	for _, g := range grants {
		out = append(out, grant{ID: s.db.id(5), Kind: g.Kind, Principal: g.ID, Permission: g.Permission})
	}
	return out
}

// SetGrants replaces the grants of something.
func (s *Server) SetGrants(kind, id string, grants ...Grant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.db.resources[key{kind, id}]; r != nil {
		r.grants, r.updated = s.stored(grants), s.seconds()
	}
}

// Unshare takes something away.
func (s *Server) Unshare(kind, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.db.resources, key{kind, id})
}

// Grants gives the grants of something, sorted; nil when it is not there.
func (s *Server) Grants(kind, id string) []Grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.db.resources[key{kind, id}]
	if r == nil {
		return nil
	}
	out := []Grant{}
	for _, g := range r.grants {
		out = append(out, Grant{g.Kind, g.Principal, g.Permission})
	}
	slices.SortFunc(out, func(a, b Grant) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Permission, b.Permission))
	})
	return out
}

// OfferModels sets the models that the providers offer.
func (s *Server) OfferModels(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.offered = slices.Clone(ids)
}

// SetDefaultPermissions replaces the stored tree of default permissions by any JSON, as an
// older version or a hand in the database leaves it.
func (s *Server) SetDefaultPermissions(stored json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.permissions = slices.Clone(stored)
}

// DefaultPermissions gives the stored tree of default permissions.
func (s *Server) DefaultPermissions() json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.settings.permissions)
}

// Permissions gives what an account may do, as the server computes it.
func (s *Server) Permissions(account string) json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return send(s.effective(s.db.accounts[account])).body
}

// SetParent puts a group below another, or at the top level.
func (s *Server) SetParent(id, parent string) {
	s.changeGroup(id, func(g *group) { g.parent = parent })
}

// SetPicture sets the picture of an account, as a sign-in through a provider does.
func (s *Server) SetPicture(id, picture string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db.accounts[id].picture = picture
}

// SetPassword lets an account sign in by password.
func (s *Server) SetPassword(id, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db.accounts[id].password = password
}

// Secrets gives the password and the tokens of an account, which nobody but them may know.
func (s *Server) Secrets(id string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	if a := s.db.accounts[id]; a != nil && a.password != "" {
		out = append(out, a.password)
	}
	for token, owner := range s.db.tokens {
		if owner == id {
			out = append(out, token)
		}
	}
	slices.Sort(out)
	return out
}

// Token signs an account in and gives what its browser then sends as a bearer token.
func (s *Server) Token(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db.signIn(s.db.accounts[id])
}

// PasswordPolicy sets what a new password has to be (ENABLE_PASSWORD_VALIDATION there);
// nil: anything.
func (s *Server) PasswordPolicy(good func(password string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.policy = good
}

// SetAdminBypass says whether administrators see what nobody shared with them
// (BYPASS_ADMIN_ACCESS_CONTROL there); they do at first.
func (s *Server) SetAdminBypass(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.noBypass = !on
}

// SetDefaultRole sets DEFAULT_USER_ROLE; it is user at first.
func (s *Server) SetDefaultRole(role string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.defaultRole = role
}

// SetRoleSync switches the server's own role sync (ENABLE_OAUTH_ROLE_MANAGEMENT).
func (s *Server) SetRoleSync(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.roleSync = on
}

// SetChannels switches channels, which are off at first.
func (s *Server) SetChannels(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.channels = on
}

// allowed reports whether a restricted key may call a path.
func allowed(endpoints []string, path string) bool {
	return len(endpoints) == 0 || slices.ContainsFunc(endpoints, func(e string) bool { return path == e || strings.HasPrefix(path, e+"/") })
}

// Picture gives the picture of an account.
func (s *Server) Picture(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db.accounts[id].picture
}
