package enginetest

import (
	"encoding/json"
	"maps"
	"slices"

	"groupsyncd/permission"
	"groupsyncd/sync/plan"
)

// What people and administrators do in Open WebUI without us.

// SignUp makes an account.
func (o *OpenWebUI) SignUp(id, email string, subjects map[string]string) {
	o.next++
	o.accounts[id] = &plan.Account{ID: id, Email: email, Name: id, Role: "user", Subjects: subjects, CreatedAt: o.clock.Now().Unix()}
	o.order = append(o.order, id)
}

// DeleteAccount deletes an account with all its memberships.
func (o *OpenWebUI) DeleteAccount(id string) bool {
	if o.accounts[id] == nil {
		return false
	}
	delete(o.accounts, id)
	o.order = slices.DeleteFunc(o.order, func(a string) bool { return a == id })
	for _, g := range o.groups {
		if g.members[id] {
			delete(g.members, id)
			// The server takes the rows away without touching the groups.
		}
	}
	return true
}

// SetEmail changes the mail address of an account.
func (o *OpenWebUI) SetEmail(id, email string) bool {
	if o.accounts[id] == nil {
		return false
	}
	o.accounts[id].Email = email
	return true
}

// HasAccount reports whether an account is there.
func (o *OpenWebUI) HasAccount(id string) bool { return o.accounts[id] != nil }

// Email gives the mail address of an account.
func (o *OpenWebUI) Email(id string) string {
	if a := o.accounts[id]; a != nil {
		return a.Email
	}
	return ""
}

// Put and Take add and remove a member by hand; they report whether it changed anything.
func (o *OpenWebUI) Put(group, account string) bool {
	g := o.groups[group]
	if g == nil || o.accounts[account] == nil || g.members[account] {
		return false
	}
	g.members[account], g.UpdatedAt = true, o.clock.Now().Unix()
	return true
}

// Take removes a member by hand.
func (o *OpenWebUI) Take(group, account string) bool {
	g := o.groups[group]
	if g == nil || !g.members[account] {
		return false
	}
	delete(g.members, account)
	g.UpdatedAt = o.clock.Now().Unix()
	return true
}

// Make makes a group by hand and gives its id.
func (o *OpenWebUI) Make(name string) string { return o.make(name).ID }

// Delete deletes a group by hand. What was shared with it is forgotten with it.
func (o *OpenWebUI) Delete(group string) bool {
	if o.groups[group] == nil {
		return false
	}
	delete(o.groups, group)
	for _, r := range o.resources {
		r.Grants = slices.DeleteFunc(slices.Clone(r.Grants), func(g plan.Grant) bool { return g.Kind == plan.KindGroup && g.ID == group })
	}
	return true
}

// Rename renames a group by hand.
func (o *OpenWebUI) Rename(group, name string) bool {
	g := o.groups[group]
	if g == nil {
		return false
	}
	g.Name, g.UpdatedAt = name, o.clock.Now().Unix()
	return true
}

// Describe sets the description of a group by hand.
func (o *OpenWebUI) Describe(group, text string) bool {
	g := o.groups[group]
	if g == nil {
		return false
	}
	g.Description, g.UpdatedAt = text, o.clock.Now().Unix()
	return true
}

// Place puts a group under another one by hand.
func (o *OpenWebUI) Place(group, parent string) {
	if g := o.groups[group]; g != nil {
		g.Parent, g.UpdatedAt = parent, o.clock.Now().Unix()
	}
}

// Parent gives the parent of a group.
func (o *OpenWebUI) Parent(group string) string {
	if g := o.groups[group]; g != nil {
		return g.Parent
	}
	return ""
}

// Allow sets the permissions of a group by hand.
func (o *OpenWebUI) Allow(group string, set permission.Set) {
	if g := o.groups[group]; g != nil {
		g.perms, g.UpdatedAt = maps.Clone(set), o.clock.Now().Unix()
	}
}

// SetMeta sets what no call can write.
func (o *OpenWebUI) SetMeta(group, owner string, meta json.RawMessage) {
	if g := o.groups[group]; g != nil {
		g.owner, g.meta = owner, meta
	}
}

// Unmark takes our mark off a group by hand.
func (o *OpenWebUI) Unmark(group string) {
	if g := o.groups[group]; g != nil {
		g.Mark = nil
	}
}

// SetSubject has an account sign in with a subject of a provider.
func (o *OpenWebUI) SetSubject(account, provider, subject string) {
	if a := o.accounts[account]; a != nil {
		a.Subjects = map[string]string{provider: subject}
	}
}

// Description gives the description of a group.
func (o *OpenWebUI) Description(group string) string {
	if g := o.groups[group]; g != nil {
		return g.Description
	}
	return ""
}

// Permissions gives the permissions of a group that are set.
func (o *OpenWebUI) Permissions(group string) permission.Set {
	if g := o.groups[group]; g != nil {
		return maps.Clone(g.perms)
	}
	return nil
}

// Groups gives the ids of all groups, sorted.
func (o *OpenWebUI) Groups() []string { return slices.Sorted(maps.Keys(o.groups)) }

// Name gives the name of a group.
func (o *OpenWebUI) Name(group string) string {
	if g := o.groups[group]; g != nil {
		return g.Name
	}
	return ""
}

// Named gives the ids of the groups with that name, sorted.
func (o *OpenWebUI) Named(name string) []string {
	var ids []string
	for id, g := range o.groups {
		if g.Name == name {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Mark gives our mark in a group, nil when there is none.
func (o *OpenWebUI) Mark(group string) *plan.Mark {
	if g := o.groups[group]; g != nil {
		return g.Mark
	}
	return nil
}

// Members gives the ids of the members of a group, sorted.
func (o *OpenWebUI) Members(group string) []string {
	if g := o.groups[group]; g != nil {
		return slices.Sorted(maps.Keys(g.members))
	}
	return nil
}

// Changed gives when a group was last changed, in seconds since 1970.
func (o *OpenWebUI) Changed(group string) int64 {
	if g := o.groups[group]; g != nil {
		return g.UpdatedAt
	}
	return 0
}

// Has reports whether an account is a member.
func (o *OpenWebUI) Has(group, account string) bool {
	g := o.groups[group]
	return g != nil && g.members[account]
}

// Backup copies everything, to be put back by Restore.
func (o *OpenWebUI) Backup() *OpenWebUI {
	c := NewOpenWebUI(o.clock, o.power)
	c.order, c.next, c.made, c.Deployment = slices.Clone(o.order), o.next, o.made, o.Deployment
	for id, a := range o.accounts {
		v := copyAccount(*a)
		c.accounts[id] = &v
	}
	for id, g := range o.groups {
		v := &webGroup{Group: g.Group, perms: maps.Clone(g.perms), members: maps.Clone(g.members)}
		c.groups[id] = v
	}
	for _, r := range o.sorted() {
		c.Share(r)
	}
	c.defaults = maps.Clone(o.defaults)
	return c
}

// Restore puts a backup in the place of everything.
func (o *OpenWebUI) Restore(backup *OpenWebUI) {
	b := backup.Backup()
	o.order, o.accounts, o.groups = b.order, b.accounts, b.groups
	o.resources, o.defaults = b.resources, b.defaults
}

// Empty takes everything away: an empty server answers at the address.
func (o *OpenWebUI) Empty() {
	o.groups, o.accounts, o.order = map[string]*webGroup{}, map[string]*plan.Account{}, nil
	o.resources, o.defaults = map[plan.ResourceKey]*plan.Resource{}, permission.Set{}
}
