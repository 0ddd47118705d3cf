package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/providers"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// sealLength is how many bytes before a kept cursor say what the source was when it gave it.
const sealLength = 8

// seal says what a source is: a cursor is good for the same directory and the same entries
// only, and both can change with the configuration, while a read is under way too.
func (s *Source) seal() []byte {
	sum := sha256.Sum256([]byte(s.Place + "\x00" + s.Scope))
	return sum[:sealLength]
}

// sealed gives the form in which a cursor is kept, nil when there is none.
func (s *Source) sealed(cursor []byte) []byte {
	if len(cursor) == 0 {
		return nil
	}
	return slices.Concat(s.seal(), cursor)
}

// unsealed gives the cursor of a source, false when it belongs to what the source was before.
func (s *Source) unsealed(kept []byte) ([]byte, bool) {
	return bytes.CutPrefix(kept, s.seal())
}

// scope is everything that decides which entries a source shows, what its server decided
// included.
func (s *Source) scope(r *replica.Replica) string {
	if r.Scope == "" {
		return s.Scope
	}
	return s.Scope + "\n" + r.Scope
}

// read is one read of a source: what it showed, and how it was read.
type read struct {
	snapshot *directory.Snapshot
	kind     run.ReadKind
	// base is what changes were applied to.
	base *directory.Snapshot
}

// read reads changes where that is enough, and everything where it is not or where any doubt
// is left.
func (e *Engine) read(ctx context.Context, src *Source, req run.Request, progress providers.Progress, log *slog.Logger) (*read, error) {
	able, base, why := e.base(src, req)
	vainly := 0
	if base != nil {
		s, err := safely(func() (*directory.Snapshot, error) { return able.PullChanges(ctx, base, progress) })
		if err == nil {
			if why = unfit(s, base); why == "" {
				return &read{s, run.ReadChanges, base}, nil
			}
			err = fault.Errorf(fault.Invalid, "read changes", "", "%s", why)
		}
		level := slog.LevelWarn
		switch {
		case errors.Is(err, providers.ErrFullRead):
			level = slog.LevelInfo
		case ctx.Err() != nil || vain(err):
			return &read{&directory.Snapshot{AsOf: s.AsOf, Requests: s.Requests}, run.ReadChanges, nil}, err
		}
		vainly = s.Requests
		log.LogAttrs(ctx, level, "changes cannot be told, everything is read", slog.String(logging.KeyReason, err.Error()))
	} else if why != "" {
		log.LogAttrs(ctx, slog.LevelDebug, "everything is read", slog.String(logging.KeyReason, why))
	}
	s, err := safely(func() (*directory.Snapshot, error) { return src.Provider.Pull(ctx, progress) })
	s.Requests += vainly
	return &read{s, run.ReadFull, nil}, err
}

// vain reports whether a full read would fail like the read of changes did.
func vain(err error) bool {
	if errors.Is(err, errPanic) {
		return false
	}
	switch fault.KindOf(err) {
	case fault.Auth, fault.Throttled, fault.Unavailable, fault.Canceled:
		return true
	}
	return false
}

// base gives what changes are to be applied to, or in words why everything has to be read.
// Neither: the source can do nothing else, or is not to.
func (e *Engine) base(src *Source, req run.Request) (providers.Changes, *directory.Snapshot, string) {
	able, can := src.Provider.(providers.Changes)
	if !can || !src.Changes {
		return nil, nil, ""
	}
	r, now := e.replica(src.ID), e.now()
	cursor, same := src.unsealed(r.Cursor)
	why := ""
	switch {
	case len(r.Cursor) == 0:
		why = "nothing is known from which changes could be told"
	case !same:
		why = "what the source reads was changed in the configuration"
	case req.Full:
		why = "somebody asked for it"
	case req.Trigger == run.Confirm:
		why = "a complete read is to confirm what is known"
	case now.Before(r.FullAt) || src.FullEvery > 0 && now.Sub(r.FullAt) >= src.FullEvery:
		why = "the last time was at " + clock(r.FullAt)
	case !req.Trigger.Watched() && r.Awaits(src.Grace, now):
		why = "a complete read is to settle who is gone"
	}
	if why != "" {
		return nil, nil, why
	}
	base := r.Picture()
	if base.Coverage() != directory.Full {
		return nil, nil, "a group was looked up that was never read"
	}
	base.Cursor = bytes.Clone(cursor)
	return able, base, ""
}

// unfit says why what a source made of a base is no picture to go on with.
func unfit(s, base *directory.Snapshot) string {
	switch {
	case !s.Delta || s.Coverage() != directory.Full:
		return "the changes do not lead to a whole picture"
	case len(s.Cursor) == 0:
		return "the changes have no end from which to go on"
	case s.Scope != base.Scope:
		return "the server shows other entries than before"
	case s.AsOf.Before(base.AsOf):
		return "the changes are older than what is known"
	}
	return ""
}

// errPanic is a bug in a source.
var errPanic = errors.New("the reader failed unexpectedly")

// safely calls a source; a panic in it is a read that proved nothing.
func safely(pull func() (*directory.Snapshot, error)) (snapshot *directory.Snapshot, err error) {
	defer func() {
		if r := recover(); r != nil {
			snapshot = &directory.Snapshot{}
			err = fault.Errorf(fault.Unavailable, "read the source", "", "%w: %v\n%s", errPanic, r, debug.Stack())
		}
	}()
	snapshot, err = pull()
	if snapshot == nil {
		snapshot = &directory.Snapshot{}
	}
	return snapshot, err
}

// nothing reports whether a read of changes found none, so that there is nothing to plan.
func (e *Engine) nothing(src *Source, got *read) bool {
	if got.kind != run.ReadChanges || got.base == nil {
		return false
	}
	s, base, r := got.snapshot, got.base, e.replica(src.ID)
	buried := func(id string) bool {
		n, known := r.User(id)
		return known && r.Users()[n].DeletedAt.IsZero()
	}
	entombed := func(id string) bool {
		n, known := r.Group(id)
		return known && r.Groups()[n].DeletedAt.IsZero()
	}
	return !slices.ContainsFunc(s.DeletedUsers, buried) && !slices.ContainsFunc(s.DeletedGroups, entombed) &&
		slices.EqualFunc(s.Users, base.Users, equalUsers) && slices.EqualFunc(s.Groups, base.Groups, equalGroups)
}

func equalUsers(a, b directory.User) bool {
	return a.ID == b.ID && a.Email == b.Email && a.Username == b.Username && a.Name == b.Name && a.DN == b.DN &&
		a.Disabled == b.Disabled && a.StatusKnown == b.StatusKnown && maps.EqualFunc(a.Attributes, b.Attributes, slices.Equal)
}

func equalGroups(a, b directory.Group) bool {
	return a.ID == b.ID && a.Name == b.Name && a.DN == b.DN && a.Path == b.Path && a.Description == b.Description && a.Unlisted == b.Unlisted && a.OwnersOf == b.OwnersOf &&
		slices.Equal(a.Direct, b.Direct) && slices.Equal(a.Children, b.Children) && slices.Equal(a.Members, b.Members) && slices.Equal(a.Unresolved, b.Unresolved)
}
