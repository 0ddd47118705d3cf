package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/providers"
	"groupsyncd/sync/run"
)

// provisioned gives a source that its provider fills.
func (e *Engine) provisioned(op, name string) (*Source, providers.Provisioned, error) {
	s := e.current()
	i := slices.IndexFunc(s.Sources, func(x Source) bool { return x.Name == name })
	if i < 0 {
		return nil, nil, fault.New(fault.Invalid, op, "", errors.New("no source is named "+name), "see the sources with: groupsyncd status")
	}
	p, ok := s.Sources[i].Provider.(providers.Provisioned)
	if !ok {
		return nil, nil, fault.New(fault.Invalid, op, "source "+name, errors.New("it is read, no provider fills it"), "only sources of type scim-push are accepted and restarted")
	}
	return &s.Sources[i], p, nil
}

// AcceptSource takes what a provider has brought as everything, because somebody says so.
func (e *Engine) AcceptSource(ctx context.Context, name, by string) error {
	src, p, err := e.provisioned("accept source", name)
	if err != nil {
		return err
	}
	standing, err := p.Standing()
	if err != nil {
		return err
	}
	if !standing.Complete && standing.Users > 0 { // Else it says itself why not.
		if err := e.audit.Note(run.Event{At: e.now().UTC(), Kind: run.EventSourceAccepted, By: by, Scope: src.ID, Count: standing.Users}); err != nil {
			return err
		}
	}
	if err := p.Accept(); err != nil {
		return err
	}
	logging.Changed(ctx, e.log, "source accepted", slog.String(logging.KeySource, name), slog.String("by", by))
	return nil
}

// RestartSource has a provider bring everything again; until it has, the source says nothing.
func (e *Engine) RestartSource(ctx context.Context, name, by string) error {
	src, p, err := e.provisioned("restart source", name)
	if err != nil {
		return err
	}
	if err := e.audit.Note(run.Event{At: e.now().UTC(), Kind: run.EventSourceRestarted, By: by, Scope: src.ID}); err != nil {
		return err
	}
	if err := p.Restart(); err != nil {
		return err
	}
	logging.Changed(ctx, e.log, "source restarted", slog.String(logging.KeySource, name), slog.String("by", by))
	return e.doubtReplica(src)
}

// doubtPushed tells every source that a provider fills that what it holds may be long over:
// nothing else would bring it up to date, as a read does other sources.
func (e *Engine) doubtPushed(s *Setup, why string) error {
	for i := range s.Sources {
		src := &s.Sources[i]
		p, ok := src.Provider.(providers.Provisioned)
		if !ok {
			continue
		}
		began, err := p.Doubt(why)
		if err == nil && began {
			e.log.LogAttrs(context.Background(), slog.LevelWarn, "source has to be provisioned again", slog.String(logging.KeySource, src.Name), slog.String(logging.KeyReason, why))
			err = e.doubtReplica(src)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// doubtReplica takes from a replica what counts as proved.
func (e *Engine) doubtReplica(src *Source) error {
	e.merging.Lock()
	defer e.merging.Unlock()
	from := e.replica(src.ID)
	next := from.Doubted()
	if err := e.ledger.SaveReplica(next); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.doubted[src.ID] = e.now()
	if e.replicas[src.ID] == from {
		e.replicas[src.ID] = next
	}
	return nil
}

// standing gives how a source that a provider fills stands, nil for any other.
func (e *Engine) standing(src *Source) *providers.Standing {
	p, ok := src.Provider.(providers.Provisioned)
	if !ok {
		return nil
	}
	st, err := p.Standing()
	if err != nil {
		return &providers.Standing{Waiting: err.Error(), Hint: fault.HintOf(err)}
	}
	return st
}
