#!/usr/bin/env bash
# Prometheus and its promtool, which check alert rules, their tests, the dashboard's queries
# and what /metrics shows.
#
#   monitoring.sh install        into the cache folder, once
#   monitoring.sh folder         prints where both programs are
#
# They are taken out of Debian's package prometheus; no service is installed or started.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/peers/lib.sh
. "$here/lib.sh"

# version is that of Debian 12; our rules want nothing newer.
version=2.42
home="$cache/prometheus-$version"
programs="$home/usr/bin"

usage() {
	sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

installed() { "$programs/promtool" --version >/dev/null 2>&1 && "$programs/prometheus" --version >/dev/null 2>&1; }

install() {
	installed || locked prometheus install_now
	say "Prometheus is installed in $home"
}

install_now() {
	local work
	! installed || return 0
	command -v apt-get >/dev/null || die "no apt-get here: put prometheus and promtool $version or later into $programs"
	rm -rf "$home"
	work=$(mktemp -d)
	# The sandbox of apt has no rights in our folder, and needs none in a world that it made.
	chmod 755 "$work"
	if ! (cd "$work" && apt-get download -qq prometheus >/dev/null 2>&1); then
		as_root apt-get update -qq || die "apt-get update failed"
		(cd "$work" && apt-get download -qq prometheus >/dev/null) || die "apt-get could not download prometheus"
	fi
	mkdir -p "$home"
	dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -x -C "$home" ./usr/bin/promtool ./usr/bin/prometheus ||
		die "the package prometheus has other programs"
	rm -rf "$work"
	installed || die "the programs in $programs do not run"
}

case "${1-}:$#" in
install:1) install ;;
folder:1)
	installed || install
	printf '%s\n' "$programs"
	;;
*) usage ;;
esac
