package plan

import (
	"slices"

	"groupsyncd/directory"
	"groupsyncd/sync/run"
)

// creations plans accounts for people who are wanted somewhere and have none, where the
// configuration says so: one for each mail address, and none where anything about it is in
// doubt. Whoever is in no group and no line of a role waits for their first sign-in.
func (c *computer) creations() {
	rules := c.in.Accounts
	if rules == nil || rules.Create != RolePending && rules.Create != RoleUser || c.in.Only != nil && !c.in.Only.None {
		return
	}
	var doubt map[string]bool
	made := map[string]bool{}
	for s := range c.in.Sources {
		src := &c.in.Sources[s]
		if !c.fresh(s) {
			continue
		}
		rows := src.Replica.Users()
		for n, without := range c.without[s] {
			u := &rows[n]
			mail := directory.FoldEmail(u.Email)
			key := directory.UserKey{Source: src.ID, ID: u.ID}
			if !without || c.people.account[s][n] != pending || mail == "" || made[mail] || !InDomains(u.Email, src.Domains) ||
				c.in.Only != nil && !slices.Contains(c.in.Only.People, key) {
				continue
			}
			if doubt == nil {
				doubt = c.doubtfulMails()
			}
			if doubt[mail] || !src.Replica.Active(uint32(n)) {
				continue
			}
			made[mail] = true
			role, name := rules.Create, firstOf(u.Name, u.Username, u.Email)
			c.plan.Changes = append(c.plan.Changes, Change{Change: run.Change{Op: run.CreateAccount, User: &run.UserRef{Email: u.Email},
				Fields: []run.Field{{Name: "role", From: nil, To: role}}, Reason: "wanted in a group or a role before the first sign-in (" + src.Name + ")"},
				Key: changeKey(run.CreateAccount, src.ID+"/"+u.ID, mail), Want: -1, Person: key,
				NewAccount: AccountSpec{Email: u.Email, Name: name, Role: role},
				Record:     &OwnedRole{Role: role, Before: role, Since: c.in.Now, Why: whyCreated}})
		}
	}
}

// doubtfulMails are the addresses for which no account is made: one has it, or had it until
// somebody deleted it; several people of one source share it; or somebody with it may not be
// let in.
func (c *computer) doubtfulMails() map[string]bool {
	doubt := map[string]bool{}
	accounts := c.in.Memory.Mirror.Accounts()
	for n := range accounts {
		doubt[directory.FoldEmail(accounts[n].Email)] = true
	}
	for s := range c.in.Sources {
		rows := c.in.Sources[s].Replica.Users()
		for mail, n := range mailCounts(rows, c.in.Now) {
			doubt[mail] = doubt[mail] || n > 1
		}
		for n := range rows {
			if rows[n].Disabled || rows[n].Missing.Is() || c.people.account[s][n] == conflict {
				doubt[directory.FoldEmail(rows[n].Email)] = true
			}
		}
	}
	return doubt
}
