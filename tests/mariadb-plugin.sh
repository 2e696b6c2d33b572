#!/usr/bin/env bash
# MariaDB's plugin for ed25519 logins, on a machine that has only the server's core: Debian packages it in mariadb-server, which starts a service when it
# is installed. So that package (4 MB) is fetched and unpacked into a folder, never installed. tests/run.sh uses it. Root is not needed.
#
#   tests/mariadb-plugin.sh MARIADBD     prints the folder that has auth_ed25519.so: the server's own, if it is there
#
# It is kept in ${XDG_CACHE_HOME:-~/.cache}/nestling, for each version of the server.
set -euo pipefail

fail() { printf 'tests/mariadb-plugin.sh: %s\n' "$*" >&2; exit 1; }

plugin=auth_ed25519.so
package=mariadb-server

# Lists of packages of our own, where the machine's are too old to find anything by, or are not there.
fetch() { # FOLDER VERSION
    local folder=$1 version=$2 options=(-qq)
    if ((EUID == 0)); then options+=(-o APT::Sandbox::User=root); fi
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/debs"
    cd "$folder/debs"
    apt-get "${options[@]}" download "$package=$version" && return
    options+=(-o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder/cache")
    apt-get "${options[@]}" update || return
    # A server that was not upgraded for a while takes the plugin of a later one of its series.
    apt-get "${options[@]}" download "$package=$version" || apt-get "${options[@]}" download "$package"
}

mariadbd=${1:?MARIADBD}
own=$("$mariadbd" --no-defaults --verbose --help 2>/dev/null | sed -nE 's,^plugin-dir[[:space:]]+(.*[^/])/*$,\1,p') || true
if [[ -n $own && -r $own/$plugin ]]; then printf '%s\n' "$own"; exit; fi

command -v apt-get dpkg dpkg-query >/dev/null || fail "no $plugin in ${own:-the plugin folder}, and no apt-get and dpkg to get it with"
version=$(dpkg-query -W -f '${Version}' mariadb-server-core 2>/dev/null) || fail "no $plugin in ${own:-the plugin folder}: please install it"
home=${XDG_CACHE_HOME:-$HOME/.cache}/nestling
kept=$home/mariadb-plugin-${version//[^A-Za-z0-9.+~-]/_}
if [[ ! -r $kept/$plugin ]]; then
    mkdir -p "$home"
    work=$(mktemp -d "$home/mariadb-plugin.XXXXXX")
    trap 'rm -rf -- "$work"' EXIT
    if ! (fetch "$work" "$version") >"$work/log" 2>&1; then
        tail -n 15 "$work/log" >&2
        fail "$package could not be fetched (the last lines are above)"
    fi
    for deb in "$work"/debs/*.deb; do dpkg -x "$deb" "$work/tree" || fail "$deb could not be unpacked"; done
    found=("$work"/tree/usr/lib/*/plugin/"$plugin" "$work"/tree/usr/lib/*/*/plugin/"$plugin")
    for file in "${found[@]}"; do if [[ -f $file ]]; then mkdir -p "$work/kept" && cp "$file" "$work/kept/"; fi; done
    [[ -f $work/kept/$plugin ]] || fail "$package has no $plugin"
    chmod -R a+rX "$work/kept"
    # Renaming is atomic. Who was faster has made the same.
    mv -T "$work/kept" "$kept" 2>/dev/null || [[ -r $kept/$plugin ]] || fail "cannot write to $home"
fi
printf '%s\n' "$kept"
