package plan_test

import (
	"slices"

	"groupsyncd/directory"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"

	"pgregory.net/rapid"
)

// anyAccounts draws what of accounts is ours, and who is administrator from the beginning.
func anyAccounts(t *rapid.T, w *world) {
	if rapid.IntRange(0, 2).Draw(t, "accounts") == 0 {
		return
	}
	either := func(label string) string {
		return rapid.SampledFrom([]string{"pending", "pending", "keep"}).Draw(t, label)
	}
	w.roles = &plan.AccountRules{Authority: rapid.SampledFrom([][]string{{"corp"}, {"corp"}, {"corp", "hr"}, {"hr"}, {"corp", "else"}, nil}).Draw(t, "authority"),
		Otherwise: rapid.SampledFrom([]string{"keep", "keep", "pending"}).Draw(t, "otherwise"), Disabled: either("disabled"), Gone: either("gone"),
		Create: rapid.SampledFrom([]string{"never", "never", "user", "pending"}).Draw(t, "create")}
	if rapid.Bool().Draw(t, "root") {
		w.has("admin", "root")
	}
}

// anyLines draws which directory groups give which role.
func anyLines(t *rapid.T, w *world) {
	if w.roles == nil {
		return
	}
	for _, role := range []string{"admin", "user"} {
		for _, g := range teams {
			if rapid.IntRange(0, 2).Draw(t, role+" of "+g) == 0 {
				w.line(role, g, func(s *mapping.Spec) { s.Direct = rapid.Bool().Draw(t, "direct") })
			}
		}
	}
}

// anyRoleByHand lets an administrator change roles, or somebody sign up.
func anyRoleByHand(t *rapid.T, w *world) {
	if rapid.IntRange(0, 3).Draw(t, "signs up") == 0 {
		w.fresh(subset(t, "fresh", folk)...)
		return
	}
	var living []string
	for _, a := range w.mem.Mirror.Accounts() {
		if !a.Deleted {
			living = append(living, a.ID[2:])
		}
	}
	if len(living) > 0 {
		w.has(rapid.SampledFrom([]string{"admin", "user", "pending"}).Draw(t, "role"), rapid.SampledFrom(living).Draw(t, "whose"))
	}
}

// promiseOfRoles: no role is taken that is not ours unless the deciding sources end the
// person, none of those who must keep theirs, and whoever was suspended by hand stays so.
func promiseOfRoles(t *rapid.T, in *plan.Input, c *plan.Change) {
	if c.Op != run.SetRole || c.Outcome == run.Skipped {
		return
	}
	a := in.Memory.Mirror.Account(c.Account)
	from, to := c.Roles()
	owned := in.Memory.Owned[plan.RoleGroup(from)]
	ours := owned != nil && owned.Has(c.Account)
	if in.Accounts == nil || from != a.Role || a.Deleted || c.Record == nil || c.Record.Role != to {
		t.Fatalf("%v of the account %+v", c.Change, a)
	}
	if slices.Contains(in.Protect, a.Email) && c.Demotes() {
		t.Fatalf("%v takes a role from who is protected", c.Change)
	}
	if a.ByHand && c.Promotes() {
		t.Fatalf("%v lets in whom somebody suspended", c.Change)
	}
	if !c.Demotes() {
		return
	}
	switch {
	case c.Record.Suspends():
		ended(t, in, c)
	case c.Proof.Word == "" && (in.Accounts.Otherwise != "pending" || from != "user" || ours):
		t.Fatalf("%v has no proof", c.Change)
	case c.Proof.Word != "" && !ours:
		t.Fatalf("%v takes a role that is not ours", c.Change)
	case c.Proof.Word == "unruled" && c.Outcome == run.Planned && !c.Approved:
		t.Fatalf("%v was not held", c.Change)
	}
	if !c.Record.Suspends() && (c.Proof.Word != "explicit" || !disabledByAll(in, c.User.ID)) {
		unnamed(t, in, c, from)
	}
	if from == "admin" && to == "pending" && !c.Record.Suspends() && c.Record.Before != "pending" && in.Accounts.Otherwise != "pending" {
		t.Fatalf("%v goes too far down: %+v", c.Change, c.Record)
	}
}

// ended: every deciding source that has a person behind the account says that they are
// disabled or, beyond the grace, not there.
func ended(t *rapid.T, in *plan.Input, c *plan.Change) {
	said := false
	for _, src := range in.Sources {
		if !slices.Contains(in.Accounts.Authority, src.ID) {
			continue
		}
		for n, u := range src.Replica.Users() {
			if link, linked := in.Memory.People.Get(userKey(src.ID, u.ID)); !linked || link.Account != c.User.ID {
				continue
			}
			if src.Replica.Active(uint32(n)) || u.Missing.Is() && u.Missing.Reads < src.Grace.Reads && u.DeletedAt.IsZero() {
				t.Fatalf("%v although %s shows %s, or may do so again", c.Change, src.ID, u.ID)
			}
			said = true
		}
	}
	linked := false // by an earlier run: this one may link them as well
	for key, link := range in.Memory.People.All() {
		linked = linked || link.Account == c.User.ID && slices.Contains(in.Accounts.Authority, key.Source)
	}
	if !said && linked {
		t.Fatalf("%v, and nobody says so", c.Change)
	}
}

// unnamed: no line of the role names anybody behind the account.
func unnamed(t *rapid.T, in *plan.Input, c *plan.Change, role string) {
	for i := range in.Desired.Wants {
		w := &in.Desired.Wants[i]
		if w.Role != role {
			continue
		}
		for _, s := range w.Could {
			if _, fresh := in.Sources[s].Replica.Fresh(nil, in.Now, in.Sources[s].MaxAge); !fresh {
				t.Fatalf("%v while %s is not fresh", c.Change, in.Sources[s].ID)
			}
		}
		for _, f := range w.Feeds {
			src := in.Sources[f.Source]
			for n, u := range src.Replica.Users() {
				link, linked := in.Memory.People.Get(userKey(src.ID, u.ID))
				row := src.Replica.Groups()[f.Group]
				_, member := slices.BinarySearch(row.Members, uint32(n))
				if linked && link.Account == c.User.ID && member && !row.Missing.Is() && src.Replica.Active(uint32(n)) && !disabledByAll(in, c.User.ID) {
					t.Fatalf("%v although %s shows %s in %s", c.Change, src.ID, u.ID, row.ID)
				}
			}
		}
	}
}

// disabledByAll: the deciding sources ended whoever has the account, so that no line counts.
// Somebody whom this very plan links has a say too.
func disabledByAll(in *plan.Input, account string) bool {
	said := false
	links := map[directory.UserKey]string{}
	for _, l := range plan.Compute(in).People.New {
		links[userKey(l.Source, l.User)] = l.Link.Account
	}
	for _, src := range in.Sources {
		for n, u := range src.Replica.Users() {
			if link, linked := in.Memory.People.Get(userKey(src.ID, u.ID)); linked {
				links[userKey(src.ID, u.ID)] = link.Account
			}
			if links[userKey(src.ID, u.ID)] == account && slices.Contains(in.Accounts.Authority, src.ID) {
				if src.Replica.Active(uint32(n)) {
					return false
				}
				said = true
			}
		}
	}
	return said
}

// roleLimits: an administrator is left, and neither limit of roles is exceeded.
func roleLimits(t *rapid.T, w *world, in *plan.Input, p *plan.Plan) {
	admins, going, down, up := 0, 0, map[string]bool{}, 0
	for _, a := range in.Memory.Mirror.Accounts() {
		if !a.Deleted && a.Role == "admin" {
			admins++
		}
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		from, to := c.Roles()
		if c.Outcome != run.Planned || from == to {
			continue
		}
		if from == "admin" {
			going++
		}
		if c.Demotes() && !c.Approved {
			down[c.User.ID] = true
		}
		if to == "admin" && !c.Approved {
			up++
		}
	}
	if going > 0 && going >= admins {
		t.Fatalf("no administrator is left: %v", show(p))
	}
	if w.limits.MaxDemotions.ByCount && len(down) > w.limits.MaxDemotions.Count {
		t.Fatalf("%d people lose a role, the limit is %v", len(down), w.limits.MaxDemotions)
	}
	if w.limits.MaxNewAdmins.ByCount && up > w.limits.MaxNewAdmins.Count {
		t.Fatalf("%d people become administrator, the limit is %v", up, w.limits.MaxNewAdmins)
	}
}
