package run

import "cmp"

// SharedWith is something that a group may use, as an export of groups lists it.
type SharedWith struct {
	Type       string `json:"type"`
	ID         string `json:"id"`
	Name       string `json:"name"`
	Permission string `json:"permission"`
}

// Compare orders what is shared by type and id.
func (s SharedWith) Compare(o SharedWith) int {
	return cmp.Or(cmp.Compare(s.Type, o.Type), cmp.Compare(s.ID, o.ID), cmp.Compare(s.Permission, o.Permission))
}
