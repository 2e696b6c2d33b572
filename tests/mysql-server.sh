#!/usr/bin/env bash
# A real MySQL on a machine whose Debian packages only MariaDB: the server's core and its libraries from Debian's unstable suite, unpacked into a folder
# (never installed) and run with the loader that came with them. tests/run.sh uses it; nothing else of the machine is touched.
#
#   tests/mysql-server.sh unpack                     fetches and unpacks it, once for all runs; prints the folder
#   tests/mysql-server.sh version ROOT               what it is
#   tests/mysql-server.sh exec ROOT [OPTIONS...]     becomes mysqld, with these options
#
# It is kept in ${XDG_CACHE_HOME:-~/.cache}/nestling/mysql; to get a newer one, remove that folder. Root is not needed.
set -euo pipefail

name=tests/mysql-server.sh
# shellcheck source=tests/unstable.sh
source "$(dirname "${BASH_SOURCE[0]}")/unstable.sh"

package=mysql-server-core
program=usr/sbin/mysqld
# Programs that only packages' installation scripts run are of no use here.
unwanted='^(debconf|cdebconf|dpkg|adduser|passwd|perl.*|libperl.*)$'

mysqld() { # HOW ROOT ARGS...
    local how=$1 root=$2 lib loader; shift 2
    lib=$(libraries_of "$root")
    loader=("$lib"/ld-linux*.so.*)
    $how "${loader[0]}" --library-path "$lib:$lib/mysql:$root/usr/lib/mysql/private" "$root/usr/sbin/mysqld" --no-defaults --basedir="$root/usr" --lc-messages-dir="$root/usr/share/mysql" "$@"
}

works() { mysqld '' "$1" --version >/dev/null; }

verb=${1:-}
case $verb in
    unpack) unpack mysql ;;
    version) mysqld '' "${2:?ROOT}" --version ;;
    exec) shift; mysqld exec "${1:?ROOT}" "${@:2}" ;;
    *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" ;;
esac
