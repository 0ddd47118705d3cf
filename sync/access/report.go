package access

import (
	"iter"
	"slices"
	"time"

	"groupsyncd/sync/plan"
)

// Row is one line of a review: what one person, or everybody, has.
type Row struct {
	// User is the name of the account; everybody, or all administrators, have no account.
	User  string `json:"user"`
	Email string `json:"email"`
	Role  string `json:"role"`
	// Kind is role, group, owner, permission or resource; What names it.
	Kind string `json:"kind"`
	What string `json:"what"`
	// Permission is member, read, write or allowed.
	Permission string    `json:"permission"`
	From       []string  `json:"from"`
	Since      time.Time `json:"since,omitzero"`
	By         string    `json:"by,omitempty"`
	// Name is that of a resource, ID that of the account.
	Name   string `json:"name,omitempty"`
	ID     string `json:"id,omitempty"`
	Target string `json:"target"`
}

// Words of rows that are about nobody in particular.
const (
	everybody     = "(everybody)"
	allAdmins     = "(administrators)"
	deleted       = "(deleted account)"
	anything      = "*"
	allowed       = "allowed"
	memberOfGroup = "member"
)

// Report is a review of everything that anybody has.
type Report struct {
	Picture
	Rows iter.Seq2[Row, error] `json:"-"`
}

// Report gives the rows of a review: first what everybody has, which is not repeated for
// each person, and what belongs to accounts that are gone, then each account by its mail address with its role, its groups, what it
// owns, and what groups and grants give it beyond that.
func (v *View) Report() *Report {
	return &Report{Picture: v.about(), Rows: func(yield func(Row, error) bool) {
		v.rows(func(r Row) bool {
			r.Target = v.picture.Target
			return yield(r, nil)
		})
	}}
}

func (v *View) rows(yield func(Row) bool) {
	x := v.index()
	for _, r := range x.everybody {
		row := Row{User: everybody, Email: anything, Role: plan.RoleUser, From: []string{FromPublic}}
		x.what(&row, r)
		if row.Kind == KindPermission {
			row.From = []string{FromDefault}
		}
		if !yield(row) {
			return
		}
	}
	if !x.admins(yield) || !x.orphans(yield) {
		return
	}
	for _, n := range v.living() {
		if !x.person(n, yield) {
			return
		}
	}
}

// admins gives the rows of what administrators have by their role.
func (x *index) admins(yield func(Row) bool) bool {
	row := Row{User: allAdmins, Email: anything, Role: plan.RoleAdmin, Kind: KindPermission, What: anything, Permission: allowed, From: []string{FromAdmin}}
	if !yield(row) {
		return false
	}
	row.Kind, row.Permission = KindResource, plan.Write
	return !x.v.bypasses(&plan.Account{Role: plan.RoleAdmin}) || yield(row)
}

// orphans gives the rows of what belongs to accounts that are no longer there.
func (x *index) orphans(yield func(Row) bool) bool {
	for i := range x.v.resources {
		owner := x.v.resources[i].Owner
		if n, known := x.v.byID[owner]; owner == "" || known && !x.v.accounts[n].Deleted {
			continue
		}
		row := Row{User: deleted, ID: owner}
		x.about(&row, i)
		row.Kind, row.Permission, row.From = KindOwner, plan.Write, []string{FromOwner}
		if !yield(row) {
			return false
		}
	}
	return true
}

// what says what a right is.
func (x *index) what(row *Row, r right) {
	v := x.v
	if int(r) < len(v.keys) {
		row.Kind, row.What, row.Permission = KindPermission, v.keys[r], allowed
		return
	}
	at := int(r) - len(v.keys)
	row.Permission = plan.Read
	if at%2 == 1 {
		row.Permission = plan.Write
	}
	x.about(row, at/2)
}

func (x *index) about(row *Row, at int) {
	r := &x.v.resources[at]
	row.Kind, row.What, row.Name = KindResource, x.places[at], r.Name
}

// through names the groups among some that are below a group.
func (v *View) through(direct []int32, above int32) []string {
	var below []int32
	for _, d := range direct {
		if slices.Contains(v.groups[d].up, above) {
			below = append(below, d)
		}
	}
	return v.labels(below)
}

func (x *index) person(n uint32, yield func(Row) bool) bool {
	v := x.v
	a := &v.accounts[n]
	blank := Row{User: a.Name, Email: a.Email, Role: a.Role, ID: a.ID}
	row := blank
	row.Kind, row.What = KindRole, a.Role
	role := v.roleFrom(n)
	row.By, row.Since, row.From = role.By, role.Since, []string{role.By}
	if !yield(row) {
		return false
	}
	direct := v.direct(n)
	found := x.look(n)
	for _, g := range x.room {
		row = blank
		row.Kind, row.What, row.Permission = KindGroup, v.groups[g].name, memberOfGroup
		if _, in := slices.BinarySearch(direct, g); in {
			row.From = x.direct
		} else {
			row.From = v.through(direct, g)
		}
		row.By, row.Since = x.how([]int32{g})
		if !yield(row) {
			return false
		}
	}
	for _, at := range x.owned[n] {
		row = blank
		x.about(&row, at)
		row.Kind, row.Permission, row.From = KindOwner, plan.Write, []string{FromOwner}
		if !yield(row) {
			return false
		}
	}
	return !active(a) || x.rights(n, found, &blank, yield)
}

// rights gives the rows of what somebody may do beyond what everybody may.
func (x *index) rights(n uint32, found []right, blank *Row, yield func(Row) bool) bool {
	v := x.v
	own := x.byUser[n]
	if len(own) > 0 {
		found = append(slices.Clone(found), own...)
		slices.Sort(found)
		found = slices.Compact(found)
	}
	for _, r := range found {
		if x.common[r] {
			continue
		}
		row := *blank
		row.From = v.labels(x.givers[r])
		x.what(&row, r)
		if row.By, row.Since = x.how(x.givers[r]); slices.Contains(own, r) {
			at := (int(r) - len(v.keys)) / 2
			row.From = append([]string{FromUser}, row.From...)
			row.By, row.Since = v.granted(v.resources[at].ResourceKey, plan.Grant{Kind: plan.KindUser, ID: v.accounts[n].ID, Permission: row.Permission})
		}
		if !yield(row) {
			return false
		}
	}
	return true
}

// Columns are the names of what Cells gives.
func Columns() []string {
	return []string{"user", "email", "role", "kind", "what", "permission", "from", "since", "by", "name", "id", "target"}
}

// Cells gives a row as text, for a table.
func (r *Row) Cells() []string {
	since, from := "", ""
	if !r.Since.IsZero() {
		since = r.Since.UTC().Format(time.RFC3339)
	}
	for i, f := range r.From {
		if i > 0 {
			from += ", "
		}
		from += f
	}
	return []string{r.User, r.Email, r.Role, r.Kind, r.What, r.Permission, from, since, r.By, r.Name, r.ID, r.Target}
}
