# shellcheck shell=bash
# What the scripts of all peers share. Sourced, never run.
#
# A peer lives in a folder of its own: its data, its log, DIR/pid while it runs
# and DIR/env with what a test needs to reach it. Everything listens on loopback.

cache="${GROUPSYNCD_PEERS_CACHE:-${HOME:?HOME is not set; set GROUPSYNCD_PEERS_CACHE}/.cache/groupsyncd-peers}"

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
	say "error: $*"
	exit 1
}

# as_root COMMAND... runs a command as root, through sudo where we are not root.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -n "$@"
	else
		die "$1 needs root, and there is no sudo"
	fi
}

# apt_install PACKAGE... installs Debian packages without a question.
apt_install() {
	command -v apt-get >/dev/null ||
		die "no apt-get here: install $* by hand, then run this again"
	say "installing $*"
	as_root apt-get update -qq || die "apt-get update failed"
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
		die "apt-get could not install $*"
}

# locked NAME COMMAND... runs a command while no other process holds that lock, so
# that two test runs can share one cache.
locked() {
	local name=$1
	shift
	mkdir -p "$cache"
	(
		flock -w 900 9 || die "another install holds $cache/$name.lock for 15 minutes"
		"$@"
	) 9>"$cache/$name.lock"
}

# folder DIR makes the folder of a peer and prints its absolute path.
folder() {
	mkdir -p "$1" && (cd "$1" && pwd -P)
}

# alive PID WORD says whether that process runs and has WORD in its command line, or is
# at work in the folder of that name. The word keeps us from touching a stranger who got
# the number of a dead peer.
alive() {
	[ -n "$1" ] && [ -r "/proc/$1/cmdline" ] || return 1
	tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF -- "$2" ||
		[ "$(readlink "/proc/$1/cwd" 2>/dev/null)" = "$2" ]
}

# running DIR WORD prints the pid of the peer of that folder, or fails.
running() {
	local pid=""
	[ ! -f "$1/pid" ] || read -r pid <"$1/pid" || true
	alive "$pid" "$2" && printf '%s\n' "$pid"
}

# stop_peer DIR WORD SECONDS ends the peer of a folder: SIGTERM, then SIGKILL when
# it is still there after so many seconds. No peer is no error.
stop_peer() {
	local dir=$1 word=$2 bound=$3 pid
	if ! pid=$(running "$dir" "$word"); then
		rm -f "$dir/pid"
		return 0
	fi
	kill -TERM "$pid" 2>/dev/null || true
	if ! gone "$pid" "$bound"; then
		say "process $pid ignores SIGTERM for $bound s, killing it"
		kill -KILL "$pid" 2>/dev/null || true
		gone "$pid" 5 || die "process $pid survives SIGKILL"
	fi
	rm -f "$dir/pid"
}

# kill_peer DIR WORD kills the peer of a folder without a warning, as a power cut would.
kill_peer() {
	local pid
	pid=$(running "$1" "$2") || die "nothing runs in $1"
	kill -KILL "$pid"
	gone "$pid" 5 || die "process $pid survives SIGKILL"
	rm -f "$1/pid"
}

# ended PID says whether the process is over: away, or a zombie that nobody awaits
# and whose last thread, which may hold its sockets, is over too.
ended() {
	local stat tasks
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
	# The state follows the name, which is in parentheses and may hold anything.
	case ${stat##*) } in Z* | X*) ;; *) return 1 ;; esac
	tasks=(/proc/"$1"/task/*)
	[ "${#tasks[@]}" -le 1 ]
}

# gone PID SECONDS waits until the process is over.
gone() {
	local left=$(($2 * 10))
	until ended "$1"; do
		[ "$left" -gt 0 ] || return 1
		left=$((left - 1))
		sleep 0.1
	done
}

# open_port PORT ADDRESS says whether something listens there.
open_port() {
	(exec 3<>"/dev/tcp/$2/$1") 2>/dev/null
}

# need_free PORT [ADDRESS] fails when the port is taken, of 127.0.0.1 unless it is said.
# It waits a little, because a server that was killed may hold its port for a moment
# after its end.
need_free() {
	local left=50 address=${2:-127.0.0.1}
	case $1 in '' | *[!0-9]*) die "'$1' is no port number" ;; esac
	while open_port "$1" "$address"; do
		[ "$left" -gt 0 ] || die "port $1 of $address is taken"
		left=$((left - 1))
		sleep 0.1
	done
}

# certificate DIR NAMES makes an authority of its own, a certificate for a server (ca.pem,
# cert.pem and key.pem) and one of a client who is called reader (client.pem and
# client-key.pem). NAMES are as in IP:127.0.0.1,DNS:localhost.
certificate() {
	local dir=$1 names=$2
	[ ! -e "$dir/names" ] || [ "$(cat "$dir/names")" != "$names" ] || return 0
	command -v openssl >/dev/null || apt_install openssl
	rm -rf "$dir"
	(
		umask 077
		mkdir -p "$dir" &&
			openssl req -x509 "${new_key[@]}" -days 30 -subj "/CN=test authority $RANDOM$RANDOM" \
				-keyout "$dir/ca-key.pem" -out "$dir/ca.pem" &&
			signed "$dir" key.pem cert.pem /CN=server "subjectAltName=$names" &&
			signed "$dir" client-key.pem client.pem /CN=reader extendedKeyUsage=clientAuth
	) >/dev/null 2>&1 || die "openssl cannot make a certificate in $dir"
	chmod 755 "$dir"
	chmod 644 "$dir/ca.pem" "$dir/cert.pem" "$dir/client.pem"
	printf '%s\n' "$names" >"$dir/names"
}

new_key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)

# signed DIR KEY CERTIFICATE SUBJECT EXTENSION makes a key and has it signed.
signed() {
	printf '%s\n' "$5" >"$1/extensions" &&
		openssl req "${new_key[@]}" -subj "$4" -keyout "$1/$2" -out "$1/request.pem" &&
		openssl x509 -req -days 30 -in "$1/request.pem" -CA "$1/ca.pem" -CAkey "$1/ca-key.pem" \
			-CAcreateserial -extfile "$1/extensions" -out "$1/$3"
}

# answer PORT PATH prints the status of a GET over plain HTTP on loopback, and nothing
# when there is no answer.
answer() {
	local status=""
	(
		exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$1" || exit 0
		printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n\r\n' "$2" "$1" >&3
		read -r -t 10 _ status _ <&3 || exit 0
		printf '%s' "$status"
	)
}
