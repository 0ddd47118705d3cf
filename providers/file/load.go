package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"groupsyncd/internal/fault"
)

const (
	// maxSize bounds a file: a million memberships need less than a tenth of it.
	maxSize = 256 << 20
	// chunk is how much is read between two looks at whether to go on.
	chunk = 1 << 20
)

// load reads a whole file. Its errors are for people; a file that changes meanwhile
// is fault.Incomplete.
func load(path string, live func() error) ([]byte, error) {
	if err := live(); err != nil {
		return nil, err
	}
	fail := func(kind fault.Kind, hint string, err error) error {
		return fault.New(kind, "read file", path, err, hint)
	}
	// Opening a pipe would wait for its writer.
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fail(fault.Invalid, "path must name a file with people and groups", errors.New("it is not a regular file"))
	}
	var f *os.File
	if err == nil {
		f, err = os.Open(path)
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fail(fault.Unavailable, "a relative path starts at the folder of the configuration file", errors.New("the file does not exist"))
	case errors.Is(err, fs.ErrPermission):
		return nil, fail(fault.Auth, "let the user that groupsyncd runs as read it", err)
	case err != nil:
		return nil, fail(fault.Unavailable, "", err)
	}
	defer func() { _ = f.Close() }()
	data, err := readStable(f, live)
	if err != nil {
		if fault.KindOf(err) == 0 {
			err = fault.New(fault.Unavailable, "", "", err, "")
		}
		return nil, fail(fault.KindOf(err), fault.HintOf(err), err)
	}
	return data, nil
}

// readStable reads an open file that nobody writes to meanwhile.
func readStable(f fs.File, live func() error) ([]byte, error) {
	before, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case before.Size() == 0:
		return nil, fault.New(fault.Incomplete, "", "", errors.New("the file is empty"),
			"an empty directory is written as users: [] and groups: []")
	case before.Size() > maxSize:
		return nil, fault.Errorf(fault.Invalid, "", "", "the file is larger than %d MiB", maxSize>>20)
	}
	var b bytes.Buffer
	b.Grow(int(before.Size()) + bytes.MinRead)
	for {
		if err := live(); err != nil {
			return nil, err
		}
		n, err := io.CopyN(&b, f, chunk)
		if int64(b.Len()) > maxSize || n == 0 && errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read: %w", err)
		}
	}
	after, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if after.Size() != before.Size() || int64(b.Len()) != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return nil, fault.New(fault.Incomplete, "", "", errors.New("the file changed while it was read"),
			"write a new file beside it and rename that over it")
	}
	return b.Bytes(), nil
}
