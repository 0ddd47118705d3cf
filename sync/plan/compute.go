package plan

import (
	"cmp"
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// Compute works out what has to change. It decides nothing about whether a change may
// happen: that is Guard's.
func Compute(in *Input) *Plan { return compute(in, false) }

func compute(in *Input, closely bool) *Plan {
	// Wants may be joined, so they are our own.
	own, desired := *in, *in.Desired
	own.Desired, desired.Wants = &desired, groupsOf(in.Desired.Wants)
	roles := rolesOf(in.Desired.Wants)
	in = &own
	c := &computer{in: in, closely: closely, wantedRoles: roles, people: matchPeople(in), approved: in.Memory.approved(in.Now), homeless: map[FeedKey]bool{}, claimed: map[string][]int{},
		making: map[int]bool{}, cutting: map[string]bool{}, settledValues: map[string]bool{}, unreadable: map[string]bool{}, plan: &Plan{
			Target: in.Memory.Target, Clocks: map[string][]Clock{}, Lost: map[string][]uint32{}, Unknown: map[string]bool{},
			Waiting: map[string]int{}, SourceLosses: map[string]bool{}, Accepts: true,
		}}
	c.prepare()
	c.resolve()
	for w := range in.Desired.Wants {
		c.want(w)
	}
	c.orphans()
	c.roles()
	c.creations()
	if in.Only == nil {
		c.orphanPermissions()
		c.defaultPermissions()
		c.resources()
		c.isolate()
		c.keepCuts()
	}
	c.finish()
	return c.plan
}

// computer carries one computation.
type computer struct {
	in *Input
	// closely leaves out the short way for groups that one person has nothing to do with.
	closely bool
	plan    *Plan
	people  *people
	// group is, per want, the Open WebUI group it resolved to, or what is to be done.
	group []resolved
	// taken says which want an Open WebUI group belongs to.
	taken map[string]int
	// approved are the keys of changes that an approval lets through.
	approved map[string]bool
	// homeless are the feeds of wants that have no group; claimed gives such wants by the
	// group that they had, and that another want holds now.
	homeless map[FeedKey]bool
	claimed  map[string][]int
	// stale says, per source, why nothing may be decided on its lists; empty: fresh.
	stale []string
	// skipped and guarded are marks by account number: accounts that are none of this
	// plan's business, and those that are never taken out of anything.
	skipped, guarded []bool
	// seats give, per source and user, the account that is wanted wherever a group shows the
	// user, so that the common case needs no look at rows; or one of the words below.
	seats [][]int32
	// gentle are the groups that a rule which only adds calls by their name, whether it
	// selects anything for them now or not.
	gentle map[string]bool
	// kept are, by group, the accounts that somebody decided to leave in an exact group.
	kept     map[string]map[string]bool
	accepted map[string][]*Want
	painted  []uint8
	touched  []uint32
	sourceAt map[string]int
	// reverted are the changes that a person undid, by group; judged are the groups in which
	// this plan has a say about them.
	reverted map[string][]revertedChange
	judged   map[string]bool
	// without marks, per source and user, the people whom a rule names and who have no
	// account; unsettled says that the group at hand has people who cannot be matched.
	without   [][]bool
	unsettled bool
	// parents are the wants that can be above others, by their name.
	parents map[string][]int
	// making are the wants whose group this plan makes; byGroup the links by their group;
	// withKeys the groups that have permissions of ours.
	making   map[int]bool
	byGroup  map[string][]LinkKey
	withKeys map[string]bool
	// cutting are the keys of the grants that this plan takes away; granted is what the resource
	// that was asked about last has.
	cutting map[string]bool
	granted struct {
		of *Resource
		is map[Grant]bool
	}
	// settledValues are the groups without a want, with an empty id for the defaults, whose
	// permissions this plan has decided about; unreadable those whose tree makes no sense.
	settledValues, unreadable map[string]bool
	// wantedRoles are the wants of roles; sides how each of them stands. authority are the
	// positions of the sources that decide about accounts, and evidence what they say of those
	// accounts about which they say anything but that all is well.
	wantedRoles []Want
	sides       map[string]*roleSide
	authority   []int
	noAuthority bool
	evidence    map[uint32]*statement
	freshLinks  map[directory.UserKey]PersonLink
	// strange are the sources in which a line of a role names somebody without a findable
	// account; nil: not looked for yet.
	strange []int
	// primary is when the oldest account was made; so many others were made in that second.
	primary int64
	asOld   int
}

// What a user has in place of a seat.
const (
	// standing is somebody shown and enabled who has no account.
	standing int32 = -1
	// special is somebody who is missing or disabled, or whose account is none of this
	// plan's business.
	special int32 = -2
)

// The marks of one account in one group.
const (
	isWanted uint8 = 1 << iota
	isObserved
	isOwned
	isUnknown
	isLost
)

func (c *computer) prepare() {
	in := c.in
	accounts := in.Memory.Mirror.Accounts()
	c.painted = make([]uint8, len(accounts))
	c.skipped = marks(accounts, in.Ignore)
	for n := range accounts {
		c.skipped[n] = c.skipped[n] || accounts[n].Deleted || in.Only != nil && (in.Only.None || in.Only.Account != uint32(n))
	}
	c.guarded = marks(accounts, in.Protect)
	if self, ok := in.Memory.Mirror.Number(in.Memory.Mirror.Self); ok {
		c.guarded[self] = true
	}
	c.sourceAt = map[string]int{}
	c.seats = make([][]int32, len(in.Sources))
	c.without = make([][]bool, len(in.Sources))
	c.stale = make([]string, len(in.Sources))
	for s := range in.Sources {
		c.sourceAt[in.Sources[s].ID] = s
		c.without[s] = make([]bool, len(in.Sources[s].Replica.Users()))
		if in.Sources[s].Single {
			continue // It has no lists that could be old.
		}
		if why, fresh := in.Sources[s].Replica.Fresh(nil, in.Now, in.Sources[s].MaxAge); !fresh {
			c.stale[s] = why
		}
	}
	c.askAuthorities()
	for s := range in.Sources {
		c.seats[s] = c.seat(s)
	}
	c.kept = in.Memory.kept()
	c.gentle = map[string]bool{}
	for key, link := range in.Memory.Links {
		if key.To != "" && in.Desired.AddOnly[key.Rule] {
			c.gentle[link.GroupID] = true
		}
	}
	if in.Accepted != nil {
		c.accepted = map[string][]*Want{}
		for i := range in.Accepted.Wants {
			w := &in.Accepted.Wants[i]
			if w.Role != "" {
				c.accepted[RoleGroup(w.Role)] = append(c.accepted[RoleGroup(w.Role)], w)
			}
			for _, l := range w.Links {
				if link, ok := in.Memory.Links[l]; ok {
					c.accepted[link.GroupID] = append(c.accepted[link.GroupID], w)
				}
			}
		}
	}
	c.listReverted()
}

// seat gives every user of a source a seat.
func (c *computer) seat(s int) []int32 {
	rows, accounts := c.in.Sources[s].Replica.Users(), c.people.account[s]
	seats := make([]int32, len(rows))
	for n := range rows {
		switch a := accounts[n]; {
		case rows[n].Disabled || rows[n].Missing.Is() || a >= 0 && (c.hidden(uint32(a)) || c.disabled(uint32(a)) != nil):
			seats[n] = special
		case a < 0:
			seats[n] = standing
		default:
			seats[n] = a
		}
	}
	return seats
}

func marks(accounts []Account, mails []string) []bool {
	out := make([]bool, len(accounts))
	if len(mails) == 0 {
		return out
	}
	for n := range accounts {
		out[n] = slices.ContainsFunc(mails, func(m string) bool { return directory.FoldEmail(m) == directory.FoldEmail(accounts[n].Email) })
	}
	return out
}

// paint sets a mark on an account and remembers that it was touched.
func (c *computer) paint(account uint32, mark uint8) {
	if c.painted[account] == 0 {
		c.touched = append(c.touched, account)
	}
	c.painted[account] |= mark
}

// wipe takes all marks away.
func (c *computer) wipe() {
	for _, a := range c.touched {
		c.painted[a] = 0
	}
	c.touched = c.touched[:0]
	c.unsettled = false
}

// paintFeed marks everybody whom a feed grants a membership: as wanted where the
// evidence is fresh, else as unknown.
func (c *computer) paintFeed(f *Feed) {
	src := &c.in.Sources[f.Source]
	rows := src.Replica.Users()
	if f.Everyone {
		fresh := c.fresh(f.Source)
		for n := range rows {
			c.paintPerson(f, uint32(n), fresh || src.Single && src.current(&rows[n], true, c.in.Now))
		}
		return
	}
	g := &src.Replica.Groups()[f.Group]
	if g.Missing.Is() {
		if !src.Replica.GroupGone(f.Group, src.Grace) {
			for _, n := range g.Members {
				c.paintUnknown(f, n)
			}
		}
		return
	}
	groupFresh := c.fresh(f.Source) && c.in.Now.Sub(g.MembersAt) <= src.MaxAge
	for _, n := range g.Members {
		if f.Direct && !src.Single {
			named, doubt := src.Replica.Named(n, f.Group)
			if doubt {
				c.paintUnknown(f, n)
			}
			if !named {
				continue
			}
		}
		c.paintPerson(f, n, groupFresh || g.OwnersOf == "" && c.in.Now.Sub(rows[n].GroupsAt) <= src.MaxAge)
	}
}

func (c *computer) paintPerson(f *Feed, user uint32, fresh bool) {
	if src := &c.in.Sources[f.Source]; c.seats[f.Source][user] == special || f.Where != nil {
		u := &src.Replica.Users()[user]
		switch {
		case c.disabledUser(f.Source, user):
			return
		case u.Missing.Is():
			if src.Replica.Listing(user, src.Grace).Standing == replica.Unknown {
				c.paintUnknown(f, user)
			}
			return
		case u.Disabled || f.Where != nil && !f.Where(u):
			return
		}
	}
	switch a := c.people.account[f.Source][user]; {
	case a < 0:
		c.without[f.Source][user] = true
		c.unsettled = c.unsettled || a == unmatched || a == conflict
	case a >= 0 && !c.hidden(uint32(a)):
		if fresh {
			c.paint(uint32(a), isWanted)
		} else {
			c.paint(uint32(a), isUnknown)
		}
	}
}

func (c *computer) paintUnknown(f *Feed, user uint32) {
	if a := c.people.account[f.Source][user]; a >= 0 && !c.hidden(uint32(a)) {
		c.paint(uint32(a), isUnknown)
	}
}

// hidden reports whether an account is none of this plan's business.
func (c *computer) hidden(account uint32) bool {
	return c.skipped[account]
}

// want compares one wanted group with what Open WebUI holds.
func (c *computer) want(at int) {
	w, r := &c.in.Desired.Wants[at], &c.group[at]
	if c.bystands(at) {
		return
	}
	if !r.blocked && r.id != "" && c.settled(w, r.id) {
		c.values(at)
		return
	}
	for f := range w.Feeds {
		c.paintFeed(&w.Feeds[f])
	}
	defer c.wipe()
	switch {
	case r.blocked:
		return
	case r.id != "":
		c.values(at)
	case !c.known(w) || w.Create == CreateUsed && !c.anybody():
		return
	case !c.create(at):
		return
	}
	c.members(at, r.id, w)
}

// known reports whether any source behind a want is fresh: nothing is created on old
// knowledge.
func (c *computer) known(w *Want) bool {
	return slices.ContainsFunc(w.Feeds, func(f Feed) bool { return c.fresh(f.Source) }) || c.anybody()
}

func (c *computer) anybody() bool {
	return slices.ContainsFunc(c.touched, func(a uint32) bool { return c.painted[a]&isWanted != 0 })
}

// orphans are groups in which we own memberships, or members are in doubt, and that no rule asks for any more.
func (c *computer) orphans() {
	ids := make([]string, 0)
	for id := range c.in.Memory.Owned {
		if _, ok := c.taken[id]; !ok && !IsRole(id) {
			ids = append(ids, id)
		}
	}
	for id := range c.in.Memory.Lost {
		if _, ok := c.taken[id]; !ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for _, id := range ids {
		c.members(-1, id, nil)
		c.wipe()
	}
}

// confirm notes that a complete read at t could settle something.
func (c *computer) confirm(t time.Time) {
	if !t.IsZero() && (c.plan.ConfirmAt.IsZero() || t.Before(c.plan.ConfirmAt)) {
		c.plan.ConfirmAt = t
	}
}

// opOrder is the order in which changes are carried out: what takes away first, then
// what is needed for adding, then adding. Roles are taken before all else and given after it.
var opOrder = map[run.Op]int{run.RemoveMember: 1, run.ReleaseMember: 2, run.CreateAccount: 3, run.CreateGroup: 4, run.UpdateGroup: 5,
	run.SetPermissions: 6, run.AdoptMember: 7, run.AddMember: 8, run.SetRole: 9, run.SetGrants: 10, run.DeleteGroup: 11}

func (c *Change) order() int {
	if c.Demotes() {
		return 0
	}
	return opOrder[c.Op]
}

func (c *computer) finish() {
	p := c.plan
	c.keepUnjudged()
	p.People = c.people.linked
	p.Problems = append(p.Problems, c.people.problems...)
	p.Problems = append(p.Problems, c.in.Desired.Problems...)
	c.reportPeople()
	c.unknownKeys()
	c.withoutParents()
	for s, why := range c.stale {
		if why != "" {
			p.Problems = append(p.Problems, run.Problem{Kind: run.KindStale,
				Message: "source " + c.in.Sources[s].Name + " " + why + "; nothing is added or removed on what is older",
				Hint:    "see why it cannot be read: groupsyncd doctor"})
		}
	}
	slices.SortFunc(p.Problems, func(a, b run.Problem) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Message, b.Message))
	})
	p.Problems = slices.CompactFunc(p.Problems, func(a, b run.Problem) bool { return a == b })
	p.sort()
	p.Hash = hashOf(p)
}

// sort puts the changes into the order in which they are carried out.
func (p *Plan) sort() {
	slices.SortFunc(p.Changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.order(), b.order()), cmp.Compare(a.level, b.level), cmp.Compare(a.GroupName(), b.GroupName()),
			cmp.Compare(a.GroupID(), b.GroupID()), cmp.Compare(a.email(), b.email()), cmp.Compare(a.Key, b.Key))
	})
}

func (c *Change) email() string {
	if c.User == nil {
		return ""
	}
	return c.User.Email
}

// ready reports whether the lists of a source are fresh.
func (c *computer) ready(s int, groups []uint32) (string, bool) {
	return c.in.Sources[s].Replica.Fresh(groups, c.in.Now, c.in.Sources[s].MaxAge)
}

// selected gives the groups of a source that feed a wanted group.
func (w *Want) selected(source int) []uint32 {
	var groups []uint32
	for f := range w.Feeds {
		if w.Feeds[f].Source == source && !w.Feeds[f].Everyone {
			groups = append(groups, w.Feeds[f].Group)
		}
	}
	return groups
}

// membership says how a user stands in the directory group of a feed; without one, or where it
// takes nested members, by any way. A source of single people shows no groups inside others, so
// what it shows is all there is to know.
func (s *Source) membership(f *Feed, user, group uint32) replica.Verdict {
	if f != nil && f.Direct && !s.Single {
		return s.Replica.Directly(user, group, s.Grace)
	}
	return s.Replica.Membership(user, group, s.Grace)
}

// shows reports whether a feed shows a person now, whatever the account.
func (c *computer) shows(f *Feed, user uint32) replica.Standing {
	src := &c.in.Sources[f.Source]
	v := src.Replica.Listing(user, src.Grace)
	if !f.Everyone {
		v = src.membership(f, user, f.Group)
	}
	if v.Standing == replica.Shown && f.Where != nil && !f.Where(&src.Replica.Users()[user]) {
		return replica.NotShown
	}
	return v.Standing
}
