#!/usr/bin/env bash
# Compares nestling with its peers on private servers, and writes docs/benchmarks.md.
#
#   benches/peers/run.sh             the whole comparison: some twenty minutes after the build
#   benches/peers/run.sh --quick     a check: within three minutes after the build; its report stays beside the build
#   benches/peers/run.sh --goals    only what the goals on processor time are about, in four minutes; its report stays beside the build
#   benches/peers/run.sh --json      prints the figures on stdout instead of the tables
#   benches/peers/run.sh --render    measures nothing: writes the report anew from the last whole run, with notes.md as it is now
#   benches/peers/run.sh --instructions   counts the client's instructions with callgrind, two minutes after the build; writes that table alone
#   benches/peers/run.sh --only PEER, --backend postgres|mariadb|sqlite   a part; may be repeated; the report stays beside the build
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$repo/target}/peers
venv=$target/venv

say() { printf '%s\n' "$*" >&2; }

# The ancestor is a script: it gets a virtual environment of its own, or is left out.
prepare_python() {
    local wanted
    wanted=$(cksum <"$here/python/requirements.txt")
    if [[ -x $venv/bin/python && $(cat "$venv/made-for" 2>/dev/null) == "$wanted" ]]; then return 0; fi
    if ! command -v python3 >/dev/null; then say 'peewee-async is left out: there is no python3'; return 1; fi
    rm -rf -- "$venv"
    if ! python3 -m venv "$venv" >&2; then say 'peewee-async is left out: python3 cannot make a virtual environment (on Debian: apt-get install python3-venv)'; return 1; fi
    if ! "$venv/bin/pip" install --quiet --requirement "$here/python/requirements.txt" >&2; then
        say 'peewee-async is left out: pip could not install it'
        return 1
    fi
    printf '%s\n' "$wanted" >"$venv/made-for"
}

case " $* " in *' --help '* | *' -h '*)
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
    exit
    ;;
esac

install_valgrind() {
    command -v valgrind >/dev/null && return 0
    local root=()
    ((EUID == 0)) || root=(sudo)
    say 'installing valgrind'
    if ! command -v apt-get >/dev/null || ! "${root[@]}" sh -c 'apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends valgrind' >&2 </dev/null; then
        say 'valgrind is missing and could not be installed: please install it by hand'
        exit 1
    fi
}

if [[ " $* " == *' --instructions '* ]]; then
    install_valgrind
    say 'building'
    (cd "$here" && CARGO_TARGET_DIR=$target cargo build --release --locked --quiet --package conduct --package drivers)
    exec "$repo/tests/run.sh" --without-mysql with-servers -- "$target/release/conduct" --folder "$here" --bin "$target/release" "$@"
fi

say 'building'
for workspace in "$here" "$here/sqlx" "$here/others"; do
    (cd "$workspace" && CARGO_TARGET_DIR=$target cargo build --release --locked --quiet)
done

conduct=("$target/release/conduct" --folder "$here" --bin "$target/release")
if [[ " $* " == *' --render '* ]]; then exec "${conduct[@]}" "$@"; fi
if prepare_python; then conduct+=(--python "$venv/bin/python"); fi
exec "$repo/tests/run.sh" --without-mysql with-servers -- "${conduct[@]}" "$@"
