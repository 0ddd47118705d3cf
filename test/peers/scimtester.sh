#!/usr/bin/env bash
# The checks of SCIM service providers of the PyPI packages scim2-cli and scim2-tester.
#
#   scimtester.sh install        into the cache folder, once
#   scimtester.sh test URL       check the service provider there
#
# The bearer token is in GROUPSYNCD_TEST_SCIM_TOKEN. What is found goes to the standard output.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/peers/lib.sh
. "$here/lib.sh"

version=0.5.2
venv="$cache/scim2-tester-$version"
requirements="$here/scimtester-requirements.txt"

# stamp tells one installation from another: a changed list means a new one.
stamp() { printf '%s %s %s\n' "$version" "$(python3 --version 2>&1)" "$(cksum <"$requirements")"; }

installed() {
	[ -x "$venv/bin/scim" ] && [ -f "$venv/stamp" ] && [ "$(cat "$venv/stamp")" = "$(stamp)" ]
}

install_now() {
	! installed || return 0
	rm -rf "$venv"
	if ! python3 -m venv "$venv" >/dev/null 2>&1; then
		rm -rf "$venv"
		apt_install python3-venv
		python3 -m venv "$venv" >&2 || die "python3 -m venv $venv failed"
	fi
	"$venv/bin/python" -m pip install --quiet --no-deps -r "$requirements" >&2 || die "pip cannot install scim2-tester $version"
	stamp >"$venv/stamp"
}

install() {
	installed || locked scim2-tester install_now
	say "scim2-tester $version is installed in $venv"
}

case "${1-}" in
install)
	[ $# = 1 ] || die "usage: scimtester.sh install"
	install
	;;
test)
	[ $# = 2 ] || die "usage: scimtester.sh test URL"
	installed || install
	# Others see the arguments of a process, and not its environment.
	SCIM_CLI_HEADERS="Authorization: Bearer ${GROUPSYNCD_TEST_SCIM_TOKEN:?}" exec "$venv/bin/scim" --url "$2" test
	;;
*)
	sed -n '4,5s/^#  *//p' "$0" >&2
	exit 2
	;;
esac
