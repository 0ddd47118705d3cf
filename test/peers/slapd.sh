#!/usr/bin/env bash
# A real OpenLDAP server, for tests.
#
#   slapd.sh install                         through apt-get, when it is missing
#   slapd.sh load DIR FILE.ldif              fill the directory, before start
#   slapd.sh start DIR PORT [NAME=VALUE...]  start and wait
#   slapd.sh stop DIR                        or kill DIR, with SIGKILL
#
# Settings of start:
#   sizelimit=N       the reader gets N entries per search at most, all pages together
#   pagelimit=N       and may ask for N entries per page at most
#   syncprov=off|on|N the overlay of RFC 4533; on unless it is said, N keeps a session log
#   memberof=on       the overlay memberof; what load filled in has no memberOf
#   ppolicy=on        the overlay ppolicy; its attributes are known without it too
#   tls=PORT          StartTLS, and ldaps on that port; DIR/tls/ca.pem signed the
#                     certificate, and that of the reader in DIR/tls/client.pem
#   ldapi=on          the socket DIR/ldapi, where our own process is the reader by EXTERNAL
#
# The suffix is dc=example,dc=test. The account that a test binds as is
# cn=reader,dc=example,dc=test, which obeys the size limit; the rootdn
# cn=admin,dc=example,dc=test obeys none and is there to change entries. load and
# start make both, with passwords of their own in DIR/reader-password and
# DIR/admin-password (mode 0600). start writes DIR/pid and DIR/env, which a shell
# can source.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/peers/lib.sh
. "$here/lib.sh"

PATH="$PATH:/usr/sbin:/sbin"
suffix="dc=example,dc=test"
admin_dn="cn=admin,$suffix"
reader_dn="cn=reader,$suffix"

install() {
	if command -v slapd >/dev/null && command -v slapadd >/dev/null && command -v ldapsearch >/dev/null; then
		say "slapd is installed: $(slapd -VV 2>&1 | sed -n 's/^.*\(OpenLDAP: slapd [^ ]*\).*$/\1/p')"
		return
	fi
	locked slapd install_now
}

install_now() {
	! command -v slapd >/dev/null || ! command -v ldapsearch >/dev/null || return 0
	# Without a configuration of its own the package starts no server.
	if command -v debconf-set-selections >/dev/null; then
		echo "slapd slapd/no_configuration boolean true" | as_root debconf-set-selections
	fi
	apt_install slapd ldap-utils
	command -v slapd >/dev/null || die "slapd is installed, but not in $PATH"
}

declare -A settings

# set_all NAME=VALUE... reads the settings of start.
set_all() {
	local word
	settings=([sizelimit]=unlimited [pagelimit]='' [syncprov]=on [memberof]=off [ppolicy]=off [tls]='' [ldapi]=off)
	for word in "$@"; do
		case $word in
		sizelimit=unlimited | syncprov=on | syncprov=off | memberof=on | memberof=off) ;;
		ppolicy=on | ppolicy=off | ldapi=on | ldapi=off) ;;
		sizelimit=[1-9]* | pagelimit=[1-9]* | syncprov=[1-9]* | tls=[1-9]*) ;;
		*) usage ;;
		esac
		settings[${word%%=*}]=${word#*=}
	done
}

# overlays prints what the settings add behind the database.
overlays() {
	case ${settings[syncprov]} in
	off) ;;
	*)
		printf 'overlay syncprov\nsyncprov-checkpoint 100 10\n'
		[ "${settings[syncprov]}" = on ] || printf 'syncprov-sessionlog %s\n' "${settings[syncprov]}"
		;;
	esac
	[ "${settings[memberof]}" = off ] || printf 'overlay memberof\n'
	[ "${settings[ppolicy]}" = off ] || printf 'overlay ppolicy\n'
}

# identities prints how EXTERNAL finds the reader, and the certificate of the server.
identities() {
	local dir=$1
	printf 'authz-regexp "gidNumber=%s[+]uidNumber=%s,cn=peercred,cn=external,cn=auth" "%s"\n' "$(id -g)" "$(id -u)" "$reader_dn"
	[ -n "${settings[tls]}" ] || return 0
	printf 'authz-regexp "cn=reader" "%s"\n' "$reader_dn"
	printf 'TLSCACertificateFile %s\nTLSCertificateFile %s\nTLSCertificateKeyFile %s\nTLSVerifyClient try\n' \
		"$dir/tls/ca.pem" "$dir/tls/cert.pem" "$dir/tls/key.pem"
}

# configure DIR writes slapd.conf and the two passwords.
configure() {
	local dir=$1 limit=${settings[sizelimit]} pages=${settings[pagelimit]} schema modules name
	for schema in /etc/ldap/schema /etc/openldap/schema /usr/local/etc/openldap/schema; do
		[ ! -f "$schema/core.schema" ] || break
	done
	[ -f "$schema/core.schema" ] || die "the schema files of OpenLDAP are in none of the usual places"
	mkdir -p "$dir/db"
	for name in admin reader; do
		[ -s "$dir/$name-password" ] || (
			umask 077
			od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$dir/$name-password"
		)
	done
	for modules in /usr/lib/ldap /usr/lib64/openldap /usr/lib/openldap; do
		[ ! -e "$(printf '%s\n' "$modules"/back_mdb* | head -n 1)" ] || break
	done
	(
		umask 077
		cat >"$dir/slapd.conf"
	) <<-END
		include $schema/core.schema
		include $schema/cosine.schema
		include $schema/nis.schema
		include $schema/inetorgperson.schema
		argsfile $dir/args
		modulepath $modules
		moduleload back_mdb
		moduleload syncprov
		moduleload memberof
		moduleload ppolicy
		$(identities "$dir")

		database mdb
		suffix "$suffix"
		directory $dir/db
		maxsize 4294967296
		rootdn "$admin_dn"
		rootpw $(cat "$dir/admin-password")
		sizelimit $limit
		limits dn.exact="$reader_dn" size.soft=$limit size.hard=$limit size.prtotal=$limit ${pages:+size.pr=$pages} time=unlimited
		access to attrs=userPassword by anonymous auth by * none
		access to * by users read by * none
		index objectClass,uid,cn,mail,member,memberUid,entryUUID,entryCSN eq
		$(overlays)
	END
}

# load_now DIR FILE fills an empty database: the file, then the reader.
load_now() {
	local dir=$1 file=$2
	slapadd -q -f "$dir/slapd.conf" -l "$file" || die "slapadd refuses $file"
	slapadd -q -f "$dir/slapd.conf" <<-END || die "slapadd refuses the reader: does $file hold $suffix?"
		dn: $reader_dn
		objectClass: organizationalRole
		objectClass: simpleSecurityObject
		cn: reader
		userPassword: $(cat "$dir/reader-password")
	END
}

load() {
	local dir file=$2
	dir=$(folder "$1")
	[ -r "$file" ] || die "cannot read $file"
	command -v slapadd >/dev/null || install
	! running "$dir" "$dir/slapd.conf" >/dev/null || die "the slapd of $dir is running; stop it before load"
	rm -rf "$dir/db"
	set_all
	configure "$dir"
	load_now "$dir" "$file"
	say "loaded $(grep -c '^dn:' "$file") entries from $file"
}

start() {
	local dir port=$2 pid urls
	dir=$(folder "$1")
	shift 2
	set_all "$@"
	command -v slapd >/dev/null || install
	if pid=$(running "$dir" "$dir/slapd.conf"); then
		alive "$pid" "ldap://127.0.0.1:$port" ||
			die "the slapd of $dir runs on another port as process $pid; stop it first"
		say "already running as process $pid, with the settings it was started with"
		return
	fi
	need_free "$port"
	urls="ldap://127.0.0.1:$port"
	if [ -n "${settings[tls]}" ]; then
		need_free "${settings[tls]}"
		certificate "$dir/tls" "IP:127.0.0.1,DNS:localhost"
		urls="$urls ldaps://127.0.0.1:${settings[tls]}"
	fi
	[ "${settings[ldapi]}" = off ] || urls="$urls ldapi://${dir//\//%2F}%2Fldapi"
	configure "$dir"
	if [ ! -e "$dir/db/data.mdb" ]; then
		printf 'dn: %s\nobjectClass: domain\ndc: example\n' "$suffix" >"$dir/suffix.ldif"
		load_now "$dir" "$dir/suffix.ldif"
	fi
	# -d keeps the server in the foreground, so that $! is its process.
	setsid slapd -f "$dir/slapd.conf" -h "$urls" -d 0 >"$dir/log" 2>&1 </dev/null &
	pid=$!
	printf '%s\n' "$pid" >"$dir/pid"
	if ! ready "$dir" "$port" "$pid"; then
		cat "$dir/log" >&2
		stop_peer "$dir" "$dir/slapd.conf" 5
		die "slapd did not start on port $port; its log is $dir/log"
	fi
	cat >"$dir/env" <<-END
		GROUPSYNCD_TEST_SLAPD_URL='ldap://127.0.0.1:$port'
		GROUPSYNCD_TEST_SLAPD_BASE_DN='$suffix'
		GROUPSYNCD_TEST_SLAPD_BIND_DN='$reader_dn'
		GROUPSYNCD_TEST_SLAPD_PASSWORD_FILE='$dir/reader-password'
		GROUPSYNCD_TEST_SLAPD_ADMIN_DN='$admin_dn'
		GROUPSYNCD_TEST_SLAPD_ADMIN_PASSWORD_FILE='$dir/admin-password'
		GROUPSYNCD_TEST_SLAPD_TLS_URL='${settings[tls]:+ldaps://127.0.0.1:${settings[tls]}}'
		GROUPSYNCD_TEST_SLAPD_CA_FILE='$dir/tls/ca.pem'
		GROUPSYNCD_TEST_SLAPD_CLIENT_CERT_FILE='$dir/tls/client.pem'
		GROUPSYNCD_TEST_SLAPD_CLIENT_KEY_FILE='$dir/tls/client-key.pem'
		GROUPSYNCD_TEST_SLAPD_SOCKET='$dir/ldapi'
		GROUPSYNCD_TEST_SLAPD_DIR='$dir'
	END
	say "slapd runs on ldap://127.0.0.1:$port as process $pid"
}

# ready DIR PORT PID waits until the reader can bind and read the suffix.
ready() {
	local dir=$1 port=$2 pid=$3 left=100
	until ldapsearch -x -LLL -o nettimeout=2 -H "ldap://127.0.0.1:$port" -D "$reader_dn" \
		-y "$dir/reader-password" -b "$suffix" -s base dn >/dev/null 2>>"$dir/log"; do
		! ended "$pid" || return 1
		left=$((left - 1))
		[ "$left" -gt 0 ] || return 1
		sleep 0.1
	done
}

usage() {
	sed -n '4,18s/^#  *//p' "$0" >&2
	exit 2
}

case "${1-}" in
install)
	[ $# = 1 ] || usage
	install
	;;
load)
	[ $# = 3 ] || usage
	load "$2" "$3"
	;;
start)
	[ $# -ge 3 ] || usage
	shift
	start "$@"
	;;
stop)
	[ $# = 2 ] || usage
	dir=$(folder "$2")
	stop_peer "$dir" "$dir/slapd.conf" 10
	;;
kill)
	[ $# = 2 ] || usage
	dir=$(folder "$2")
	kill_peer "$dir" "$dir/slapd.conf"
	;;
*) usage ;;
esac
