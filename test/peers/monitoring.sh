#!/usr/bin/env bash
# promtool of Prometheus, which checks alert rules, their tests and what /metrics shows.
#
#   monitoring.sh install        into the cache folder, once
#   monitoring.sh promtool       prints where it is
#
# It is taken out of Debian's package prometheus; no service is installed or started.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/peers/lib.sh
. "$here/lib.sh"

# version is the oldest promtool that our rules are checked with.
version=2.42
home="$cache/promtool-$version"
promtool="$home/usr/bin/promtool"

usage() {
	sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

installed() { "$promtool" --version >/dev/null 2>&1; }

install() {
	installed || locked promtool install_now
	say "promtool is installed in $home"
}

install_now() {
	local work
	! installed || return 0
	command -v apt-get >/dev/null || die "no apt-get here: put promtool of Prometheus $version or later at $promtool"
	rm -rf "$home"
	work=$(mktemp -d)
	# The sandbox of apt has no rights in our folder, and needs none in a world that it made.
	chmod 755 "$work"
	if ! (cd "$work" && apt-get download -qq prometheus >/dev/null 2>&1); then
		as_root apt-get update -qq || die "apt-get update failed"
		(cd "$work" && apt-get download -qq prometheus >/dev/null) || die "apt-get could not download prometheus"
	fi
	mkdir -p "$home"
	dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -x -C "$home" ./usr/bin/promtool || die "the package prometheus has no promtool"
	rm -rf "$work"
	installed || die "$promtool does not run"
}

case "${1-}:$#" in
install:1) install ;;
promtool:1)
	installed || install
	printf '%s\n' "$promtool"
	;;
*) usage ;;
esac
