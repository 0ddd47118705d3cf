package state

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestHolderIsReadFromTheListOfLocks(t *testing.T) {
	t.Parallel()
	locks := "1: POSIX  ADVISORY  WRITE 300 08:01:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 311 08:01:77 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 312 08:01:77 0 EOF\n3: FLOCK  ADVISORY  READ  0 08:01:78 0 EOF\n"
	for file, want := range map[string]int{"08:01:77": 311, "08:01:78": 0, "08:01:79": 0} {
		if got := holderIn(locks, file); got != want {
			t.Errorf("%s is held by %d, want %d", file, got, want)
		}
	}
}

func TestKindsOfSharedFileSystem(t *testing.T) {
	t.Parallel()
	for magic, want := range map[uint32]string{0x6969: "NFS", 0xFF534D42: "SMB", 0xFE534D42: "SMB", 0x65735546: "FUSE", 0x01021997: "9P",
		0xEF53: "", 0x58465342: "", 0x9123683E: "", 0x01021994: "", 0x794C7630: "", 0x2FC12FC1: ""} {
		if got := sharedKind(magic); got != want {
			t.Errorf("%#x is %q, want %q", magic, got, want)
		}
	}
}

func TestTheFileSystemOfAFolderIsNamed(t *testing.T) {
	t.Parallel()
	for magic, want := range map[uint32]string{unix.TMPFS_MAGIC: "tmpfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", 1: ""} {
		if got := localKind(magic); got != want {
			t.Errorf("%x: %s", magic, got)
		}
	}
	if _, shared, err := FileSystem(t.TempDir()); err != nil || shared {
		t.Errorf("shared %t: %v", shared, err)
	}
	if _, _, err := FileSystem("/does/not/exist"); err == nil {
		t.Error("a folder that is not there has a file system")
	}
}
