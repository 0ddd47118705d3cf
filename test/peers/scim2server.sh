#!/usr/bin/env bash
# A real SCIM 2.0 server, the PyPI package scim2-server, for tests.
#
#   scim2server.sh install                     into the cache folder, once
#   scim2server.sh start DIR PORT [cursor]     start and wait
#   scim2server.sh stop DIR                    or kill DIR, with SIGKILL
#
# It keeps everything in memory. With cursor it also walks by cursor and says so. start
# writes DIR/pid, DIR/token (mode 0600) and DIR/env, which a shell can source.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/peers/lib.sh
. "$here/lib.sh"

version=0.8.3
venv="$cache/scim2-server-$version"
requirements="$here/scim2server/requirements.txt"
# word is what the command line of this server has and no other process has.
word="$venv/bin/scim2-server"

# stamp tells one installation from another: a changed list means a new one.
stamp() { printf '%s %s\n' "$(python3 --version 2>&1)" "$(cksum <"$requirements")"; }

installed() {
	[ -x "$venv/bin/scim2-server" ] && [ -f "$venv/stamp" ] && [ "$(cat "$venv/stamp")" = "$(stamp)" ]
}

install() {
	command -v python3 >/dev/null || apt_install python3 python3-venv
	installed || locked scim2-server install_now
	say "scim2-server $version is installed in $venv"
}

install_now() {
	! installed || return 0
	rm -rf "$venv"
	if ! python3 -m venv "$venv" >/dev/null 2>&1; then
		rm -rf "$venv"
		apt_install python3-venv
		python3 -m venv "$venv" >&2 || die "python3 -m venv $venv failed"
	fi
	"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$requirements" >&2 ||
		die "the packages of $requirements could not be installed"
	stamp >"$venv/stamp"
}

start() {
	local dir port=$2 pid way=${3-} config=()
	dir=$(folder "$1")
	case $way in
	'') ;;
	cursor) config=(--service-provider-config "$here/scim2server/cursor.json") ;;
	*) usage ;;
	esac
	! pid=$(running "$dir" "$word") || die "the server of $dir runs as process $pid; stop it first"
	installed || install
	need_free "$port"
	(umask 077 && printf 'scim2-token-of-a-test\n' >"$dir/token")
	cp "$requirements" "$dir/scim2-server"
	(
		cd "$dir"
		exec setsid env -i PATH="$venv/bin:/usr/bin:/bin" HOME="$dir" LANG=C.UTF-8 \
			"$venv/bin/python" "$venv/bin/scim2-server" --port "$port" --bearer-token "$(cat "$dir/token")" "${config[@]}"
	) >"$dir/log" 2>&1 </dev/null &
	pid=$!
	printf '%s\n' "$pid" >"$dir/pid"
	if ! ready "$port" "$pid"; then
		tail -n 30 "$dir/log" >&2
		stop_peer "$dir" "$word" 5
		die "scim2-server did not start; its log is $dir/log"
	fi
	printf "GROUPSYNCD_TEST_SCIM_URL='http://127.0.0.1:%s/v2'\nGROUPSYNCD_TEST_SCIM_TOKEN_FILE='%s'\n" "$port" "$dir/token" >"$dir/env"
	say "scim2-server $version runs on http://127.0.0.1:$port as process $pid"
}

# ready PORT PID waits until the server answers.
ready() {
	local left=300
	until [ "$(answer "$1" /v2/ServiceProviderConfig)" = 200 ] || [ "$(answer "$1" /v2/ServiceProviderConfig)" = 401 ]; do
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
	stop_peer "$2" "$word" 5
	;;
kill)
	[ $# = 2 ] || usage
	kill_peer "$2" "$word"
	;;
*) usage ;;
esac
