#!/usr/bin/env bash
# A real 389 Directory Server, for tests. It needs root.
#
#   ds389.sh install                    through apt-get, when it is missing
#   ds389.sh start DIR PORT FILE.ldif   make a server, fill it, and wait
#   ds389.sh stop DIR                   end the server and remove what is left of it
#
# The suffix is dc=example,dc=test, and FILE.ldif holds it. The account that a test
# binds as is cn=reader,dc=example,dc=test, which the script adds; cn=Directory Manager
# may do everything. Their passwords are DIR/reader-password and DIR/admin-password
# (mode 0600). The server keeps its own files in the system's folders, below the name
# slapd-gsdPORT. start writes DIR/pid and DIR/env, which a shell can source.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/peers/lib.sh
. "$here/lib.sh"

[ "$(id -u)" = 0 ] || exec sudo -n --preserve-env=HOME,GROUPSYNCD_PEERS_CACHE "$0" "$@"

PATH="$PATH:/usr/sbin:/sbin"
suffix="dc=example,dc=test"

installed() {
	command -v ns-slapd >/dev/null && command -v dscreate >/dev/null && command -v ldapadd >/dev/null
}

install() {
	installed || locked ds389 install_now
	say "389 Directory Server is installed: $(ns-slapd --version | head -n 1)"
}

install_now() {
	installed || apt_install 389-ds-base ldap-utils
	installed || die "389 Directory Server is installed, but not in $PATH"
}

# as_admin DIR PORT COMMAND... runs a command of ldap-utils as the directory manager.
as_admin() {
	local dir=$1 port=$2
	shift 2
	"$@" -x -H "ldap://127.0.0.1:$port" -D "cn=Directory Manager" -y "$dir/admin-password"
}

# create DIR PORT makes the files of a server. dscreate ends with an error, because it
# cannot start the server without systemd; what counts is what it wrote.
create() {
	local dir=$1 port=$2 config="/etc/dirsrv/slapd-gsd$2" hash
	mkdir -p /run/dirsrv /run/lock/dirsrv
	chown dirsrv: /run/dirsrv /run/lock/dirsrv
	for name in admin reader; do
		[ -s "$dir/$name-password" ] || (
			umask 077
			od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$dir/$name-password"
		)
	done
	cat >"$dir/create.inf" <<-END
		[general]
		config_version = 2
		start = False
		strict_host_checking = False
		full_machine_name = localhost.localdomain
		systemd = False
		selinux = False
		[slapd]
		instance_name = gsd$port
		port = $port
		secure_port = 0
		self_sign_cert = False
		root_dn = cn=Directory Manager
		root_password = $(cat "$dir/admin-password")
	END
	dscreate from-file "$dir/create.inf" >"$dir/create.log" 2>&1 || true
	rm -f "$dir/create.inf"
	[ -s "$config/dse.ldif" ] || die "dscreate makes no server: $(tail -n 5 "$dir/create.log")"
	printf '%s\n' "$config" >"$dir/config"
	# dscreate would set the password over LDAP. Lines of LDIF go on behind a space.
	hash=$(pwdhash -D "$config" -s PBKDF2-SHA512 "$(cat "$dir/admin-password")" | tail -n 1)
	awk -v hash="$hash" '/^ / && skip { next } { skip = 0 }
		/^nsslapd-rootpw:/ { print "nsslapd-rootpw: " hash; skip = 1; next }
		/^nsslapd-listenhost:/ { next }
		{ print } /^dn: cn=config$/ { print "nsslapd-listenhost: 127.0.0.1" }' "$config/dse.ldif" >"$dir/dse.ldif"
	cat "$dir/dse.ldif" >"$config/dse.ldif"
}

# fill DIR PORT FILE adds the database, the entries and the reader.
fill() {
	local dir=$1 port=$2 file=$3
	as_admin "$dir" "$port" ldapadd >"$dir/fill.log" 2>&1 <<-END || die "the server takes no database: $(tail -n 3 "$dir/fill.log")"
		dn: cn=userroot,cn=ldbm database,cn=plugins,cn=config
		objectClass: extensibleObject
		objectClass: nsBackendInstance
		cn: userroot
		nsslapd-suffix: $suffix

		dn: cn="$suffix",cn=mapping tree,cn=config
		objectClass: extensibleObject
		objectClass: nsMappingTree
		cn: $suffix
		nsslapd-state: backend
		nsslapd-backend: userroot
	END
	as_admin "$dir" "$port" ldapadd -f "$file" >"$dir/fill.log" 2>&1 || die "the server refuses $file: $(tail -n 3 "$dir/fill.log")"
	as_admin "$dir" "$port" ldapmodify >"$dir/fill.log" 2>&1 <<-END || die "the server takes no reader: $(tail -n 3 "$dir/fill.log")"
		dn: cn=reader,$suffix
		changetype: add
		objectClass: person
		cn: reader
		sn: reader
		userPassword: $(cat "$dir/reader-password")

		dn: $suffix
		changetype: modify
		add: aci
		aci: (targetattr!="userPassword")(version 3.0; acl "read"; allow (read, search, compare) userdn="ldap:///all";)
	END
}

start() {
	local dir port=$2 file=$3 config pid left=200
	dir=$(folder "$1")
	[ -r "$file" ] || die "cannot read $file"
	installed || install
	need_free "$port"
	config="/etc/dirsrv/slapd-gsd$port"
	[ ! -e "$config" ] || die "$config exists: another server was not removed"
	create "$dir" "$port"
	# -d keeps the server in the foreground, so that $! is its process.
	setsid ns-slapd -D "$config" -i "/run/dirsrv/slapd-gsd$port.pid" -d 16384 >"$dir/log" 2>&1 </dev/null &
	pid=$!
	printf '%s\n' "$pid" >"$dir/pid"
	until as_admin "$dir" "$port" ldapsearch -LLL -o nettimeout=2 -b '' -s base dn >/dev/null 2>&1; do
		left=$((left - 1))
		if ended "$pid" || [ "$left" = 0 ]; then
			tail -n 5 "$dir/log" >&2
			stop "$dir"
			die "389 Directory Server did not start on port $port"
		fi
		sleep 0.1
	done
	fill "$dir" "$port" "$file"
	cat >"$dir/env" <<-END
		GROUPSYNCD_TEST_DS389_URL='ldap://127.0.0.1:$port'
		GROUPSYNCD_TEST_DS389_BASE_DN='$suffix'
		GROUPSYNCD_TEST_DS389_BIND_DN='cn=reader,$suffix'
		GROUPSYNCD_TEST_DS389_PASSWORD_FILE='$dir/reader-password'
		GROUPSYNCD_TEST_DS389_ADMIN_DN='cn=Directory Manager'
		GROUPSYNCD_TEST_DS389_ADMIN_PASSWORD_FILE='$dir/admin-password'
		GROUPSYNCD_TEST_DS389_DIR='$dir'
	END
	[ -z "${SUDO_UID-}" ] || chown "$SUDO_UID" "$dir/reader-password" "$dir/admin-password"
	say "389 Directory Server runs on ldap://127.0.0.1:$port as process $pid"
}

stop() {
	local dir=$1 config name
	[ -s "$dir/config" ] || return 0
	config=$(cat "$dir/config")
	name=${config##*/}
	case $name in slapd-gsd[0-9]*) ;; *) die "'$config' is not one of ours" ;; esac
	stop_peer "$dir" "$config" 10
	rm -rf "$config" "/var/lib/dirsrv/$name" "/var/log/dirsrv/$name" "/run/$name.socket" "/run/dirsrv/$name.pid" \
		"/etc/systemd/system/multi-user.target.wants/dirsrv@${name#slapd-}.service" "/etc/systemd/system/dirsrv.target.wants/dirsrv@${name#slapd-}.service"
	rm -f "$dir/config"
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
	[ $# = 4 ] || usage
	start "$2" "$3" "$4"
	;;
stop)
	[ $# = 2 ] || usage
	stop "$(folder "$2")"
	;;
*) usage ;;
esac
