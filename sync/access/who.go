package access

import (
	"errors"
	"slices"
	"strings"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/permission"
	"groupsyncd/sync/plan"
)

// The kinds of what somebody can have.
const (
	KindPermission = "permission"
	KindResource   = "resource"
	KindRole       = "role"
	KindGroup      = "group"
	KindOwner      = "owner"
)

// Holder is somebody who has what was asked for.
type Holder struct {
	Person
	Role string `json:"role"`
	// Permission is read or write, for a resource.
	Permission string   `json:"permission,omitempty"`
	From       []string `json:"from"`
	// By is groupsyncd or hand: who gave the membership, grant or role; Since is when, as far
	// as that is known.
	By    string    `json:"by,omitempty"`
	Since time.Time `json:"since,omitzero"`
	Note  string    `json:"note,omitempty"`
}

// Holders are all who have a permission, a resource or a role.
type Holders struct {
	Picture
	// What is the permission, the resource as type/id, or the role as role:admin; Kind says
	// which of them.
	What string `json:"what"`
	Kind string `json:"kind"`
	Name string `json:"name,omitempty"`
	// Everybody says who gives it to all who may sign in; none: not everybody has it.
	Everybody []string `json:"everybody,omitempty"`
	// Counts are how many have it from each who gives it.
	Counts map[string]int `json:"counts"`
	People []Holder       `json:"people"`
}

// Who lists everybody who has a permission (workspace.models), a resource (models/ID, or an
// id or a name that only one has), or a role (role:admin).
func (v *View) Who(what string) (*Holders, error) {
	h := &Holders{Picture: v.about(), What: what, Counts: map[string]int{}, People: []Holder{}}
	if role, is := strings.CutPrefix(what, "role:"); is {
		h.Kind = KindRole
		return h, v.whoIs(h, role)
	}
	if at, known := slices.BinarySearch(v.keys, what); known || slices.Contains(permission.KnownKeys(), what) {
		h.Kind = KindPermission
		if known {
			v.whoMay(h, int32(at))
		} else {
			h.Notes = append(h.Notes, "neither the defaults nor a group name "+what)
			v.whoMay(h, -1)
		}
		return h, nil
	}
	at, err := v.named(what)
	if err != nil {
		return nil, err
	}
	r := &v.resources[at]
	h.Kind, h.What, h.Name = KindResource, r.Type+"/"+r.ID, r.Name
	v.whoUses(h, at)
	return h, nil
}

func (h *Holders) add(p Holder) {
	h.People = append(h.People, p)
	for _, from := range p.From {
		h.Counts[from]++
	}
}

func (v *View) whoIs(h *Holders, role string) error {
	known := []string{plan.RoleAdmin, plan.RoleUser, plan.RolePending}
	for n := range v.accounts {
		if !slices.Contains(known, v.accounts[n].Role) {
			known = append(known, v.accounts[n].Role)
		}
	}
	if !slices.Contains(known, role) {
		return fault.New(fault.Invalid, "", "", errors.New("there is no role "+quote(role)), "the roles are "+strings.Join(known[:3], ", "))
	}
	for _, n := range v.living() {
		a := &v.accounts[n]
		if a.Role != role {
			continue
		}
		r := v.roleFrom(n)
		h.add(Holder{Person: person(a), Role: a.Role, From: []string{r.By}, By: r.By, Since: r.Since, Note: r.Why})
	}
	return nil
}

// whoMay lists who has a permission; administrators have every one. A negative key is one
// that nothing names.
func (v *View) whoMay(h *Holders, key int32) {
	byDefault := v.defaults.allows(key)
	if byDefault {
		h.Everybody = []string{FromDefault}
	}
	gives := make([]bool, len(v.groups))
	for g := range v.groups {
		gives[g] = v.groups[g].gives.allows(key)
	}
	var room []int32
	for _, n := range v.living() {
		a := &v.accounts[n]
		if !active(a) {
			continue
		}
		room = v.all(v.direct(n), room)
		room = slices.DeleteFunc(room, func(g int32) bool { return !gives[g] })
		p := Holder{Person: person(a), Role: a.Role, From: []string{}}
		if byDefault {
			p.From = append(p.From, FromDefault)
		}
		if a.Role == plan.RoleAdmin {
			p.From = append(p.From, FromAdmin)
		}
		p.From = append(p.From, v.labels(room)...)
		if len(p.From) == 0 {
			continue
		}
		switch {
		case byDefault:
		case len(room) > 0:
			p.By, p.Since = v.how(n, room)
		default:
			r := v.roleFrom(n)
			p.By, p.Since = r.By, r.Since
		}
		h.add(p)
	}
}

// whoUses lists who may read or write a resource.
func (v *View) whoUses(h *Holders, at int) {
	r := &v.resources[at]
	if r.Has(plan.Grant{Kind: plan.KindUser, ID: plan.Everybody, Permission: plan.Read}) {
		h.Everybody = []string{FromPublic}
	}
	var room []int32
	for _, n := range v.living() {
		a := &v.accounts[n]
		if !active(a) {
			continue
		}
		room = v.all(v.direct(n), room)
		p := v.reader(n, room)
		got, blind, some := v.resource(&p, r)
		if !some {
			continue
		}
		holder := Holder{Person: person(a), Role: a.Role, Permission: got.Permission, From: got.From, Note: got.Unusable}
		if blind {
			holder.Note = "may change it, and not see it"
		}
		holder.By, holder.Since = v.useBy(n, r, &got)
		h.add(holder)
	}
	if v.settings.AdminBypass == nil {
		h.Notes = append(h.Notes, "the server does not tell whether administrators see what nobody shared with them (BYPASS_ADMIN_ACCESS_CONTROL): taken as shipped, they do")
	}
}

// useBy says who gave somebody the use of a resource.
func (v *View) useBy(n uint32, r *plan.Resource, got *Resource) (by string, since time.Time) {
	var groups []int32
	for _, from := range got.From {
		switch from {
		case FromUser:
			return v.granted(r.ResourceKey, plan.Grant{Kind: plan.KindUser, ID: v.accounts[n].ID, Permission: got.Permission})
		case FromPublic:
			return v.granted(r.ResourceKey, plan.Grant{Kind: plan.KindUser, ID: plan.Everybody, Permission: got.Permission})
		}
	}
	for _, g := range r.Grants {
		if at, known := v.byGroup[g.ID]; known && g.Kind == plan.KindGroup && g.Permission == got.Permission {
			groups = append(groups, at)
		}
	}
	return v.how(n, groups)
}

// named finds a resource by type/id, type/name, id or name.
func (v *View) named(what string) (int, error) {
	kind, rest, parted := strings.Cut(what, "/")
	var byID, byName []int
	known := slices.Clone(v.keys)
	for i := range v.resources {
		r := &v.resources[i]
		typed := parted && sameType(kind, r.Type)
		if typed && r.ID == rest {
			return i, nil
		}
		if r.ID == what {
			byID = append(byID, i)
		}
		if r.Name == what || typed && r.Name == rest {
			byName = append(byName, i)
		}
		known = append(known, r.Type+"/"+r.ID, r.ID, r.Name)
	}
	for _, found := range [][]int{byID, byName} {
		switch {
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return 0, fault.New(fault.Invalid, "", "", errors.New(quote(what)+" means several things"), "name one of them: "+strings.Join(v.places(found), ", "))
		}
	}
	return 0, notFound("nothing is called "+quote(what)+": no permission, and no model, knowledge, prompt, tool or skill",
		"name a permission such as workspace.models, a resource as TYPE/ID such as models/gpt-4, or role:admin", what, known)
}

// sameType takes model for models.
func sameType(word, kind string) bool { return word == kind || word+"s" == kind }

func (v *View) places(resources []int) []string {
	var out []string
	for _, i := range resources[:min(len(resources), 5)] {
		out = append(out, v.resources[i].Type+"/"+v.resources[i].ID)
	}
	return out
}
