package plan_test

import (
	"slices"
	"strings"

	"groupsyncd/directory"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// line adds a rule that gives a role to the direct members of a directory group.
func (w *world) line(role, group string, changes ...func(*mapping.Spec)) *world {
	if w.roles == nil {
		w.roles = &plan.AccountRules{Otherwise: "keep", Disabled: "pending", Gone: "pending", Create: "never"}
	}
	s := mapping.Spec{Name: role + " of " + group, Match: mapping.Match{IDs: []string{group}}, Role: role, Direct: true}
	for _, c := range changes {
		c(&s)
	}
	w.rules = append(w.rules, s)
	return w
}

// has makes accounts with a role, made long before anything else and known in that role;
// those that are there already get it by hand.
func (w *world) has(role string, names ...string) *world {
	all := slices.Clone(w.mem.Mirror.Accounts())
	for _, f := range names {
		id, mail, named := strings.Cut(f, "=")
		if !named {
			mail = id + "@example.org"
		}
		a := plan.Account{ID: "a-" + id, Email: mail, Role: role, CreatedAt: at(-100000 + len(all)).Unix()}
		if n, known := w.mem.Mirror.Number(a.ID); known {
			a = *w.mem.Mirror.Account(n)
			a.Role = role
		}
		w.mem.Observe(&plan.Observation{Accounts: []plan.Account{a}, Groups: w.groups(), At: w.now})
		all = append(all, a)
	}
	return w
}

// fresh makes accounts that are pending because the server makes all new ones so.
func (w *world) fresh(names ...string) *world {
	for _, id := range names {
		w.mem.Observe(&plan.Observation{Accounts: []plan.Account{{ID: "a-" + id, Email: id + "@example.org", Role: "pending", CreatedAt: w.now.Unix()}},
			Groups: w.groups(), At: w.now})
	}
	return w
}

// role gives the role of somebody's account.
func (w *world) role(name string) string {
	n, known := w.mem.Mirror.Number("a-" + name)
	if !known {
		return "no account"
	}
	return w.mem.Mirror.Account(n).Role
}

// linked ties people of a source to their accounts in this way.
func (w *world) linked(by, source string, names ...string) *world {
	for _, id := range names {
		w.mem.People.Set(directory.UserKey{Source: source, ID: id}, plan.PersonLink{Account: "a-" + id, By: by, Email: id + "@example.org", Since: w.now})
	}
	return w
}

// changeAccount lets a change of an account come true.
func (w *world) changeAccount(c *plan.Change) {
	m, dirty := w.mem, &plan.Dirty{}
	if c.Op == run.CreateAccount {
		id := "a-" + strings.TrimSuffix(c.NewAccount.Email, "@example.org")
		m.TookRole(&plan.Account{ID: id, Email: c.NewAccount.Email, Role: c.NewAccount.Role, CreatedAt: w.now.Unix()}, dirty)
		n, _ := m.Mirror.Number(id)
		m.People.Set(c.Person, plan.PersonLink{Account: id, By: "created", Email: c.NewAccount.Email, Since: w.now})
		m.NoteRole(n, c.Record, "", nil, dirty)
		return
	}
	from, to := c.Roles()
	a := *m.Mirror.Account(c.Account)
	if a.Role = to; from != to {
		m.TookRole(&a, dirty)
	}
	if c.Demotes() {
		m.Losses = append(m.Losses, plan.Loss{At: w.now, Group: plan.RoleGroup(from), Account: c.User.ID, Approved: c.Approved})
	}
	m.NoteRole(c.Account, c.Record, c.Role, c.Feeds, dirty)
}
