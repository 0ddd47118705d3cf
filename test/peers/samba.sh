#!/usr/bin/env bash
# A real Active Directory domain controller, Samba's, for tests. It needs root.
#
#   samba.sh install                     through apt-get, when it is missing
#   samba.sh load DIR FILE.ldif          add entries to the domain, while it is stopped
#   samba.sh start DIR ADDRESS [NAME=VALUE...]   start and wait
#   samba.sh stop DIR                    or kill DIR, with SIGKILL
#
# ADDRESS is an address of loopback of the server's own, such as 127.0.1.7, because
# Samba's ports are fixed: 389 and 636, and 3268 and 3269 of the Global Catalog. Settings
# are auth=yes|no|allow_sasl_over_tls, which is "ldap server require strong auth"
# (yes: no simple bind without TLS), and services=ldap,kdc.
#
# The domain is DC=ad,DC=test. The account that a test binds as is CN=reader,CN=Users;
# CN=Administrator,CN=Users may do everything. Their passwords are DIR/reader-password and
# DIR/admin-password (mode 0600). DIR/tls/ca.pem signed the certificate, which is for
# ADDRESS, for 127.0.0.1, where a proxy may stand before it, and for dc1.ad.test. start writes DIR/pid and DIR/env, which a shell can source.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/peers/lib.sh
. "$here/lib.sh"

# Ports below 1024, and the privileges that Samba takes for granted.
[ "$(id -u)" = 0 ] || exec sudo -n --preserve-env=HOME,GROUPSYNCD_PEERS_CACHE "$0" "$@"

PATH="$PATH:/usr/sbin:/sbin"
base="DC=ad,DC=test"
packages=(samba-ad-dc samba-ad-provision samba-dsdb-modules winbind ldb-tools ldap-utils openssl)

installed() {
	command -v samba >/dev/null && command -v samba-tool >/dev/null && command -v ldbmodify >/dev/null &&
		command -v ldapsearch >/dev/null && command -v openssl >/dev/null && [ -d /usr/share/samba/setup ]
}

install() {
	installed || locked samba install_now
	locked samba provision_now
	say "samba is installed: $(samba --version)"
}

install_now() {
	! installed || return 0
	# The packages would start three servers on the usual ports.
	local policy=/usr/sbin/policy-rc.d ours=""
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
		ours=yes
	fi
	local status=0
	(apt_install "${packages[@]}") || status=$?
	[ -z "$ours" ] || rm -f "$policy"
	[ "$status" = 0 ] || exit "$status"
	installed || die "samba is installed, but not in $PATH"
}

template() { printf '%s/samba-%s-2' "$cache" "$(samba --version | tr -dc 'A-Za-z0-9.-')"; }

# provision_now makes the domain that every server starts with a copy of. Its files name
# each other without folders.
provision_now() {
	local made work
	made=$(template)
	[ ! -d "$made" ] || return 0
	work="$made.$$"
	rm -rf "$work"
	mkdir -p "$work"
	(
		umask 077
		for name in admin reader; do
			printf 'Aa1!%s' "$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')" >"$work/$name-password"
		done
	)
	samba-tool domain provision --targetdir="$work/made" --realm=AD.TEST --domain=AD \
		--adminpass="$(cat "$work/admin-password")" --server-role=dc --dns-backend=NONE \
		--host-ip=127.0.0.1 --host-name=dc1 >"$work/log" 2>&1 ||
		die "samba-tool cannot provision a domain: $(tail -n 5 "$work/log")"
	samba-tool user create reader "$(cat "$work/reader-password")" --configfile="$work/made/etc/smb.conf" \
		-H "$work/made/private/sam.ldb" >>"$work/log" 2>&1 || die "samba-tool cannot make an account: $(tail -n 5 "$work/log")"
	mv "$work/made/private" "$work/made/state" "$work/"
	rm -rf "$work/made" "$work/private/tls"
	mv "$work" "$made"
}

# configure DIR ADDRESS AUTH SERVICES writes smb.conf.
configure() {
	local dir=$1 address=$2 auth=$3 services=$4
	cat >"$dir/smb.conf" <<-END
		[global]
			netbios name = DC1
			realm = AD.TEST
			workgroup = AD
			server role = active directory domain controller
			server services = $services
			interfaces = $address/8
			bind interfaces only = yes
			private dir = $dir/private
			state directory = $dir/state
			cache directory = $dir/cache
			lock directory = $dir/lock
			pid directory = $dir
			ncalrpc dir = $dir/ncalrpc
			log file = $dir/samba.log
			ldap server require strong auth = $auth
			tls enabled = yes
			tls cafile = $dir/tls/ca.pem
			tls certfile = $dir/tls/cert.pem
			tls keyfile = $dir/tls/key.pem
	END
}

# fresh DIR gives a folder a copy of the domain, once.
fresh() {
	local dir=$1 made
	[ ! -d "$dir/private" ] || return 0
	made=$(template)
	[ -d "$made" ] || install
	cp -a "$made/private" "$made/state" "$made/admin-password" "$made/reader-password" "$dir/"
	mkdir -p "$dir/cache" "$dir/lock"
}

load() {
	local dir file=$2
	dir=$(folder "$1")
	[ -r "$file" ] || die "cannot read $file"
	! running "$dir" "$dir" >/dev/null || die "the samba of $dir is running; stop it before load"
	fresh "$dir"
	configure "$dir" 127.0.0.1 yes ldap
	ldbmodify --nosync --configfile="$dir/smb.conf" -H "$dir/private/sam.ldb" "$file" >"$dir/load.log" 2>&1 ||
		die "samba refuses $file: $(tail -n 5 "$dir/load.log")"
}

start() {
	local dir address=$2 auth=yes services=ldap pid setting
	dir=$(folder "$1")
	shift 2
	for setting in "$@"; do
		case $setting in
		auth=yes | auth=no | auth=allow_sasl_over_tls) auth=${setting#auth=} ;;
		services=ldap | services=ldap,kdc) services=${setting#services=} ;;
		*) usage ;;
		esac
	done
	case $address in 127.*.*.*) ;; *) die "'$address' is no address of loopback" ;; esac
	! pid=$(running "$dir" "$dir") || die "the samba of $dir runs as process $pid; stop it first"
	installed || install
	fresh "$dir"
	need_free 389 "$address"
	certificate "$dir/tls" "IP:$address,IP:127.0.0.1,DNS:dc1.ad.test"
	configure "$dir" "$address" "$auth" "$services"
	# In its folder, by which it is known: Samba overwrites its command line.
	(cd "$dir" && exec setsid samba -F --no-process-group -M single --debug-stdout -s "$dir/smb.conf" \
		>"$dir/log" 2>&1 </dev/null) &
	pid=$!
	printf '%s\n' "$pid" >"$dir/pid"
	if ! ready "$dir" "$address" "$pid"; then
		cat "$dir/log" >&2
		stop_peer "$dir" "$dir" 5
		die "samba did not start on $address; its log is $dir/log"
	fi
	cat >"$dir/env" <<-END
		GROUPSYNCD_TEST_SAMBA_URL='ldaps://$address'
		GROUPSYNCD_TEST_SAMBA_PLAIN_URL='ldap://$address'
		GROUPSYNCD_TEST_SAMBA_CA_FILE='$dir/tls/ca.pem'
		GROUPSYNCD_TEST_SAMBA_BASE_DN='$base'
		GROUPSYNCD_TEST_SAMBA_BIND_DN='CN=reader,CN=Users,$base'
		GROUPSYNCD_TEST_SAMBA_PASSWORD_FILE='$dir/reader-password'
		GROUPSYNCD_TEST_SAMBA_ADMIN_DN='CN=Administrator,CN=Users,$base'
		GROUPSYNCD_TEST_SAMBA_ADMIN_PASSWORD_FILE='$dir/admin-password'
		GROUPSYNCD_TEST_SAMBA_REALM='AD.TEST'
		GROUPSYNCD_TEST_SAMBA_DIR='$dir'
	END
	[ -z "${SUDO_UID-}" ] || chown "$SUDO_UID" "$dir/reader-password" "$dir/admin-password"
	say "samba runs on $address as process $pid"
}

# ready DIR ADDRESS PID waits until the reader can bind over TLS and read the domain.
ready() {
	local dir=$1 address=$2 pid=$3 left=300
	until LDAPTLS_CACERT="$dir/tls/ca.pem" ldapsearch -x -LLL -o nettimeout=2 -H "ldaps://$address" \
		-D "CN=reader,CN=Users,$base" -y "$dir/reader-password" -b "$base" -s base dn >/dev/null 2>&1; do
		! ended "$pid" || return 1
		left=$((left - 1))
		[ "$left" -gt 0 ] || return 1
		sleep 0.1
	done
}

usage() {
	sed -n '4,7s/^#  *//p' "$0" >&2
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
	stop_peer "$dir" "$dir" 10
	;;
kill)
	[ $# = 2 ] || usage
	dir=$(folder "$2")
	kill_peer "$dir" "$dir"
	;;
*) usage ;;
esac
