package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// setRole gives an account a role and records what we did there.
func (w *work) setRole(ctx context.Context, c *plan.Change, dirty *plan.Dirty) error {
	mem, now := w.state.mem, w.e.now()
	from, to := c.Roles()
	got, err := w.api.SetRole(ctx, *mem.Mirror.Account(c.Account), to)
	if err != nil {
		return err
	}
	mem.TookRole(&got, dirty)
	if got.Role != to {
		return fault.Errorf(fault.Conflict, "set role", "target "+w.t.Name, "Open WebUI accepted the call, and the role of %s is %s and not %s", got.Email, got.Role, to)
	}
	w.tookRole(c, from, now, dirty)
	w.useApproval(c.Key, dirty)
	if c.Revoke {
		w.revoke(ctx, c.User.ID)
	}
	if suspension := c.Record != nil && c.Record.Suspends(); suspension && !c.Since.IsZero() {
		w.report.Suspensions = append(w.report.Suspensions, max(0, w.e.now().Sub(c.Since).Milliseconds()))
	}
	if to == plan.RoleAdmin {
		w.tellAdmin(ctx, c)
	}
	return nil
}

// tookRole takes a change of a role that happened into the ledger.
func (w *work) tookRole(c *plan.Change, from string, now time.Time, dirty *plan.Dirty) {
	mem := w.state.mem
	if c.Demotes() {
		mem.Losses = append(mem.Losses, plan.Loss{At: now, Group: plan.RoleGroup(from), Account: c.User.ID, Approved: c.Approved})
		dirty.Losses = true
	}
	id := plan.RoleGroup(from)
	if o := mem.Owned[id]; o != nil && id != c.Role {
		for _, key := range o.Grants(c.Account) {
			mem.Tombstones = append(mem.Tombstones, plan.Tombstone{At: now, Group: id, Account: c.User.ID, Feed: key})
			dirty.Tombstones = true
		}
	}
	mem.NoteRole(c.Account, c.Record, c.Role, c.Feeds, dirty)
}

// revoke ends the sign-in sessions of an account. The role that it has now stops them
// already, so that a failure takes nothing back.
func (w *work) revoke(ctx context.Context, account string) {
	able, err := w.api.RevokeSessions(ctx, account)
	switch {
	case err != nil:
		w.log.LogAttrs(ctx, slog.LevelWarn, "sign-in sessions not ended; the account is pending all the same",
			slog.String(logging.KeyUser, account), slog.String(logging.KeyErr, err.Error()))
	case !able:
		w.log.LogAttrs(ctx, slog.LevelInfo, "this version of Open WebUI cannot end sign-in sessions; the account is pending all the same", slog.String(logging.KeyUser, account))
	}
}

// tellAdmin tells of a new administrator.
func (w *work) tellAdmin(ctx context.Context, c *plan.Change) {
	w.log.LogAttrs(ctx, slog.LevelWarn, "new administrator", slog.String(logging.KeyUser, c.User.ID), slog.String(logging.KeyRule, c.Rule),
		slog.String(logging.KeyReason, c.Reason))
	w.e.announce(run.Notice{At: w.e.now(), Kind: run.NoticePrivileged, Key: "privileged/" + w.t.Name + "/" + c.User.ID, Targets: []string{w.t.Name},
		Message: fmt.Sprintf("%s is administrator of target %s now: %s", c.User.Email, w.t.Name, c.Reason),
		Hint:    "if that is wrong: groupsyncd revert " + w.report.Run})
}

// createAccount makes the account of somebody and ties it to them, so that they keep it when
// their mail address changes before their first sign-in.
func (w *work) createAccount(ctx context.Context, c *plan.Change, dirty *plan.Dirty) error {
	mem := w.state.mem
	got, err := w.api.CreateAccount(ctx, c.NewAccount)
	if err != nil {
		return err
	}
	w.created(&got, c.Person, c.Record, dirty)
	c.User = &run.UserRef{ID: got.ID, Email: got.Email}
	c.Account, _ = mem.Mirror.Number(got.ID)
	w.useApproval(c.Key, dirty)
	// What the person is given there follows in a run of its own, which knows the account.
	w.confirmAt = soonest(w.confirmAt, w.e.now())
	if w.req.Single() && w.e.confirm != nil {
		w.e.confirm(w.e.now())
	}
	return nil
}

// created takes an account that we made into the memory.
func (w *work) created(a *plan.Account, person directory.UserKey, record *plan.OwnedRole, dirty *plan.Dirty) {
	mem := w.state.mem
	mem.TookRole(a, dirty)
	n, _ := mem.Mirror.Number(a.ID)
	if record != nil && record.Role == a.Role {
		mem.NoteRole(n, record, "", nil, dirty)
	}
	_, linked := mem.People.Get(person)
	for other, link := range mem.People.All() {
		linked = linked || other.Source == person.Source && link.Account == a.ID
	}
	if !linked && person.ID != "" {
		mem.People.Set(person, plan.PersonLink{Account: a.ID, By: "created", Email: a.Email, Since: w.e.now()})
		dirty.People = append(dirty.People, person)
	}
}

// stillRole says why a change of a role is no longer right; empty: it is.
func (w *work) stillRole(c *plan.Change) string {
	mem := w.state.mem
	from, _ := c.Roles()
	if mem.Mirror.Account(c.Account).Role != from {
		return "its role was changed meanwhile"
	}
	if from != plan.RoleAdmin || !c.Demotes() {
		return ""
	}
	accounts := mem.Mirror.Accounts()
	for n := range accounts {
		if a := &accounts[n]; uint32(n) != c.Account && !a.Deleted && a.Role == plan.RoleAdmin {
			return ""
		}
	}
	return "no administrator would be left"
}

// made reports whether somebody has an account of that address by now.
func made(mem *plan.Memory, mail string) bool {
	return slices.ContainsFunc(mem.Mirror.Accounts(), func(a plan.Account) bool {
		return !a.Deleted && directory.FoldEmail(a.Email) == directory.FoldEmail(mail)
	})
}

// bookRoles records what is noted about roles without a call.
func (w *work) bookRoles(p *plan.Plan, dirty *plan.Dirty) {
	for _, n := range p.Roles {
		w.state.mem.NoteRole(n.Account, n.Record, n.Group, n.Feeds, dirty)
	}
}

// settleRole finds out whether an interrupted call gave an account its role, by reading it.
func (w *work) settleRole(ctx context.Context, in *plan.Intent, dirty *plan.Dirty) (done, not []string, err error) {
	mem := w.state.mem
	if in.Role == nil || len(in.Accounts) != 1 {
		return nil, in.Accounts, nil
	}
	id := in.Accounts[0]
	view, err := w.api.Account(ctx, id, true)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return nil, in.Accounts, nil
	case err != nil:
		return nil, nil, err
	}
	dirty.Merge(mem.ObserveAccount(view))
	n, _ := mem.Mirror.Number(id)
	switch last := mem.Roles[id]; {
	case view.Account.Role != in.Role.Role:
		return nil, in.Accounts, nil
	case last == *in.Role:
		return nil, nil, nil // It was recorded before.
	}
	c := plan.Change{Change: run.Change{Op: run.SetRole, User: &run.UserRef{ID: id, Email: view.Account.Email},
		Fields: []run.Field{{Name: "role", From: in.Name, To: in.Role.Role}}}, Account: n, Record: in.Role, Role: in.GroupID}
	if len(in.Feeds) == 1 {
		for _, k := range in.Feeds[0] {
			c.Feeds = append(c.Feeds, in.Keys[k])
		}
	}
	mem.TookRole(&view.Account, dirty)
	w.tookRole(&c, in.Name, in.At, dirty)
	if w.mode == run.Apply && w.t.Accounts != nil && w.t.Accounts.RevokeSessions && in.Role.Suspends() {
		w.revoke(ctx, id)
	}
	return in.Accounts, nil, nil
}

// settleAccount finds an account that an interrupted call made, by its mail address, among
// those that the look before showed.
func (w *work) settleAccount(in *plan.Intent, dirty *plan.Dirty) (done []string) {
	accounts := w.state.mem.Mirror.Accounts()
	for n := range accounts {
		a := accounts[n]
		if !a.Deleted && directory.FoldEmail(a.Email) == directory.FoldEmail(in.Email) {
			w.created(&a, directory.UserKey{Source: in.Link.Group.Source, ID: in.Link.Group.ID}, in.Role, dirty)
			return []string{a.ID}
		}
	}
	return nil
}

// needsAll reports whether a plan for one person needs a look at everything: a group or an
// account is made only then, a membership of ours that is missing may mean another server, and
// who else is administrator decides whether somebody may stop being one.
func needsAll(p *plan.Plan) bool {
	return p.Summary.Drift > 0 || slices.ContainsFunc(p.Changes, func(c plan.Change) bool {
		from, _ := c.Roles()
		return c.Op == run.CreateGroup || c.Op == run.CreateAccount || from == plan.RoleAdmin && c.Demotes()
	})
}
