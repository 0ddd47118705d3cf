package plan

import (
	"cmp"
	"fmt"
	"slices"

	"groupsyncd/directory"
	"groupsyncd/sync/replica"
)

// The states of a person towards the accounts of a target.
const (
	StateLinked    = "linked"
	StatePending   = "pending"
	StateUnmatched = "unmatched"
	StateConflict  = "conflict"
	// StateNone is somebody missing or disabled who never had an account.
	StateNone = "none"
)

// Matched says how one directory user stands to the accounts of a target.
type Matched struct {
	// Source is a position in Input.Sources, User a number in its replica.
	Source int
	User   uint32
	State  string
	Why    string
	// Account is the one they have or, in a conflict, would have; nil: none.
	Account *Account
	// Link is set for who is linked, or will be by the next run.
	Link PersonLink
}

// Match says who is which account, in the order of sources and users, as Compute would.
func Match(in *Input) []Matched {
	p := matchPeople(in)
	fresh := map[directory.UserKey]PersonLink{}
	for _, l := range p.linked.New {
		fresh[directory.UserKey{Source: l.Source, ID: l.User}] = l.Link
	}
	var all []Matched
	for s := range in.Sources {
		rows := in.Sources[s].Replica.Users()
		mails := mailCounts(rows, in.Now)
		for n := range rows {
			all = append(all, p.matched(s, uint32(n), mails, fresh))
		}
	}
	return all
}

func (p *people) matched(s int, user uint32, mails map[string]int, fresh map[directory.UserKey]PersonLink) Matched {
	src := &p.in.Sources[s]
	u := &src.Replica.Users()[user]
	key := directory.UserKey{Source: src.ID, ID: u.ID}
	m := Matched{Source: s, User: user}
	switch a := p.account[s][user]; a {
	case pending:
		m.State, m.Why = StatePending, "no account in Open WebUI yet; made at the first sign-in"
	case unmatched:
		m.State, m.Why = StateUnmatched, p.whyUnmatched(src, u, mails)
	case conflict:
		c := p.claims[person{s, user}]
		m.State, m.Why, m.Account = StateConflict, c.why, p.in.Memory.Mirror.Account(c.account)
	case idle:
		m.State, m.Why = StateNone, "disabled or missing in the directory, and was never linked"
		if link, stored := p.in.Memory.People.Get(key); stored {
			m.State, m.Why, m.Link = StateLinked, "the account was not seen since the state began", link
			m.Account = &Account{ID: link.Account, Email: link.Email}
		}
	default:
		m.State, m.Account, m.Link = StateLinked, p.in.Memory.Mirror.Account(uint32(a)), p.in.Memory.People.Link(key)
		if next, found := fresh[key]; found {
			m.Link = next
		}
	}
	return m
}

func (p *people) whyUnmatched(src *Source, u *replica.User, mails map[string]int) string {
	mail := directory.FoldEmail(u.Email)
	switch {
	case u.Email == "":
		return "no mail address, and no sign-in subject"
	case !slices.Contains(p.in.Match, "email"):
		return "no sign-in subject, and mail does not link accounts of this target"
	case !InDomains(u.Email, src.Domains):
		return "the mail address " + u.Email + " is not in email_domains of source " + src.Name
	case len(p.byMail[mail]) > 1:
		return fmt.Sprintf("%d accounts have the mail address %s", len(p.byMail[mail]), u.Email)
	case mails[mail] > 1:
		return "somebody else of source " + src.Name + " has the mail address " + u.Email + " too, or had it in the last 90 days"
	}
	return "nothing that could link an account"
}

// Strangers are the members of one wanted group whom no directory group names and whom we
// did not put there.
type Strangers struct {
	GroupID, Name string
	// Link is the first link of the group; a membership that is taken over is kept under
	// its rule.
	Link LinkKey
	// Gentle says that the rules of the group never take a membership away.
	Gentle   bool
	Accounts []uint32
}

// FindStrangers lists them for every wanted group that there is, by name. Who is
// protected, ignored or in doubt is not among them.
func FindStrangers(in *Input) []Strangers {
	own, desired := *in, *in.Desired
	own.Desired, desired.Wants = &desired, groupsOf(in.Desired.Wants)
	c := &computer{in: &own, people: matchPeople(&own), homeless: map[FeedKey]bool{}, claimed: map[string][]int{}, plan: &Plan{}}
	c.prepare()
	c.resolve()
	var all []Strangers
	for at := range own.Desired.Wants {
		w := &own.Desired.Wants[at]
		g := own.Memory.Mirror.Group(c.group[at].id)
		if c.group[at].blocked || g == nil {
			continue
		}
		link := slices.IndexFunc(w.Links, func(l LinkKey) bool { return own.Memory.Links[l].GroupID == g.ID })
		if link < 0 {
			continue // It becomes ours with the next run.
		}
		s := Strangers{GroupID: g.ID, Name: g.Name, Link: w.Links[link], Gentle: w.Members == AddOnly}
		for f := range w.Feeds {
			c.paintFeed(&w.Feeds[f])
		}
		for _, a := range g.Numbers {
			if o := own.Memory.Owned[g.ID]; c.painted[a] == 0 && !c.hidden(a) && !c.guarded[a] && !own.Memory.inDoubt(g.ID, a) && (o == nil || !o.Has(a)) {
				s.Accounts = append(s.Accounts, a)
			}
		}
		c.wipe()
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Strangers) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.GroupID, b.GroupID))
	})
	return all
}

// TakeOver makes memberships of strangers ours, because somebody decided so.
func TakeOver(in *Input, s *Strangers, accounts []uint32) *Decided {
	d := &Decided{Memory: in.Memory.clone(), in: in, touched: map[string]spot{}}
	m := d.Memory
	key := FeedKey{Rule: s.Link.Rule}
	key.Group.ID = TakenOver
	o := m.Owned[s.GroupID]
	if o == nil {
		o = &OwnedGroup{GroupID: s.GroupID}
		m.Owned[s.GroupID] = o
	}
	for _, a := range accounts {
		o.Set(a, []FeedKey{key})
		m.EndStay(s.GroupID, m.Mirror.Account(a).ID, &d.Dirty)
	}
	d.Memberships, d.Groups = len(accounts), 1
	d.Dirty.Owned = append(d.Dirty.Owned, s.GroupID)
	return d
}
