package enginetest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// Store keeps replicas, memories, intents and reports as a durable store would: what is
// handed out and taken in are copies, and of a memory only what is named as changed is
// kept. A new engine over the same store is what a restart is.
type Store struct {
	Power *Power
	now   func() time.Time

	mu       sync.Mutex
	replicas map[string]*replica.Replica
	memories map[string]*plan.Memory
	// live are the memories as the process holds them, to be compared with what is kept.
	live    map[string]*plan.Memory
	intents []plan.Intent
	target  []string
	reports []run.Report
	events  []run.Event
	health  run.Health
	// Keep says how many reports are kept; zero: all.
	Keep int
	// lives counts how often the store was lost.
	lives int
	// Refuse says whether a change that comes with these events cannot be stored; may be
	// nil.
	Refuse func(events []run.Event) error
}

// NewStore gives an empty store.
func NewStore(now func() time.Time) *Store {
	return &Store{Power: &Power{}, now: now, replicas: map[string]*replica.Replica{}, memories: map[string]*plan.Memory{}, live: map[string]*plan.Memory{}}
}

// fresh gives the memory of a target that was never seen, under the instance that the
// store has in this life.
func (s *Store) fresh(target string) *plan.Memory {
	return plan.NewMemory(target, fmt.Sprintf("instance-%d", s.lives+1), s.now())
}

// Lose forgets everything, as a state folder does that is gone; what is made then is
// another instance.
func (s *Store) Lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lives++
	s.replicas, s.memories, s.live = map[string]*replica.Replica{}, map[string]*plan.Memory{}, map[string]*plan.Memory{}
	s.intents, s.target, s.reports = nil, nil, nil
}

// Backup gives what puts the store back to what it is now.
func (s *Store) Backup() (restore func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	replicas, memories, lives := maps.Clone(s.replicas), map[string]*plan.Memory{}, s.lives
	for name, m := range s.memories {
		memories[name] = copyMemory(m)
	}
	return func() {
		s.Lose()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lives, s.replicas = lives, maps.Clone(replicas)
		for name, m := range memories {
			s.memories[name] = copyMemory(m)
		}
	}
}

// Replica loads a replica as it was last saved.
func (s *Store) Replica(source string) (*replica.Replica, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.replicas[source]
	if r == nil {
		return replica.New(source), nil
	}
	return replica.Restore(r.Head, slices.Clone(r.Users()), slices.Clone(r.Groups())), nil
}

// SaveReplica keeps a replica.
func (s *Store) SaveReplica(r *replica.Replica) error {
	if err := s.Power.step(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replicas[r.Source] = r
	return nil
}

// Health loads how sources and targets fare.
func (s *Store) Health() (run.Health, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copyHealth(s.health), nil
}

// SaveHealth keeps it. No membership depends on it, so it is not one of the steps before
// which the power can be cut.
func (s *Store) SaveHealth(h run.Health) error {
	if s.Power.Off() {
		return fault.New(fault.Damaged, "write", "", errDead, "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.health = copyHealth(h)
	return nil
}

func copyHealth(h run.Health) run.Health {
	return run.Health{Sources: maps.Clone(h.Sources), Targets: maps.Clone(h.Targets), Complete: maps.Clone(h.Complete),
		Stale: maps.Clone(h.Stale), Holds: slices.Clone(h.Holds)}
}

// Memory loads a memory as it was last saved.
func (s *Store) Memory(target string) (*plan.Memory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memories[target] == nil {
		s.memories[target] = s.fresh(target)
	}
	m := copyMemory(s.memories[target])
	s.live[target] = m
	return m, nil
}

// SaveMemory keeps what is named of a memory.
func (s *Store) SaveMemory(m *plan.Memory, dirty plan.Dirty) error {
	if err := s.step(dirty.Events); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[m.Target] != nil {
		s.live[m.Target] = m // a decision puts a copy in force
	}
	return s.save(m, dirty)
}

// step is a durable step that stores events along with other things.
func (s *Store) step(events []run.Event) error {
	if err := s.Power.step(); err != nil {
		return err
	}
	if s.Refuse != nil {
		return s.Refuse(events)
	}
	return nil
}

func (s *Store) save(m *plan.Memory, d plan.Dirty) error {
	s.live[m.Target] = m
	kept := s.memories[m.Target]
	if kept == nil {
		return fmt.Errorf("memory %s was never loaded", m.Target)
	}
	s.saveMirror(kept, m, &d)
	for _, k := range d.People {
		if link, linked := m.People.Get(k); linked {
			kept.People.Set(k, link)
		} else {
			kept.People.Delete(k)
		}
	}
	for _, k := range d.Links {
		put(kept.Links, m.Links, k, copyLink)
	}
	for _, id := range d.Owned {
		put(kept.Owned, m.Owned, id, copyOwned)
	}
	if d.Losses {
		kept.Losses = slices.Clone(m.Losses)
	}
	if d.Holds {
		kept.Holds = copyHolds(m.Holds)
	}
	if d.Approvals {
		kept.Approvals = copyApprovals(m.Approvals)
	}
	if d.Accepted {
		kept.Accepted = slices.Clone(m.Accepted)
	}
	if d.Scopes {
		kept.Scopes = maps.Clone(m.Scopes)
	}
	if d.Tombstones {
		kept.Tombstones = slices.Clone(m.Tombstones)
	}
	s.events = append(s.events, d.Events...)
	for _, id := range d.Lost {
		put(kept.Lost, m.Lost, id, slices.Clone)
	}
	for _, id := range d.Roles {
		put(kept.Roles, m.Roles, id, func(r plan.OwnedRole) plan.OwnedRole { return r })
	}
	for _, key := range d.Grants {
		put(kept.Grants, m.Grants, key, slices.Clone)
	}
	return nil
}

func (s *Store) saveMirror(kept, m *plan.Memory, d *plan.Dirty) {
	accounts := kept.Mirror.Accounts()
	for _, n := range d.Accounts {
		for int(n) >= len(accounts) {
			accounts = append(accounts, plan.Account{})
		}
		accounts[n] = copyAccount(*m.Mirror.Account(n))
	}
	byID := map[string]*plan.MirrorGroup{}
	for _, g := range kept.Mirror.Groups() {
		byID[g.ID] = g
	}
	for _, id := range d.MirrorGroups {
		if g := m.Mirror.Group(id); g != nil {
			byID[id] = copyMirrorGroup(g)
		} else {
			delete(byID, id)
		}
	}
	head := *kept.Mirror
	if d.Head {
		kept.Instance, kept.Serial, kept.Began, kept.Peers = m.Instance, m.Serial, m.Began, maps.Clone(m.Peers)
		kept.Defaults = copyValues(m.Defaults)
		head = *m.Mirror
	}
	resources := map[plan.ResourceKey]*plan.Resource{}
	for _, r := range copyResources(kept.Mirror) {
		resources[r.ResourceKey] = r
	}
	for _, key := range d.Resources {
		delete(resources, key)
		if r := m.Mirror.Resource(key); r != nil {
			c := *r
			c.Grants = slices.Clone(r.Grants)
			resources[key] = &c
		}
	}
	if d.Head || len(d.Accounts)+len(d.MirrorGroups)+len(d.Resources) > 0 {
		kept.Mirror = plan.RestoreMirror(head, accounts, slices.Collect(maps.Values(byID)), slices.Collect(maps.Values(resources))...)
	}
}

func put[K comparable, V any](kept, m map[K]V, k K, clone func(V) V) {
	if v, ok := m[k]; ok {
		kept[k] = clone(v)
	} else {
		delete(kept, k)
	}
}

// Kept gives a copy of what is kept of a target.
func (s *Store) Kept(target string) *plan.Memory {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memories[target] == nil {
		return s.fresh(target)
	}
	return copyMemory(s.memories[target])
}

// Peek gives what is kept of a target, not to be changed or held on to.
func (s *Store) Peek(target string) *plan.Memory {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memories[target] == nil {
		s.memories[target] = s.fresh(target)
	}
	return s.memories[target]
}

// PeekReplica gives what is kept of a source, nil when nothing is.
func (s *Store) PeekReplica(source string) *replica.Replica {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replicas[source]
}

// Unsaved says which part of a memory differs between the process and the store: a
// restart would lose it. Empty: nothing.
func (s *Store) Unsaved(target string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	live, kept := s.live[target], s.memories[target]
	if live == nil || kept == nil {
		return ""
	}
	switch {
	case live.Serial != kept.Serial || live.Instance != kept.Instance || !maps.Equal(live.Peers, kept.Peers):
		return "serial"
	case !slices.EqualFunc(live.Mirror.Accounts(), kept.Mirror.Accounts(), sameAccount):
		return "accounts"
	case !slices.EqualFunc(live.Mirror.Groups(), kept.Mirror.Groups(), sameMirrorGroup):
		return "groups"
	case !live.People.Equal(kept.People):
		return "people"
	case !maps.EqualFunc(live.Links, kept.Links, sameLink):
		return "links"
	case !maps.EqualFunc(live.Owned, kept.Owned, sameOwned):
		return "owned"
	case !maps.Equal(live.Roles, kept.Roles):
		return "roles"
	case !maps.EqualFunc(live.Grants, kept.Grants, slices.Equal):
		return "grants"
	case !slices.EqualFunc(live.Mirror.Resources(), kept.Mirror.Resources(), sameResource):
		return "resources"
	case !slices.Equal(live.Losses, kept.Losses):
		return "losses"
	case !slices.EqualFunc(live.Holds, kept.Holds, func(a, b run.Hold) bool { return a.Hash == b.Hash && slices.Equal(a.Keys, b.Keys) }):
		return "holds"
	case !slices.EqualFunc(live.Approvals, kept.Approvals, func(a, b run.Approval) bool { return a.Hash == b.Hash && slices.Equal(a.Keys, b.Keys) }):
		return "approvals"
	case !slices.EqualFunc(live.Accepted, kept.Accepted, func(a, b plan.AcceptedRule) bool { return a.Hash == b.Hash }):
		return "accepted rules"
	case !maps.Equal(live.Scopes, kept.Scopes):
		return "scopes"
	case !slices.Equal(live.Tombstones, kept.Tombstones):
		return "tombstones"
	case !maps.EqualFunc(live.Lost, kept.Lost, slices.Equal):
		return "members in doubt"
	}
	return ""
}

func sameAccount(a, b plan.Account) bool {
	return a.ID == b.ID && a.Email == b.Email && a.Role == b.Role && a.Deleted == b.Deleted && a.CreatedAt == b.CreatedAt && maps.Equal(a.Subjects, b.Subjects)
}

func sameMirrorGroup(a, b *plan.MirrorGroup) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Description == b.Description && a.MemberCount == b.MemberCount && a.UpdatedAt == b.UpdatedAt &&
		a.MembersRead == b.MembersRead && a.ReadAt.Equal(b.ReadAt) && slices.Equal(a.Numbers, b.Numbers) && bytes.Equal(a.Permissions, b.Permissions)
}

func sameLink(a, b plan.GroupLink) bool {
	return slices.Equal(a.Kept, b.Kept) && a.GroupID == b.GroupID && a.Since.Equal(b.Since) && a.RecreatedAt.Equal(b.RecreatedAt) && len(a.Applied) == len(b.Applied) && len(a.Before) == len(b.Before)
}

func sameOwned(a, b *plan.OwnedGroup) bool {
	feed := func(x, y plan.OwnedFeed) bool { return x.Key == y.Key && slices.Equal(x.Accounts, y.Accounts) }
	return slices.EqualFunc(a.Feeds, b.Feeds, feed) && slices.Equal(a.Clocks, b.Clocks)
}

// Begin keeps what is named of the memory and the intents of a run, in one step.
func (s *Store) Begin(m *plan.Memory, _, _ string, intents []plan.Intent, dirty plan.Dirty) error {
	if err := s.step(dirty.Events); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range intents {
		s.intents = append(s.intents, copyIntent(in))
		s.target = append(s.target, m.Target)
	}
	return s.save(m, dirty)
}

// Done closes intents and keeps what is named of the memory, in one step.
func (s *Store) Done(m *plan.Memory, runID string, seqs []int, dirty plan.Dirty) error {
	if err := s.step(dirty.Events); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.intents) - 1; i >= 0; i-- {
		if in := &s.intents[i]; s.target[i] == m.Target && in.Run == runID && slices.Contains(seqs, in.Seq) {
			s.intents = slices.Delete(s.intents, i, i+1)
			s.target = slices.Delete(s.target, i, i+1)
		}
	}
	return s.save(m, dirty)
}

// Open gives the intents that are not closed.
func (s *Store) Open(target string) ([]plan.Intent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var open []plan.Intent
	for i := range s.intents {
		if s.target[i] == target {
			open = append(open, copyIntent(s.intents[i]))
		}
	}
	return open, nil
}

// Note keeps events.
func (s *Store) Note(events ...run.Event) error {
	if len(events) == 0 {
		return nil
	}
	if err := s.step(events); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
	return nil
}

// Head says how many events are kept.
func (s *Store) Head() (run.AuditHead, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return run.AuditHead{Seq: uint64(len(s.events))}, nil
}

// Events gives what the audit was told, oldest first.
func (s *Store) Events() []run.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// SaveRun keeps a report, with what the audit says of it.
func (s *Store) SaveRun(r *run.Report, events ...run.Event) error {
	if err := s.step(events); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
	s.reports = append(s.reports, *r)
	if s.Keep > 0 && len(s.reports) > s.Keep {
		s.reports = slices.Delete(s.reports, 0, len(s.reports)-s.Keep)
	}
	return nil
}

// Run loads a report.
func (s *Store) Run(id string) (*run.Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.reports {
		if strings.HasPrefix(s.reports[i].Run, id) {
			r := s.reports[i]
			return &r, nil
		}
	}
	return nil, fault.Errorf(fault.NotFound, "load run", id, "no run has that id")
}

// Runs gives the newest reports.
func (s *Store) Runs(limit int) ([]run.Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(s.reports)
	slices.Reverse(out)
	return out[:min(limit, len(out))], nil
}

func sameResource(a, b *plan.Resource) bool {
	return a.ResourceKey == b.ResourceKey && a.Name == b.Name && a.Owner == b.Owner && slices.Equal(a.Grants, b.Grants)
}
