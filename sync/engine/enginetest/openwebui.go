package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/permission"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// Effect is one thing that the engine did to the Open WebUI.
type Effect struct {
	At      time.Time
	Op      run.Op
	Group   string
	Name    string
	Account string
	// SameMark and SameName are groups that were there when a group was made.
	SameMark, SameName []string
	// Had: the member was there already, or was not there.
	Had bool
}

// OpenWebUI is an Open WebUI in memory. The methods with small names beside those of
// the port are the hand of an administrator. It is not safe for concurrent use by
// several runs; the engine makes its calls one at a time.
type OpenWebUI struct {
	clock    *Clock
	power    *Power
	groups   map[string]*webGroup
	accounts map[string]*plan.Account
	order    []string
	next     int
	made     int

	// Effects is what the engine did, oldest first.
	Effects []Effect
	// Down makes every call fail with this error.
	Down error
	// Fault decides what becomes of the nth write, counted from 1; may be nil.
	Fault func(op run.Op, group string, accounts []string) Fault
	// Before is called ahead of every write; may be nil.
	Before func(op run.Op)
	// Looks is called ahead of every look at everything; may be nil.
	Looks func()
	// Deployment is what the server says it is.
	Deployment string
	// Self is the account behind our key.
	Self string
	// Unread is a group whose members the next look cannot read.
	Unread   string
	Problems []run.Problem
	// Config are the settings that the server shows.
	Config plan.Settings
	// Unknown are default permissions that the server drops without a word.
	Unknown []string
	// Broken are resources that a list shows and that cannot be read by themselves; Refused are
	// types of which no list is given.
	Broken  []plan.ResourceKey
	Refused []string
	// Revoked are the accounts whose sessions were ended, oldest first.
	Revoked []string

	resources map[plan.ResourceKey]*plan.Resource
	defaults  permission.Set

	requests, writes int
}

// Fault is what becomes of a write.
type Fault int

// What can become of a write.
const (
	Works Fault = iota
	// FailsBefore: an error, and nothing happened.
	FailsBefore
	// FailsAfter: an error, and it happened.
	FailsAfter
	// Ignored: no error, and nothing happened.
	Ignored
)

type webGroup struct {
	plan.Group
	perms   permission.Set
	members map[string]bool
	models  []string
	// owner, created and meta are what no call can write.
	owner   string
	created int64
	meta    json.RawMessage
	// extra are values in the data that nobody here gives a meaning.
	extra, config map[string]json.RawMessage
}

// NewOpenWebUI gives an empty server.
func NewOpenWebUI(clock *Clock, power *Power) *OpenWebUI {
	return &OpenWebUI{clock: clock, power: power, groups: map[string]*webGroup{}, accounts: map[string]*plan.Account{}, Deployment: "deployment-1",
		resources: map[plan.ResourceKey]*plan.Resource{}, defaults: permission.Set{}}
}

// session is one look; it counts its own requests.
type session struct {
	*OpenWebUI
	requests, writes int
}

// Open begins a look at the server.
func (o *OpenWebUI) Open() engine.Target { return &session{OpenWebUI: o} }

func (s *session) Spent() (requests, writes int) { return s.requests, s.writes }

// alive answers whether the server can be called at all.
func (s *session) alive(write bool) error {
	s.requests++
	s.OpenWebUI.requests++
	if write {
		s.writes++
		s.OpenWebUI.writes++
		return s.power.step()
	}
	if s.power.Off() {
		return fault.New(fault.Damaged, "read", "", errDead, "")
	}
	return nil
}

func (s *session) read() error {
	if err := s.alive(false); err != nil {
		return err
	}
	return s.Down
}

// write does what a call wants, unless a fault says otherwise.
func (s *session) write(ctx context.Context, op run.Op, group string, accounts []string, do func() error) error {
	if s.Before != nil {
		s.Before(op)
	}
	if err := s.alive(true); err != nil {
		return err
	}
	if s.Down != nil {
		return s.Down
	}
	what := Works
	if s.Fault != nil {
		what = s.Fault(op, group, accounts)
	}
	// A call that takes long is up to the test; one that nobody waits for is not made.
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return fault.Errorf(fault.Canceled, string(op), "open webui", "the call was given up: %w", err)
	}
	switch what {
	case FailsBefore:
		return fault.Errorf(fault.Unavailable, string(op), "open webui", "the connection was refused")
	case Ignored:
		return nil
	}
	if err := do(); err != nil {
		return err
	}
	if what == FailsAfter {
		return fault.Errorf(fault.Unavailable, string(op), "open webui", "the connection was cut before the answer came")
	}
	return nil
}

// Observe shows all groups, and of the accounts those that are new, as the real server
// is read.
func (s *session) Observe(_ context.Context, m *plan.Mirror, look plan.Look) (*plan.Observation, error) {
	all := look.All
	if s.Looks != nil {
		s.Looks()
	}
	if err := s.read(); err != nil {
		return nil, err
	}
	o := &plan.Observation{Version: "0.12.4", Parents: true, Deployment: s.Deployment, Self: s.Self, At: s.clock.Now(), ReadAll: true}
	strangers := false
	for _, id := range slices.Sorted(maps.Keys(s.groups)) {
		g := s.groups[id].view()
		if id == s.Unread || !all && m.Unchanged(&g) {
			o.ReadAll = false
		} else {
			s.fill(&g)
		}
		for _, a := range g.Members {
			if n, known := m.Number(a); !known || m.Account(n).Deleted {
				strangers = true
			}
		}
		o.Groups = append(o.Groups, g)
	}
	s.Unread = ""
	fresh, known := 0, m.Living()
	for _, id := range s.order {
		if _, ok := m.Number(id); !ok {
			fresh++
			o.Accounts = append(o.Accounts, copyAccount(*s.accounts[id]))
		}
	}
	if err := s.share(o, look); err != nil {
		return nil, err
	}
	if all || look.Roles || strangers || known+fresh != len(s.order) {
		o.AllAccounts = true
		o.Accounts = nil
		for _, id := range s.order {
			o.Accounts = append(o.Accounts, copyAccount(*s.accounts[id]))
		}
	}
	return o, nil
}

func (g *webGroup) view() plan.Group {
	v := g.Group
	v.MemberCount = len(g.members)
	v.Permissions = encode(g.perms)
	if g.models != nil || len(g.extra)+len(g.config) > 0 {
		v.Data = g.data()
	}
	if g.Mark != nil {
		mark := *g.Mark
		v.Mark = &mark
	}
	return v
}

func (s *session) fill(g *plan.Group) {
	g.Members = slices.Sorted(maps.Keys(s.groups[g.ID].members))
	if g.Members == nil {
		g.Members = []string{}
	}
	g.MembersRead, g.ReadAt = true, s.clock.Now().Truncate(time.Second)
}

func encode(set permission.Set) json.RawMessage {
	if len(set) == 0 {
		return nil
	}
	raw, err := permission.Merge(nil, set)
	if err != nil {
		panic(err) // The sets of tests are well formed.
	}
	return raw
}

func (s *session) Account(_ context.Context, id string, _ bool) (*plan.AccountView, error) {
	if err := s.read(); err != nil {
		return nil, err
	}
	a := s.accounts[id]
	if a == nil {
		return nil, fault.Errorf(fault.NotFound, "read account", "open webui", "account %s does not exist any more", id)
	}
	v := &plan.AccountView{Account: copyAccount(*a), Groups: []string{}}
	for _, g := range slices.Sorted(maps.Keys(s.groups)) {
		if s.groups[g].members[id] {
			v.Groups = append(v.Groups, g)
		}
	}
	return v, nil
}

func (s *session) ReadGroup(_ context.Context, id string) (plan.Group, error) {
	if err := s.read(); err != nil {
		return plan.Group{}, err
	}
	g := s.groups[id]
	if g == nil {
		return plan.Group{}, notFound(id)
	}
	v := g.view()
	s.fill(&v)
	return v, nil
}

func notFound(id string) error {
	return fault.Errorf(fault.NotFound, "read group", "open webui", "group %s does not exist", id)
}

func (s *session) BuiltInSync(context.Context) ([]run.Problem, error) { return s.Problems, s.read() }

// CreateGroup makes a group; when the answer is lost it looks for the mark, as the port
// demands.
func (s *session) CreateGroup(ctx context.Context, spec plan.GroupSpec) (plan.Group, error) {
	var made *webGroup
	err := s.write(ctx, run.CreateGroup, "", nil, func() error {
		e := Effect{At: s.clock.Now(), Op: run.CreateGroup, Name: spec.Name}
		for _, id := range slices.Sorted(maps.Keys(s.groups)) {
			g := s.groups[id]
			if g.Name == spec.Name {
				e.SameName = append(e.SameName, id)
			}
			if g.Mark != nil && spec.Mark != nil && g.Mark.Link() == spec.Mark.Link() {
				e.SameMark = append(e.SameMark, id)
			}
		}
		made = s.make(spec.Name)
		s.set(made, spec)
		e.Group = made.ID
		s.Effects = append(s.Effects, e)
		return nil
	})
	if made != nil && !s.power.Off() {
		return made.view(), nil
	}
	if err == nil {
		err = fault.Errorf(fault.Incomplete, "create group", "open webui", "the answer has no group")
	}
	return plan.Group{}, err
}

func (o *OpenWebUI) make(name string) *webGroup {
	o.made++
	g := &webGroup{Group: plan.Group{ID: fmt.Sprintf("g%d", o.made), Name: name, UpdatedAt: o.clock.Now().Unix()}, members: map[string]bool{}, perms: permission.Set{},
		owner: o.Self, created: o.clock.Now().Unix()}
	o.groups[g.ID] = g
	return g
}

func (o *OpenWebUI) set(g *webGroup, spec plan.GroupSpec) {
	if spec.Name != "" {
		g.Name = spec.Name
	}
	if spec.Description != nil {
		g.Description = *spec.Description
	}
	if spec.Share != "" {
		g.Share = spec.Share
	}
	if spec.Mark != nil {
		mark := *spec.Mark
		g.Mark = &mark
	}
	g.imported(&spec)
	if spec.Permissions != nil && len(g.perms) == 0 {
		for _, key := range permission.KnownKeys() { // as our client does
			g.perms[key] = false
		}
	}
	maps.Copy(g.perms, spec.Permissions)
	for _, key := range spec.Dropped {
		delete(g.perms, key)
	}
	if spec.Parent != nil {
		g.Parent = *spec.Parent
	}
	if spec.DefaultModels != nil {
		g.models = slices.Clone(spec.DefaultModels)
	}
	g.UpdatedAt = o.clock.Now().Unix()
}

func (s *session) UpdateGroup(ctx context.Context, current plan.Group, spec plan.GroupSpec) (plan.Group, error) {
	g := s.groups[current.ID]
	err := s.write(ctx, run.UpdateGroup, current.ID, nil, func() error {
		if g == nil {
			return notFound(current.ID)
		}
		s.set(g, spec)
		s.Effects = append(s.Effects, Effect{At: s.clock.Now(), Op: run.UpdateGroup, Group: g.ID, Name: g.Name})
		return nil
	})
	if err != nil || g == nil {
		return plan.Group{}, err
	}
	return g.view(), nil
}

func (s *session) AddMembers(ctx context.Context, group string, accounts []string) error {
	return s.members(ctx, run.AddMember, group, accounts)
}

func (s *session) RemoveMembers(ctx context.Context, group string, accounts []string) error {
	return s.members(ctx, run.RemoveMember, group, accounts)
}

func (s *session) members(ctx context.Context, op run.Op, group string, accounts []string) error {
	return s.write(ctx, op, group, accounts, func() error {
		g := s.groups[group]
		if g == nil {
			return notFound(group)
		}
		for _, a := range accounts {
			had := g.members[a]
			if s.accounts[a] == nil {
				continue // dropped without a word, as the server does
			}
			s.Effects = append(s.Effects, Effect{At: s.clock.Now(), Op: op, Group: group, Name: g.Name, Account: a, Had: had})
			if op == run.AddMember {
				g.members[a] = true
			} else {
				delete(g.members, a)
			}
		}
		g.UpdatedAt = s.clock.Now().Unix()
		return nil
	})
}
