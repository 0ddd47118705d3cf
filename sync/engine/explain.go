package engine

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// UserExplanation says, for one person, what every source shows, which account is
// theirs, and why they are or are not in each group.
type UserExplanation struct {
	User    string       `json:"user"`
	Sources []SourceView `json:"sources"`
	Targets []AccountWhy `json:"targets"`
}

// SourceView is one source's picture of a person.
type SourceView struct {
	Source   string    `json:"source"`
	ID       string    `json:"id"`
	Username string    `json:"username,omitempty"`
	Email    string    `json:"email,omitempty"`
	DN       string    `json:"dn,omitempty"`
	Status   string    `json:"status"` // enabled, disabled, missing
	SeenAt   time.Time `json:"seen_at"`
	// CompleteAsOf is the evidence time of the newest complete read of the source; FullAsOf that
	// of the newest one of everything, where changes were read since.
	CompleteAsOf time.Time `json:"complete_as_of,omitzero"`
	FullAsOf     time.Time `json:"full_as_of,omitzero"`
	// Single says that the source knows single people only; GroupsAsOf is then as of when it
	// showed the groups of this one.
	Single     bool      `json:"single,omitempty"`
	GroupsAsOf time.Time `json:"groups_as_of,omitzero"`
	// Waiting says why a source that its provider fills says nothing for certain, Hint what to do.
	Waiting string `json:"waiting,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// AccountWhy is one target's picture of a person.
type AccountWhy struct {
	Target  string     `json:"target"`
	Account string     `json:"account,omitempty"`
	Email   string     `json:"email,omitempty"`
	Role    string     `json:"role,omitempty"`
	RoleWhy *RoleWhy   `json:"role_why,omitempty"`
	By      string     `json:"matched_by,omitempty"`
	State   string     `json:"state"` // linked, pending, unmatched, conflict
	Groups  []GroupWhy `json:"groups"`
}

// GroupWhy says how a person stands in one Open WebUI group.
type GroupWhy struct {
	Group string `json:"group"`
	// State is member (ours), manual (a member by hand), wanted (will be added), held,
	// unknown (waits for evidence), or leaving (the next run takes it away).
	State string `json:"state"`
	Why   []Why  `json:"why,omitempty"`
	Hold  string `json:"hold,omitempty"`
	// Run is the run that gave the membership, where the history still has it.
	Run string `json:"run,omitempty"`
}

// Why is one reason: the rule, the source, and the chain of directory groups from the
// one that the rule selects down to the one that names the person.
type Why struct {
	Rule   string   `json:"rule"`
	Source string   `json:"source"`
	Path   []string `json:"path"`
	Note   string   `json:"note,omitempty"`
}

// ExplainUser says why somebody is, or is not, in each group.
func (e *Engine) ExplainUser(who string) (*UserExplanation, error) {
	s := e.current()
	known := e.namesake(&s, who)
	out := &UserExplanation{User: who, Sources: []SourceView{}, Targets: []AccountWhy{}}
	for i := range s.Sources {
		src := &s.Sources[i]
		r := e.replica(src.ID)
		n, found := r.User(known.ids[src.ID])
		if !found {
			continue
		}
		u := &r.Users()[n]
		v := SourceView{Source: src.Name, ID: u.ID, Username: u.Username, Email: u.Email, DN: u.DN, Status: "enabled", SeenAt: u.SeenAt, CompleteAsOf: r.CompleteAt}
		if st := e.standing(src); st != nil {
			v.Waiting, v.Hint = st.Waiting, st.Hint
		}
		if !r.FullAt.Equal(r.CompleteAt) {
			v.FullAsOf = r.FullAt
		}
		switch {
		case src.Single:
			v.Status, v.SeenAt, v.Single = "shown", u.SeenAt, true
			v.CompleteAsOf = e.completed(src)
			if e.now().Sub(u.GroupsAt) > src.MaxAge {
				v.Status = "shown, and nothing is decided on that any more: older than max_age"
			}
			v.GroupsAsOf = u.GroupsAt
		case u.Missing.Is():
			v.Status = "missing since " + u.Missing.First.UTC().Format(time.RFC3339)
		case u.Disabled:
			v.Status = "disabled"
		}
		out.Sources = append(out.Sources, v)
	}
	for i := range s.Targets {
		why, err := e.explainIn(&s, &s.Targets[i], who, known)
		if err != nil {
			return nil, err
		}
		if why != nil {
			out.Targets = append(out.Targets, *why)
		}
	}
	if len(out.Sources)+len(out.Targets) == 0 {
		return nil, fault.New(fault.NotFound, "explain", "", errors.New("neither a source nor Open WebUI knows "+who),
			"give a mail address, user name or id; what was read is shown by: groupsyncd status")
	}
	return out, nil
}

// explainIn explains one target; nil when it has nothing to say about the person.
func (e *Engine) explainIn(s *Setup, t *TargetSetup, who string, known namesake) (*AccountWhy, error) {
	w := e.work(s, t, run.Request{User: who}, &run.Report{}, e.log, nil)
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	in := w.input(nil)
	mem := w.state.mem
	out := &AccountWhy{Target: t.Name, State: "pending", Groups: []GroupWhy{}}
	account, found := plan.AccountFor(in, known.keys())
	if !found {
		account, found = accountByName(mem.Mirror, who)
	}
	if found {
		a := mem.Mirror.Account(account)
		out.Account, out.Email, out.Role, out.State = a.ID, a.Email, a.Role, "linked"
		for _, l := range mem.People.All() {
			if l.Account == a.ID {
				out.By = l.By
			}
		}
	}
	p := plan.Compute(in)
	plan.Guard(p, in, s.Limits)
	x := explainer{e: e, in: in, p: p, mem: mem, ids: known.ids, account: account, found: found}
	if found {
		out.RoleWhy = x.role()
	}
	for at := range in.Desired.Wants {
		if in.Desired.Wants[at].Role != "" {
			continue
		}
		if g, ok := x.want(&in.Desired.Wants[at]); ok {
			out.Groups = append(out.Groups, g)
		}
	}
	if found {
		out.Groups = append(out.Groups, x.rest()...)
	}
	slices.SortFunc(out.Groups, func(a, b GroupWhy) int { return cmp.Compare(a.Group, b.Group) })
	if !found && len(out.Groups) == 0 {
		return nil, nil //nolint:nilnil // nothing to say is no failure
	}
	return out, nil
}

func accountByName(m *plan.Mirror, who string) (uint32, bool) {
	if n, ok := m.Number(who); ok {
		return n, true
	}
	for n := range m.Accounts() {
		if a := m.Account(uint32(n)); !a.Deleted && a.Email == who {
			return uint32(n), true
		}
	}
	return 0, false
}

// explainer carries the explanation of one person in one target.
type explainer struct {
	e       *Engine
	in      *plan.Input
	p       *plan.Plan
	mem     *plan.Memory
	ids     map[string]string
	account uint32
	found   bool
	shown   map[string]bool
	// given is the run that gave each membership, by group; read when first needed.
	given map[string]string
}

// want explains one wanted group, when it has anything to do with the person.
func (x *explainer) want(w *plan.Want) (GroupWhy, bool) {
	g := GroupWhy{Group: w.Name}
	id := x.groupID(w)
	for f := range w.Feeds {
		if why, ok := x.feed(&w.Feeds[f]); ok {
			g.Why = append(g.Why, why)
		}
	}
	x.state(&g, id, w.Links[0])
	if id != "" {
		if x.shown == nil {
			x.shown = map[string]bool{}
		}
		x.shown[id] = g.State != "" || len(g.Why) > 0
	}
	return g, g.State != "" || len(g.Why) > 0
}

func (x *explainer) groupID(w *plan.Want) string {
	for _, l := range w.Links {
		if link, ok := x.mem.Links[l]; ok && x.mem.Mirror.Group(link.GroupID) != nil {
			return link.GroupID
		}
	}
	return ""
}

// feed says whether, and by which path, a feed grants the membership.
func (x *explainer) feed(f *plan.Feed) (Why, bool) {
	src := &x.in.Sources[f.Source]
	n, found := src.Replica.User(x.ids[src.ID])
	if !found {
		return Why{}, false
	}
	why := Why{Rule: f.Key.Rule, Source: src.Name}
	v := src.Replica.Listing(n, src.Grace)
	if f.Everyone {
		why.Path = []string{"everyone"}
	} else {
		v = src.Replica.Membership(n, f.Group, src.Grace)
		for _, g := range src.Replica.Path(n, f.Group) {
			row := &src.Replica.Groups()[g]
			why.Path = append(why.Path, cmp.Or(row.DN, row.Path, row.Name))
		}
		if why.Path == nil {
			row := &src.Replica.Groups()[f.Group]
			why.Path = []string{cmp.Or(row.DN, row.Path, row.Name)}
		}
	}
	switch v.Standing {
	case replica.Shown:
		if old := src.TooOld(n, f.Everyone, x.in.Now); !old.IsZero() {
			why.Note = "as of " + clock(old) + ", which is older than max_age: nothing is added or removed on it until " + src.Name + " shows the person again"
		}
		if f.Where != nil && !f.Where(&src.Replica.Users()[n]) {
			why.Note = "in the directory group, but does not meet the rule's `where`"
		}
		return why, true
	case replica.Unknown:
		why.Note = v.Why
		return why, true
	case replica.Absent:
		if v.Absence.Kind() != replica.Left {
			why.Note = v.Absence.Reason()
			_, edge := slices.BinarySearch(src.Replica.Groups()[f.Group].Members, n)
			return why, edge || f.Everyone
		}
	}
	return Why{}, false
}

// state says how the account stands in the group, from the plan as it would be now.
func (x *explainer) state(g *GroupWhy, id string, link plan.LinkKey) {
	if !x.found {
		if len(g.Why) > 0 {
			g.State = "pending"
		}
		return
	}
	a := x.mem.Mirror.Account(x.account)
	observed, owned := member(x.mem, id, x.account), x.mem.Owned[id] != nil && x.mem.Owned[id].Has(x.account)
	switch {
	case observed && owned:
		g.State = "member"
	case observed:
		g.State = "manual"
	}
	for i := range x.p.Changes {
		c := &x.p.Changes[i]
		if c.User == nil || c.User.ID != a.ID || c.GroupID() != id || id == "" && c.Link != link {
			continue
		}
		switch {
		case c.Outcome == run.Held:
			g.State, g.Hold = "held", c.Hold.Detail+"; let it through with: groupsyncd approve "+c.Hold.Hash+" --reason TEXT"
			g.Why = append(g.Why, Why{Rule: c.Rule, Note: c.Reason})
		case c.Op == run.AddMember || c.Op == run.AdoptMember:
			g.State = "wanted"
		case c.Op == run.RemoveMember:
			g.State = "leaving"
			g.Why = append(g.Why, Why{Rule: c.Rule, Note: c.Reason})
		}
	}
	if g.State == "member" && owned && x.p.Unknown[plan.RemovalKey(id, a.ID)] {
		g.State = "unknown"
	}
	if observed && owned {
		if x.given == nil {
			x.given = x.e.given(a.ID)
		}
		g.Run = x.given[id]
	}
}

// rest explains the groups that the account is in and that no rule speaks of.
func (x *explainer) rest() []GroupWhy {
	var out []GroupWhy
	for _, g := range x.mem.Mirror.Groups() {
		if x.shown[g.ID] || !member(x.mem, g.ID, x.account) {
			continue
		}
		why := GroupWhy{Group: g.Name}
		x.state(&why, g.ID, plan.LinkKey{})
		out = append(out, why)
	}
	return out
}

// searched bounds how many past runs are looked through for one person.
const searched = 200

// given finds, by group, the newest run that gave an account its membership, as far as
// the history still says.
func (e *Engine) given(account string) map[string]string {
	found := map[string]string{}
	past, err := e.runs.Runs(searched)
	if err != nil {
		return found
	}
	for _, head := range past {
		added := 0
		for i := range head.Targets {
			added += head.Targets[i].Summary.MembersAdded + head.Targets[i].Summary.MembersAdopted
		}
		if added == 0 {
			continue
		}
		r, err := e.runs.Run(head.Run)
		if err != nil {
			continue
		}
		for i := range r.Targets {
			for _, c := range r.Targets[i].Changes {
				given := (c.Op == run.AddMember || c.Op == run.AdoptMember) && c.Outcome == run.Applied
				if given && c.User.ID == account && found[c.GroupID()] == "" {
					found[c.GroupID()] = r.Run
				}
			}
		}
	}
	return found
}
