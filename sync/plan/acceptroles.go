package plan

// returnedRoles gives the tombstones of accounts that have a role again which had ended when we
// last looked.
func (m *Memory) returnedRoles(o *Observation) []Tombstone {
	again := map[string]string{}
	for i := range o.Accounts {
		a := &o.Accounts[i]
		if n, known := m.Mirror.Number(a.ID); known && (m.Mirror.Account(n).Deleted || m.Mirror.Account(n).Role != a.Role) {
			again[a.ID] = RoleGroup(a.Role)
		}
	}
	var found []Tombstone
	for _, t := range m.Tombstones {
		if IsRole(t.Group) && again[t.Account] == t.Group {
			found = append(found, t)
		}
	}
	return found
}

// pendingAgain gives the accounts that are pending and had a role of ours when we last looked:
// nobody suspended them, their server is at a time before we gave it.
func (m *Memory) pendingAgain(o *Observation) []uint32 {
	var back []uint32
	for i := range o.Accounts {
		n, known := m.Mirror.Number(o.Accounts[i].ID)
		if !known || o.Accounts[i].Role != RolePending {
			continue
		}
		had := m.Mirror.Account(n)
		if had.Role != RolePending && !had.Deleted && (m.owns(RoleGroup(had.Role), n) || m.Roles[had.ID].Role == had.Role) {
			back = append(back, n)
		}
	}
	return back
}
