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

fail() { printf 'tests/mysql-server.sh: %s\n' "$*" >&2; exit 1; }

suite=unstable
package=mysql-server-core

# The folder of the libraries, with the loader among them: its name has the architecture's triplet.
libraries_of() { # ROOT
    local found=("$1"/usr/lib/*-linux-gnu*/ld-linux*.so.*)
    [[ -x ${found[0]} ]] || fail "no loader in $1: remove that folder and try again"
    printf '%s\n' "${found[0]%/*}"
}

mysqld() { # HOW ROOT ARGS...
    local how=$1 root=$2 lib loader; shift 2
    lib=$(libraries_of "$root")
    loader=("$lib"/ld-linux*.so.*)
    $how "${loader[0]}" --library-path "$lib:$lib/mysql:$root/usr/lib/mysql/private" "$root/usr/sbin/mysqld" --no-defaults --basedir="$root/usr" --lc-messages-dir="$root/usr/share/mysql" "$@"
}

# The mirror that this machine's own apt is configured with.
mirror() {
    local found
    found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
        sed -nE '/^(URIs:|deb )/s,.*[[:space:]](https?://[^[:space:]]+/debian)/?([[:space:]].*)?$,\1,p' | head -n 1)
    [[ -n $found ]] || fail "no Debian mirror in this machine's apt configuration, so no MySQL: use tests/run.sh --without-mysql"
    printf '%s\n' "$found"
}

# Package lists and downloads go to a folder of its own: the machine's apt does not learn of the other suite.
fetch() { # FOLDER
    local folder=$1 keys=/usr/share/keyrings/debian-archive-keyring.gpg options names
    [[ -f $keys ]] || fail "$keys is missing: install debian-archive-keyring, or use tests/run.sh --without-mysql"
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/debs"
    printf 'deb [signed-by=%s] %s %s main\n' "$keys" "$(mirror)" "$suite" >"$folder/sources.list"
    options=(-qq -o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::Lists=$folder/lists"
        -o "Dir::Cache=$folder/cache" -o "Dir::Etc::preferences=/dev/null" -o Dir::Etc::preferencesparts=/dev/null)
    if ((EUID == 0)); then options+=(-o APT::Sandbox::User=root); fi
    apt-get "${options[@]}" update || return
    # What it needs, down to the C library; programs that only packages' installation scripts run are of no use here.
    names=$(apt-cache "${options[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$package" |
        grep '^[a-z0-9]' | sort -u | grep -vE '^(debconf|cdebconf|dpkg|adduser|passwd|perl.*|libperl.*)$') || return
    # shellcheck disable=SC2086 # names of packages have no spaces
    (cd "$folder/debs" && apt-get "${options[@]}" download $names) || return
}

unpack() {
    local home=${XDG_CACHE_HOME:-$HOME/.cache}/nestling work log deb
    [[ -x $home/mysql/usr/sbin/mysqld ]] && { printf '%s\n' "$home/mysql"; return; }
    command -v apt-get apt-cache dpkg >/dev/null || fail 'no apt-get and dpkg on this machine to get MySQL with: use tests/run.sh --without-mysql'
    mkdir -p "$home"
    work=$(mktemp -d "$home/mysql.XXXXXX")
    # shellcheck disable=SC2064 # the folder of now is meant
    trap "rm -rf -- '$work'" EXIT
    log=$work/log
    if ! fetch "$work/apt" >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        fail "$package could not be fetched from Debian's $suite suite (the last lines are above): use tests/run.sh --without-mysql where it cannot be reached"
    fi
    for deb in "$work"/apt/debs/*.deb; do dpkg -x "$deb" "$work/root" || fail "$deb could not be unpacked"; done
    mysqld '' "$work/root" --version >/dev/null || fail "the unpacked mysqld does not run on this machine: use tests/run.sh --without-mysql"
    chmod -R a+rX "$work/root"
    # Renaming is atomic: nobody sees half of it. Who was faster has made the same.
    mv -T "$work/root" "$home/mysql" 2>/dev/null || [[ -x $home/mysql/usr/sbin/mysqld ]] || fail "cannot write to $home"
    printf '%s\n' "$home/mysql"
}

verb=${1:-}
case $verb in
    unpack) unpack ;;
    version) mysqld '' "${2:?ROOT}" --version ;;
    exec) shift; mysqld exec "${1:?ROOT}" "${@:2}" ;;
    *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" ;;
esac
