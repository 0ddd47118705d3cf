package replica

import (
	"slices"
	"time"
)

// Doubted gives the replica as it is when nothing that it shows is proved any more: who and
// what is known stays known, and no read has ever covered any of it. Nothing is given or
// taken away on it until reads cover it anew.
func (r *Replica) Doubted() *Replica {
	next := *r
	next.Head = Head{Source: r.Source, Scope: r.Scope}
	next.users, next.groups = slices.Clone(r.users), slices.Clone(r.groups)
	var evidence Shared
	for i := range next.users {
		u := &next.users[i]
		e := *u.Evidence
		e.SeenAt, e.GroupsAt, e.StatusAt = time.Time{}, time.Time{}, time.Time{}
		u.Evidence = evidence.Of(e)
	}
	for i := range next.groups {
		g := &next.groups[i]
		g.SeenAt, g.MembersAt, g.Recent = time.Time{}, time.Time{}, nil
	}
	return &next
}
