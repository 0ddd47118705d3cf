#!/usr/bin/env bash
# The container without a container engine: the root file system that the Dockerfile makes,
# and the program in it under what an engine would put it. Needs root, for the mounts.
#
#   container.sh install                  what this needs from Debian
#   container.sh build DIR                the root file system, in DIR/root and DIR/state
#   container.sh hash DIR                 the SHA-256 of it as a sorted archive
#   container.sh run DIR CONFIG STATE [ARGUMENT..]    the container's command, until it ends
#   container.sh exec DIR [ARGUMENT..]    another command in the running container
#   container.sh stop DIR                 end it as an engine does: a signal, then force after 75 s
#
# CONFIG is mounted read-only as /etc/groupsyncd, STATE as the volume. CA_BUNDLE=FILE is mounted
# over the certificates. The program gets user 65532, no capability and no way to one, a root it
# cannot write, a tmpfs as /tmp, and process numbers and mounts of its own; the network is ours,
# so that it reaches servers on loopback. DIR/pid is the program's number outside.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/peers/lib.sh
. "$here/lib.sh"

install() {
	command -v capsh >/dev/null || apt_install libcap2-bin
	command -v unshare >/dev/null || apt_install util-linux
	[ -s /etc/ssl/certs/ca-certificates.crt ] || apt_install ca-certificates
}

build() { "$here/../../packaging/container/rootfs.sh" "$1"; }

# hash DIR prints one number for all names, modes, times and bytes. Owners are left out: COPY
# in the Dockerfile sets them.
hash() {
	tar --create --sort=name --format=gnu --numeric-owner --owner=0 --group=0 --directory "$1" root state |
		sha256sum | cut -d ' ' -f 1
}

# confined ROOT ARGUMENT... becomes the program, as the image and its run line say.
confined() {
	local root=$1
	shift
	exec env -i PATH=/usr/bin HOME=/var/lib/groupsyncd \
		"$(command -v capsh)" --chroot="$root" --no-new-privs --drop=all --groups= --gid=65532 --uid=65532 \
		--shell=/usr/bin/groupsyncd -- "$@"
}

# run starts the container; what it mounts is seen in here alone, and ends with it.
run() {
	local dir=$1
	[ "$(id -u)" = 0 ] || die "a root of its own needs root: run this as root"
	mkdir -p "$dir/mnt"
	exec unshare --mount --propagation private --pid --fork --kill-child --ipc --uts "$0" inside "$@"
}

# inside DIR CONFIG STATE [ARGUMENT..] mounts what an engine mounts, then becomes the program.
inside() {
	local dir=$1 config=$2 state=$3 root=$1/mnt device pid
	shift 3
	[ $# -gt 0 ] || set -- serve
	mount --bind "$dir/root" "$root"
	# The engine makes the places of its mounts in its own layer; here they lie in the copy.
	mkdir -p "$root/proc" "$root/dev" "$root/var/lib/groupsyncd"
	mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
	mount -t tmpfs -o nosuid,noexec,mode=755 tmpfs "$root/dev"
	for device in null zero full random urandom; do
		: >"$root/dev/$device"
		mount --bind "/dev/$device" "$root/dev/$device"
	done
	mount -o remount,ro "$root/dev"
	mount -t tmpfs -o nosuid,nodev,noexec,mode=1777,size=16m tmpfs "$root/tmp"
	mount --bind "$config" "$root/etc/groupsyncd"
	mount -o remount,bind,ro,nosuid,nodev,noexec "$root/etc/groupsyncd"
	mount --bind "$state" "$root/var/lib/groupsyncd"
	mount -o remount,bind,nosuid,nodev,noexec "$root/var/lib/groupsyncd"
	if [ -n "${CA_BUNDLE-}" ]; then
		mount --bind "$CA_BUNDLE" "$root/etc/ssl/certs/ca-certificates.crt"
		mount -o remount,bind,ro "$root/etc/ssl/certs/ca-certificates.crt"
	fi
	mount -o remount,bind,ro,nosuid,nodev "$root"
	# Our /proc is still that of the machine, so this is our number as it is seen outside.
	read -r pid _ </proc/self/stat
	printf '%s\n' "$pid" >"$dir/pid"
	confined "$root" "$@"
}

# again DIR [ARGUMENT..] runs a command where the container is, as "docker exec" does.
again() {
	local dir=$1 pid
	shift
	pid=$(running "$dir" /usr/bin/groupsyncd) || die "no container runs in $dir"
	exec nsenter --target "$pid" --mount --pid --ipc --uts "$0" join "$dir/mnt" "$@"
}

usage() {
	sed -n '5,10s/^#  *//p' "$0" >&2
	exit 2
}

case "${1-}" in
install)
	[ $# = 1 ] || usage
	install
	;;
build)
	[ $# = 2 ] || usage
	build "$2"
	;;
hash)
	[ $# = 2 ] || usage
	hash "$2"
	;;
run)
	[ $# -ge 4 ] || usage
	dir=$(folder "$2")
	shift 2
	run "$dir" "$@"
	;;
inside)
	shift
	inside "$@"
	;;
exec)
	[ $# -ge 2 ] || usage
	dir=$(folder "$2")
	shift 2
	again "$dir" "$@"
	;;
join)
	shift
	confined "$@"
	;;
stop)
	[ $# = 2 ] || usage
	stop_peer "$(folder "$2")" /usr/bin/groupsyncd 75
	;;
*) usage ;;
esac
