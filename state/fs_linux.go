package state

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// sharedFileSystem names the kind of file system when it is one that other machines,
// or a process in user space, stand behind; empty for a local one.
func sharedFileSystem(dir string) (string, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return "", &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	// The field has another width on other processors; the numbers have 32 bits.
	return sharedKind(uint32(s.Type)), nil
}

// FileSystem names the kind of file system that a folder is on, as far as it is one that
// doctor has something to say about.
func FileSystem(dir string) (kind string, shared bool, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return "", false, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	magic := uint32(s.Type)
	if kind = sharedKind(magic); kind != "" {
		return kind, true, nil
	}
	return localKind(magic), false, nil
}

// localKind names what is on one machine.
func localKind(magic uint32) string {
	switch magic {
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		return "tmpfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlay"
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	}
	return ""
}

// sharedKind knows the numbers of statfs(2), include/uapi/linux/magic.h and the file
// systems' own headers.
func sharedKind(magic uint32) string {
	switch magic {
	case unix.NFS_SUPER_MAGIC:
		return "NFS"
	case unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC:
		return "SMB"
	case unix.FUSE_SUPER_MAGIC:
		return "FUSE"
	case unix.V9FS_MAGIC:
		return "9P"
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return "AFS"
	case unix.CODA_SUPER_MAGIC:
		return "Coda"
	case unix.NCP_SUPER_MAGIC:
		return "NCP"
	case unix.CEPH_SUPER_MAGIC:
		return "Ceph"
	case unix.OCFS2_SUPER_MAGIC:
		return "OCFS2"
	case 0x01161970:
		return "GFS2"
	case 0x0BD00BD0:
		return "Lustre"
	case 0x786F4256:
		return "vboxsf"
	}
	return ""
}

// lockHolder finds in /proc/locks which process holds a lock on the file, zero when
// that cannot be seen: in another container, or on btrfs, whose device numbers differ.
func lockHolder(f *os.File) int {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	text, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0
	}
	dev := uint64(st.Dev) //nolint:unconvert // It is narrower on some processors.
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(dev), unix.Minor(dev), st.Ino)
	return holderIn(string(text), file)
}

// holderIn reads lines such as "1: FLOCK  ADVISORY  WRITE 311 08:01:1573 0 EOF"; lines
// of waiting processes have an arrow behind the number.
func holderIn(locks, file string) int {
	for line := range strings.Lines(locks) {
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" || f[5] != file {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil && pid > 0 {
			return pid
		}
	}
	return 0
}

// processName gives the name of a process, empty when it cannot be read.
func processName(pid int) string {
	name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}
