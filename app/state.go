package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/state"
	"groupsyncd/sync/engine"
)

// CheckState reads the whole state.
func (a *App) CheckState(ctx context.Context) (*engine.StateStatus, error) {
	if err := a.db.Check(ctx); err != nil {
		return nil, err
	}
	a.care.mu.Lock()
	a.care.checked = a.now().UTC()
	a.care.mu.Unlock()
	s := a.stateStatus()
	return s, nil
}

// BackupState writes a verified copy, encrypted if a recipient is configured.
func (a *App) BackupState(ctx context.Context, path, by string) (*engine.BackupMade, error) {
	if path != "" && !filepath.IsAbs(path) {
		return nil, fault.New(fault.Invalid, "back up state", path, errors.New("the path must be absolute"), "")
	}
	made, err := a.db.BackupTo(ctx, path, a.settings().Backup.Recipient)
	if err != nil {
		return nil, err
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "state backed up", slog.String("path", made.Path), slog.Int64("bytes", made.Size), slog.String("by", by))
	if path == "" {
		// A good copy in our folder is what a failed attempt was about.
		a.noteBackup(ctx, a.settings(), nil)
	}
	return backupMade(made), nil
}

func backupMade(c state.Copy) *engine.BackupMade {
	return &engine.BackupMade{Path: c.Path, Size: c.Size, At: c.At, Encrypted: c.Encrypted}
}

// stateStatus says how the state and its backups are.
func (a *App) stateStatus() *engine.StateStatus {
	s := stateStatus(a.settings(), a.db, a.now())
	a.care.mu.Lock()
	defer a.care.mu.Unlock()
	s.CheckedAt = a.care.checked
	if err := a.care.failed; err != nil {
		s.Backup.Problem, s.Backup.Hint = err.Error(), backupHint(err)
	}
	return s
}

// stateStatus looks at an open state, its disk, and its folder of backups.
func stateStatus(cfg *config.Config, db *state.DB, now time.Time) *engine.StateStatus {
	s := &engine.StateStatus{Path: db.Path(), Instance: db.Instance(), Schema: db.Version()}
	if st, err := db.Stats(); err == nil {
		s.Size, s.MaxSize, s.Unused = st.Size, st.MaxSize, st.Free
	}
	if err := db.Err(); err != nil {
		s.Problem, s.Hint = err.Error(), fault.HintOf(err)
	}
	if free, err := state.Space(string(cfg.State)); err == nil {
		s.FreeSpace = free
	}
	s.Backup = backupStatus(cfg, now)
	return s
}

func backupStatus(cfg *config.Config, now time.Time) engine.BackupStatus {
	b := engine.BackupStatus{Every: cfg.Backup.Every.String(), Keep: cfg.Backup.Keep, Encrypted: cfg.Backup.Recipient != ""}
	if last := newest(string(cfg.State), now); last != nil {
		b.Last, b.File = last.At, last.Path
		b.Overdue = cfg.Backup.Every != 0 && now.Sub(last.At) > 2*cfg.Backup.Every.Std()
	}
	return b
}

// NothingYet reports whether there is no state at all where the configuration says.
func NothingYet(cfg *config.Config) bool { return state.Missing(string(cfg.State)) }

// StateOptions are what work on the state needs while no daemon holds it.
type StateOptions struct {
	Config      *config.Config
	Logger      *slog.Logger
	LockTimeout time.Duration
	Now         func() time.Time
}

func (o *StateOptions) open() state.Options {
	return state.Options{Dir: string(o.Config.State), Timeout: o.LockTimeout, Logger: o.Logger, Now: o.Now}
}

// CheckState reads the whole state while no daemon holds it, and changes nothing.
func CheckState(ctx context.Context, o StateOptions) (s *engine.StateStatus, err error) {
	db, err := state.Look(ctx, o.open())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.Check(ctx); err != nil {
		return nil, err
	}
	s = stateStatus(o.Config, db, o.Now())
	s.CheckedAt = o.Now().UTC()
	return s, nil
}

// BackupState copies the state while no daemon holds it.
func BackupState(ctx context.Context, o StateOptions, path string) (made *engine.BackupMade, err error) {
	db, err := state.Look(ctx, o.open())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c, err := db.BackupTo(ctx, path, o.Config.Backup.Recipient)
	if err != nil {
		return nil, err
	}
	return backupMade(c), nil
}

// Restored is what a restore came to.
type Restored struct {
	Path string `json:"path"`
	From string `json:"from"`
	// At is when the backup was made.
	At       time.Time `json:"at"`
	Instance string    `json:"instance"`
	// Kept is where the state is that was there before; Damage what was wrong with it.
	Kept   string `json:"kept,omitempty"`
	Damage string `json:"damage,omitempty"`
	// Dropped counts the approvals of the backup that do not hold any more.
	Dropped int `json:"approvals_dropped"`
}

// RestoreState puts a backup in the place of the state.
func RestoreState(ctx context.Context, o StateOptions, from, identity, by string) (*Restored, error) {
	from, err := filepath.Abs(from)
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	r, err := state.Restore(ctx, o.open(), state.RestoreOptions{From: from, Identity: identity, By: by})
	if err != nil {
		return nil, err
	}
	return &Restored{Path: r.Path, From: r.From, At: r.At, Instance: r.Instance, Kept: r.Kept, Damage: r.Damage, Dropped: r.Dropped}, nil
}

// Compacted is what compacting came to.
type Compacted struct {
	Path   string `json:"path"`
	Before int64  `json:"before"`
	After  int64  `json:"after"`
}

// CompactState writes the state anew without what holds nothing.
func CompactState(ctx context.Context, o StateOptions) (*Compacted, error) {
	c, err := state.Compact(ctx, o.open())
	if err != nil {
		return nil, err
	}
	return &Compacted{Path: c.Path, Before: c.Before, After: c.After}, nil
}
