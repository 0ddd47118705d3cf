package state

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"groupsyncd/internal/fault"

	"filippo.io/age"
)

// deliver brings a local copy to where it is wanted, which may be a slow or remote disk.
// It is there under its name only when it was read back and is what was written.
func deliver(ctx context.Context, from, to, recipient string) (err error) {
	fail := func(err error) error {
		switch {
		case err == nil || fault.KindOf(err) != 0:
			return err
		case noSpace(err):
			return fault.New(fault.Unavailable, "back up state", to, err, "Make room on that disk, or write the backup elsewhere.")
		case errors.Is(err, fs.ErrNotExist):
			return fault.New(fault.Unavailable, "back up state", to, err, "Make the folder first, or name another one.")
		case errors.Is(err, fs.ErrPermission):
			return fault.New(fault.Unavailable, "back up state", to, err, "Name a folder that the user of the program may write to; while a daemon runs, it writes the backup.")
		}
		return fault.New(fault.Unavailable, "back up state", to, err, "")
	}
	part, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".part-*")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.Remove(part.Name()) }() // The copy goes on under its own name.
	sum, err := pour(ctx, from, part, recipient)
	if err = errors.Join(err, part.Sync(), part.Close()); err != nil {
		return fail(err)
	}
	back, err := digestFile(ctx, part.Name())
	if err != nil {
		return fail(err)
	}
	if back != sum {
		return fail(errors.New("what was written reads back as something else"))
	}
	if err := settle(part.Name(), to); err != nil {
		return fail(err)
	}
	if err := syncFolder(filepath.Dir(to)); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return fail(err) // A remote file system that cannot do it has its own rules.
	}
	return nil
}

// pour writes a file into another, encrypted where there is a recipient, and gives the
// digest of what was written.
func pour(ctx context.Context, from string, to io.Writer, recipient string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(from)
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	digest := sha256.New()
	out := io.MultiWriter(to, digest)
	finish := func() error { return nil }
	if recipient != "" {
		r, err := Recipient(recipient)
		if err != nil {
			return sum, err
		}
		sealed, err := age.Encrypt(out, r)
		if err != nil {
			return sum, fmt.Errorf("encrypt: %w", err)
		}
		out, finish = sealed, sealed.Close
	}
	if _, err := io.Copy(out, bounded{ctx, f}); err != nil {
		return sum, err
	}
	if err := finish(); err != nil {
		return sum, fmt.Errorf("encrypt: %w", err)
	}
	digest.Sum(sum[:0])
	return sum, nil
}

// bounded is a reader that ends with its context.
type bounded struct {
	ctx context.Context
	r   io.Reader
}

func (b bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.r.Read(p)
}

func digestFile(ctx context.Context, path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	digest := sha256.New()
	if _, err := io.Copy(digest, bounded{ctx, f}); err != nil {
		return sum, err
	}
	digest.Sum(sum[:0])
	return sum, nil
}

// settle gives a file its name without ever replacing another. Where the file system has
// no links, the name is taken first by an empty file.
func settle(part, to string) error {
	err := os.Link(part, to)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return absent(to)
	}
	taken, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(taken.Close(), os.Rename(part, to)); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

// Recipient reads the public key that backups are encrypted for. Errors never repeat it,
// because it may be the secret key by mistake.
func Recipient(text string) (age.Recipient, error) {
	list, err := age.ParseRecipients(strings.NewReader(text))
	if err != nil || len(list) != 1 {
		return nil, fault.New(fault.Invalid, "read the recipient of backups", "", errors.New("it is not the public key of age"), "Write the line that age-keygen prints behind \"Public key:\", which begins with age1.")
	}
	return list[0], nil
}
