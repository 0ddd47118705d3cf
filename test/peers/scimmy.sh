#!/usr/bin/env bash
# A real SCIM 2.0 server, of the npm packages scimmy and scimmy-routers, for tests.
#
#   scimmy.sh install                      into the cache folder, once
#   scimmy.sh start DIR PORT [express5]    start and wait
#   scimmy.sh stop DIR                     or kill DIR, with SIGKILL
#
# It keeps everything in memory, see scimmy/server.mjs. start writes DIR/pid, DIR/token
# (mode 0600) and DIR/env, which a shell can source.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/peers/lib.sh
. "$here/lib.sh"

version=1.3.5
home="$cache/scimmy-$version"

# stamp tells one installation from another: a changed lock file means a new one.
stamp() { printf '%s %s\n' "$(node --version)" "$(cksum <"$here/scimmy/package-lock.json")"; }

installed() {
	command -v node >/dev/null && [ -f "$home/stamp" ] && [ "$(cat "$home/stamp")" = "$(stamp)" ]
}

install() {
	command -v node >/dev/null || apt_install nodejs
	installed || locked scimmy install_now
	say "scimmy $version is installed in $home"
}

install_now() {
	! installed || return 0
	command -v npm >/dev/null || apt_install npm
	rm -rf "$home"
	mkdir -p "$home"
	cp "$here/scimmy/package.json" "$here/scimmy/package-lock.json" "$home/"
	(cd "$home" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2 ||
		die "npm cannot install scimmy $version"
	stamp >"$home/stamp"
}

start() {
	local dir port=$2 pid web=${3-express}
	dir=$(folder "$1")
	case $web in express | express5) ;; *) usage ;; esac
	! pid=$(running "$dir" "$dir/scimmy.mjs") || die "the server of $dir runs as process $pid; stop it first"
	installed || install
	need_free "$port"
	(umask 077 && printf 'scimmy-token-of-a-test\n' >"$dir/token")
	# Beside the packages that it imports.
	cp "$here/scimmy/server.mjs" "$dir/scimmy.mjs"
	ln -sfn "$home/node_modules" "$dir/node_modules"
	(
		cd "$dir"
		exec setsid env -i PATH="$PATH" HOME="$dir" LANG=C.UTF-8 node "$dir/scimmy.mjs" "$port" "$dir/token" "$web"
	) >"$dir/log" 2>&1 </dev/null &
	pid=$!
	printf '%s\n' "$pid" >"$dir/pid"
	if ! ready "$port" "$pid"; then
		tail -n 30 "$dir/log" >&2
		stop_peer "$dir" "$dir/scimmy.mjs" 5
		die "scimmy did not start; its log is $dir/log"
	fi
	printf "GROUPSYNCD_TEST_SCIM_URL='http://127.0.0.1:%s/scim/v2'\nGROUPSYNCD_TEST_SCIM_TOKEN_FILE='%s'\n" "$port" "$dir/token" >"$dir/env"
	say "scimmy $version runs on http://127.0.0.1:$port as process $pid"
}

# ready PORT PID waits until the server answers, which without a token is a refusal.
ready() {
	local left=300
	until [ "$(answer "$1" /scim/v2/ServiceProviderConfig)" = 401 ]; do
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
	[ $# -ge 3 ] && [ $# -le 4 ] || usage
	shift
	start "$@"
	;;
stop)
	[ $# = 2 ] || usage
	dir=$(folder "$2")
	stop_peer "$dir" "$dir/scimmy.mjs" 5
	;;
kill)
	[ $# = 2 ] || usage
	dir=$(folder "$2")
	kill_peer "$dir" "$dir/scimmy.mjs"
	;;
*) usage ;;
esac
