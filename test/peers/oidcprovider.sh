#!/usr/bin/env bash
# A real OpenID provider, the certified npm package oidc-provider, for tests.
#
#   oidcprovider.sh install            into the cache folder, once
#   oidcprovider.sh start DIR PORT redirect=URL [logout=URL]   start and wait
#   oidcprovider.sh stop DIR           or kill DIR, with SIGKILL
#
# Its people are in DIR/people.json, see oidcprovider/server.mjs. Its one client is an
# Open WebUI with that redirect address; logout is where it tells who signed out. start
# writes DIR/pid and DIR/env, which a shell can source.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/peers/lib.sh
. "$here/lib.sh"

version=9.13.3
home="$cache/oidc-provider-$version"

# stamp tells one installation from another: a changed lock file means a new one.
stamp() { printf '%s %s\n' "$(node --version)" "$(cksum <"$here/oidcprovider/package-lock.json")"; }

installed() {
	command -v node >/dev/null && [ -f "$home/stamp" ] && [ "$(cat "$home/stamp")" = "$(stamp)" ]
}

install() {
	command -v node >/dev/null || apt_install nodejs
	node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' ||
		die "oidc-provider $version needs Node 20 or newer, node is $(node --version)"
	installed || locked oidc-provider install_now
	say "oidc-provider $version is installed in $home"
}

install_now() {
	! installed || return 0
	command -v npm >/dev/null || apt_install npm
	rm -rf "$home"
	mkdir -p "$home"
	cp "$here/oidcprovider/package.json" "$here/oidcprovider/package-lock.json" "$home/"
	(cd "$home" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2 ||
		die "npm cannot install oidc-provider $version"
	stamp >"$home/stamp"
}

start() {
	local dir port=$2 pid redirect="" logout="" setting
	dir=$(folder "$1")
	shift 2
	for setting in "$@"; do
		case $setting in
		redirect=*) redirect=${setting#redirect=} ;;
		logout=*) logout=${setting#logout=} ;;
		*) usage ;;
		esac
	done
	[ -n "$redirect" ] || usage
	! pid=$(running "$dir" "$dir/server.mjs") || die "the provider of $dir runs as process $pid; stop it first"
	installed || install
	need_free "$port"
	[ -e "$dir/people.json" ] || printf '{}\n' >"$dir/people.json"
	# Beside the packages that it imports.
	cp "$here/oidcprovider/server.mjs" "$dir/server.mjs"
	ln -sfn "$home/node_modules" "$dir/node_modules"
	(
		cd "$dir"
		exec setsid env -i PATH="$PATH" HOME="$dir" LANG=C.UTF-8 \
			node "$dir/server.mjs" "$port" "$dir/people.json" "$redirect" ${logout:+"$logout"}
	) >"$dir/log" 2>&1 </dev/null &
	pid=$!
	printf '%s\n' "$pid" >"$dir/pid"
	if ! ready "$port" "$pid"; then
		tail -n 30 "$dir/log" >&2
		stop_peer "$dir" "$dir/server.mjs" 5
		die "oidc-provider did not start; its log is $dir/log"
	fi
	printf "GROUPSYNCD_TEST_OIDCPROVIDER_URL='http://127.0.0.1:%s'\n" "$port" >"$dir/env"
	say "oidc-provider $version runs on http://127.0.0.1:$port as process $pid"
}

# ready PORT PID waits until the server answers.
ready() {
	local left=300
	until [ "$(answer "$1" /.well-known/openid-configuration)" = 200 ]; do
		! ended "$2" || return 1
		left=$((left - 1))
		[ "$left" -gt 0 ] || return 1
		sleep 0.1
	done
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
start)
	[ $# -ge 4 ] || usage
	shift
	start "$@"
	;;
stop)
	[ $# = 2 ] || usage
	dir=$(folder "$2")
	stop_peer "$dir" "$dir/server.mjs" 5
	;;
kill)
	[ $# = 2 ] || usage
	dir=$(folder "$2")
	kill_peer "$dir" "$dir/server.mjs"
	;;
*) usage ;;
esac
