#!/usr/bin/env bash
# A real Open WebUI in its slim mode, for tests.
#
#   openwebui.sh install [VERSION..]           into the cache folder, once
#   openwebui.sh start DIR PORT [NAME=VALUE..] start, wait, sign in, make an API key
#   openwebui.sh stop DIR                      or kill DIR, with SIGKILL
#   openwebui.sh accounts DIR N                insert N accounts into its database
#
# start writes DIR/pid, DIR/api-key (mode 0600) and DIR/env, which a shell can
# source. NAME=VALUE are more settings of Open WebUI. The cache folder is
# $GROUPSYNCD_PEERS_CACHE, or ~/.cache/groupsyncd-peers.
#
# GROUPSYNCD_PEERS_OPENWEBUI_VERSION is the version to start, 0.12.4 unless it is set; 0.11.4,
# 0.9.6 and 0.8.12 are the others. A folder that one version has left can be started
# with a later one, which moves its database up.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/peers/lib.sh
. "$here/lib.sh"

requirements="$here/openwebui-requirements.txt"
# What versions before 0.12 need beside that, and what stands for the libraries that those
# without a slim mode import and no test touches.
older="$here/openwebui-older-requirements.txt"
stub="$here/openwebui_stub.py"
# word is what the command line of this server has and no other process has.
word="open-webui serve --host 127.0.0.1 --port"
admin_email=admin@example.test
# The password of a throw-away server on loopback is no secret.
admin_password=admin-password-1

# choose VERSION decides which version the rest is about.
choose() {
	version=$1
	venv="$cache/open-webui-$version"
	case $version in
	0.12.4) parts=() ;;
	0.11.4) parts=("$older") ;;
	0.9.6 | 0.8.12) parts=("$older" "$stub") ;;
	*) die "Open WebUI '$version' is not among those that tests know: 0.12.4, 0.11.4, 0.9.6, 0.8.12" ;;
	esac
}

# stamp tells one installation from another: a changed list means a new one.
stamp() {
	printf '%s %s %s\n' "$version" "$(python3 --version 2>&1)" "$(cksum <"$requirements")"
	[ "${#parts[@]}" = 0 ] || cat "${parts[@]}" | cksum
}

installed() {
	[ -x "$venv/bin/open-webui" ] && [ -f "$venv/stamp" ] && [ "$(cat "$venv/stamp")" = "$(stamp)" ]
}

# find_uv prints the path of uv, the installer, and installs it when there is none.
find_uv() {
	if command -v uv; then
		return
	fi
	local helper="$cache/uv"
	if [ ! -x "$helper/bin/uv" ]; then
		say "installing uv"
		new_venv "$helper"
		"$helper/bin/python" -m pip install --quiet uv >&2 || die "pip could not install uv"
	fi
	printf '%s\n' "$helper/bin/uv"
}

# new_venv DIR makes a virtual environment with pip in it.
new_venv() {
	rm -rf "$1"
	if ! python3 -m venv "$1" >/dev/null 2>&1; then
		rm -rf "$1"
		apt_install python3-venv
		python3 -m venv "$1" >&2 || die "python3 -m venv $1 failed"
	fi
}

install_now() {
	if installed; then
		say "Open WebUI $version is installed in $venv"
		return
	fi
	local uv part started=$SECONDS
	uv=$(find_uv)
	say "installing Open WebUI $version into $venv"
	rm -rf "$venv"
	"$uv" venv --quiet --python "$(command -v python3)" "$venv" || die "uv could not make $venv"
	"$uv" pip install --quiet --python "$venv/bin/python" -r "$requirements" ||
		die "the packages of $requirements could not be installed"
	for part in "${parts[@]}"; do
		case $part in
		*.txt)
			"$uv" pip install --quiet --python "$venv/bin/python" -r "$part" ||
				die "the packages of $part could not be installed"
			;;
		*) stand_in ;;
		esac
	done
	"$uv" pip install --quiet --python "$venv/bin/python" --no-deps "open-webui==$version" ||
		die "open-webui $version could not be installed"
	stamp >"$venv/stamp"
	say "installed in $((SECONDS - started)) s"
}

# stand_in puts the stub where Python imports it at every start.
stand_in() {
	local site
	site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
	cp "$stub" "$site/groupsyncd_stub.py"
	echo "import groupsyncd_stub" >"$site/groupsyncd_stub.pth"
}

install() {
	command -v python3 >/dev/null || apt_install python3 python3-venv
	python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' ||
		die "Open WebUI $version needs Python 3.11 or 3.12, python3 is $(python3 --version 2>&1)"
	locked open-webui install_now
}

start() {
	local dir port pid
	[ $# -ge 2 ] || usage
	dir=$(folder "$1")
	port=$2
	shift 2
	installed || install
	if pid=$(running "$dir" "$word"); then
		alive "$pid" "$word $port" ||
			die "the Open WebUI of $dir runs on another port as process $pid; stop it first"
		say "already running as process $pid"
	else
		need_free "$port"
		launch "$dir" "$port" "$@"
		read -r pid <"$dir/pid"
	fi
	if ! "$venv/bin/python" "$here/openwebui_key.py" --url "http://127.0.0.1:$port" --pid "$pid" \
		--email "$admin_email" --password "$admin_password" --key-file "$dir/api-key"; then
		tail -n 30 "$dir/log" >&2
		stop_peer "$dir" "$word" 10
		die "Open WebUI did not start; its log is $dir/log"
	fi
	cat >"$dir/env" <<-END
		GROUPSYNCD_TEST_OPENWEBUI_URL='http://127.0.0.1:$port'
		GROUPSYNCD_TEST_OPENWEBUI_KEY_FILE='$dir/api-key'
		GROUPSYNCD_TEST_OPENWEBUI_ADMIN='$admin_email'
		GROUPSYNCD_TEST_OPENWEBUI_DIR='$dir'
	END
	say "Open WebUI $version runs on http://127.0.0.1:$port as process $pid"
}

# launch DIR PORT [NAME=VALUE..] starts the server in a session of its own. It gets
# an empty environment, so that nobody's settings change what a test sees.
launch() {
	local dir=$1 port=$2
	shift 2
	mkdir -p "$dir/data"
	(
		cd "$dir"
		exec setsid env -i PATH="$venv/bin:/usr/bin:/bin" HOME="$dir" LANG=C.UTF-8 \
			DATA_DIR="$dir/data" WEBUI_SECRET_KEY=for-tests-of-groupsyncd-on-loopback-only WEBUI_URL="http://127.0.0.1:$port" \
			WEBUI_ADMIN_EMAIL="$admin_email" WEBUI_ADMIN_PASSWORD="$admin_password" WEBUI_ADMIN_NAME=Admin \
			DEFAULT_USER_ROLE=user ENABLE_API_KEYS=true ENABLE_OLLAMA_API=false ENABLE_OPENAI_API=false \
			OFFLINE_MODE=true HF_HUB_OFFLINE=1 USE_SLIM_DOCKER=true RAG_EMBEDDING_ENGINE=openai \
			BYPASS_EMBEDDING_AND_RETRIEVAL=true ENABLE_VERSION_UPDATE_CHECK=false \
			ENABLE_RAG_LOCAL_WEB_FETCH=true OPENID_REDIRECT_URI="http://127.0.0.1:$port/oauth/oidc/callback" "$@" \
			"$venv/bin/open-webui" serve --host 127.0.0.1 --port "$port"
	) >"$dir/log" 2>&1 </dev/null &
	printf '%s\n' $! >"$dir/pid"
}

usage() {
	sed -n '4,7s/^#  *//p' "$0" >&2
	exit 2
}

choose "${GROUPSYNCD_PEERS_OPENWEBUI_VERSION:-0.12.4}"
case "${1-}" in
install)
	shift
	for one in "${@:-$version}"; do
		choose "$one"
		install
	done
	;;
start)
	shift
	start "$@"
	;;
stop)
	[ $# = 2 ] || usage
	stop_peer "$2" "$word" 10
	;;
kill)
	[ $# = 2 ] || usage
	kill_peer "$2" "$word"
	;;
accounts)
	[ $# = 3 ] || usage
	"$venv/bin/python" "$here/accounts.py" "$2/data/webui.db" "$3" "$admin_password"
	;;
*) usage ;;
esac
