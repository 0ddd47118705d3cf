package app

import (
	"context"
	"log/slog"
	"slices"

	"groupsyncd/internal/logging"
	"groupsyncd/state"
)

// dropReplicas forgets what sources showed that are no longer configured, once nothing in
// any target rests on them any more: also not in a target that is no longer configured.
func (a *App) dropReplicas(ctx context.Context) {
	stored, err := a.db.Replicas()
	if err == nil {
		var pushed []string
		pushed, err = a.db.PushedSources()
		stored = append(stored, pushed...)
		slices.Sort(stored)
		stored = slices.Compact(stored)
	}
	if err == nil {
		a.mu.Lock()
		p := a.parts
		a.mu.Unlock()
		stored = slices.DeleteFunc(stored, func(id string) bool { return p.uses(id) })
		if len(stored) == 0 {
			return
		}
		// Nothing can become ours through a source while no run goes on.
		err = a.engine.Quiet(ctx, func() error { return a.dropUnneeded(ctx, stored) })
	}
	if err != nil && ctx.Err() == nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "replicas of removed sources not dropped", slog.String(logging.KeyErr, err.Error()))
	}
}

// uses reports whether the configuration has a source with that identity.
func (p *parts) uses(id string) bool {
	for _, used := range p.ids {
		if used == id {
			return true
		}
	}
	return false
}

func (a *App) dropUnneeded(ctx context.Context, sources []string) error {
	known, err := a.db.Sources()
	if err != nil {
		return err
	}
	for _, id := range sources {
		name := ""
		if i := slices.IndexFunc(known, func(k state.SourceIdentity) bool { return k.ID == id }); i >= 0 {
			name = known[i].Name
		}
		why, err := a.restsOn(id, name)
		if err != nil {
			return err
		}
		if why != "" {
			a.log.LogAttrs(ctx, slog.LevelDebug, "replica of a removed source kept", slog.String(logging.KeySource, id), slog.String(logging.KeyReason, why))
			continue
		}
		a.mu.Lock()
		back := a.parts.uses(id)
		a.mu.Unlock()
		if back {
			continue // It was configured again meanwhile.
		}
		if err := a.db.DropReplica(id); err != nil {
			return err
		}
		a.engine.Forget(id)
		logging.Changed(ctx, a.log, "replica of a removed source dropped", slog.String(logging.KeySource, id), slog.String(logging.KeyName, name))
	}
	return nil
}

// restsOn says what in any target still rests on a source.
func (a *App) restsOn(id, name string) (string, error) {
	targets, err := a.db.Targets()
	if err != nil {
		return "", err
	}
	for _, t := range targets {
		mem, err := a.db.Memory(t)
		if err != nil {
			return "", err
		}
		open, err := a.db.Open(t)
		if err != nil {
			return "", err
		}
		if why := mem.RestsOn(id, name, open); why != "" {
			return "target " + t + ": " + why, nil
		}
	}
	return "", nil
}
