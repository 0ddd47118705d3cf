package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"groupsyncd/internal/fault"
)

// Copy is one backup.
type Copy struct {
	Path string
	Size int64
	// At is when it was made.
	At        time.Time
	Encrypted bool

	// number tells copies of one second apart.
	number int
}

// stamp is how the time of a backup is written in its name.
const stamp = "20060102T150405Z"

// ageSuffix ends the names of encrypted copies.
const ageSuffix = ".age"

// ourName is how the backups are called that we make and delete. Everything else in the
// folder belongs to somebody else, or was put aside for a person to decide.
var ourName = regexp.MustCompile(`^state-([0-9]{8}T[0-9]{6}Z)(?:-([0-9]{1,4}))?\.db(\.age)?$`)

// Backups lists the backups in the folder of a state, the newest first; none when there
// is no such folder.
func Backups(dir string) ([]Copy, error) {
	folder := filepath.Join(dir, BackupFolder)
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.Unavailable, "list backups", folder, err, hintFolder)
	}
	var list []Copy
	for _, e := range entries {
		c, ok := named(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // Somebody has just deleted it.
		}
		if err != nil {
			return nil, fault.New(fault.Unavailable, "list backups", folder, err, hintFolder)
		}
		if info.Size() == 0 {
			continue // A name that was taken for a backup that never came.
		}
		c.Path, c.Size = filepath.Join(folder, e.Name()), info.Size()
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Copy) int {
		if c := b.At.Compare(a.At); c != 0 {
			return c
		}
		return b.number - a.number
	})
	return list, nil
}

// named reads what the name of a backup says.
func named(name string) (Copy, bool) {
	m := ourName.FindStringSubmatch(name)
	if m == nil {
		return Copy{}, false
	}
	at, err := time.Parse(stamp, m[1])
	if err != nil {
		return Copy{}, false
	}
	number, _ := strconv.Atoi(m[2]) // The pattern allows digits or nothing.
	return Copy{At: at, Encrypted: m[3] != "", number: number}, true
}

// BackupTo writes a verified copy to a file that does not exist yet; with a recipient it
// is encrypted for it with age. Without a path it goes into the folder of backups, under
// a name with the time. The state is read only while a copy is made beside it, so that a
// slow disk behind the path holds up nobody.
func (db *DB) BackupTo(ctx context.Context, path, recipient string) (Copy, error) {
	db.copies.Lock()
	defer db.copies.Unlock()
	made := Copy{At: db.opts.Now().UTC().Truncate(time.Second), Encrypted: recipient != ""}
	if path == "" {
		folder := filepath.Join(db.opts.Dir, BackupFolder)
		err := os.MkdirAll(folder, 0o700)
		if err != nil {
			return Copy{}, fault.New(fault.Unavailable, "back up state", folder, err, hintFolder)
		}
		if path, err = freeName(folder, made); err != nil {
			return Copy{}, err
		}
	}
	if err := absent(path); err != nil {
		return Copy{}, err
	}
	local, err := db.localCopy(ctx)
	if err != nil {
		return Copy{}, err
	}
	defer func() { _ = os.Remove(local) }() // The copy goes on under its own name.
	if err := deliver(ctx, local, path, recipient); err != nil {
		return Copy{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return Copy{}, fault.New(fault.Unavailable, "back up state", path, err, "")
	}
	made.Path, made.Size = path, info.Size()
	handOver(db.opts)
	return made, nil
}

// freeName gives a name for a copy that no other of that second has.
func freeName(folder string, c Copy) (string, error) {
	begin := "state-" + c.At.Format(stamp)
	for n := 1; n < 1000; n++ {
		name := begin
		if n > 1 {
			name += "-" + strconv.Itoa(n)
		}
		// A plain and an encrypted copy of one name would be hard to tell apart.
		plain := filepath.Join(folder, name+".db")
		if absent(plain) == nil && absent(plain+ageSuffix) == nil {
			if c.Encrypted {
				plain += ageSuffix
			}
			return plain, nil
		}
	}
	return "", fault.New(fault.Conflict, "back up state", folder, errors.New("there are too many backups of this second"), "")
}

// absent refuses a name that is taken.
func absent(path string) error {
	switch _, err := os.Lstat(path); {
	case err == nil:
		return fault.New(fault.Conflict, "back up state", path, errors.New("the file exists already"), "Name a file that does not exist yet: a backup never replaces anything.")
	case errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		return fault.New(fault.Unavailable, "back up state", path, err, "")
	}
}

// The beginnings of names of files that are only there while something is made.
const (
	workCopy    = FileName + ".copy-"
	workRestore = FileName + ".restore-"
	workCompact = FileName + ".compact-"
)

// localCopy makes a verified copy beside the state.
func (db *DB) localCopy(ctx context.Context) (string, error) {
	if !db.opts.ReadOnly {
		sweep(db.opts.Dir) // Whoever may write is alone here, so what is left was left by a crash.
	}
	if err := db.roomForCopy(); err != nil {
		return "", err
	}
	path, err := workName(db.opts.Dir, workCopy)
	if err != nil {
		return "", err
	}
	if err := db.copyTo(ctx, path, db.version); err != nil {
		return "", err
	}
	return path, nil
}

// copyReserve is what a copy must leave free on the disk: a backup is not worth that the
// next run cannot be written down.
const copyReserve = 16 << 20

func (db *DB) roomForCopy() error {
	s, err := db.Stats()
	if err != nil {
		return err
	}
	// Where free space cannot be known, the copy itself finds out.
	if free, err := db.opts.space(db.opts.Dir); err == nil && free < s.Size-s.Free+copyReserve {
		return fault.New(fault.Unavailable, "back up state", db.opts.Dir,
			fmt.Errorf("%w: only %d MiB are free on the disk of the state", ErrFull, free>>20), "Make room there: a copy is made beside the state first, and must leave enough for the next run.")
	}
	return nil
}

// workName gives a name that nobody uses yet.
func workName(dir, begin string) (string, error) {
	f, err := os.CreateTemp(dir, begin+"*")
	if err != nil {
		if noSpace(err) {
			return "", full(dir, err)
		}
		return "", fault.New(fault.Unavailable, "write beside the state", dir, err, hintFolder)
	}
	return f.Name(), errors.Join(f.Close(), os.Remove(f.Name()))
}

// sweep removes what an earlier process left when it was killed.
func sweep(dir string) {
	for _, begin := range []string{workCopy, workRestore, workCompact} {
		left, err := filepath.Glob(filepath.Join(dir, begin+"*"))
		if err != nil {
			continue // The pattern is ours, but for the folder; what stays only takes room.
		}
		for _, path := range left {
			if strings.HasPrefix(filepath.Base(path), begin) {
				_ = os.Remove(path) // What stays only takes room.
			}
		}
	}
}

// Prune deletes the oldest backups beyond a number, and only those that we made.
func Prune(dir string, keep int) ([]Copy, error) {
	list, err := Backups(dir)
	if err != nil || keep < 1 || len(list) <= keep {
		return nil, err
	}
	gone := list[keep:]
	for _, c := range gone {
		if err := os.Remove(c.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fault.New(fault.Unavailable, "delete an old backup", c.Path, err, hintFolder)
		}
	}
	if err := syncFolder(filepath.Join(dir, BackupFolder)); err != nil {
		return gone, fmt.Errorf("delete old backups: %w", err)
	}
	return gone, nil
}
