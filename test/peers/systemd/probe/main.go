//go:build linux

// Command probe tries what the units forbid, harmlessly, and prints a line for each attempt:
// its name, and "allowed" or what it was refused with. A call that would change the machine is
// made with an argument that the kernel refuses; that it got so far counts as allowed.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

type attempt struct {
	name string
	try  func(dir string) error
}

func main() {
	dir := os.Getenv("STATE_DIRECTORY")
	for _, a := range attempts() {
		err := a.try(dir)
		if err == nil || reached(err) {
			fmt.Println(a.name + ": allowed")
			continue
		}
		fmt.Printf("%s: %v\n", a.name, err)
	}
}

// reached says whether an error shows that the kernel looked at what it was asked.
func reached(err error) bool {
	return slices.ContainsFunc([]error{unix.EINVAL, unix.EFAULT, unix.ENODEV, unix.ENOSYS}, func(e error) bool { return errors.Is(err, e) })
}

func write(file string) func(string) error {
	return func(string) error {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			return err
		}
		return os.Remove(file)
	}
}

func read(file string) func(string) error {
	return func(string) error {
		_, err := os.ReadFile(file)
		return err
	}
}

func failed(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

func attempts() []attempt {
	return append(files(), calls()...)
}

func files() []attempt {
	return []attempt{
		{"ProtectSystem", write("/etc/probe")},
		{"ProtectSystem of /usr", write("/usr/probe")},
		{"ProtectSystem of /var", write("/var/lib/probe")},
		{"ProtectHome", read("/home/ana/letter")},
		{"PrivateTmp", read("/tmp/letter")},
		{"ProtectProc", read("/proc/1/stat")},
		{"ProcSubset", read("/proc/meminfo")},
		{"ProtectKernelTunables", read("/proc/sys/kernel/hostname")},
		{"ProtectControlGroups", func(string) error {
			const group = "/sys/fs/cgroup/systemd/probe"
			if err := os.Mkdir(group, 0o700); err != nil {
				return err
			}
			return os.Remove(group)
		}},
		{"RestrictSUIDSGID", func(dir string) error {
			file := filepath.Join(dir, "probe")
			return errors.Join(os.WriteFile(file, nil, 0o600), unix.Chmod(file, 0o4700), os.Remove(file))
		}},
		{"CapabilityBoundingSet", func(dir string) error {
			node := filepath.Join(dir, "probe-node")
			if err := unix.Mknod(node, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))); err != nil {
				return err
			}
			return os.Remove(node)
		}},
		{"UMask", func(dir string) error {
			file := filepath.Join(dir, "probe-mode")
			f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
			if err != nil {
				return err
			}
			info, err := f.Stat()
			if err == nil && info.Mode().Perm() == 0o600 {
				err = errors.New("files are made with mode 0600")
			}
			return errors.Join(err, f.Close(), os.Remove(file))
		}},
		{"LimitCORE", func(string) error {
			var l unix.Rlimit
			if err := unix.Getrlimit(unix.RLIMIT_CORE, &l); err != nil || l.Max > 0 {
				return err
			}
			return errors.New("no core dumps")
		}},
		{"PrivateUsers", func(string) error {
			text, err := os.ReadFile("/proc/self/uid_map")
			var inside, outside, count int64
			if _, err := fmt.Sscan(string(text), &inside, &outside, &count); err != nil {
				return err
			}
			if err == nil && count < 1<<31 {
				err = errors.New("few users are there")
			}
			return err
		}},
	}
}

func calls() []attempt {
	socket := func(family, kind, protocol int) func(string) error {
		return func(string) error {
			fd, err := unix.Socket(family, kind, protocol)
			if err != nil {
				return err
			}
			return unix.Close(fd)
		}
	}
	return []attempt{
		{"MemoryDenyWriteExecute", func(string) error {
			_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
			return err
		}},
		{"RestrictAddressFamilies", socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)},
		{"RestrictAddressFamilies of packets", socket(unix.AF_PACKET, unix.SOCK_RAW, 0)},
		{"RestrictNamespaces", func(string) error { return unix.Unshare(unix.CLONE_NEWUTS) }},
		{"RestrictRealtime", func(string) error {
			priority := int32(1)
			_, _, errno := unix.Syscall(unix.SYS_SCHED_SETSCHEDULER, 0, unix.SCHED_FIFO, uintptr(unsafe.Pointer(&priority)))
			return failed(errno)
		}},
		{"LockPersonality", func(string) error {
			const linux32 = 8
			_, _, errno := unix.Syscall(unix.SYS_PERSONALITY, linux32, 0, 0)
			return failed(errno)
		}},
		{"SystemCallFilter of mounts", func(string) error { return unix.Mount("probe", "/mnt", "no-such-type", 0, "") }},
		{"ProtectHostname", func(string) error {
			_, _, errno := unix.Syscall(unix.SYS_SETHOSTNAME, 0, 1<<20, 0)
			return failed(errno)
		}},
		{"ProtectClock", func(string) error {
			return unix.ClockSettime(unix.CLOCK_REALTIME, &unix.Timespec{Nsec: -1})
		}},
		{"ProtectKernelLogs", func(string) error {
			_, err := unix.Klogctl(unix.SYSLOG_ACTION_SIZE_BUFFER, nil)
			return err
		}},
		{"ProtectKernelModules", func(string) error { return unix.FinitModule(-1, "", 1<<30) }},
		{"SystemCallFilter of debuggers", func(string) error {
			_, _, errno := unix.Syscall6(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, 0, 0, 0)
			return failed(errno)
		}},
		{"SystemCallFilter of reboots", func(string) error {
			_, _, errno := unix.Syscall(unix.SYS_REBOOT, 0, 0, 0)
			return failed(errno)
		}},
	}
}
