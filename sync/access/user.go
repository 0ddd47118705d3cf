package access

import (
	"slices"
	"strings"
	"time"

	"groupsyncd/permission"
	"groupsyncd/sync/plan"
)

// Person names an account.
type Person struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
}

// Membership is a group that an account is in.
type Membership struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Via are the groups below it through which the account is in it; none: directly.
	Via []string `json:"via,omitempty"`
	// By is groupsyncd or hand; empty for who is in it only through others.
	By string `json:"by,omitempty"`
	// Since is the start of the run that gave it, where the history still has that, Run the run.
	Since time.Time `json:"since,omitzero"`
	Run   string    `json:"run,omitempty"`
}

// Who gave something.
const (
	ByUs   = "groupsyncd"
	ByHand = "hand"
)

// RoleFrom says who gave somebody a role, groupsyncd or hand, and of what we gave, since when
// and why.
type RoleFrom struct {
	By    string    `json:"by"`
	Since time.Time `json:"since,omitzero"`
	Why   string    `json:"why,omitempty"`
}

// UserQuery asks what somebody may do, and what that would be with other groups.
type UserQuery struct {
	Target  string   `json:"target,omitempty"`
	User    string   `json:"user"`
	With    []string `json:"with,omitempty"`
	Without []string `json:"without,omitempty"`
}

// User says what one account may do.
type User struct {
	Picture
	User     Person   `json:"user"`
	Role     string   `json:"role"`
	RoleFrom RoleFrom `json:"role_from"`
	// Permissions has every key that the server names for them.
	Permissions map[string]permission.Right `json:"permissions"`
	Resources   []Resource                  `json:"resources"`
	// WriteOnly are those that they may change although no list shows them.
	WriteOnly []Resource   `json:"write_only,omitempty"`
	Groups    []Membership `json:"groups"`
	Owns      []Owned      `json:"owns"`
	Change    *Change      `json:"change,omitempty"`
}

// Find gives the number of an account by its id.
func (v *View) Find(id string) (uint32, bool) {
	n, known := v.byID[id]
	return n, known && !v.accounts[n].Deleted
}

// User says what an account may do.
func (v *View) User(n uint32) *User {
	a := &v.accounts[n]
	groups := v.all(v.direct(n), nil)
	u := &User{Picture: v.about(), User: person(a), Role: a.Role, RoleFrom: v.roleFrom(n), Permissions: v.rights(groups, active(a)), Resources: []Resource{},
		Groups: v.membershipsOf(n), Owns: v.owns(a.ID)}
	if active(a) {
		p := v.reader(n, groups)
		u.Resources, u.WriteOnly = v.reach(&p)
	}
	switch {
	case a.Role == plan.RolePending:
		u.Notes = append(u.Notes, "pending: the server refuses every request of this account, those with an API key too; it does not show whether there is one")
	case !active(a):
		u.Notes = append(u.Notes, "the server knows no role "+quote(a.Role)+" and refuses every request of this account")
	case a.Role == plan.RoleAdmin:
		u.Notes = append(u.Notes, "an administrator passes every check of a permission, whatever the permissions say")
		if v.settings.AdminBypass == nil {
			u.Notes = append(u.Notes, "the server does not tell whether administrators see what nobody shared with them (BYPASS_ADMIN_ACCESS_CONTROL): taken as shipped, they do")
		}
	}
	return u
}

func person(a *plan.Account) Person { return Person{ID: a.ID, Email: a.Email, Name: a.Name} }

// membershipsOf lists the groups of an account, those above its own included, by name.
func (v *View) membershipsOf(n uint32) []Membership {
	direct := v.direct(n)
	out := []Membership{}
	for _, g := range v.byName(v.all(direct, nil)) {
		m := Membership{ID: v.groups[g].id, Name: v.groups[g].name}
		if _, in := slices.BinarySearch(direct, g); in {
			m.By, m.Since, m.Run = v.gave(n, g)
		} else {
			m.Via = v.via(direct, g)
		}
		out = append(out, m)
	}
	return out
}

// via names the groups among some that are below a group.
func (v *View) via(direct []int32, above int32) []string {
	var names []string
	for _, d := range v.byName(direct) {
		if slices.Contains(v.groups[d].up[1:], above) {
			names = append(names, strings.TrimPrefix(v.groups[d].label, FromGroup))
		}
	}
	return names
}

func quote(s string) string { return `"` + s + `"` }
