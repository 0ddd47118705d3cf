package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// envRights makes modes of files hold for root too, as they do for everybody else.
const envRights = "TEST_RIGHTS"

// giveUpRights starts the process again without the right to pass over modes of files.
func giveUpRights() {
	if os.Getenv(envRights) == "" || os.Geteuid() != 0 {
		return
	}
	runtime.LockOSThread()
	for _, right := range []uintptr{unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH} {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, right, 0, 0, 0); err != nil {
			panic(err)
		}
	}
	if err := os.Unsetenv(envRights); err != nil {
		panic(err)
	}
	panic(syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
}

// keyCommand makes a pair of keys: key NAME FILE sets a variable to the public one, and
// writes the secret one to a file.
func keyCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: key NAME FILE")
	}
	id, err := age.GenerateX25519Identity()
	ts.Check(err)
	ts.Setenv(args[0], id.Recipient().String())
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(id.String()+"\n"), 0o600))
}

// damageCommand spoils a file: damage FILE HOW.
func damageCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: damage FILE HOW …")
	}
	file := ts.MkAbs(args[0])
	data, err := os.ReadFile(file)
	ts.Check(err)
	const page = 4096
	choose(ts, false, "damage "+args[0], map[string]subcommand{
		"cut": {1, "BYTES | half", func(args []string) error {
			// The end of the file is unused; half is half of what its newer head counts.
			const end = 16 + 40
			used := max(binary.NativeEndian.Uint64(data[end:]), binary.NativeEndian.Uint64(data[page+end:]))
			n := int(used) / 2 * page
			if args[0] != "half" {
				if _, err := fmt.Sscan(args[0], &n); err != nil {
					return err
				}
			}
			data = data[:n]
			return nil
		}},
		"swap": {2, "TEXT TEXT", func(args []string) error {
			from, to := []byte(args[0]), []byte(args[1])
			if !bytes.Contains(data, from) || len(from) != len(to) {
				return errors.New("the text is not there, or has another length")
			}
			data = bytes.ReplaceAll(data, from, to)
			return nil
		}},
		"zero-page-of": {1, "TEXT", func(args []string) error {
			found := false
			for at := 2 * page; at+page <= len(data); at += page {
				if bytes.Contains(data[at:at+page], []byte(args[0])) {
					clear(data[at : at+page])
					found = true
				}
			}
			if !found {
				return errors.New("no page has that text")
			}
			return nil
		}},
		"zero-pages": {1, "NUMBER", func(args []string) error {
			n := 0
			_, err := fmt.Sscan(args[0], &n)
			clear(data[:n*page])
			return err
		}},
	}, args[1:])
	ts.Check(os.WriteFile(file, data, 0o600))
}
