package access

import (
	"slices"

	"groupsyncd/sync/plan"
)

// Resource is something that a person or a group may read or write.
type Resource struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name"`
	// Permission is read or write; From says who lets them do that.
	Permission string   `json:"permission"`
	From       []string `json:"from"`
	// ReadFrom says who lets them read what they may write, where that is not From.
	ReadFrom []string `json:"read_from,omitempty"`
	// Hidden: no list of theirs shows it.
	Hidden bool `json:"hidden,omitempty"`
	// Unusable says why it is of no use to them.
	Unusable string `json:"unusable,omitempty"`
}

// Owned is something that a person owns.
type Owned struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// reader is whose access is asked for: an account with its groups, or groups alone.
type reader struct {
	account *plan.Account
	groups  []int32 // With everything above them, sorted.
	// bypass: an administrator who sees what nobody has shared with them.
	bypass bool
}

func (v *View) reader(n uint32, groups []int32) reader {
	a := &v.accounts[n]
	return reader{account: a, groups: groups, bypass: v.bypasses(a)}
}

func (p *reader) owns(r *plan.Resource) bool {
	return p.account != nil && r.Owner != "" && r.Owner == p.account.ID
}

func (p *reader) admin() bool { return p.account != nil && p.account.Role == plan.RoleAdmin }

// open lists who lets somebody read or write a resource. Each right needs a grant of its
// own, and a grant to everybody without an account opens nothing here.
func (v *View) open(p *reader, r *plan.Resource, permission string) []string {
	from := []string{}
	if p.owns(r) {
		from = append(from, FromOwner)
	}
	if p.bypass {
		from = append(from, FromAdmin)
	}
	var groups []int32
	public, user := false, false
	for _, g := range r.Grants {
		switch {
		case g.Permission != permission:
		case g.Kind == plan.KindUser && g.ID == plan.Everybody:
			public = true
		case g.Kind == plan.KindUser:
			user = user || p.account != nil && g.ID == p.account.ID
		case g.Kind == plan.KindGroup:
			if at, known := v.byGroup[g.ID]; known {
				if _, in := slices.BinarySearch(p.groups, at); in {
					groups = append(groups, at)
				}
			}
		}
	}
	if public {
		from = append(from, FromPublic)
	}
	if user {
		from = append(from, FromUser)
	}
	for _, g := range slices.Compact(v.byName(groups)) {
		from = append(from, v.groups[g].label)
	}
	return from
}

// opened is open without the names.
func (v *View) opened(p *reader, r *plan.Resource, permission string) bool {
	return p.owns(r) || p.bypass || slices.ContainsFunc(r.Grants, func(g plan.Grant) bool {
		if g.Permission != permission {
			return false
		}
		if g.Kind == plan.KindUser {
			return g.ID == plan.Everybody || p.account != nil && g.ID == p.account.ID
		}
		at, known := v.byGroup[g.ID]
		if g.Kind != plan.KindGroup || !known {
			return false
		}
		_, in := slices.BinarySearch(p.groups, at)
		return in
	})
}

// resource says how somebody may use one resource; false: not at all. writeOnly: they may
// change what they cannot see.
func (v *View) resource(p *reader, r *plan.Resource) (out Resource, writeOnly, some bool) {
	out = Resource{Type: r.Type, ID: r.ID, Name: r.Name, Permission: plan.Read}
	if r.Unlisted {
		// It has no row there that could be shared.
		out.From = []string{FromAdmin}
		return out, false, p.admin()
	}
	read, write := v.open(p, r, plan.Read), v.open(p, r, plan.Write)
	switch {
	case len(read)+len(write) == 0 && p.admin() && r.Type != plan.Models && r.Type != plan.Skills:
		// The list leaves it out, and the page of the resource itself asks for the role only.
		out.From, out.Hidden = []string{FromAdmin}, true
		return out, false, true
	case len(read)+len(write) == 0:
		return out, false, false
	case len(write) > 0:
		out.Permission, out.From = plan.Write, write
		if len(read) > 0 && !slices.Equal(read, write) {
			out.ReadFrom = read
		}
	default:
		out.From = read
	}
	out.Unusable, out.Hidden = v.unusable(p, r), len(read) == 0
	return out, out.Hidden, true
}

// unusable says why a model that somebody may read does not answer them: it is switched
// off, or a model below it is not theirs. The server asks administrators for neither.
func (v *View) unusable(p *reader, r *plan.Resource) string {
	if r.Type != plan.Models {
		return ""
	}
	if r.Inactive {
		return "it is switched off"
	}
	seen := []string{r.ID}
	for base := r.Base; base != "" && !slices.Contains(seen, base) && !p.admin(); {
		seen = append(seen, base)
		at, known := v.byKey[plan.ResourceKey{Type: plan.Models, ID: base}]
		if !known || v.resources[at].Unlisted {
			return "its base model " + base + " is only for administrators"
		}
		below := &v.resources[at]
		if !v.opened(p, below, plan.Read) {
			return "its base model " + base + " is not shared with them"
		}
		base = below.Base
	}
	return ""
}

// reach lists what somebody may use, in the order of types and ids, and apart what they may
// change without seeing it.
func (v *View) reach(p *reader) (all, writeOnly []Resource) {
	all = []Resource{}
	for _, t := range plan.ResourceTypes() {
		for i := range v.resources {
			if v.resources[i].Type != t {
				continue
			}
			switch r, blind, some := v.resource(p, &v.resources[i]); {
			case blind:
				writeOnly = append(writeOnly, r)
			case some:
				all = append(all, r)
			}
		}
	}
	return all, writeOnly
}

// owns lists what an account owns: leaving groups does not end that.
func (v *View) owns(account string) []Owned {
	out := []Owned{}
	for i := range v.resources {
		if r := &v.resources[i]; r.Owner == account && account != "" {
			out = append(out, Owned{r.Type, r.ID, r.Name})
		}
	}
	return out
}
