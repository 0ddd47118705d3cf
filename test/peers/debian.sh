#!/usr/bin/env bash
# A small Debian, with a real systemd that boots in it as process 1, for tests. It needs
# root, and neither a container engine nor a virtual machine.
#
#   debian.sh install                debootstrap through apt-get, when it is missing, and
#                                    a root file system in the cache
#   debian.sh root DIR               makes DIR/root, a copy of that root file system
#   debian.sh start DIR              boots DIR/root (made first, when it is missing) and waits
#   debian.sh run DIR COMMAND...     runs a command in DIR/root, in the booted system if it runs
#   debian.sh stop DIR               or kill DIR: a power cut, with SIGKILL to everything in it
#
# The system has processes, mounts, IPC, host name and control groups of its own, and the
# network of the host, so that it reaches servers on loopback. Without start, run gives a
# chroot without /proc and /dev/shm. start writes DIR/pid and DIR/env, which a shell can
# source: the root and, of its process 1, the number that it has outside.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/peers/lib.sh
. "$here/lib.sh"

[ "$(id -u)" = 0 ] || exec sudo -n --preserve-env=HOME,GROUPSYNCD_PEERS_CACHE,GROUPSYNCD_PEERS_DEBIAN_MIRROR "$0" "$@"

PATH="$PATH:/usr/sbin:/sbin"
suite=bookworm
base="$cache/debian-$suite-1"
mirror=${GROUPSYNCD_PEERS_DEBIAN_MIRROR:-http://deb.debian.org/debian}

# There is no base before its installation is complete.
install() { [ -d "$base" ] || locked debian install_now; }

install_now() {
	[ ! -d "$base" ] || return 0
	{ command -v debootstrap && command -v nsenter; } >/dev/null || apt_install debootstrap util-linux
	local work="$base.$$"
	rm -rf "$work"
	say "installing Debian $suite into $base"
	debootstrap --variant=minbase --include=systemd,dbus,ca-certificates "$suite" "$work" "$mirror" >"$base.log" 2>&1 ||
		die "debootstrap failed: $(tail -n 5 "$base.log")"
	rm -rf "$work"/var/cache/apt/archives/*.deb "$work"/var/lib/apt/lists/*
	# What a clean machine has of its own is made at its first boot.
	: >"$work/etc/machine-id"
	printf 'debian\n' >"$work/etc/hostname"
	printf '127.0.0.1 localhost debian\n::1 localhost\n' >"$work/etc/hosts"
	# Logs live in memory; a test reads them from there. Nothing here waits for a network.
	mkdir -p "$work/etc/systemd/journald.conf.d"
	printf '[Journal]\nStorage=volatile\nRateLimitBurst=0\n' >"$work/etc/systemd/journald.conf.d/test.conf"
	# What would only touch the host's kernel.
	chroot "$work" systemctl -q mask sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
		dev-hugepages.mount proc-sys-fs-binfmt_misc.automount
	mv "$work" "$base"
}

root() {
	local dir
	dir=$(folder "$1")
	install
	[ ! -e "$dir/root" ] || return 0
	cp -a --reflink=auto "$base" "$dir/root"
}

start() {
	local dir pid
	dir=$(folder "$1")
	! pid=$(running "$dir" "$dir") || die "the Debian of $dir runs as process $pid; stop it first"
	root "$dir"
	rm -f "$dir/init"
	# unshare waits for the first process of the new namespaces and takes it along.
	setsid unshare --mount --propagation private -- "$0" outside "$dir" >"$dir/log" 2>&1 </dev/null &
	pid=$!
	printf '%s\n' "$pid" >"$dir/pid"
	if ! booted "$dir" "$pid"; then
		cat "$dir/log" >&2
		(run "$dir" systemctl --no-pager list-units --state=failed >&2) || true
		stop "$dir"
		die "systemd did not start in $dir/root; its log is $dir/log"
	fi
	cat >"$dir/env" <<-END
		GROUPSYNCD_TEST_DEBIAN_DIR='$dir'
		GROUPSYNCD_TEST_DEBIAN_ROOT='$dir/root'
		GROUPSYNCD_TEST_DEBIAN_INIT='$(init "$dir")'
	END
	say "systemd runs in $dir/root as process $(init "$dir")"
}

# outside DIR, in a mount namespace, makes control groups of its own for the system, so
# that two of them never meet, and then the namespaces.
outside() {
	local group
	while IFS= read -r group; do
		{ mkdir -p "$group" && echo $$ >"$group/cgroup.procs"; } || die "no control group for a system: $group"
	done < <(groups_of "$1")
	exec unshare --pid --fork --kill-child --uts --ipc --cgroup --mount --propagation private --mount-proc -- "$0" inside "$1"
}

# groups_of DIR mounts the hierarchies of control groups and prints which groups DIR has in
# them. systemd needs the one without a controller; the others are for limits.
groups_of() {
	local names path at options sum
	sum=$(printf '%s' "$1" | cksum | cut -d ' ' -f 1)
	while IFS=: read -r _ names path; do
		case $names in
		name=systemd) options=none,name=systemd,xattr ;;
		'' | *cpuset* | name=*) continue ;;
		*) options=$names ;;
		esac
		at="$1/cgroup/$names"
		mkdir -p "$at"
		mount -t cgroup -o "$options" cgroup "$at" 2>/dev/null || continue
		printf '%s/groupsyncd-%s\n' "$at${path%/}" "$sum"
	done < <(grep -q ':name=systemd:' /proc/self/cgroup || echo 0:name=systemd:/ && cat /proc/self/cgroup)
}

# inside DIR, as process 1 of the new namespaces, becomes systemd.
inside() {
	local root="$1/root" node
	mount --bind "$root" "$root"
	cd "$root"
	mount -t proc proc proc
	mount -t sysfs -o ro sysfs sys
	mount -t tmpfs -o mode=755 tmpfs run
	mount -t tmpfs -o mode=1777 tmpfs tmp
	mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
	mkdir sys/fs/cgroup/systemd
	mount -t cgroup -o none,name=systemd,xattr systemd sys/fs/cgroup/systemd
	# Devices of its own: systemd would change those of the host.
	mount -t tmpfs -o mode=755 tmpfs dev
	for node in null:3 zero:5 full:7 random:8 urandom:9; do
		mknod -m 666 "dev/${node%:*}" c 1 "${node#*:}"
	done
	mknod -m 666 dev/tty c 5 0
	ln -s /proc/self/fd dev/fd
	ln -s pts/ptmx dev/ptmx
	hostname debian
	# Not chroot, in which nobody gets a user namespace (PrivateUsers).
	pivot_root . mnt
	# Shared, as on a machine: the folders of credentials are mounted in one namespace and
	# have to show in others.
	# shellcheck disable=SC2016 # The inner shell expands it.
	exec chroot . /bin/sh -c 'umount -l /mnt && mount --make-rshared / && exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"' sh \
		/lib/systemd/systemd --system --unit=multi-user.target \
		systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1
}

# init DIR prints the number that systemd, process 1 in there, has out here.
init() {
	local pid
	pid=$(running "$1" "$1") && pgrep -P "$pid"
}

# booted DIR PID waits until systemd says that it has started what it has to start.
booted() {
	local dir=$1 pid=$2 left=300 state
	while [ "$left" -gt 0 ]; do
		! ended "$pid" || return 1
		state=$(run "$dir" systemctl is-system-running 2>/dev/null) || true
		case $state in running) return 0 ;; degraded) return 1 ;; esac
		left=$((left - 1))
		sleep 0.1
	done
	return 1
}

run() {
	local dir pid
	dir=$(folder "$1")
	shift
	if pid=$(init "$dir"); then
		exec nsenter -t "$pid" -m -p -u -i -C -r -w -- /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
	fi
	[ -d "$dir/root" ] || die "there is no $dir/root"
	exec chroot "$dir/root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
}

# stop DIR ends everything in the system at once, and what is left of its control groups.
stop() {
	local dir=$1 pid first
	if ! pid=$(running "$dir" "$dir"); then
		rm -f "$dir/pid"
		return 0
	fi
	first=$(init "$dir") || first=""
	[ -z "$first" ] || kill -KILL "$first" 2>/dev/null || true
	[ -z "$first" ] || gone "$first" 10 || die "process $first survives SIGKILL"
	gone "$pid" 5 || kill -KILL "$pid" 2>/dev/null || true
	gone "$pid" 5 || die "process $pid survives SIGKILL"
	unshare --mount --propagation private -- "$0" sweep "$dir"
	rm -f "$dir/pid"
}

# sweep DIR, in a mount namespace, removes the control groups of a system that has ended.
sweep() {
	local group left=50
	while IFS= read -r group; do
		until [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} + 2>/dev/null; do
			left=$((left - 1))
			[ "$left" -gt 0 ] || die "something still runs in $group"
			sleep 0.1
		done
	done < <(groups_of "$1")
}

usage() {
	sed -n '5,10s/^#  *//p' "$0" >&2
	exit 2
}

case "${1-}" in
install)
	[ $# = 1 ] || usage
	install
	say "Debian is installed: $suite, $(cat "$base/etc/debian_version")"
	;;
root | start | stop | kill)
	[ $# = 2 ] || usage
	case $1 in
	root) root "$2" ;;
	start) start "$2" ;;
	*) stop "$(folder "$2")" ;;
	esac
	;;
run)
	[ $# -ge 3 ] || usage
	shift
	run "$@"
	;;
outside | inside | sweep) "$1" "$2" ;;
*) usage ;;
esac
