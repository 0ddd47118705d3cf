#!/usr/bin/env bash
# Makes everything that is in the container image, as two folders:
#
#   rootfs.sh OUT        OUT/root, what the image holds, and OUT/state, what is user 65532's
#
# The Dockerfile runs this script, and so does test/peers/container where there is no
# container engine: what is tested is what is shipped. The same sources, Go and certificates
# give the same bytes, wherever and whenever it runs. From the environment come
#
#   SOURCE_DATE_EPOCH    the time of every file, in seconds since 1970; 0 unless it is set
#   VERSION              what "groupsyncd version" says; devel unless it is set
#   TARGETOS TARGETARCH  for which platform, as docker buildx names it; this one unless set
#   CERTIFICATES         the public authorities; those of this system unless it is set
set -euo pipefail

[ $# = 1 ] || {
	sed -n '4s/^#  *//p' "$0" >&2
	exit 2
}
case $1 in /*) out=$1 ;; *) out=$PWD/$1 ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
certificates=${CERTIFICATES:-/etc/ssl/certs/ca-certificates.crt}
umask 022

[ ! -e "$out" ] || {
	echo "rootfs.sh: $out is there already" >&2
	exit 1
}
[ -s "$certificates" ] || {
	echo "rootfs.sh: there are no certificates in $certificates: install ca-certificates" >&2
	exit 1
}

root=$out/root
mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/etc/groupsyncd" "$root/var/lib" "$out/state"

# Nothing of this machine gets into the program: no path, no state of a repository, no C
# library, and no other Go than the one that is here. The tag puts the time zones into it,
# because the image has none.
CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS='' GOOS=${TARGETOS:-$(go env GOOS)} GOARCH=${TARGETARCH:-$(go env GOARCH)} \
	go build -mod=readonly -trimpath -buildvcs=false -tags timetzdata \
	-ldflags="-s -w${VERSION:+ -X main.release=$VERSION}" -o "$root/usr/bin/groupsyncd" ./cmd/groupsyncd

install -m 0644 "$certificates" "$root/etc/ssl/certs/ca-certificates.crt"
# A number would do; with a name, messages and the audit are easier to read.
echo 'groupsyncd:x:65532:65532::/var/lib/groupsyncd:/sbin/nologin' >"$root/etc/passwd"
echo 'groupsyncd:x:65532:' >"$root/etc/group"
# Commands that look at a state that is not there need room for an empty one; a tmpfs is
# mounted here.
install -d -m 1777 "$root/tmp"
# A fresh volume takes owner and mode of this folder over.
install -d -m 0700 "$out/state/groupsyncd"

find "$out" -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH:-0}" {} +
