//go:build !linux

package state

import "os"

// sharedFileSystem knows the kinds of file system on Linux only; elsewhere it says
// whether the folder is there.
func sharedFileSystem(dir string) (string, error) {
	_, err := os.Stat(dir)
	return "", err
}

// lockHolder cannot be found out here; the note in the folder can.
func lockHolder(*os.File) int { return 0 }

func processName(int) string { return "" }

// FileSystem says nothing where there is no statfs(2) of Linux.
func FileSystem(string) (kind string, shared bool, err error) { return "", false, nil }
