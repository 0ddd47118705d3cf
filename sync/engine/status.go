package engine

import (
	"time"

	"groupsyncd/providers"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// Status is what is going on, for people and scripts.
type Status struct {
	Sources []SourceStatus `json:"sources"`
	Targets []TargetStatus `json:"targets"`
	Holds   []run.Hold     `json:"holds"`
	Last    *run.Report    `json:"last_run,omitempty"`
	// State is that of the file in which everything is kept.
	State *StateStatus `json:"state,omitempty"`
	// Daemon is nil when no daemon runs.
	Daemon *DaemonStatus `json:"daemon,omitempty"`
	// Webhooks and People are there while a daemon runs.
	Webhooks []WebhookStatus `json:"webhooks,omitempty"`
	People   *QueueStatus    `json:"people,omitempty"`
	// Notices are open: what they tell of was neither settled nor healed.
	Notices []run.Notice `json:"notices"`
	// Notify are the services that people are told by, where there are any.
	Notify []run.NotifyStatus `json:"notify,omitempty"`
}

// SourceStatus is what is known of one source.
type SourceStatus struct {
	Name string `json:"name"`
	// Coverage, Reason and Hint are those of the last pull by this process.
	Coverage string `json:"coverage,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Hint     string `json:"hint,omitempty"`
	// CompleteAsOf is the evidence time of the newest complete read.
	CompleteAsOf time.Time `json:"complete_as_of,omitzero"`
	Users        int       `json:"users"`
	Groups       int       `json:"groups"`
	// Single says that the source knows single people only, and Current how many of them
	// it showed within its max_age; CompleteAsOf is then when it last looked at everybody.
	Single  bool `json:"single,omitempty"`
	Current int  `json:"current,omitempty"`
	// FullAsOf is that of the newest read of everything, where changes may be read in between,
	// and Read how it was read last by this process.
	FullAsOf time.Time    `json:"full_as_of,omitzero"`
	Read     run.ReadKind `json:"read,omitempty"`
	// Watch is there while a daemon watches the source for changes, or tries to.
	Watch *WatchStatus `json:"watch,omitempty"`
	// Provisioned is there for a source that its provider fills.
	Provisioned *providers.Standing `json:"provisioned,omitempty"`
	// Failing counts pulls since the last complete one.
	Failing int       `json:"failing"`
	Stale   bool      `json:"stale"`
	Next    time.Time `json:"next,omitzero"`
	// StaleAfter is how long it may go without a complete read before it counts as stale.
	StaleAfter time.Duration `json:"-"`
	// Quarantine is there while it is tried less often because it keeps failing.
	Quarantine *run.Quarantine `json:"quarantine,omitempty"`
}

// WatchState says in a word how the watch of a source stands.
type WatchState string

// The states of a watch.
const (
	// WatchBegins: it was just begun. WatchWorks: changes are noticed. WatchLost: it ended and
	// begins anew after a while. WatchNone: the server offers none.
	WatchBegins WatchState = "begins"
	WatchWorks  WatchState = "works"
	WatchLost   WatchState = "lost"
	WatchNone   WatchState = "none"
)

// WatchStatus is how the watch of a source stands, or that of sign-ins to a target.
type WatchStatus struct {
	State  WatchState `json:"state"`
	Since  time.Time  `json:"since"`
	Reason string     `json:"reason,omitempty"`
	Hint   string     `json:"hint,omitempty"`
}

// TargetStatus is what is known of one target.
type TargetStatus struct {
	Name        string    `json:"name"`
	Version     string    `json:"version"`
	ObservedAt  time.Time `json:"observed_at,omitzero"`
	Accounts    int       `json:"accounts"`
	People      int       `json:"people"`
	Groups      int       `json:"groups"`
	Managed     int       `json:"managed"`
	Memberships int       `json:"memberships"`
	Held        int       `json:"held"`
	// Roles, Grants and Defaults count what we gave beside memberships: roles of accounts,
	// grants of resources, keys of the default permissions.
	Roles    int `json:"roles"`
	Grants   int `json:"grants"`
	Defaults int `json:"defaults"`
	// Quarantine is there while it is tried less often because it keeps failing.
	Quarantine *run.Quarantine `json:"quarantine,omitempty"`
	// Watch is there while a daemon notices sign-ins to the target, or tries to.
	Watch *WatchStatus `json:"watch,omitempty"`
	// Waiting counts owned memberships that wait for a source, by its name.
	Waiting map[string]int `json:"waiting,omitempty"`
}

// Status gives what is going on.
func (e *Engine) Status() (*Status, error) {
	s := e.current()
	out := &Status{Holds: e.Holds(), Sources: []SourceStatus{}, Targets: []TargetStatus{}, Notices: e.Notices()}
	names := map[string]string{}
	for i := range s.Sources {
		src := &s.Sources[i]
		names[src.ID] = src.Name
		r := e.replica(src.ID)
		users, groups := r.Size()
		e.mu.Lock()
		p := e.pulls[src.ID]
		e.mu.Unlock()
		trouble, _ := e.trouble(src.party())
		_, stale := e.stale(src)
		full := r.FullAt
		if !src.Changes {
			full = time.Time{}
		}
		complete, current := r.CompleteAt, 0
		if src.Single {
			complete, current = e.completed(src), e.currentPeople(src)
		}
		out.Sources = append(out.Sources, SourceStatus{Single: src.Single, Current: current, Name: src.Name, Coverage: p.Coverage, Reason: p.Reason, Hint: p.Hint, Read: p.Read, FullAsOf: full,
			CompleteAsOf: complete, Users: users, Groups: groups, Failing: trouble.Reads, Stale: stale, StaleAfter: src.StaleAfter, Quarantine: quarantine(&trouble), Provisioned: e.standing(src)})
	}
	for i := range s.Targets {
		t := e.targetStatus(s.Targets[i].Name, names)
		trouble, _ := e.trouble(s.Targets[i].party())
		t.Quarantine = quarantine(&trouble)
		out.Targets = append(out.Targets, t)
	}
	last, err := e.runs.Runs(1)
	if err != nil {
		return nil, err
	}
	if len(last) > 0 {
		out.Last = &last[0]
	}
	return out, nil
}

// currentPeople counts whom a source of single people showed within its max_age.
func (e *Engine) currentPeople(src *Source) int {
	rows, now, n := e.replica(src.ID).Users(), e.now(), 0
	for i := range rows {
		if now.Sub(rows[i].SeenAt) <= src.MaxAge {
			n++
		}
	}
	return n
}

func (e *Engine) targetStatus(name string, names map[string]string) TargetStatus {
	t := e.target(name)
	t.mu.Lock()
	defer t.mu.Unlock()
	mem := t.mem
	out := TargetStatus{Name: name, Version: mem.Mirror.Version, ObservedAt: mem.Mirror.At, Accounts: mem.Mirror.Living(),
		People: mem.People.Len(), Groups: len(mem.Mirror.Groups()), Waiting: map[string]int{}}
	managed := map[string]bool{}
	for _, l := range mem.Links {
		managed[l.GroupID] = true
	}
	out.Managed = len(managed)
	for id, o := range mem.Owned {
		if !plan.IsRole(id) {
			out.Memberships += o.Count()
		}
	}
	for _, h := range mem.Holds {
		out.Held += len(h.Keys)
	}
	out.Roles, out.Defaults = len(mem.Roles), len(mem.Defaults.Applied)
	for _, grants := range mem.Grants {
		out.Grants += len(grants)
	}
	for id, n := range t.waiting {
		if label := names[id]; label != "" {
			id = label
		}
		out.Waiting[id] += n
	}
	return out
}

// Report gives a past run by its id or a unique beginning of it.
func (e *Engine) Report(id string) (*run.Report, error) { return e.runs.Run(id) }

// History gives the newest runs, newest first, without their changes.
func (e *Engine) History(limit int) ([]run.Report, error) { return e.runs.Runs(limit) }

// DaemonStatus says that a daemon answers.
type DaemonStatus struct {
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
	// Refused says that the configuration file was refused at the last reload.
	Refused bool `json:"file_refused,omitempty"`
}
