#!/usr/bin/env bash
# A real Keycloak on loopback without TLS, for tests.
#
#   keycloak.sh install                into the cache folder, once
#   keycloak.sh start DIR PORT [NAME=VALUE..]    start and wait
#   keycloak.sh stop DIR               or kill DIR, with SIGKILL
#
# NAME=VALUE are more settings of Keycloak, or values for ${NAME} in the realms of DIR/import,
# which are imported when it starts. Its administrator is admin, whose password is DIR/admin-password (mode 0600). start
# writes DIR/pid and DIR/env, which a shell can source. What it holds is in DIR/h2 and
# survives a restart.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/peers/lib.sh
. "$here/lib.sh"

version=26.7.4
sum=04823c336b797a7e18889a44262a7a64e6bf624cbbcc518c85e2622176ff2eee
home="$cache/keycloak-$version"
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1

# built is what an installation was made with: another Java or other options, another one.
built() { printf '%s %s dev-file\n' "$sum" "$(java -version 2>&1 | head -n 1)"; }

installed() {
	command -v java >/dev/null && [ -f "$home/stamp" ] && [ "$(cat "$home/stamp")" = "$(built)" ]
}

java_17() { java -version 2>&1 | grep -Eq 'version "(1[7-9]|2[0-9])'; }

install() {
	java_17 || apt_install openjdk-17-jre-headless
	java_17 || die "Keycloak $version needs Java 17 or newer, java is $(java -version 2>&1 | head -n 1)"
	installed || locked keycloak install_now
	say "Keycloak $version is installed in $home"
}

# install_now unpacks the distribution and has it prepare itself for our options, which
# takes long and would else be a part of every start.
install_now() {
	local work="$home.new" archive started=$SECONDS
	! installed || return 0
	command -v mvn >/dev/null || apt_install maven
	say "installing Keycloak $version into $home"
	rm -rf "$work" "$home"
	mkdir -p "$work"
	(cd "$work" && mvn -q -B -C "$plugin:copy" -Dartifact="org.keycloak:keycloak-quarkus-dist:$version:tar.gz" \
		-DoutputDirectory="$work") >"$work/log" 2>&1 || die "Maven cannot fetch Keycloak $version: $(tail -n 5 "$work/log")"
	archive="$work/keycloak-quarkus-dist-$version.tar.gz"
	printf '%s  %s\n' "$sum" "$archive" | sha256sum --check --quiet >&2 || die "$archive is not the one we know"
	tar -xzf "$archive" -C "$work" || die "cannot unpack $archive"
	mv "$work/keycloak-$version" "$home"
	rm -rf "$work"
	env -i PATH="$PATH" HOME="$home" JAVA_OPTS_APPEND=-XX:TieredStopAtLevel=1 \
		"$home/bin/kc.sh" build --db=dev-file >"$home/build.log" 2>&1 ||
		die "kc.sh build failed: $(tail -n 5 "$home/build.log")"
	built >"$home/stamp"
	say "installed in $((SECONDS - started)) s"
}

start() {
	local dir port=$2 pid
	dir=$(folder "$1")
	shift 2
	! pid=$(running "$dir" "$dir/h2") || die "the Keycloak of $dir runs as process $pid; stop it first"
	installed || install
	need_free "$port"
	[ -e "$dir/admin-password" ] ||
		(umask 077 && od -An -N12 -tx1 /dev/urandom | tr -d ' \n' >"$dir/admin-password")
	launch "$dir" "$port" "$@"
	read -r pid <"$dir/pid"
	if ! ready "$port" "$pid"; then
		tail -n 30 "$dir/log" >&2
		stop_peer "$dir" "$dir/h2" 10
		die "Keycloak did not start; its log is $dir/log"
	fi
	cat >"$dir/env" <<-END
		GROUPSYNCD_TEST_KEYCLOAK_URL='http://127.0.0.1:$port'
		GROUPSYNCD_TEST_KEYCLOAK_ADMIN_PASSWORD_FILE='$dir/admin-password'
		GROUPSYNCD_TEST_KEYCLOAK_DIR='$dir'
	END
	say "Keycloak $version runs on http://127.0.0.1:$port as process $pid"
}

# launch DIR PORT [NAME=VALUE..] starts the server in a session of its own and with an environment of
# its own. bin/kc.sh would stay between us and the server; these are its options, and the
# quick compiler, because a test is over before the good one pays.
launch() {
	local dir=$1 port=$2 run=$home import=()
	shift 2
	if [ -d "$dir/import" ]; then
		# Realms are found below the installation, which is not ours alone.
		run=$dir/home import=(--import-realm)
		mkdir -p "$run/data"
		ln -sfn "$home"/{bin,conf,lib,providers,themes} "$run"
		ln -sfn "$dir/import" "$run/data/import"
	fi
	(
		cd "$dir"
		exec setsid env -i PATH="$PATH" HOME="$dir" LANG=C.UTF-8 \
			KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD="$(cat "$dir/admin-password")" \
			KC_HOSTNAME="http://127.0.0.1:$port" "$@" \
			java -Xms64m -Xmx512m -XX:MetaspaceSize=96M -XX:MaxMetaspaceSize=256m -XX:TieredStopAtLevel=1 \
			-XX:+ExitOnOutOfMemoryError -Djava.security.egd=file:/dev/urandom -Dfile.encoding=UTF-8 \
			--add-opens=java.base/java.util=ALL-UNNAMED --add-opens=java.base/java.util.concurrent=ALL-UNNAMED \
			--add-opens=java.base/java.security=ALL-UNNAMED --add-opens=java.base/java.lang=ALL-UNNAMED \
			--enable-native-access=ALL-UNNAMED -Duser.language=en -Duser.country=US \
			-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory \
			-Dkc.home.dir="$run" -Djboss.server.config.dir="$run/conf" \
			-Djava.util.logging.manager=org.jboss.logmanager.LogManager -Dpicocli.disable.closures=true \
			-cp "$home/lib/quarkus-run.jar" io.quarkus.bootstrap.runner.QuarkusEntryPoint \
			start --optimized --cache=local --http-enabled=true --http-host=127.0.0.1 --http-port="$port" \
			--db-url="jdbc:h2:file:$dir/h2/keycloak;NON_KEYWORDS=VALUE" "${import[@]}"
	) >"$dir/log" 2>&1 </dev/null &
	printf '%s\n' $! >"$dir/pid"
}

# ready PORT PID waits until the server answers; two busy cores make that a minute.
ready() {
	local left=900
	until [ "$(answer "$1" /realms/master)" = 200 ]; do
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
	[ $# -ge 3 ] || usage
	shift
	start "$@"
	;;
stop)
	[ $# = 2 ] || usage
	dir=$(folder "$2")
	stop_peer "$dir" "$dir/h2" 20
	;;
kill)
	[ $# = 2 ] || usage
	dir=$(folder "$2")
	kill_peer "$dir" "$dir/h2"
	;;
*) usage ;;
esac
