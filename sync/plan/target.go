package plan

import (
	"encoding/json"
	"slices"

	"groupsyncd/permission"
)

// GroupSpec says what a group of Open WebUI shall be. What it leaves unset is not
// touched by an update, and left to the server's defaults by a creation.
type GroupSpec struct {
	// Name is the wanted name; an update with an empty name keeps the present one.
	Name string
	// Description is the wanted description; nil: not touched.
	Description *string
	// Permissions are the keys to set, true or false; keys that it does not name stay
	// as they are. Nil: not touched.
	Permissions permission.Set
	// Dropped are permission keys to take out of the tree: nobody had them there before us.
	Dropped []string
	// Share is anyone, members or nobody; empty: not touched.
	Share string
	// Parent is the id of the wanted parent group, empty for the top level; nil: not
	// touched, which is also what servers without parents need.
	Parent *string
	// DefaultModels are the ids for data.config.default_models; nil: not touched.
	DefaultModels []string
	// Mark is our note in the group's data; nil: not touched.
	Mark *Mark
	// Tree is the whole permission tree that a new group gets, null for none; nil: one that
	// names every permission, as Permissions say.
	Tree json.RawMessage
	// Data is laid over the group's data, and its config over the config there; nil: not
	// touched.
	Data json.RawMessage
}

// AccountView is one account with the ids of the groups it is a direct member of.
type AccountView struct {
	Account
	Groups []string
}

// AccountSpec is an account to be made before its person signs in for the first time.
type AccountSpec struct {
	Email, Name string
	// Role is pending or user.
	Role string
}

// The roles of an account.
const (
	RoleAdmin   = "admin"
	RoleUser    = "user"
	RolePending = "pending"
)

// The types of what grants share. Notes, folders and channels can be read, never changed.
const (
	Models    = "models"
	Knowledge = "knowledge"
	Prompts   = "prompts"
	Tools     = "tools"
	Skills    = "skills"
	Notes     = "notes"
	Folders   = "folders"
	Channels  = "channels"
)

// ResourceTypes lists the types whose grants we may change, in the order in which they are
// shown.
func ResourceTypes() []string { return []string{Models, Knowledge, Prompts, Tools, Skills} }

// ResourceKey names something that is shared by grants. Its type is one of the words above.
type ResourceKey struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// Resource is one model, knowledge base, prompt, tool or skill with who may use it.
type Resource struct {
	ResourceKey
	Name string `json:"name"`
	// Owner is the id of the account that made it; empty for a model of a provider that
	// nobody has edited.
	Owner string `json:"owner,omitempty"`
	// Base is the id of the model that a model builds on: without access to that one,
	// access to this one is of no use. Empty: none.
	Base string `json:"base,omitempty"`
	// Inactive marks a model that is switched off, which nobody sees.
	Inactive bool `json:"inactive,omitempty"`
	// Unlisted marks a provider's model that has no row in Open WebUI: only administrators
	// use it, and the first grant makes the row.
	Unlisted bool    `json:"unlisted,omitempty"`
	Grants   []Grant `json:"grants,omitempty"`
}

// Grant lets a group, one account, or everybody read or write a resource. Writing alone does
// not allow to read.
type Grant struct {
	// Kind is group, user or anyone; the id of a user may be Everybody.
	Kind string `json:"kind"`
	ID   string `json:"id"`
	// Permission is read or write.
	Permission string `json:"permission"`
}

// The words of grants.
const (
	KindGroup  = "group"
	KindUser   = "user"
	KindAnyone = "anyone"
	// Everybody is the id of every signed-in user, and of everybody without an account.
	Everybody = "*"

	Read  = "read"
	Write = "write"
)

// Public reports whether the grant is one for every signed-in user, or for everybody.
func (g Grant) Public() bool { return g.Kind == KindAnyone || g.Kind == KindUser && g.ID == Everybody }

// Has reports whether a resource has a grant.
func (r *Resource) Has(g Grant) bool { return slices.Contains(r.Grants, g) }

// Look says what an observation has to look at beside groups and new accounts.
type Look struct {
	// All reads the members of every group and every account, also where the mirror vouches
	// for them.
	All bool
	// Roles reads the role of every account: a change of a role moves nothing else there.
	Roles bool
	// Resources are the types whose complete lists are read. Also are types that are read
	// beside them where that is possible: one that the server refuses is left out.
	Resources, Also []string
	// Defaults reads the default permissions of the instance.
	Defaults bool
	// Own reads what the server says that our own account may do.
	Own bool
}

// Types gives the types of resource that a look reads, each once.
func (l *Look) Types() []string {
	types := slices.Clone(l.Resources)
	for _, t := range l.Also {
		if !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	return types
}

// Settings are those of the server that change what groups, roles and grants do.
type Settings struct {
	// DefaultRole is what a new account gets: pending, user or admin; empty: not known.
	DefaultRole string `json:"default_role,omitempty"`
	// RoleSync says that the server sets roles itself at each OAuth sign-in; MergeByEmail
	// that a first sign-in takes over an account with the same mail address.
	RoleSync, MergeByEmail *bool
	// AdminBypass says whether administrators see what nobody shared with them; nil: the
	// server does not tell.
	AdminBypass *bool
}

// Defaults is the tree of the instance's default permissions, as the server gives it.
type Defaults = json.RawMessage

// MaxBatch is the most members that go into one call: a larger call holds the server's
// only write lock for too long.
const MaxBatch = 1000
