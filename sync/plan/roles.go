package plan

import (
	"cmp"
	"fmt"
	"slices"

	"groupsyncd/directory"
	"groupsyncd/sync/run"
)

// groupsOf gives the wants of groups, rolesOf those of roles, which stand behind them.
func groupsOf(wants []Want) []Want {
	return slices.DeleteFunc(slices.Clone(wants), func(w Want) bool { return w.Role != "" })
}

func rolesOf(wants []Want) []Want {
	var roles []Want
	for i := range wants {
		if wants[i].Role != "" {
			roles = append(roles, wants[i])
		}
	}
	return roles
}

// roleSide is how accounts stand to one role: who is named by its lines, who has it because
// of them, and what the evidence says of those who are no longer named.
type roleSide struct {
	group
	marks    []uint8
	verdicts map[uint32]verdict
}

func (s *roleSide) is(a uint32, mark uint8) bool { return s.marks[a]&mark != 0 }

// roles plans the roles of all accounts. The table, from the top; the first that fits counts:
//
//	suspended by the directory              pending, and what lines gave is over
//	suspended by somebody's hand            left, and told
//	named by the line of administrators     admin
//	named by the line of users              user, unless they are administrator by hand
//	no longer named, by proof               the next line that still names them, else what they
//	                                        were before us, and never admin
//	suspended by us, and enabled again      what they were before that
//	named by no line, and not by us         as `otherwise` says
func (c *computer) roles() {
	if c.in.Accounts == nil || c.in.Only != nil && c.in.Only.None {
		return
	}
	c.sides = map[string]*roleSide{RoleAdmin: c.side(RoleAdmin), RoleUser: c.side(RoleUser)}
	accounts := c.in.Memory.Mirror.Accounts()
	for n := range accounts {
		if !c.hidden(uint32(n)) && RoleRank(accounts[n].Role) >= 0 {
			d := roleDecision{c: c, a: uint32(n), account: &accounts[n], admin: c.sides[RoleAdmin], user: c.sides[RoleUser]}
			d.entry, d.known = c.in.Memory.Roles[accounts[n].ID]
			d.decide()
		}
	}
	for _, role := range []string{RoleAdmin, RoleUser} {
		s := c.sides[role]
		if c.in.Only != nil {
			s.clocks = s.sighted()
		}
		if !slices.Equal(s.clocks, s.owned.Clocks) {
			c.plan.Clocks[s.id] = s.clocks
		}
	}
	c.reportOwners()
}

// side compares whom the lines of a role name with whom we gave it.
func (c *computer) side(role string) *roleSide {
	s := &roleSide{verdicts: map[uint32]verdict{}, marks: make([]uint8, len(c.painted))}
	s.group = group{c: c, at: -1, id: RoleGroup(role), owned: c.in.Memory.Owned[RoleGroup(role)], ref: &run.GroupRef{Name: "role " + role}}
	if s.owned == nil {
		s.owned = &OwnedGroup{GroupID: s.id}
	}
	for i := range c.wantedRoles {
		if c.wantedRoles[i].Role == role {
			s.want = &c.wantedRoles[i]
		}
	}
	if s.want != nil {
		for f := range s.want.Feeds {
			c.paintFeed(&s.want.Feeds[f])
		}
	}
	defer c.wipe()
	for f := range s.owned.Feeds {
		for _, a := range s.owned.Feeds[f].Accounts {
			if !c.hidden(a) {
				c.paint(a, isOwned)
			}
		}
	}
	slices.Sort(c.touched)
	for _, a := range c.touched {
		s.marks[a] = c.painted[a]
		if role == RoleAdmin && s.is(a, isUnknown) && !s.is(a, isWanted) { // who was held as a new one is
			c.plan.Unknown[changeKey(run.AddMember, s.id, c.in.Memory.Mirror.Account(a).ID)] = true
		}
		if !s.is(a, isOwned) || s.is(a, isWanted) {
			continue
		}
		v := c.verdict(a, s.id, s.want, s.owned)
		s.verdicts[a] = v
		if v.clock != nil {
			s.clocks = append(s.clocks, *v.clock)
		}
		for _, source := range v.sources {
			c.plan.SourceLosses[source] = true
		}
		if v.unknown {
			c.plan.Unknown[RemovalKey(s.id, c.in.Memory.Mirror.Account(a).ID)] = true
			for _, source := range v.waitsFor {
				c.plan.Waiting[source]++
			}
			c.confirm(v.confirmAt)
		}
		if v.unruled && !c.approved[RemovalKey(s.id, c.in.Memory.Mirror.Account(a).ID)] || v.unknown && v.clock != nil {
			c.plan.Accepts = false
		}
	}
	c.keepReverted(s.id, s.want)
	return s
}

// roleDecision is what becomes of the role of one account.
type roleDecision struct {
	c           *computer
	a           uint32
	account     *Account
	admin, user *roleSide
	// entry is what we remember of the role that we gave; known: there is one.
	entry OwnedRole
	known bool
}

// mine reports whether the account has the role that we gave last.
func (d *roleDecision) mine() bool { return d.known && d.entry.Role == d.account.Role }

// base is what the account goes back to when nothing of ours holds any more: what it was
// before us, and never administrator.
func (d *roleDecision) base() string {
	role := d.account.Role
	if d.mine() {
		role = d.entry.Before
	}
	if role == RoleAdmin || RoleRank(role) < 0 {
		return RoleUser
	}
	return role
}

func (d *roleDecision) decide() {
	c := d.c
	s := c.evidence[d.a]
	if s != nil && s.unknown {
		c.plan.Unknown[suspensionKey(d.account.ID)] = true
		c.confirm(s.confirmAt)
	}
	if why := c.suspends(s); why != "" {
		d.suspend(s, why)
		return
	}
	switch d.account.Role {
	case RoleAdmin:
		d.administrator()
	case RoleUser:
		d.ordinary()
	case RolePending:
		d.waiting()
	}
}

// administrator decides about somebody who is administrator.
func (d *roleDecision) administrator() {
	c := d.c
	switch {
	case !d.admin.is(d.a, isOwned) && d.admin.is(d.a, isWanted) && c.exempt(d.a) == "" && !c.byMail(d.a):
		d.adopt(d.admin, RoleAdmin)
	case !d.admin.is(d.a, isOwned):
		d.ended(d.user)
	case d.admin.is(d.a, isWanted):
		d.still(d.admin)
	case !d.admin.verdicts[d.a].unknown:
		d.next(d.admin)
	}
}

// next takes a role of ours away: to the next line that still names the person, else to what
// they were before us. A line of which nobody can tell counts as one that does.
func (d *roleDecision) next(from *roleSide) {
	v := from.verdicts[d.a]
	to := d.base()
	var record *OwnedRole
	role, feeds := "", []FeedKey(nil)
	lower := from == d.admin && (d.user.is(d.a, isWanted) || d.user.mayName(d.a))
	switch {
	case lower:
		to = RoleUser
		record = &OwnedRole{Role: to, Before: d.base(), Since: d.c.in.Now, Why: whyRole}
		// Without a line that is sure, it is ours through what gave the higher one, and ends like that.
		if role, feeds = d.user.id, from.owned.Grants(d.a); d.user.is(d.a, isWanted) {
			feeds, _ = d.user.grants(d.a)
			d.lineOf(record, feeds)
		}
	case from == d.user && d.c.in.Accounts.Otherwise == RolePending:
		to = RolePending
		record = &OwnedRole{Role: to, Before: d.base(), Since: d.c.in.Now, Why: whyOtherwise}
	default:
		record = &OwnedRole{Role: to, Before: to, Why: whyRole}
	}
	if to == d.account.Role {
		d.note(nil, "", nil)
		return
	}
	ch := d.change(to, RemovalKey(from.id, d.account.ID), v.proof.Reason)
	ch.Proof, ch.Absence, ch.Rule = v.proof, v.proof.Word, v.proof.Rule
	ch.Record, ch.Role, ch.Feeds = record, role, feeds
	d.add(ch)
}

// ordinary decides about somebody who is user.
func (d *roleDecision) ordinary() {
	switch {
	case d.admin.is(d.a, isWanted):
		d.promote(d.admin, RoleAdmin)
		return
	case d.admin.is(d.a, isOwned) && !d.admin.verdicts[d.a].unknown && d.user.marks[d.a] == 0:
		d.ended(d.admin)
		return
	}
	switch owned := d.user.is(d.a, isOwned); {
	case d.user.is(d.a, isWanted) && owned:
		d.still(d.user)
	case d.user.is(d.a, isWanted):
		d.adopt(d.user, RoleUser)
	case owned && d.admin.mayName(d.a):
		d.c.plan.Unknown[RemovalKey(d.user.id, d.account.ID)] = true
	case owned && !d.user.verdicts[d.a].unknown:
		d.next(d.user)
	case !owned:
		d.otherwise()
	}
}

// waiting decides about somebody who is pending.
func (d *roleDecision) waiting() {
	c := d.c
	ours := d.mine() && !d.account.ByHand
	enabled := ours && d.entry.Suspends() && c.enabled(d.a)
	switch wanted := d.admin.is(d.a, isWanted) || d.user.is(d.a, isWanted); {
	case ours && d.entry.Suspends() && !enabled:
		// Nobody has said that they are back.
		if c.decides(d.a) {
			c.plan.Unknown[changeKey(run.SetRole, "back", d.account.ID)] = true
		}
		if d.admin.marks[d.a] != 0 {
			c.plan.Unknown[changeKey(run.AddMember, d.admin.id, d.account.ID)] = true
		}
		return
	case d.account.ByHand:
		if !wanted {
			return
		}
		c.problem(run.KindSuspended, fmt.Sprintf("%s was suspended in Open WebUI by somebody (role pending), and the directory names them; they are left so", d.account.Email),
			"to let them in, give the account its role back in Open WebUI")
		return
	case d.admin.is(d.a, isWanted):
		d.promote(d.admin, RoleAdmin)
	case d.user.is(d.a, isWanted) && !(enabled && d.entry.Before == RoleAdmin): // by hand: no line of users took that
		d.promote(d.user, RoleUser)
	case enabled && (d.entry.Before == RolePending || RoleRank(d.entry.Before) < 0):
		d.note(nil, "", nil)
	case enabled:
		ch := d.change(d.entry.Before, changeKey(run.SetRole, "back", d.account.ID), "enabled again in the directory")
		ch.Record = &OwnedRole{Role: d.entry.Before, Before: d.entry.Before, Why: whyRole}
		d.add(ch)
	default:
		d.ended(d.admin, d.user)
	}
}

// promote gives a role that a line names.
func (d *roleDecision) promote(side *roleSide, role string) {
	feeds, why := side.grants(d.a)
	if side.is(d.a, isOwned) {
		d.c.plan.Summary.Drift++
		d.c.problem(run.KindDrift, fmt.Sprintf("the role of %s was changed to %s in Open WebUI and is set again to %s", d.account.Email, d.account.Role, role),
			"take the person out in the directory, or out of accounts.role")
		why = "changed by somebody in Open WebUI; the directory names them"
	}
	before := d.base()
	if d.known && (d.entry.Suspends() || d.entry.Why == whyOtherwise) && d.mine() && d.entry.Before == RoleAdmin {
		before = RoleAdmin // Administrator by hand before they were suspended.
	}
	ch := d.change(role, changeKey(run.AddMember, side.id, d.account.ID), why)
	ch.Record, ch.Role, ch.Feeds = &OwnedRole{Role: role, Before: before, Since: d.c.in.Now, Why: whyRole}, side.id, feeds
	d.lineOf(ch.Record, feeds)
	ch.Rule = cmp.Or(ch.Record.Rule, side.want.Rule())
	d.add(ch)
}

func (d *roleDecision) lineOf(r *OwnedRole, feeds []FeedKey) {
	if len(feeds) > 0 {
		r.Rule, r.Group = feeds[0].Rule, feeds[0].Group
	}
}

// adopt notes that a line names the role that the account has. Of an administrator that is
// told, because it can end from then on.
func (d *roleDecision) adopt(side *roleSide, role string) {
	feeds, why := side.grants(d.a)
	if len(feeds) == 0 || d.c.isReverted(side.id, changeKey(run.AddMember, side.id, d.account.ID)) {
		return
	}
	record := &OwnedRole{Role: role, Before: role, Since: d.c.in.Now, Why: whyRole}
	if d.mine() {
		record.Before = d.entry.Before
	}
	d.lineOf(record, feeds)
	if role != RoleAdmin {
		d.note(record, side.id, feeds)
		return
	}
	ch := d.change(role, changeKey(run.AdoptMember, side.id, d.account.ID), "already an administrator; "+why)
	ch.Record, ch.Role, ch.Feeds, ch.Rule = record, side.id, feeds, record.Rule
	d.add(ch)
}

// still keeps the note of through which lines somebody has a role that is ours.
func (d *roleDecision) still(side *roleSide) { side.regrant(d.a) }

// ended forgets roles of ours that the account does not have any more, on the same proof as
// taking them away.
func (d *roleDecision) ended(sides ...*roleSide) {
	for _, s := range sides {
		if s.is(d.a, isOwned) && !s.is(d.a, isWanted) && !s.verdicts[d.a].unknown {
			d.note(nil, "", nil)
			return
		}
	}
}

// otherwise deals with a user whom no line names and whose role is not ours. While that
// cannot be told, what is held about them stays held.
func (d *roleDecision) otherwise() {
	c := d.c
	if c.in.Accounts.Otherwise != RolePending || d.mine() || c.exempt(d.a) != "" || !c.decides(d.a) {
		return
	}
	sources, sure := c.allLines(d.a)
	if !sure || !c.enabled(d.a) || len(c.people.contested[d.a]) > 0 || d.user.is(d.a, isUnknown) || d.admin.is(d.a, isUnknown|isOwned) || c.elsewhere(d.a) {
		c.plan.Unknown[changeKey(run.SetRole, "otherwise", d.account.ID)] = true
		return
	}
	ch := d.change(RolePending, changeKey(run.SetRole, "otherwise", d.account.ID), "no line of accounts.role names them")
	ch.Proof = Proof{Reason: ch.Reason, Sources: sources}
	ch.Record = &OwnedRole{Role: RolePending, Before: RoleUser, Since: c.in.Now, Why: whyOtherwise}
	d.add(ch)
}

func (d *roleDecision) change(to, key, reason string) Change {
	return Change{Change: run.Change{Op: run.SetRole, User: &run.UserRef{ID: d.account.ID, Email: d.account.Email},
		Fields: roleField(d.account.Role, to), Reason: reason}, Key: key, Want: -1, Account: d.a}
}

// add plans a change, unless the role of the account is never touched: then nothing is given,
// and what would be taken is told.
func (d *roleDecision) add(ch Change) {
	if why := d.c.exempt(d.a); why != "" {
		if !ch.Demotes() {
			return
		}
		ch.Outcome, ch.Hold = run.Skipped, &run.HoldRef{Check: run.Protected, Detail: why}
	}
	d.c.plan.Changes = append(d.c.plan.Changes, ch)
}

// note records something without a call.
func (d *roleDecision) note(record *OwnedRole, role string, feeds []FeedKey) {
	d.c.plan.Roles = append(d.c.plan.Roles, RoleNote{Account: d.a, Record: record, Group: role, Feeds: feeds})
}

// exempt says why the role of an account is never touched; empty: it may be.
func (c *computer) exempt(a uint32) string {
	account := c.in.Memory.Mirror.Account(a)
	switch {
	case c.guarded[a]:
		return "the account is on the target's protect list, or our own"
	case account.Role == RoleAdmin && account.CreatedAt > 0 && account.CreatedAt == c.primary && (c.asOld == 0 || !c.in.Memory.gaveRole(account.ID)): // times there are whole seconds
		return "the account is the primary administrator of Open WebUI, its oldest one"
	}
	return ""
}

// byMail reports whether somebody who decides about accounts is linked to an account by mail
// alone.
func (c *computer) byMail(a uint32) bool {
	return slices.ContainsFunc(c.people.of(a), func(p person) bool {
		key := directory.UserKey{Source: c.in.Sources[p.source].ID, ID: c.in.Sources[p.source].Replica.Users()[p.user].ID}
		link, linked := c.in.Memory.People.Get(key)
		if fresh, now := c.linkedNow()[key]; now {
			link, linked = fresh, true
		}
		return linked && link.By == "email" && (len(c.authority) == 0 || slices.Contains(c.authority, p.source))
	})
}

// linkedNow gives the links that this plan makes.
func (c *computer) linkedNow() map[directory.UserKey]PersonLink {
	if c.freshLinks == nil {
		c.freshLinks = make(map[directory.UserKey]PersonLink, len(c.people.linked.New))
		for _, l := range c.people.linked.New {
			c.freshLinks[directory.UserKey{Source: l.Source, ID: l.User}] = l.Link
		}
	}
	return c.freshLinks
}

// leaveRole leaves an account the role that it has, whatever `otherwise` says, because
// somebody decided that it is no longer ours.
func (d *Decided) leaveRole(account uint32) {
	m := d.Memory
	a := m.Mirror.Account(account)
	m.Roles[a.ID] = OwnedRole{Role: a.Role, Before: a.Role, Since: d.in.Now, Why: whyKept}
	d.Dirty.Roles = append(d.Dirty.Roles, a.ID)
}

// keepRole keeps a role that would be lost only because of a decision. What the directory says
// of the person is no decision's making.
func (d *Decided) keepRole(c *Change) bool {
	from, _ := c.Roles()
	switch {
	case c.Key == suspensionKey(c.User.ID):
		return false
	case c.Key == RemovalKey(RoleGroup(from), c.User.ID):
		return d.letGo(RoleGroup(from), c.Account, nil)
	case d.Memory.Roles[c.User.ID].Why == whyKept:
		return false
	}
	d.leaveRole(c.Account)
	return true
}
