package plan_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/permission"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// at gives the time some minutes after the start of a test.
func at(minutes int) time.Time {
	return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(minutes) * time.Minute)
}

// world is everything that a plan depends on, with an Open WebUI in which plans come
// true. Steps are written as one run after another.
type world struct {
	t       testing.TB
	now     time.Time
	sources []plan.Source
	rules   []mapping.Spec
	// accepted are rules that were applied and are no longer in force in that form.
	accepted        []mapping.Spec
	mem             *plan.Memory
	limits          plan.Limits
	match           []string
	ignore, protect []string
	only            *plan.Only
	made            int
	// defaults are the default permissions that are kept.
	defaults permission.Set
	// roles say what of accounts is ours; nil: nothing.
	roles *plan.AccountRules
	// report is of a run that a test undoes.
	report *run.Report
}

// newWorld gives an empty world with sources of these names.
func newWorld(t testing.TB, sources ...string) *world {
	w := &world{t: t, now: at(0), mem: plan.NewMemory("chat", "here", at(-1)), match: []string{"sign_in", "email"},
		limits: plan.Limits{MaxPeople: plan.LimitOff(), MaxPeople24h: plan.LimitOff(), MaxGroupLoss: plan.LimitOff(), MaxNewGroups: plan.LimitOff(),
			MaxDemotions: plan.LimitOff(), MaxNewAdmins: plan.LimitOff(), MaxCuts: plan.LimitOff(), MaxSourceShrink: plan.LimitOff(), ApprovalTTL: 24 * time.Hour}}
	for _, id := range sources {
		w.sources = append(w.sources, plan.Source{ID: id, Name: id, Replica: replica.New(id), Grace: replica.Grace{Reads: 2, Over: 15 * time.Minute},
			MaxAge: 48 * time.Hour, Scope: "all of " + id})
	}
	return w
}

// rule adds a rule with the defaults of the configuration.
func (w *world) rule(name, match string, changes ...func(*mapping.Spec)) *world {
	s := mapping.Spec{Name: name, Match: mapping.Match{Names: []string{match}}, To: mapping.DefaultTo, Create: "true", Adopt: []string{"name"}, Members: "owned"}
	for _, c := range changes {
		c(&s)
	}
	w.rules = append(w.rules, s)
	return w
}

func (w *world) source(id string) *plan.Source {
	for s := range w.sources {
		if w.sources[s].ID == id {
			return &w.sources[s]
		}
	}
	w.t.Fatalf("no source %s", id)
	return nil
}

// read merges a whole read of a source and moves the clock there. Lines are
// "users: ann bob -cid" (or "users?:" when cut; - disabled; ann=mail names the mail),
// and "group: ann bob" or "group?: ann" when cut; "groups?" cuts the list of groups.
func (w *world) read(id string, minute int, lines ...string) *world {
	s := snapshot(minute, lines...)
	src := w.source(id)
	src.Replica, _ = src.Replica.Merge(s, 0)
	src.Read = s.Coverage() == directory.Full
	w.now = at(minute)
	return w
}

// lookUp merges the look-up of one person.
func (w *world) lookUp(id string, minute int, user string, groups ...string) *world {
	s := &directory.Snapshot{AsOf: at(minute), Users: []directory.User{{ID: user, Email: user + "@example.org", StatusKnown: true, GroupsKnown: true}}}
	for _, g := range groups {
		s.Groups = append(s.Groups, directory.Group{ID: g, Name: g, Direct: []uint32{0}})
	}
	s.Close(true)
	src := w.source(id)
	src.Replica, _ = src.Replica.Merge(s, 0)
	w.now = at(minute)
	return w
}

func snapshot(minute int, lines ...string) *directory.Snapshot {
	s := &directory.Snapshot{AsOf: at(minute), GroupsListed: true}
	number := map[string]uint32{}
	for _, line := range lines {
		name, rest, _ := strings.Cut(line, ":")
		switch name {
		case "groups?":
			s.GroupsListed = false
		case "users", "users?":
			s.UsersListed = name == "users"
			for f := range strings.FieldsSeq(rest) {
				id, mail, named := strings.Cut(strings.TrimPrefix(f, "-"), "=")
				if !named {
					mail = id + "@example.org"
				}
				number[id] = uint32(len(s.Users))
				s.Users = append(s.Users, directory.User{ID: id, Email: mail, Username: "u-" + id, StatusKnown: true, Disabled: f[0] == '-',
					Attributes: map[string][]string{"dept": {id[:1]}}})
			}
		default:
			id, shown, named := strings.Cut(strings.TrimSuffix(name, "?"), "=")
			if !named {
				shown = id
			}
			g := directory.Group{ID: id, Name: shown, MembersKnown: !strings.HasSuffix(name, "?")}
			for u := range strings.FieldsSeq(rest) {
				n, ok := number[u]
				if !ok {
					panic("the read does not show " + u)
				}
				g.Direct = append(g.Direct, n)
			}
			s.Groups = append(s.Groups, g)
		}
	}
	s.Close(true)
	return s
}

// accounts makes accounts in Open WebUI; "ann=mail" names the mail.
func (w *world) accounts(names ...string) *world {
	for _, f := range names {
		id, mail, named := strings.Cut(f, "=")
		if !named {
			mail = id + "@example.org"
		}
		w.mem.Observe(&plan.Observation{Accounts: []plan.Account{{ID: "a-" + id, Email: mail, Role: "user"}}, Groups: w.groups(), At: w.now})
	}
	return w
}

// without proves accounts deleted.
func (w *world) without(names ...string) *world {
	var left []plan.Account
	for _, a := range w.mem.Mirror.Accounts() {
		if !a.Deleted && !slices.Contains(names, strings.TrimPrefix(a.ID, "a-")) {
			left = append(left, a)
		}
	}
	w.mem.Observe(&plan.Observation{Accounts: left, AllAccounts: true, Groups: w.groups(), At: w.now})
	return w
}

// groups gives the groups of Open WebUI as an observation that need not read members.
func (w *world) groups() []plan.Group {
	var all []plan.Group
	for _, g := range w.mem.Mirror.Groups() {
		next := g.Group
		next.MembersRead = false
		all = append(all, next)
	}
	return all
}

// byHand sets the members of a group as an administrator would, making it when there is
// none, and gives its id.
func (w *world) byHand(name string, members ...string) string {
	g := w.group(name)
	if g == nil {
		w.made++
		g = &plan.MirrorGroup{Group: plan.Group{ID: fmt.Sprintf("hand-%d", w.made), Name: name}}
	}
	next := g.Group
	next.MembersRead = true
	next.Members = nil
	for _, m := range members {
		next.Members = append(next.Members, "a-"+m)
	}
	w.mem.ObserveGroup(&next)
	return next.ID
}

// edit changes a group of Open WebUI by hand.
func (w *world) edit(name string, change func(*plan.Group)) {
	g := w.group(name)
	next := g.Group
	change(&next)
	next.MembersRead = false
	w.mem.ObserveGroup(&next)
}

// group finds a group of Open WebUI by its name.
func (w *world) group(name string) *plan.MirrorGroup {
	for _, g := range w.mem.Mirror.Groups() {
		if g.Name == name {
			return g
		}
	}
	return nil
}

// in lists who is in a group of Open WebUI.
func (w *world) in(name string) string {
	g := w.group(name)
	if g == nil {
		return "no group"
	}
	var names []string
	for _, n := range g.Numbers {
		names = append(names, strings.TrimPrefix(w.mem.Mirror.Account(n).ID, "a-"))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// owned lists whose membership in a group is ours.
func (w *world) owned(name string) string {
	g := w.group(name)
	if g == nil {
		return "no group"
	}
	o := w.mem.Owned[g.ID]
	if o == nil {
		return ""
	}
	var names []string
	for n := range w.mem.Mirror.Accounts() {
		if o.Has(uint32(n)) {
			names = append(names, strings.TrimPrefix(w.mem.Mirror.Account(uint32(n)).ID, "a-"))
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (w *world) desired(specs []mapping.Spec) *plan.Desired {
	var rules []*mapping.Rule
	for _, s := range specs {
		r, err := mapping.Compile(s)
		if err != nil {
			w.t.Fatal(err)
		}
		rules = append(rules, r)
	}
	var sources []mapping.Source
	for _, s := range w.sources {
		sources = append(sources, mapping.Source{ID: s.ID, Name: s.Name, Replica: s.Replica})
	}
	return mapping.Apply("chat", rules, sources)
}

func (w *world) input() *plan.Input {
	in := &plan.Input{Now: w.now, Memory: w.mem, Sources: w.sources, Desired: w.desired(w.rules), Rules: map[string]bool{},
		Match: w.match, Ignore: w.ignore, Protect: w.protect, Only: w.only, Defaults: w.defaults, Accounts: w.roles}
	if w.accepted != nil {
		in.Accepted = w.desired(w.accepted)
	}
	for _, r := range w.rules {
		in.Rules[r.Key()] = true
	}
	return in
}

// plan computes and guards without writing.
func (w *world) plan() (*plan.Plan, *plan.Guarded) {
	in := w.input()
	p := plan.Compute(in)
	return p, plan.Guard(p, in, w.limits)
}

// run plans and lets the plan come true.
func (w *world) run() *plan.Plan {
	p, g := w.plan()
	w.apply(p, g)
	for s := range w.sources {
		w.sources[s].Read = false
	}
	return p
}

// apply lets a plan come true: the target does what it is told, and the memory keeps
// what a run would keep.
func (w *world) apply(p *plan.Plan, g *plan.Guarded) {
	m := w.mem
	for _, l := range p.People.Ended {
		m.People.Delete(directory.UserKey{Source: l.Source, ID: l.User})
	}
	for _, l := range p.People.New {
		m.People.Set(directory.UserKey{Source: l.Source, ID: l.User}, l.Link)
	}
	for _, l := range p.Links {
		link := m.Links[l.Link]
		link.GroupID, link.Since = l.GroupID, w.now
		m.Links[l.Link] = link
	}
	w.book(p)
	made := map[plan.LinkKey]string{}
	for i := range p.Changes {
		if p.Changes[i].Outcome == run.Planned {
			w.change(&p.Changes[i], made)
		}
	}
	for _, r := range p.Provenance {
		m.Owned[r.GroupID].Set(r.Account, r.Feeds)
	}
	for _, n := range p.Roles {
		m.NoteRole(n.Account, n.Record, n.Group, n.Feeds, &plan.Dirty{})
	}
	for id, clocks := range p.Clocks {
		if o := m.Owned[id]; o != nil {
			o.Clocks = clocks
		}
	}
	for id, lost := range p.Lost {
		if m.Lost[id] = lost; len(lost) == 0 {
			delete(m.Lost, id)
		}
	}
	m.Holds = g.Holds
	if w.only == nil {
		m.Scopes = g.Scopes
		if p.Accepts {
			w.accepted = nil
		}
	}
}

func (w *world) change(c *plan.Change, made map[plan.LinkKey]string) {
	m := w.mem
	id := c.GroupID()
	if id == "" {
		id = made[c.Link]
	}
	if w.shared(c, id) {
		return
	}
	switch c.Op {
	case run.CreateGroup:
		w.made++
		id = fmt.Sprintf("made-%d", w.made)
		g := plan.Group{ID: id, Name: c.Spec.Name, Share: c.Spec.Share, Mark: c.Spec.Mark, Permissions: permission.Explicit(c.Spec.Permissions), MembersRead: true}
		if c.Spec.Description != nil {
			g.Description = *c.Spec.Description
		}
		if c.Below != nil {
			up := m.Links[*c.Below].GroupID
			c.Spec.Parent = &up
		}
		w.place(&g, &c.Spec)
		m.ObserveGroup(&g)
		link := plan.GroupLink{GroupID: id, Created: true, Since: w.now, Applied: map[string]json.RawMessage{}, Before: map[string]json.RawMessage{}}
		for _, f := range plan.Placed(&c.Spec) {
			link.Applied[f.Name], link.Before[f.Name] = raw(w.t, f.To), raw(w.t, f.From)
		}
		for key, on := range c.Spec.Permissions {
			link.Applied["permissions."+key], link.Before["permissions."+key] = raw(w.t, on), raw(w.t, nil)
		}
		if _, again := m.Links[c.Link]; again {
			link.RecreatedAt = w.now
		}
		m.Links[c.Link] = link
		made[c.Link] = id
	case run.UpdateGroup, run.SetPermissions:
		w.update(c)
	case run.AddMember:
		w.member(id, c.Account, true)
		w.own(id, c.Account, c.Feeds)
	case run.AdoptMember:
		w.own(id, c.Account, c.Feeds)
	case run.ReleaseMember:
		w.own(id, c.Account, nil)
	case run.RemoveMember:
		w.member(id, c.Account, false)
		w.own(id, c.Account, nil)
		m.Settle(id, c.Account, &plan.Dirty{})
		m.Losses = append(m.Losses, plan.Loss{At: w.now, Group: id, Account: c.User.ID, Approved: c.Approved})
	case run.SetRole, run.CreateAccount:
		w.changeAccount(c)
	default:
		w.t.Fatalf("nobody knows how to %s", c.Op)
	}
	for i := range m.Approvals {
		m.Approvals[i].Keys = slices.DeleteFunc(m.Approvals[i].Keys, func(k string) bool { return k == c.Key })
	}
}

func (w *world) update(c *plan.Change) {
	g := *w.mem.Mirror.Group(c.Group.ID)
	next := g.Group
	if c.Spec.Name != "" {
		next.Name = c.Spec.Name
	}
	if c.Spec.Description != nil {
		next.Description = *c.Spec.Description
	}
	if c.Spec.Share != "" {
		next.Share = c.Spec.Share
	}
	w.place(&next, &c.Spec)
	next.Permissions = w.tree(next.Permissions, c)
	next.MembersRead = false
	w.mem.ObserveGroup(&next)
	for _, name := range c.Restored {
		w.mem.ForgetValue(g.ID, name, &plan.Dirty{})
	}
	link := w.mem.Links[c.Link]
	link.Applied, link.Before = maps.Clone(link.Applied), maps.Clone(link.Before)
	if link.Applied == nil {
		link.Applied, link.Before = map[string]json.RawMessage{}, map[string]json.RawMessage{}
	}
	for _, f := range c.Fields {
		if slices.Contains(c.Restored, f.Name) {
			delete(link.Applied, f.Name)
			delete(link.Before, f.Name)
			continue
		}
		if _, known := link.Before[f.Name]; !known {
			link.Before[f.Name] = raw(w.t, f.From)
		}
		link.Applied[f.Name] = raw(w.t, f.To)
	}
	w.mem.Links[c.Link] = link
}

func raw(t testing.TB, v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (w *world) member(group string, account uint32, in bool) {
	g := w.mem.Mirror.Group(group)
	next := g.Group
	next.MembersRead = true
	for _, n := range g.Numbers {
		if n != account {
			next.Members = append(next.Members, w.mem.Mirror.Account(n).ID)
		}
	}
	if in {
		next.Members = append(next.Members, w.mem.Mirror.Account(account).ID)
	}
	w.mem.ObserveGroup(&next)
}

func (w *world) own(group string, account uint32, feeds []plan.FeedKey) {
	o := w.mem.Owned[group]
	if o == nil {
		o = &plan.OwnedGroup{GroupID: group}
		w.mem.Owned[group] = o
	}
	o.Set(account, feeds)
	if len(feeds) > 0 {
		w.mem.EndStay(group, w.mem.Mirror.Account(account).ID, &plan.Dirty{})
	}
	if len(o.Feeds) == 0 {
		delete(w.mem.Owned, group)
	}
}

// approve lets a hold through as a person would.
func (w *world) approve(hash string) {
	w.t.Helper()
	h, listed := plan.FindHold(w.mem.Holds, hash)
	if h == nil {
		w.t.Fatalf("no hold has the hash %s", hash)
	}
	w.mem.Approvals = append(w.mem.Approvals, run.Approval{Hash: hash, Check: h.Check, Target: "chat", Scope: h.Scope, Keys: slices.Clone(listed.Keys),
		At: w.now, Until: w.now.Add(24 * time.Hour)})
	if listed.Accepts != nil {
		w.mem.Scopes[h.Scope] = *listed.Accepts
	}
}

// hold finds the hold of a check; there must be just one.
func (w *world) hold(check run.Check) run.Hold {
	w.t.Helper()
	var found []run.Hold
	for _, h := range w.mem.Holds {
		if h.Check == check {
			found = append(found, h)
		}
	}
	if len(found) != 1 {
		w.t.Fatalf("%d holds of %s among %v", len(found), check, w.holds())
	}
	return found[0]
}

// holds lists every hold as "check scope: n".
func (w *world) holds() []string {
	var all []string
	for _, h := range w.mem.Holds {
		all = append(all, strings.TrimSpace(string(h.Check)+" "+h.Scope)+fmt.Sprintf(": %d", len(h.Keys)))
	}
	return all
}

// show writes changes as "op group user absence outcome".
func show(p *plan.Plan) []string {
	var all []string
	for _, c := range p.Changes {
		text := string(c.Op) + " " + c.About() + granted(&c.Change)
		if c.User != nil {
			text += " " + strings.TrimPrefix(cmp.Or(c.User.ID, c.User.Email), "a-")
		}
		if from, to := c.Roles(); to != "" {
			text = fmt.Sprintf("set_role %s %s>%s", strings.TrimPrefix(c.User.ID, "a-"), from, to)
		}
		if c.Absence != "" {
			text += " " + c.Absence
		}
		if c.Outcome != run.Planned {
			text += " " + string(c.Outcome)
			if c.Hold != nil {
				text += " " + string(c.Hold.Check)
			}
		}
		all = append(all, text)
	}
	return all
}

// expect compares the changes of a plan.
func expect(t testing.TB, p *plan.Plan, want ...string) {
	t.Helper()
	if got := show(p); !slices.Equal(got, want) {
		t.Errorf("changes\n  %s\nwant\n  %s\nproblems %v", strings.Join(got, "\n  "), strings.Join(want, "\n  "), texts(p))
	}
}

func texts(p *plan.Plan) []string {
	var all []string
	for _, x := range p.Problems {
		all = append(all, string(x.Kind)+": "+x.Message)
	}
	return all
}

// told reports whether a problem of that kind speaks of something.
func told(p *plan.Plan, kind run.ProblemKind, text string) bool {
	return slices.ContainsFunc(p.Problems, func(x run.Problem) bool { return x.Kind == kind && strings.Contains(x.Message, text) })
}

// settled fails unless planning again finds nothing to do.
func (w *world) settled() {
	w.t.Helper()
	p, _ := w.plan()
	if len(p.Changes) != 0 || len(p.Roles) != 0 || len(p.Grants) != 0 || len(p.Forgotten) != 0 || len(p.Provenance) != 0 || len(p.Links) != 0 || len(p.People.New) != 0 || len(p.People.Ended) != 0 {
		w.t.Errorf("after all is done there is more to do: %v; provenance %v, links %v, people %v", show(p), p.Provenance, p.Links, p.People)
	}
}

// specOf is a rule as tests write it.
type specOf = mapping.Spec

func number(n int) string { return fmt.Sprintf("%06d", n) }
