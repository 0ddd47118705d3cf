package openwebui

import (
	"cmp"
	"encoding/json"
	"slices"

	"groupsyncd/sync/plan"
)

// grantWire is one grant as the server writes it.
type grantWire struct {
	Kind       string `json:"principal_type"`
	ID         string `json:"principal_id"`
	Permission string `json:"permission"`
}

// resourceWire is a model, knowledge base, prompt, tool, skill or channel as lists and
// single reads write it.
type resourceWire struct {
	ID     string       `json:"id"`
	Owner  string       `json:"user_id"`
	Name   string       `json:"name"`
	Base   *string      `json:"base_model_id"`
	Active *bool        `json:"is_active"`
	Grants *[]grantWire `json:"access_grants"`
	// Old is how versions before 0.8.0 say who may use it.
	Old json.RawMessage `json:"access_control"`
	// Writable says that our account may change it.
	Writable *bool `json:"write_access"`
}

// listWire is one page of a list that tells its length.
type listWire struct {
	Items *[]resourceWire `json:"items"`
	Total *int            `json:"total"`
}

// resource gives what was read in our words.
func (w *resourceWire) resource(kind string) plan.Resource {
	r := plan.Resource{ResourceKey: plan.ResourceKey{Type: kind, ID: w.ID}, Name: w.Name, Owner: w.Owner}
	if w.Base != nil {
		r.Base = *w.Base
	}
	r.Inactive = w.Active != nil && !*w.Active
	if w.Grants != nil {
		r.Grants = make([]plan.Grant, 0, len(*w.Grants))
		for _, g := range *w.Grants {
			r.Grants = append(r.Grants, plan.Grant{Kind: g.Kind, ID: g.ID, Permission: g.Permission})
		}
		r.Grants = tidy(r.Grants)
	}
	return r
}

// tidy sorts grants and takes doubles out, so that equal ones compare equal.
func tidy(grants []plan.Grant) []plan.Grant {
	sorted := slices.SortedFunc(slices.Values(grants), func(a, b plan.Grant) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Permission, b.Permission))
	})
	return slices.Compact(sorted)
}

// seesAll tells from one thing of a list whether our account sees what nobody shared with
// it; nil when this one does not tell. Whoever may write what is not theirs, with no grant
// that could be the reason, is an administrator before whom everything is open.
func (w *resourceWire) seesAll(self string) *bool {
	switch {
	case w.Writable == nil || w.Grants == nil || self == "" || w.Owner == self:
		return nil
	case !*w.Writable:
		return w.Writable
	}
	for _, g := range *w.Grants {
		if g.Permission == plan.Write && (g.Kind == plan.KindGroup || g.ID == self || g.ID == plan.Everybody) {
			return nil
		}
	}
	return w.Writable
}

// seeAll is the same from a whole list: one thing that we may not write is enough for no.
func seeAll(wire []resourceWire, self string) *bool {
	var all *bool
	for i := range wire {
		if see := wire[i].seesAll(self); see != nil && (all == nil || !*see) {
			all = see
		}
	}
	return all
}
