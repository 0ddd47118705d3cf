package app

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"groupsyncd/config"
	"groupsyncd/providers"
	"groupsyncd/state"
)

// FileFindings looks at who may change the configuration and the secrets. A secret that
// everybody may read is refused where it is read.
func FileFindings(cfg *config.Config) []providers.Finding {
	c := Checked{}
	files := append([]string{cfg.File()}, cfg.SecretFiles()...)
	var folders []string
	for _, file := range files {
		if full, err := filepath.Abs(file); err == nil && !slices.Contains(folders, filepath.Dir(full)) {
			folders = append(folders, filepath.Dir(full))
		}
		info, err := os.Stat(file)
		if err != nil {
			continue // What cannot be read is said elsewhere.
		}
		switch mode := info.Mode().Perm(); {
		case mode&0o002 != 0:
			c.add(providers.Failed, "file_modes", "chmod o-w "+file, "everybody may write %s (mode %04o), and so decide who is in which group", file, mode)
		case mode&0o020 != 0:
			c.add(providers.Warning, "file_modes", "chmod g-w "+file+", unless that group may decide who is in which group", "the group of %s may write it (mode %04o)", file, mode)
		}
		if uid, known := owner(info); known && foreign(uid, os.Getuid(), stateOwner(cfg)) {
			c.add(providers.Warning, "file_modes", "give it to root, or to the user that runs groupsyncd", "%s belongs to user %d, who may change it", file, uid)
		}
	}
	for _, folder := range folders {
		if info, err := os.Stat(folder); err == nil && info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
			c.add(providers.Failed, "file_modes", "chmod o-w "+folder, "everybody may replace the files in %s (mode %04o)", folder, info.Mode().Perm())
		}
	}
	if len(c.Findings) == 0 {
		c.add(providers.OK, "file_modes", "", "nobody else may write the configuration and its secrets")
	}
	return c.Findings
}

// foreign reports whether an owner is neither root nor us nor whoever runs the daemon.
func foreign(uid, us, daemon int) bool { return uid != 0 && uid != us && uid != daemon }

func owner(info fs.FileInfo) (uid int, known bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// stateOwner gives who runs the daemon, as far as the state tells; else -1.
func stateOwner(cfg *config.Config) int {
	if info, err := os.Stat(string(cfg.State)); err == nil {
		if uid, known := owner(info); known {
			return uid
		}
	}
	return -1
}

// StateFolderFindings looks at the folder of the state: who may look into it, and on what
// it is.
func StateFolderFindings(cfg *config.Config) []providers.Finding {
	c := Checked{}
	dir := string(cfg.State)
	info, err := os.Stat(dir)
	if err != nil {
		return nil // There is none yet, which is said.
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		c.add(providers.Warning, "file_modes", "chmod 700 "+dir, "others may look into %s (mode %04o), which has names of people", dir, mode)
	} else {
		c.add(providers.OK, "file_modes", "", "nobody else may look into the folder")
	}
	for _, name := range []string{state.FileName, "backups"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().Perm()&0o077 != 0 {
			c.add(providers.Warning, "file_modes", "chmod go= "+filepath.Join(dir, name), "others may read %s (mode %04o)", filepath.Join(dir, name), info.Mode().Perm())
		}
	}
	if kind, shared, err := state.FileSystem(dir); err == nil {
		c.fileSystem(kind, shared)
	}
	return c.Findings
}

// fileSystem judges what the state is on.
func (c *Checked) fileSystem(kind string, shared bool) {
	const check = "file_system"
	switch {
	case kind == "":
	case shared:
		c.add(providers.Failed, check, "put the state on a disk of this machine; locks and syncs over a network cannot be relied on", "the state is on %s", kind)
	case kind == "tmpfs":
		c.add(providers.Warning, check, "put the state on a disk", "the state is in memory (tmpfs), and gone when the machine restarts")
	case kind == "overlay":
		c.add(providers.Warning, check, "give the container a volume for the state", "the state is in the container itself (overlay), and gone when it is replaced")
	default:
		c.add(providers.OK, check, "", "the state is on %s", kind)
	}
}
