package state

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"groupsyncd/internal/fault"

	"filippo.io/age"
	"filippo.io/age/armor"
)

const hintIdentity = "Name the file with the secret key that belongs to backup.recipient: --identity FILE, as age-keygen has written it."

// fetch copies a backup beside the state, decrypted.
func fetch(ctx context.Context, r RestoreOptions, to string) (err error) {
	in, err := os.Open(r.From)
	if err != nil {
		return fault.New(fault.Invalid, "read backup", r.From, pathCause(err), "The user that runs this command must be able to read it. "+hintBackup)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	source, err := plainText(bounded{ctx, in}, r)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.New(fault.Damaged, "restore state", filepath.Dir(to), err, hintFolder)
	}
	faulty := &reading{r: source}
	_, err = io.Copy(out, faulty)
	err = errors.Join(err, out.Sync(), out.Close())
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("read backup: %w", ctx.Err())
	case faulty.err != nil:
		return fault.New(fault.Damaged, "read backup", r.From, fmt.Errorf("it is cut off or was changed: %w", faulty.err), hintBackup)
	case noSpace(err):
		return full(filepath.Dir(to), err)
	}
	return fault.New(fault.Damaged, "restore state", filepath.Dir(to), err, "")
}

// reading remembers the failure of a reader, which io.Copy does not tell from one of the
// writer.
type reading struct {
	r   io.Reader
	err error
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

const (
	ageHead   = "age-encryption.org/"
	armorHead = armor.Header
)

// plainText looks whether a backup is encrypted and, if so, opens it.
func plainText(in io.Reader, r RestoreOptions) (io.Reader, error) {
	b := bufio.NewReader(in)
	head, err := b.Peek(len(armorHead))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Damaged, "read backup", r.From, err, hintBackup)
	}
	var sealed io.Reader = b
	switch {
	case bytes.HasPrefix(head, []byte(ageHead)):
	case bytes.HasPrefix(head, []byte(armorHead)):
		sealed = armor.NewReader(b)
	default:
		return b, nil
	}
	if r.Identity == "" {
		return nil, fault.New(fault.Invalid, "read backup", r.From, errors.New("it is encrypted with age"), hintIdentity)
	}
	keys, err := identities(r.Identity)
	if err != nil {
		return nil, err
	}
	plain, err := age.Decrypt(sealed, keys...)
	if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong {
		return nil, fault.New(fault.Invalid, "read backup", r.From, fmt.Errorf("no key in %s opens it", r.Identity), hintIdentity)
	}
	if err != nil {
		return nil, fault.New(fault.Damaged, "read backup", r.From, fmt.Errorf("it is cut off or was changed: %w", err), hintBackup)
	}
	return plain, nil
}

// identities reads the secret keys in a file. Nothing of its content is repeated.
func identities(file string) ([]age.Identity, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read identity", file, pathCause(err), hintIdentity)
	}
	keys, err := age.ParseIdentities(f)
	_ = f.Close() // It was only read.
	if err != nil {
		return nil, fault.New(fault.Invalid, "read identity", file, errors.New("it holds no secret key of age"), hintIdentity)
	}
	return keys, nil
}
