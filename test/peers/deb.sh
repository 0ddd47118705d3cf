#!/usr/bin/env bash
# Packages of the work tree, for tests.
#
#   deb.sh install            through apt-get, what reads an rpm
#   deb.sh build DIR          the deb, the rpm and their company into DIR, for this machine
#   deb.sh again DEB VERSION  the same deb once more beside it, as another version
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/peers/lib.sh
. "$here/lib.sh"

install() {
	command -v rpm >/dev/null || locked packages install_now
}

install_now() {
	command -v rpm >/dev/null || apt_install rpm
}

build() {
	local dir
	dir=$(folder "$1")
	(cd "$here/../../packaging/dist" && go run . -here -arch "$(go env GOARCH)" -out "$dir")
}

# again repacks with the tools of Debian, so that the other version is not ours alone.
again() {
	local deb=$1 version=$2 work
	work=$(mktemp -d)
	dpkg-deb --raw-extract "$deb" "$work/content"
	sed -i "s/^Version: .*/Version: $version/" "$work/content/DEBIAN/control"
	dpkg-deb --root-owner-group -Znone --build "$work/content" "${deb%/*}/groupsyncd_${version}_again.deb" >/dev/null
	rm -rf "$work"
}

usage() {
	sed -n '4,6s/^#  *//p' "$0" >&2
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
again)
	[ $# = 3 ] || usage
	again "$2" "$3"
	;;
*) usage ;;
esac
