#!/usr/bin/env bash
# A newer PgBouncer than Debian's stable suite packages: one that keeps prepared statements for its clients. tests/run.sh uses it.
#
#   tests/pgbouncer.sh unpack                     fetches and unpacks it, once for all runs; prints the folder
#   tests/pgbouncer.sh exec ROOT [OPTIONS...]     becomes pgbouncer, with these options
set -euo pipefail

name=tests/pgbouncer.sh
# shellcheck source=tests/unstable.sh
source "$(dirname "${BASH_SOURCE[0]}")/unstable.sh"

package=pgbouncer
program=usr/sbin/pgbouncer
# All but libraries, and the libraries of programs.
unwanted='^(lib(perl|apt|text-|locale-|term-|pq).*|libdebconf.*|dpkg|adduser|passwd|perl.*|debconf.*|cdebconf|postgresql.*|init-.*|sysv.*|opensys.*|systemd.*|openssl.*|procps|python.*|ssl-cert|lsb-base|netbase|ucf|seedfiles|sensible-.*|readline-.*|coreutils|mawk|login.*|util-.*|bsd.*|gpg.*|gnupg.*)$'

pgbouncer() { # HOW ROOT ARGS...
    local how=$1 root=$2 lib loader; shift 2
    lib=$(libraries_of "$root")
    loader=("$lib"/ld-linux*.so.*)
    $how "${loader[0]}" --library-path "$lib" "$root/$program" "$@"
}

works() { pgbouncer '' "$1" --version >/dev/null; }

case ${1:-} in
    unpack) unpack pgbouncer ;;
    exec) shift; pgbouncer exec "${1:?ROOT}" "${@:2}" ;;
    *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" ;;
esac
