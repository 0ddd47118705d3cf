package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"groupsyncd/internal/fault"

	"github.com/spf13/cobra"
)

// outFile is a file that a command writes in place of, or beside, what it prints.
type outFile struct {
	name  string
	force bool
	// open lets everybody read the file, which is for its owner alone else.
	open bool
}

func (o *outFile) flags(cmd *cobra.Command, what string) {
	cmd.Flags().StringVar(&o.name, "out", "", what)
	cmd.Flags().BoolVar(&o.force, "force", false, "replace the file of --out when there is one")
}

// check finds out before anything is read whether the file can be written.
func (o *outFile) check(op string) error {
	if o.name == "" && o.force {
		return usage("--force is for --out FILE")
	}
	if o.name == "" {
		return nil
	}
	if _, err := os.Lstat(o.name); err == nil && !o.force {
		return o.exists(op)
	}
	return nil
}

func (o *outFile) exists(op string) error {
	return fault.New(fault.Invalid, op, o.name, fs.ErrExist, "name another file, or replace it with --force")
}

// write makes the file. One that is there is replaced as a whole.
func (o *outFile) write(op string, content func(io.Writer) error) error {
	fail := func(err error) error {
		if errors.Is(err, fs.ErrExist) {
			return o.exists(op)
		}
		return fault.New(fault.Invalid, op, o.name, err, "name a file that you may write")
	}
	var file *os.File
	var err error
	if o.force {
		file, err = os.CreateTemp(filepath.Dir(o.name), ".groupsyncd-out-*")
	} else {
		file, err = os.OpenFile(o.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		return fail(err)
	}
	err = content(file)
	if o.open {
		err = errors.Join(err, file.Chmod(0o644))
	}
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil && o.force {
		err = os.Rename(file.Name(), o.name)
	}
	if err != nil {
		return fail(errors.Join(err, os.Remove(file.Name())))
	}
	return nil
}
