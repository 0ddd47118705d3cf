package app

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/providers"
	"groupsyncd/state"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/schedule"
	"groupsyncd/target/openwebui"
)

// parts is everything that is made from one configuration.
type parts struct {
	cfg     *config.Config
	setup   engine.Setup
	clients map[string]*openwebui.Client
	// ids are the identities of the sources, by name.
	ids map[string]string
}

// build makes the sources, targets and rules of a configuration. It opens no connection;
// what it made is closed again when it fails.
func build(cfg *config.Config, identities []state.SourceIdentity, log *slog.Logger, now func() time.Time, network Network, pushed func(id string) providers.Pushed) (p *parts, err error) {
	p = &parts{cfg: cfg, clients: map[string]*openwebui.Client{}, ids: identify(cfg, identities)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	loc, err := zone(cfg)
	if err != nil {
		return p, err
	}
	s := &p.setup
	s.AuditNames = cfg.Audit.Names
	s.Limits = plan.Limits{MaxPeople: cfg.Safety.MaxPeople, MaxPeople24h: cfg.Safety.MaxPeople24h, MaxGroupLoss: cfg.Safety.MaxGroupLoss,
		MaxDemotions: cfg.Safety.MaxDemotions, MaxNewAdmins: cfg.Safety.MaxNewAdmins, MaxCuts: cfg.Safety.MaxCuts,
		MaxNewGroups: cfg.Safety.MaxNewGroups, MaxSourceShrink: cfg.Safety.MaxSourceShrink, ApprovalTTL: cfg.Safety.ApprovalTTL.Std()}
	if err := p.connect(log, now, network); err != nil {
		return p, err
	}
	for _, src := range cfg.Sources {
		opened, err := src.Config.Open(providers.Options{Name: src.Name, Logger: log.With(slog.String(logging.KeySource, src.Name)), Now: now,
			Timeout: network.Timeout, Sessions: p.sessions(src), Limiters: network.Limiters, Dial: network.Dial, Meter: network.Meters.For(sourceMeter(src.Name)), Pushed: pushedOf(pushed, p.ids[src.Name]), PublicURL: cfg.Server.Public.URL})
		if err != nil {
			return p, fmt.Errorf("source %s: %w", src.Name, err)
		}
		s.Sources = append(s.Sources, source(cfg, src, p.ids[src.Name], opened))
		last := &s.Sources[len(s.Sources)-1]
		every, err := schedule.Parse(src.Schedule, loc)
		if err != nil {
			return p, fault.New(fault.Invalid, "schedule", "source "+src.Name, err, "")
		}
		last.StaleAfter, last.Since = time.Duration(cfg.StaleAfter)*every.Interval(), since(identities, last.ID, now())
	}
	for _, t := range cfg.Targets {
		client := p.clients[t.Name]
		s.Targets = append(s.Targets, engine.TargetSetup{Name: t.Name, Open: func() engine.Target { return client.Session() },
			Accounts: accountRules(cfg, t.Name, p.ids), Defaults: cfg.DefaultPermissions(t.Name), Resources: cfg.ResourceTypes(t.Name),
			Match: t.Match, Ignore: t.Ignore, Protect: t.Protect, PlanOnly: cmp.Or(t.Mode, cfg.Mode) == "plan"})
	}
	s.PlanOnly = !slices.ContainsFunc(s.Targets, func(t engine.TargetSetup) bool { return !t.PlanOnly })
	s.Rules, err = rules(cfg, p.ids)
	return p, err
}

// pushedOf gives the store of a source, nil where nothing is kept.
func pushedOf(pushed func(id string) providers.Pushed, id string) providers.Pushed {
	if pushed == nil {
		return nil
	}
	return pushed(id)
}

// sweepTime bounds one look at everybody where people are looked at one by one, so as not
// to be a burden to the server that keeps them. It is below what a run may take.
const sweepTime = 110 * time.Minute

// walkTime bounds a read of a source that asks for each group, as often as its service lets it:
// some ten thousand groups.
const walkTime = 50 * time.Minute

func source(cfg *config.Config, src *config.Source, id string, opened providers.Source) engine.Source {
	s := engine.Source{ID: id, Name: src.Name, Provider: opened, Lag: src.Lag.Std(), LagReplicated: src.LagReplicated.Std(), MaxAge: src.MaxAge.Std(),
		Grace: replica.Grace{Reads: cfg.Safety.Absence.Reads, Over: cfg.Safety.Absence.Over.Std()}, Domains: src.EmailDomains, Scope: src.Config.Scope(), Place: src.Config.Place()}
	if src.Changes != nil {
		s.Changes, s.FullEvery = src.Changes.Read == config.ChangesAuto, src.Changes.FullEvery.Std()
	}
	s.Single, s.Push, s.Walks = src.Single, src.Push, src.Walks
	if reader, ok := src.Config.(providers.TargetReader); ok {
		s.Reads = reader.ReadsTarget()
		s.SignIn, s.Subject = reader.SignsIn()
	}
	if src.SignIn != nil {
		s.SignIn, s.Subject = src.SignIn.Provider, src.SignIn.Subject
	}
	switch {
	case src.Single:
		s.Timeout = sweepTime
	case src.Walks:
		s.Timeout = walkTime
	}
	return s
}

// since gives when a source was configured first: now, for one that is new.
func since(known []state.SourceIdentity, id string, now time.Time) time.Time {
	if i := slices.IndexFunc(known, func(k state.SourceIdentity) bool { return k.ID == id }); i >= 0 && !known[i].Since.IsZero() {
		return known[i].Since
	}
	return now
}

// signIn reports whether any source says how its people sign in; only then accounts
// have to be read with their subjects.
func signIn(cfg *config.Config) bool {
	return slices.ContainsFunc(cfg.Sources, func(s *config.Source) bool {
		_, reads := s.Config.(providers.TargetReader)
		return s.SignIn != nil || reads
	})
}

// accountRules gives what of accounts and roles is ours, with source ids in place of names.
func accountRules(cfg *config.Config, target string, ids map[string]string) *plan.AccountRules {
	a := cfg.AccountRules(target)
	if a == nil {
		return nil
	}
	for i, name := range a.Authority {
		a.Authority[i] = ids[name]
	}
	return a
}

// rules compiles every rule once, with source ids in place of names.
func rules(cfg *config.Config, ids map[string]string) ([]*mapping.Rule, error) {
	var out []*mapping.Rule
	seen := map[string]bool{}
	for _, t := range cfg.Targets {
		for _, spec := range cfg.Specs(t.Name) {
			for i, name := range spec.From {
				spec.From[i] = ids[name]
			}
			if seen[spec.Hash()] {
				continue
			}
			seen[spec.Hash()] = true
			r, err := mapping.Compile(spec)
			if err != nil {
				return nil, fault.New(fault.Invalid, "rules", cfg.File(), err, "")
			}
			out = append(out, r)
		}
	}
	return out, nil
}

// identify gives every source its identity in the state: by its name; else, for a name
// that is new, the identity of a source that is no longer configured and reads the same
// place with the same scope, because then only the name was changed; else a new one.
func identify(cfg *config.Config, known []state.SourceIdentity) map[string]string {
	ids := map[string]string{}
	used := map[string]bool{}
	for _, src := range cfg.Sources {
		if i := slices.IndexFunc(known, func(k state.SourceIdentity) bool { return k.Name == src.Name }); i >= 0 {
			ids[src.Name] = known[i].ID
			used[known[i].ID] = true
		}
	}
	for _, src := range cfg.Sources {
		if ids[src.Name] != "" {
			continue
		}
		for _, k := range known {
			if !used[k.ID] && cfg.Source(k.Name) == nil && k.Place == src.Config.Place() && k.Scope == src.Config.Scope() {
				ids[src.Name] = k.ID
				break
			}
		}
		id := ids[src.Name]
		for n := 1; id == ""; n++ {
			candidate := src.Name
			if n > 1 {
				candidate += "-" + strconv.Itoa(n)
			}
			taken := used[candidate] || slices.ContainsFunc(known, func(k state.SourceIdentity) bool { return k.ID == candidate })
			if !taken {
				id = candidate
			}
		}
		ids[src.Name] = id
		used[id] = true
	}
	return ids
}

// remember stores the identities of the sources as they are configured now.
func (p *parts) remember(db *state.DB, known []state.SourceIdentity) error {
	for _, src := range p.cfg.Sources {
		id := state.SourceIdentity{ID: p.ids[src.Name]}
		if i := slices.IndexFunc(known, func(k state.SourceIdentity) bool { return k.ID == id.ID }); i >= 0 {
			id = known[i]
		}
		before := id
		id.Name, id.Place, id.Scope = src.Name, src.Config.Place(), src.Config.Scope()
		if id.Since.IsZero() {
			id.Since = p.source(id.ID).Since.UTC().Round(0)
		}
		if id == before {
			continue
		}
		if err := db.SaveSource(id); err != nil {
			return err
		}
	}
	return nil
}

// source gives the source with that identity.
func (p *parts) source(id string) *engine.Source {
	i := slices.IndexFunc(p.setup.Sources, func(s engine.Source) bool { return s.ID == id })
	return &p.setup.Sources[i]
}

// close closes what build made.
func (p *parts) close() error {
	var errs []error
	for i := range p.setup.Sources {
		if err := p.setup.Sources[i].Provider.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close source %s: %w", p.setup.Sources[i].Name, err))
		}
	}
	for _, c := range p.clients {
		c.Close()
	}
	return errors.Join(errs...)
}

// zone gives the time zone of the schedules.
func zone(cfg *config.Config) (*time.Location, error) {
	loc, err := time.LoadLocation(cfg.TimeZone)
	if err != nil {
		return nil, fault.New(fault.Invalid, "time_zone", cfg.File(), err, "write a name such as Europe/Berlin, or UTC")
	}
	return loc, nil
}
