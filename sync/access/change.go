package access

import (
	"fmt"
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
)

// Change is what somebody would gain and lose if they joined and left groups.
type Change struct {
	With    []string `json:"with"`
	Without []string `json:"without"`
	Gained  Rights   `json:"gained"`
	Lost    Rights   `json:"lost"`
	// Notes say which of it would make no difference, and why.
	Notes []string `json:"notes,omitempty"`
}

// Rights are permissions and resources.
type Rights struct {
	Permissions []string   `json:"permissions"`
	Resources   []Resource `json:"resources"`
}

// UserWith says what an account may do, and what that would change to if it joined some
// groups and left others, each by its name or id.
func (v *View) UserWith(n uint32, with, without []string) (*User, error) {
	u := v.User(n)
	if len(with)+len(without) == 0 {
		return u, nil
	}
	joined, err := v.Groups(with)
	if err != nil {
		return nil, err
	}
	left, err := v.Groups(without)
	if err != nil {
		return nil, err
	}
	c := &Change{With: v.names(joined), Without: v.names(left), Gained: noRights(), Lost: noRights()}
	before := v.direct(n)
	after := slices.Clone(before)
	for _, g := range joined {
		if slices.Contains(left, g) {
			return nil, fault.Errorf(fault.Invalid, "", "", "%s cannot be joined and left at once", v.groups[g].name)
		}
		if slices.Contains(before, g) {
			c.Notes = append(c.Notes, "already in "+v.groups[g].name)
		}
		after = append(after, g)
	}
	for _, g := range left {
		switch via := v.via(before, g); {
		case !slices.Contains(before, g) && len(via) > 0:
			c.Notes = append(c.Notes, fmt.Sprintf("in %s only through %s: that is the group to leave", v.groups[g].name, via[0]))
		case !slices.Contains(before, g):
			c.Notes = append(c.Notes, "not in "+v.groups[g].name)
		case len(via) > 0:
			c.Notes = append(c.Notes, fmt.Sprintf("stays in %s through %s", v.groups[g].name, via[0]))
		}
		after = slices.DeleteFunc(after, func(have int32) bool { return have == g })
	}
	v.compare(n, u, c, v.all(after, nil))
	u.Change = c
	return u, nil
}

func noRights() Rights { return Rights{Permissions: []string{}, Resources: []Resource{}} }

func (v *View) compare(n uint32, u *User, c *Change, groups []int32) {
	a := &v.accounts[n]
	if !active(a) {
		return
	}
	then := v.rights(groups, true)
	for _, key := range v.keys {
		switch now := u.Permissions[key].Allowed; {
		case now && !then[key].Allowed:
			c.Lost.Permissions = append(c.Lost.Permissions, key)
		case !now && then[key].Allowed:
			c.Gained.Permissions = append(c.Gained.Permissions, key)
		}
	}
	p := v.reader(n, groups)
	reach, writeOnly := v.reach(&p)
	before, after := slices.Concat(u.Resources, u.WriteOnly), slices.Concat(reach, writeOnly)
	c.Gained.Resources = more(before, after)
	c.Lost.Resources = more(after, before)
}

// more lists what is in more and not in fewer, or lets them do less there.
func more(fewer, more []Resource) []Resource {
	have := make(map[plan.ResourceKey]*Resource, len(fewer))
	for i := range fewer {
		have[plan.ResourceKey{Type: fewer[i].Type, ID: fewer[i].ID}] = &fewer[i]
	}
	out := []Resource{}
	for i := range more {
		r := &more[i]
		old := have[plan.ResourceKey{Type: r.Type, ID: r.ID}]
		if old == nil || old.Permission == plan.Read && r.Permission == plan.Write || old.Unusable != "" && r.Unusable == "" || old.Hidden && !r.Hidden {
			out = append(out, *r)
		}
	}
	return out
}
