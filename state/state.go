// Package state keeps what must survive a restart in one bbolt file: what each source
// proved, what we know about each target and own there, the journal of the calls that
// were about to be made, the history of runs, and the audit.
//
// It owns the form of the records, their checksums, the checks of the file before it is
// used, migrations and backups. What the records mean is decided by replica and plan.
// A damaged, locked or newer file is an error with the kind fault.Damaged and never an
// empty state; only a file that does not exist is made anew.
package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/replica"

	"go.etcd.io/bbolt"
)

// FileName is the name of the file in the state folder, BackupFolder that of the
// folder for its copies.
const (
	FileName     = "state.db"
	BackupFolder = "backups"
)

// The defaults of Options.
const (
	// DefaultTimeout is how long Open waits for another process to let go.
	DefaultTimeout = 10 * time.Second
	// DefaultMaxSize is many times what the largest supported directory needs and
	// keeps a mistake from filling the disk.
	DefaultMaxSize = 1 << 30
)

// mapSize is how much address space is mapped from the start, so that the file can
// grow to its limit while somebody reads. It costs no memory. With less, a write that needs
// more would wait for the end of a check or a copy, and every reader behind it, the one for
// the watchdog too.
const mapSize = DefaultMaxSize

// growStep is by how much the file grows at once.
const growStep = 1 << 20

// Options says where the state is and how it is opened.
type Options struct {
	// Dir is the state folder. It is made when it does not exist.
	Dir string
	// Timeout is how long to wait for the lock; zero is DefaultTimeout, a negative
	// one does not wait.
	Timeout time.Duration
	// ReadOnly opens an existing state to look at it. Several readers may do so
	// together, but not while a daemon runs.
	ReadOnly bool
	// MaxSize is the largest size of the file in bytes; zero is DefaultMaxSize.
	MaxSize int
	// NoSync leaves out waiting for the disk. For tests only.
	NoSync bool
	// Now gives the time; nil is time.Now.
	Now func() time.Time
	// Logger gets what an operator should know; nil is silence.
	Logger *slog.Logger
	// Step is called right before each commit, and right after one that succeeded, with
	// what is committed: "before save run", "after save run". It is for tests that kill
	// the process there, and nil otherwise. The write lock is held meanwhile.
	Step func(when string)

	// steps and fsKind replace the migrations and the question for the kind of file
	// system in tests.
	steps  []migration
	target int
	fsKind func(dir string) (string, error)
	// owners replaces who has files, and how they are given away, in tests.
	owners ownership
	// space replaces the question for the free space on the disk in tests.
	space func(dir string) (int64, error)
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxSize == 0 {
		o.MaxSize = DefaultMaxSize
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Step == nil {
		o.Step = func(string) {}
	}
	if o.target == 0 {
		o.steps, o.target = migrations(), schemaVersion
	}
	if o.fsKind == nil {
		o.fsKind = sharedFileSystem
	}
	if o.owners.root == nil {
		o.owners = systemOwnership()
	}
	if o.space == nil {
		o.space = Space
	}
	return o
}

// DB is the open state. Its methods may be called from several goroutines.
type DB struct {
	opts     Options
	path     string
	bolt     *bbolt.DB
	file     *os.File
	version  int
	instance instance

	// writes is held over each write, and over checks that must not meet one; saves
	// over the comparison of a replica with what is stored, and its write. Whoever
	// needs both takes saves first.
	writes, saves sync.Mutex
	// copies lets one copy be made beside the file at a time.
	copies sync.Mutex
	// begun are the runs, with their targets, whose journal was begun through this
	// handle and is open; it changes under writes.
	begun map[string]bool
	// pruneAt is how many deliveries there are when old ones are looked for; it changes
	// under writes.
	pruneAt int
	// singles says of runs in the history whether they were of one person, as far as that
	// was asked; it changes under writes.
	singles map[string]bool
	// saved are the replicas that were stored last through this handle; saves guards it.
	saved map[string]*replica.Replica

	// pushes count the writes to what was pushed, by source; mu guards it.
	pushes map[string]uint64

	// news has a word for whoever waits for new audit records.
	news chan struct{}
	// key signs heads of the audit, once it was read.
	keyLock sync.Mutex
	key     signer

	mu         sync.Mutex
	readers    map[uint64]time.Time
	lastReader uint64
	// stopped is the failure after which nothing is written; broken says that bbolt
	// itself must not be called any more.
	stopped error
	broken  bool
	closed  bool
}

// Open opens the state in a folder and checks every page and record of it, or makes a
// new one when there is no file. Errors have the kind fault.Damaged when the file is
// locked (ErrLocked), damaged, or newer than the program (ErrNewer); fault.Invalid for
// a folder that cannot hold a state; fault.NotFound for a missing one when ReadOnly.
func Open(ctx context.Context, opts Options) (*DB, error) {
	opts = opts.withDefaults()
	db, err := acquire(ctx, opts)
	if err != nil {
		return nil, err
	}
	if err := db.start(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	handOver(opts)
	return db, nil
}

// acquire locks the file in a folder, which it makes where it may, and hands it to bbolt.
func acquire(ctx context.Context, opts Options) (*DB, error) {
	if err := prepareFolder(opts); err != nil {
		return nil, err
	}
	path := filepath.Join(opts.Dir, FileName)
	if err := ensureFile(ctx, path, opts); err != nil {
		return nil, err
	}
	f, err := lockFile(ctx, path, opts)
	if err != nil {
		return nil, err
	}
	return openLocked(ctx, f, path, opts)
}

// openLocked checks the pages of a locked file and hands it to bbolt. It closes the
// file when it fails.
func openLocked(ctx context.Context, f *os.File, path string, opts Options) (*DB, error) {
	giveUp := func(err error) (*DB, error) {
		release(f)
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return giveUp(damaged("open state", path, err))
	}
	if info.Size() == 0 {
		return giveUp(damaged("open state", path, errors.New("the file is empty")))
	}
	version, err := checkPages(ctx, f, opts.target)
	if err != nil {
		if ctx.Err() != nil {
			return giveUp(fmt.Errorf("open state: %w", ctx.Err()))
		}
		return giveUp(damaged("open state", path, err))
	}
	db := &DB{opts: opts, path: path, file: f, version: version, readers: map[uint64]time.Time{}, begun: map[string]bool{}, saved: map[string]*replica.Replica{}, pushes: map[string]uint64{}, news: make(chan struct{}, 1)}
	if err := db.checkVersion(); err != nil {
		return giveUp(err)
	}
	err = guard(func() error {
		db.bolt, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout: time.Second, ReadOnly: opts.ReadOnly, NoSync: opts.NoSync, MaxSize: opts.MaxSize,
			FreelistType: bbolt.FreelistMapType, InitialMmapSize: mapSize, PreLoadFreelist: true,
			// The lock belongs to the open file, so bbolt gets the one that has it.
			OpenFile: func(string, int, os.FileMode) (*os.File, error) { return f, nil },
		})
		return err
	})
	if err != nil {
		return giveUp(damaged("open state", path, err))
	}
	db.bolt.AllocSize = growStep
	return db, nil
}

// start reads who this state is, brings it to our version, and checks its records.
func (db *DB) start(ctx context.Context) error {
	if err := db.checkTree(ctx); err != nil {
		return err
	}
	if err := db.migrate(ctx); err != nil {
		return err
	}
	if err := db.view("open state", func(tx *bbolt.Tx) (err error) {
		db.instance, err = readInstance(tx)
		return err
	}); err != nil {
		return err
	}
	if !db.opts.ReadOnly {
		noteHolder(db.opts)
		db.opts.Logger.Debug("state opened", "path", db.path, "instance", db.instance.ID)
	}
	return nil
}

// Instance gives the id of this state, which tells it from any other.
func (db *DB) Instance() string { return db.instance.ID }

// Path gives the name of the file.
func (db *DB) Path() string { return db.path }

// Close lets go of the file. It waits for transactions under way; a second call does
// nothing.
func (db *DB) Close() error {
	db.mu.Lock()
	closed, broken := db.closed, db.broken
	db.closed = true
	db.mu.Unlock()
	if closed {
		return nil
	}
	if !db.opts.ReadOnly {
		forgetHolder(db.opts)
		defer handOver(db.opts) // What was made meanwhile: the key, backups.
	}
	if broken {
		// A panic inside bbolt may have left its locks behind: do not wait for them.
		release(db.file)
		return nil
	}
	if err := guard(db.bolt.Close); err != nil {
		return fmt.Errorf("close state: %w", err)
	}
	return nil
}

// Stats is what can be seen of the file from outside.
type Stats struct {
	// Size is that of the file and MaxSize its limit, Free the part that holds nothing.
	Size, MaxSize, Free int64
	// Readers counts the open read transactions, OldestReader is the age of the oldest.
	Readers      int
	OldestReader time.Duration
}

// Stats gives figures for metrics.
func (db *DB) Stats() (Stats, error) {
	info, err := db.file.Stat()
	if err != nil {
		return Stats{}, fmt.Errorf("read size of state: %w", err)
	}
	s := Stats{Size: info.Size(), MaxSize: int64(db.opts.MaxSize)}
	b := db.bolt.Stats()
	s.Free = int64(b.FreePageN+b.PendingPageN) * int64(db.bolt.Info().PageSize)
	db.mu.Lock()
	defer db.mu.Unlock()
	s.Readers = len(db.readers)
	for _, since := range db.readers {
		s.OldestReader = max(s.OldestReader, time.Since(since))
	}
	return s, nil
}

// Answer begins and ends a look at the state, which takes no time unless something hangs.
// What is wrong with the state is said by Err.
func (db *DB) Answer() {
	_ = db.view("answer", func(*bbolt.Tx) error { return nil })
}

// release gives up the lock before the file, because a memory map that a panic left
// behind would keep it locked.
func release(f *os.File) {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) // Closing does the same where no map is left.
	_ = f.Close()                                   // Nothing was written through this handle that is not synced.
}

// invalidFolder makes the error for a folder that cannot hold a state.
func invalidFolder(dir string, err error, hint string) error {
	return fault.New(fault.Invalid, "open state folder", dir, err, hint)
}
