#!/usr/bin/env bash
# A real browser, Debian's Chromium, and the npm package axe-core, which looks for what keeps
# people with a screen reader or a keyboard out of a page.
#
#   browser.sh install        into the cache folder, once
#   browser.sh where          print the paths of the browser and of axe.min.js, one a line
#
# Nothing is started here: the tests drive the browser themselves.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/peers/lib.sh
. "$here/lib.sh"

version=4.14.1
home="$cache/axe-core-$version"

# stamp tells one installation from another: a changed lock file means a new one.
stamp() { printf '%s\n' "$(cksum <"$here/browser/package-lock.json")"; }

installed() {
	[ -f "$home/node_modules/axe-core/axe.min.js" ] && [ -f "$home/stamp" ] && [ "$(cat "$home/stamp")" = "$(stamp)" ]
}

install_now() {
	! installed || return 0
	command -v npm >/dev/null || apt_install npm
	rm -rf "$home"
	mkdir -p "$home"
	cp "$here/browser/package.json" "$here/browser/package-lock.json" "$home/"
	(cd "$home" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2 ||
		die "npm cannot install axe-core $version"
	stamp >"$home/stamp"
}

chromium_now() { command -v chromium >/dev/null || apt_install chromium; }

install() {
	command -v chromium >/dev/null || locked chromium chromium_now
	installed || locked axe-core install_now
	say "axe-core $version is installed in $home, $(chromium --version --no-sandbox 2>/dev/null || echo Chromium) is there"
}

case "${1-}" in
install)
	[ $# = 1 ] || die "usage: browser.sh install"
	install
	;;
where)
	[ $# = 1 ] || die "usage: browser.sh where"
	install
	command -v chromium
	printf '%s\n' "$home/node_modules/axe-core/axe.min.js"
	;;
*)
	sed -n '5,6s/^#  *//p' "$0" >&2
	exit 2
	;;
esac
