package openwebuitest

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
)

// Account is an account as a test sees it.
type Account struct {
	ID, Email, Name, Role string
	// OAuth holds the sign-in subjects by provider.
	OAuth     map[string]string
	CreatedAt int64
	// ActiveAt is when they were active last; zero for a new one: when it was made.
	ActiveAt int64
}

// Group is a group as a test sees it.
type Group struct {
	ID, Name, Description string
	Permissions, Data     json.RawMessage
	Parent                string
	// Members are sorted ids.
	Members              []string
	CreatedAt, UpdatedAt int64
}

// AddAccount makes an account and gives its id. Without a role it is a user, without
// a name its mail is the name, without a time of creation it is made now.
func (s *Server) AddAccount(a Account) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for provider := range a.OAuth {
		s.offer(provider)
	}
	return s.db.addAccount(&account{
		id: a.ID, email: a.Email, name: cmp.Or(a.Name, a.Email), role: cmp.Or(a.Role, "user"),
		oauth: maps.Clone(a.OAuth), created: cmp.Or(a.CreatedAt, s.seconds()), active: a.ActiveAt,
	}).id
}

// DeleteAccount takes an account away, and with it its memberships.
func (s *Server) DeleteAccount(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db.deleteAccount(id, s.seconds())
}

// SetRole changes the role of an account.
func (s *Server) SetRole(id, role string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db.accounts[id].role = role
}

// SetOAuth sets a sign-in subject of an account, as its first sign-in does.
func (s *Server) SetOAuth(id, provider, subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.db.accounts[id]
	if a.oauth == nil {
		a.oauth = map[string]string{}
	}
	a.oauth[provider] = subject
	s.offer(provider)
}

// Accounts gives every account, oldest first.
func (s *Server) Accounts() []Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Account
	for _, a := range slices.Backward(s.db.byAge()) {
		out = append(out, Account{ID: a.id, Email: a.email, Name: a.name, Role: a.role, OAuth: maps.Clone(a.oauth), CreatedAt: a.created, ActiveAt: a.active})
	}
	return out
}

// CreateGroup makes an empty group, as the administrator's page does, and gives its
// id.
func (s *Server) CreateGroup(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &group{owner: s.Admin, name: name}
	if s.shape.sharesByDefault {
		g.data = json.RawMessage(`{"config":{"share":"members"}}`)
	}
	return s.db.addGroup(g, s.seconds()).id
}

// RenameGroup gives a group another name.
func (s *Server) RenameGroup(id, name string) {
	s.changeGroup(id, func(g *group) { g.name = name })
}

// SetPermissions and SetData replace those of a group.
func (s *Server) SetPermissions(id string, tree json.RawMessage) {
	s.changeGroup(id, func(g *group) { g.permissions = tree })
}

// SetData replaces the data of a group; see SetPermissions.
func (s *Server) SetData(id string, data json.RawMessage) {
	s.changeGroup(id, func(g *group) { g.data = data })
}

// SetMeta sets what no call can write.
func (s *Server) SetMeta(id string, meta json.RawMessage) {
	s.changeGroup(id, func(g *group) { g.meta = meta })
}

// Describe sets the description of a group.
func (s *Server) Describe(id, text string) {
	s.changeGroup(id, func(g *group) { g.description = text })
}

// AddMembers makes accounts members of a group.
func (s *Server) AddMembers(id string, accounts ...string) {
	s.changeGroup(id, func(g *group) { s.db.add(g, accounts) })
}

// RemoveMembers takes accounts out of a group.
func (s *Server) RemoveMembers(id string, accounts ...string) {
	s.changeGroup(id, func(g *group) { s.db.remove(g, accounts) })
}

func (s *Server) changeGroup(id string, change func(*group)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.db.groups[id]; g != nil {
		change(g)
		g.updated = s.seconds()
	}
}

// DeleteGroup takes a group away.
func (s *Server) DeleteGroup(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db.groups[id] != nil {
		s.dropGroup(s.db.groups[id])
	}
}

// Groups gives every group, sorted by name and id.
func (s *Server) Groups() []Group {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Group, 0, len(s.db.groups))
	for _, g := range s.db.groups {
		out = append(out, g.view())
	}
	slices.SortFunc(out, func(a, b Group) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return out
}

// Group gives one group.
func (s *Server) Group(id string) (Group, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.db.groups[id]
	if g == nil {
		return Group{}, false
	}
	return g.view(), true
}

func (g *group) view() Group {
	return Group{
		ID: g.id, Name: g.name, Description: g.description, Permissions: slices.Clone(g.permissions), Data: slices.Clone(g.data),
		Parent: g.parent, Members: slices.Sorted(slices.Values(g.members)), CreatedAt: g.created, UpdatedAt: g.updated,
	}
}

// AddKey gives an account an API key.
func (s *Server) AddKey(account, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db.keys[key] = account
}

// RevokeKey makes a key invalid.
func (s *Server) RevokeKey(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.db.keys, key)
}

// AllowKeys switches API keys on or off, and limits them to paths when any are given.
func (s *Server) AllowKeys(on bool, endpoints ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.keys, s.settings.endpoints = on, endpoints
}

// BuiltIn switches the server's own group sync on or off.
type BuiltIn struct {
	// OAuth and OAuthCreate: groups follow the claim at sign-in, and are made.
	OAuth, OAuthCreate bool
	// Blocked are the groups that it leaves alone.
	Blocked []string
	// LDAP: sign-in by LDAP is on; LDAPGroups: groups follow memberOf then.
	LDAP, LDAPGroups bool
}

// SetBuiltIn sets the server's own group sync.
func (s *Server) SetBuiltIn(b BuiltIn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.oauthGroups, s.settings.oauthCreate, s.settings.blockedGroups = b.OAuth, b.OAuthCreate, b.Blocked
	s.settings.ldap, s.settings.ldapGroups = b.LDAP, b.LDAPGroups
}

// Upgrade makes the server another version over the same data; groups get no share
// mode by that.
func (s *Server) Upgrade(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version, s.shape = version, shapeOf(version)
	s.settings.permissions = s.shape.shipped
}

// SetDeployment changes the id of the installation.
func (s *Server) SetDeployment(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deployment = id
}

// Backup is the data of a server at one moment.
type Backup struct{ db *store }

// Backup copies the data.
func (s *Server) Backup() Backup {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Backup{s.db.clone()}
}

// Restore puts the data back, as an operator does who restores a database.
func (s *Server) Restore(b Backup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seq := s.db.seq
	s.db = b.db.clone()
	s.db.seq = max(seq, s.db.seq) // ids given out since are not given out again
}
