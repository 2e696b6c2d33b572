#!/usr/bin/env bash
# Runs all the tests of nestling against servers of its own. Needs Debian (bookworm or newer) or any machine that has the programs, and a Rust tool chain.
#
#   tests/run.sh [ARGS...]                the tests: cargo test --workspace --all-features ARGS...
#   tests/run.sh with-servers -- CMD...   CMD, with the servers' addresses in its environment; ends as CMD ends
#   tests/run.sh servers                  only the servers: prints the exports on stdout and stays until Ctrl-C or TERM
#   tests/run.sh --without-mysql ...      any of these without MySQL and the newer PgBouncer, whose tests are then left out (those of MariaDB and of the
#                                         other PgBouncer are not): Debian's stable suite packages neither, so tests/unstable.sh fetches them from its
#                                         unstable suite, once, into the user's cache
#
# The servers listen on free ports of 127.0.0.1 and keep their data in one temporary folder, which is removed at the end. Nothing that runs on this
# machine is touched, and every process is stopped by its own id.
#
# What the suites among the tests take (tests/it/suites.rs): NESTLING_SEED, the seed of the first case, and NESTLING_SUITE_SECONDS, how long each goes on.
#
# What the tests get:
#   NESTLING_POSTGRES_URL, NESTLING_MYSQL_URL (MariaDB), NESTLING_MYSQL9_URL (MySQL)   an empty database `nestling`, no password
#   NESTLING_PGBOUNCER_URL, NESTLING_NEWER_PGBOUNCER_URL   that PostgreSQL behind PgBouncers: four server sessions for each database, one transaction at
#                                         a time; the newer one keeps prepared statements for its clients
#   NESTLING_MARIADBD, NESTLING_MYSQL9_PROGRAM, NESTLING_MYSQL9_ROOT, NESTLING_MYSQL_USER   MariaDB's program, MySQL's and its folder, and who runs them
#   NESTLING_POSTGRES_BIN, NESTLING_POSTGRES_USER, NESTLING_SCRATCH   the programs, the unprivileged user and a folder for private servers to kill
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
base=''                # the folder of this run
groups_started=()      # process groups (each its leader's pid), in order of start
postgres_bin='' postgres_user='' mariadb_user='' mariadbd='' postgres_port='' mariadb_port=''
wants_mysql=yes mysql_root='' mysql_port=''
pgbouncer='' pgbouncer_root='' poolers=()
began=$EPOCHREALTIME

# --- talking -------------------------------------------------------------------------------------------------------------------------------------

seconds_since() { local micros=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/})); printf '%d.%d' $((micros / 1000000)) $((micros / 100000 % 10)); }
say() { printf '%6ss  %s\n' "$(seconds_since "$began")" "$*" >&2; }
fail() { printf 'tests/run.sh: %s\n' "$*" >&2; exit 1; }

# --- what must be installed ----------------------------------------------------------------------------------------------------------------------

# Debian keeps the server's programs outside the PATH; elsewhere they may be on it. The newest wins.
find_postgres() {
    postgres_bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | while read -r dir; do
        if [[ -x $dir/initdb && -x $dir/postgres && -x $dir/psql ]]; then echo "$dir"; fi
    done | tail -n 1)
    if [[ -z $postgres_bin ]] && command -v initdb postgres psql >/dev/null; then
        postgres_bin=$(dirname "$(command -v initdb)")
    fi
    [[ -n $postgres_bin ]]
}

find_mariadb() {
    mariadbd=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v mariadbd) && command -v mariadb-install-db >/dev/null && command -v my_print_defaults >/dev/null
}
find_pgbouncer() { pgbouncer=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v pgbouncer); }
find_compiler() { command -v cc >/dev/null; } # for the SQLite that is compiled in

install_missing() {
    local packages=() root=()
    find_compiler || packages+=(gcc libc6-dev)
    find_postgres || packages+=(postgresql)
    # The core packages have the programs (my_print_defaults is the client's) and nothing that starts one; `mariadb-server` would start a service.
    find_mariadb || packages+=(mariadb-server-core mariadb-client-core)
    find_pgbouncer || packages+=(pgbouncer)
    ((${#packages[@]})) || return 0

    command -v apt-get >/dev/null || fail "missing: ${packages[*]}, and there is no apt-get to install them; please install them by hand"
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "missing: ${packages[*]}; run as root: apt-get install ${packages[*]}"
        root=(sudo)
    fi
    say "installing ${packages[*]}"
    # Debian's postgresql makes and starts a cluster `main` when it is installed. A drop-in of our own, there only while apt runs, keeps it from that
    # without changing anyone's configuration. Nor is PgBouncer's service started: where the machine has no policy on services, one that says no is there while apt runs.
    local drop_in=/etc/postgresql-common/createcluster.d/nestling-tests.conf
    local install='
        drop_in=$1; shift
        had_folder=no; [ -d "${drop_in%/*}" ] && had_folder=yes
        policy=/usr/sbin/policy-rc.d; [ -e "$policy" ] && policy=
        trap "rm -f \"$drop_in\" $policy; [ $had_folder = yes ] || rmdir --ignore-fail-on-non-empty \"${drop_in%/*}\"" EXIT
        [ -z "$policy" ] || { printf "#!/bin/sh\nexit 101\n" >"$policy" && chmod 755 "$policy"; } || exit 1
        mkdir -p "${drop_in%/*}" && echo "create_main_cluster = false" >"$drop_in" || exit 1
        export DEBIAN_FRONTEND=noninteractive
        options="-qq -o Dpkg::Use-Pty=0"
        apt-get $options update && apt-get $options install -y --no-install-recommends "$@"'
    local log; log=$(mktemp)
    if ! "${root[@]}" sh -c "$install" sh "$drop_in" "${packages[@]}" >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        fail "apt-get could not install ${packages[*]} (its last lines are above)"
    fi
    rm -f "$log"
    hash -r
    find_compiler || fail 'no C compiler (cc) after installing gcc'
    find_postgres || fail 'no PostgreSQL server programs under /usr/lib/postgresql/*/bin after installing postgresql'
    find_mariadb || fail 'no mariadbd or mariadb-install-db after installing mariadb-server-core'
    find_pgbouncer || fail 'no pgbouncer after installing pgbouncer'
    say "installed"
}

need_cargo() {
    if ! command -v cargo >/dev/null && [[ -x ${CARGO_HOME:-$HOME/.cargo}/bin/cargo ]]; then PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH; fi
    command -v cargo >/dev/null || fail 'no cargo: install Rust from https://rustup.rs (Debian packages an older one than this crate needs)'
}

# --- processes -----------------------------------------------------------------------------------------------------------------------------------

# Both servers refuse to run as root. As somebody else, they run as that user.
choose_users() {
    postgres_user=$(id -un) mariadb_user=$(id -un)
    ((EUID == 0)) || return 0
    postgres_user=nobody mariadb_user=nobody
    if id -u postgres >/dev/null 2>&1; then postgres_user=postgres; fi
    if id -u mysql >/dev/null 2>&1; then mariadb_user=mysql; fi
}

# The words that run a program as a user without a process in between, so that $! is the program itself. Result in $as.
as_user() {
    as=()
    if ((EUID == 0)); then as=(setpriv "--reuid=$1" "--regid=$(id -g "$1")" --init-groups --inh-caps=-all); fi
}

# Starts a program in a session of its own: Ctrl-C in the terminal reaches this script alone, which then stops things in order. Its pid is in $started.
start() { # LOG USER PROGRAM ARGS...
    local log=$1 user=$2 as; shift 2
    as_user "$user"
    (cd "$base" && exec setsid env --default-signal=INT HOME="$base" "${as[@]}" "$@") >>"$log" 2>&1 </dev/null &
    started=$!
    groups_started+=("$started")
}

alive() { kill -0 "$1" 2>/dev/null; }

stop_group() { # PID SIGNAL; a group that is still there after ten seconds is killed
    local tries=0
    kill "-$2" -- "$1" 2>/dev/null || kill "-$2" -- "-$1" 2>/dev/null || return 0
    while kill -0 -- "-$1" 2>/dev/null || alive "$1"; do
        if ((++tries > 200)); then kill -KILL -- "-$1" 2>/dev/null || true; break; fi
        sleep 0.05
    done
    wait "$1" 2>/dev/null || true
}

clean_up() {
    local status=$? file pid index
    trap '' INT TERM HUP
    trap - EXIT
    # Private servers that a killed test left behind: theirs is the pid in their data folder, if that process works in that folder.
    for file in "$base"/scratch/*/data/{postmaster,mariadb,mysql}.pid; do
        if [[ -f $file ]] && pid=$(head -n 1 "$file") && [[ $(readlink "/proc/$pid/cwd") == "$(dirname "$file")" ]]; then
            kill "-$(if [[ $file == *postmaster.pid ]]; then echo QUIT; else echo KILL; fi)" "$pid" 2>/dev/null || true
        fi
    done
    for ((index = ${#groups_started[@]} - 1; index >= 0; index--)); do
        pid=${groups_started[index]}
        # QUIT is PostgreSQL's immediate stop: the data is thrown away anyhow.
        # QUIT is PgBouncer's too, of which newer ones wait for their clients upon TERM.
        if [[ " ${postgres_pid:-} ${poolers[*]:-} " == *" $pid "* ]]; then stop_group "$pid" QUIT; else stop_group "$pid" TERM; fi
    done
    if [[ -n $base ]]; then
        rm -rf -- "$base" 2>/dev/null || { sleep 0.5; rm -rf -- "$base"; } || true
        if ((${#groups_started[@]})); then say "servers stopped"; fi
    fi
    exit "$status"
}

# --- the servers ---------------------------------------------------------------------------------------------------------------------------------

# Nothing listens there now. Somebody may take it in between: starting a server tries again if so.
free_port() {
    local tries port
    for tries in {1..50}; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000)) # below the range that the kernel gives to outgoing connections
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "$port"; return; fi
    done
    fail "no free port on 127.0.0.1 in $tries tries"
}

give_up() { # NAME LOG
    printf -- '----- the last lines of the log of %s -----\n' "$1" >&2
    tail -n 30 "$2" >&2 2>/dev/null || true
    fail "$1 did not come up (its log's last lines are above)"
}

# Runs a server until its port answers; once more on another port if this one was taken meanwhile. Result in $started and $port.
serve() { # NAME LOG READY COMMAND-BUILDER
    local name=$1 log=$2 ready=$3 builder=$4 attempt tries
    for attempt in 1 2 3; do
        port=$(free_port)
        : >"$log"
        "$builder"
        for ((tries = 0; tries < 1200; tries++)); do
            if ! alive "$started"; then break; fi
            if "$ready"; then return 0; fi
            sleep 0.025
        done
        if alive "$started" || ! grep -qiE 'address already in use|in use by another|could not bind' "$log"; then break; fi
    done
    give_up "$name" "$log"
}

postgres_ready() { "$postgres_bin/pg_isready" -q -h "$base/sockets" -p "$port" -U postgres -t 1; }
run_postgres() {
    start "$base/postgres.log" "$postgres_user" "$postgres_bin/postgres" -D "$base/postgres" -c listen_addresses=127.0.0.1 -c port="$port" \
        -c unix_socket_directories="$base/sockets" -c fsync=off -c full_page_writes=off -c max_connections=300 -c max_prepared_transactions=0 \
        -c shared_buffers=64MB -c log_line_prefix='%m [%p] %u@%d ' -c log_min_messages=warning
    postgres_pid=$started
}

# The plugin for ed25519 logins, from where the server's user can read it.
prepare_mariadb() {
    local folder
    folder=$("$repo/tests/mariadb-plugin.sh" "$mariadbd") || fail 'no plugin of MariaDB for ed25519 logins (see above)'
    install -d -m 755 "$base/mariadb-plugins"
    install -m 644 "$folder/auth_ed25519.so" "$base/mariadb-plugins/"
}

mariadb_ready() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
run_mariadb() {
    # --init-file is carried out before the server listens: whoever can connect finds the database.
    start "$base/mariadb.log" "$mariadb_user" "$mariadbd" --no-defaults --datadir="$base/mariadb" --tmpdir="$base/mariadb-tmp" --bind-address=127.0.0.1 \
        --port="$port" --socket="$base/sockets/mariadb.sock" --pid-file="$base/mariadb-tmp/mariadb.pid" --skip-log-bin --skip-networking=0 \
        --character-set-server=utf8mb4 --collation-server=utf8mb4_general_ci --init-file="$base/init.sql" --innodb-flush-log-at-trx-commit=0 \
        --innodb-buffer-pool-size=64M --max-connections=300 --skip-name-resolve --performance-schema=ON \
        --plugin-dir="$base/mariadb-plugins" --plugin-load-add=auth_ed25519
}

# MySQL's own folder, readable by the user that it runs as: root's cache is not, so it gets hard links (or copies) of what is there.
prepare_mysql() {
    local cache as
    [[ -x ${XDG_CACHE_HOME:-$HOME/.cache}/nestling/mysql/usr/sbin/mysqld ]] || say "fetching MySQL (once; half a minute)"
    cache=$("$repo/tests/mysql-server.sh" unpack) || fail 'no MySQL (see above)'
    mysql_root=$cache
    # The server's user may not be allowed to look into the folder of this repository.
    install -m 755 "$repo/tests/mysql-server.sh" "$repo/tests/unstable.sh" "$base/"
    as_user "$mariadb_user"
    if ! "${as[@]}" test -r "$cache/usr/sbin/mysqld" 2>/dev/null; then
        mysql_root=$base/mysql-root
        cp -al -- "$cache" "$mysql_root" 2>/dev/null || { rm -rf -- "$mysql_root" && cp -a -- "$cache" "$mysql_root"; }
    fi
    mkdir -m 700 "$base/mysql"
    mkdir -m 1777 "$base/mysql-tmp"
    if ((EUID == 0)); then chown "$mariadb_user" "$base/mysql"; fi
    cat >"$base/mysql-init.sql" <<'SQL'
CREATE DATABASE IF NOT EXISTS nestling CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS 'nestling'@'%' IDENTIFIED BY '';
GRANT ALL PRIVILEGES ON *.* TO 'nestling'@'%' WITH GRANT OPTION;
SQL
    chmod 644 "$base/mysql-init.sql"
}

mysql_ready() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
run_mysql() {
    # Messages of more than 16 MiB are sent in parts; the default of 64 MiB would cost a debug build a minute to look through.
    start "$base/mysql.log" "$mariadb_user" "$base/mysql-server.sh" exec "$mysql_root" --datadir="$base/mysql" --tmpdir="$base/mysql-tmp" \
        --bind-address=127.0.0.1 --port="$port" --socket="$base/sockets/mysql.sock" --pid-file="$base/mysql-tmp/mysql.pid" --mysqlx=OFF --skip-log-bin \
        --secure-file-priv=NULL --init-file="$base/mysql-init.sql" --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=64M \
        --max-connections=300 --skip-name-resolve --innodb-doublewrite=OFF --max-allowed-packet=20M
}

# In front of the PostgreSQL. Each database has four server sessions, which its clients share transaction by transaction.
pgbouncer_ready() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
run_pgbouncer() {
    local config=$base/pgbouncer-$port.ini program=("$pgbouncer")
    if [[ $pgbouncer_root ]]; then program=("$base/pgbouncer.sh" exec "$pgbouncer_root"); fi
    cat >"$config" <<INI
[databases]
* = host=127.0.0.1 port=$postgres_port user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 1000
server_idle_timeout = 10
INI
    chmod 644 "$config"
    start "$base/pgbouncer.log" "$postgres_user" "${program[@]}" -q "$config"
    poolers+=("$started")
}

# As prepare_mysql.
prepare_pgbouncer() {
    local cache as
    [[ -x ${XDG_CACHE_HOME:-$HOME/.cache}/nestling/pgbouncer/usr/sbin/pgbouncer ]] || say "fetching a newer PgBouncer (once; some seconds)"
    cache=$("$repo/tests/pgbouncer.sh" unpack) || fail 'no newer PgBouncer (see above)'
    pgbouncer_root=$cache
    install -m 755 "$repo/tests/pgbouncer.sh" "$repo/tests/unstable.sh" "$base/"
    as_user "$postgres_user"
    if ! "${as[@]}" test -r "$cache/usr/sbin/pgbouncer" 2>/dev/null; then
        pgbouncer_root=$base/pgbouncer-root
        cp -al -- "$cache" "$pgbouncer_root" 2>/dev/null || { rm -rf -- "$pgbouncer_root" && cp -a -- "$cache" "$pgbouncer_root"; }
    fi
}

start_poolers() {
    pgbouncer_root=''
    serve PgBouncer "$base/pgbouncer.log" pgbouncer_ready run_pgbouncer
    export NESTLING_PGBOUNCER_URL=postgres://postgres@127.0.0.1:$port/nestling
    say "PgBouncer $(version_of "$pgbouncer") on port $port"
    if [[ $wants_mysql ]]; then
        prepare_pgbouncer
        serve PgBouncer "$base/pgbouncer.log" pgbouncer_ready run_pgbouncer
        export NESTLING_NEWER_PGBOUNCER_URL=postgres://postgres@127.0.0.1:$port/nestling
        say "PgBouncer $("$repo/tests/pgbouncer.sh" exec "$pgbouncer_root" --version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1) on port $port"
    fi
}

start_servers() {
    local since=$EPOCHREALTIME user
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    choose_users
    base=$(mktemp -d "${TMPDIR:-/tmp}/nestling-tests.XXXXXX")
    # A unix socket's path may have 107 bytes.
    if ((${#base} > 80)); then rmdir "$base"; base=$(mktemp -d /tmp/nestling-tests.XXXXXX); fi
    chmod 711 "$base"
    mkdir -m 1777 "$base/sockets" "$base/scratch" "$base/mariadb-tmp"
    mkdir -m 700 "$base/postgres" "$base/mariadb"
    if ((EUID == 0)); then
        chown "$postgres_user" "$base/postgres"
        chown "$mariadb_user" "$base/mariadb"
    fi
    prepare_mariadb
    if [[ $wants_mysql ]]; then prepare_mysql; fi
    for user in "$postgres_user" "$mariadb_user"; do
        local as; as_user "$user"
        "${as[@]}" test -w "$base/sockets" || fail "the user $user cannot reach $base: set TMPDIR to a folder that everybody may enter"
    done

    local initdb install
    start "$base/initdb.log" "$postgres_user" "$postgres_bin/initdb" -D "$base/postgres" -U postgres --auth=trust --no-sync --no-locale --encoding=UTF8
    initdb=$started
    start "$base/install.log" "$mariadb_user" mariadb-install-db --no-defaults --datadir="$base/mariadb" --tmpdir="$base/mariadb-tmp" \
        --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve
    install=$started
    local mysql_init=''
    if [[ $wants_mysql ]]; then
        start "$base/mysql-init.log" "$mariadb_user" "$base/mysql-server.sh" exec "$mysql_root" --datadir="$base/mysql" --tmpdir="$base/mysql-tmp" \
            --secure-file-priv=NULL --initialize-insecure --innodb-doublewrite=OFF
        mysql_init=$started
    fi
    cat >"$base/init.sql" <<'SQL'
CREATE DATABASE IF NOT EXISTS nestling CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS 'nestling'@'%' IDENTIFIED BY '';
CREATE USER IF NOT EXISTS 'nestling'@'localhost' IDENTIFIED BY '';
GRANT ALL PRIVILEGES ON *.* TO 'nestling'@'%' WITH GRANT OPTION;
GRANT ALL PRIVILEGES ON *.* TO 'nestling'@'localhost' WITH GRANT OPTION;
SQL
    chmod 644 "$base/init.sql"

    wait "$initdb" || give_up 'PostgreSQL (initdb)' "$base/initdb.log"
    serve PostgreSQL "$base/postgres.log" postgres_ready run_postgres
    postgres_port=$port
    "$postgres_bin/psql" -X -q -h "$base/sockets" -p "$port" -U postgres -d postgres -c 'CREATE DATABASE nestling' >>"$base/postgres.log" 2>&1 || give_up PostgreSQL "$base/postgres.log"
    say "PostgreSQL $(version_of "$postgres_bin/postgres") on port $postgres_port, up in $(seconds_since "$since") s"

    start_poolers

    wait "$install" || give_up 'MariaDB (mariadb-install-db)' "$base/install.log"
    serve MariaDB "$base/mariadb.log" mariadb_ready run_mariadb
    mariadb_port=$port
    say "MariaDB $(version_of "$mariadbd") on port $mariadb_port, up in $(seconds_since "$since") s"

    if [[ $wants_mysql ]]; then
        wait "$mysql_init" || give_up 'MySQL (mysqld --initialize)' "$base/mysql-init.log"
        serve MySQL "$base/mysql.log" mysql_ready run_mysql
        mysql_port=$port
        say "MySQL $("$repo/tests/mysql-server.sh" version "$mysql_root" | grep -oE '[0-9]+\.[0-9]+(\.[0-9]+)?' | head -n 1) on port $mysql_port, up in $(seconds_since "$since") s"
        export NESTLING_MYSQL9_URL=mysql://nestling@127.0.0.1:$mysql_port/nestling
        export NESTLING_MYSQL9_PROGRAM=$base/mysql-server.sh NESTLING_MYSQL9_ROOT=$mysql_root
    fi

    export NESTLING_POSTGRES_URL=postgres://postgres@127.0.0.1:$postgres_port/nestling
    export NESTLING_MYSQL_URL=mysql://nestling@127.0.0.1:$mariadb_port/nestling
    export NESTLING_MARIADBD=$mariadbd NESTLING_MYSQL_USER=$mariadb_user
    export NESTLING_POSTGRES_BIN=$postgres_bin NESTLING_POSTGRES_USER=$postgres_user NESTLING_SCRATCH=$base/scratch
}

version_of() { "$1" --version | grep -oE '[0-9]+\.[0-9]+(\.[0-9]+)?' | head -n 1; }

# --- the verbs -----------------------------------------------------------------------------------------------------------------------------------

# Runs a command in a process group of its own, so that a signal to this script ends all of it before the servers go.
with_servers() {
    local status=0
    start_servers
    setsid env --default-signal=INT "$@" <&0 &
    groups_started+=("$!")
    wait "$!" || status=$?
    return "$status"
}

stay() {
    local name
    start_servers
    for name in NESTLING_POSTGRES_URL NESTLING_PGBOUNCER_URL NESTLING_NEWER_PGBOUNCER_URL NESTLING_MYSQL_URL NESTLING_MYSQL9_URL NESTLING_MARIADBD NESTLING_MYSQL9_PROGRAM NESTLING_MYSQL9_ROOT \
        NESTLING_MYSQL_USER NESTLING_POSTGRES_BIN NESTLING_POSTGRES_USER NESTLING_SCRATCH; do
        if [[ -n ${!name:-} ]]; then printf 'export %s=%q\n' "$name" "${!name}"; fi
    done
    printf 'export NESTLING_SERVERS_PID=%s\n' "$$" # kill it to stop them
    say 'the servers stay until this is killed (Ctrl-C)'
    exec >&2 # whoever reads the exports through a pipe sees their end
    sleep infinity &
    groups_started+=("$!")
    wait "$!"
}

if [[ ${1:-} == --without-mysql ]]; then wants_mysql='' && shift; fi
case ${1:-} in
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" ;;
    servers)
        (($# == 1)) || fail 'servers takes no arguments'
        install_missing
        stay
        ;;
    with-servers)
        shift
        if [[ ${1:-} == -- ]]; then shift; fi
        (($#)) || fail 'with-servers -- CMD... needs a command'
        install_missing
        with_servers "$@"
        ;;
    *)
        need_cargo
        install_missing
        cd "$repo"
        # They wait for servers more than they compute.
        export RUST_TEST_THREADS=${RUST_TEST_THREADS:-4}
        if [[ $wants_mysql ]]; then
            with_servers cargo test --workspace --all-features "$@"
            say 'the tests have passed'
        else
            # The path of every test that needs what comes from there ends so; no other has this in it.
            skip=(--skip ::mysql9 --skip ::newer_pgbouncer)
            [[ " $* " == *' -- '* ]] || skip=(-- "${skip[@]}")
            with_servers cargo test --workspace --all-features "$@" "${skip[@]}"
            say 'the tests have passed, without those of MySQL and the newer PgBouncer: not run: all whose path ends in ::mysql9 or ::newer_pgbouncer'
        fi
        ;;
esac
