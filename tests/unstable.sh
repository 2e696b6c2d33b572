#!/usr/bin/env bash
# Programs of Debian's unstable suite on a machine with another: a package and its libraries, down to the C library, unpacked into a folder (never
# installed) and run with the loader that came with them. For sourcing, by scripts that say in variables what they want:
#
#   name       what the script is called in messages
#   package    the package
#   program    the program in it, by its path below the root
#   unwanted   a pattern of packages that it depends on and that are of no use here
#   works      a function that tells whether the program in the folder $1 runs
#
# What is unpacked is kept in ${XDG_CACHE_HOME:-~/.cache}/nestling; to get a newer one, remove its folder there. Root is not needed.

fail() { printf '%s: %s\n' "$name" "$*" >&2; exit 1; }

suite=unstable

# The folder of the libraries, with the loader among them: its name has the architecture's triplet.
libraries_of() { # ROOT
    local found=("$1"/usr/lib/*-linux-gnu*/ld-linux*.so.*)
    [[ -x ${found[0]} ]] || fail "no loader in $1: remove that folder and try again"
    printf '%s\n' "${found[0]%/*}"
}

# The mirror that this machine's own apt is configured with.
mirror() {
    local found
    found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
        sed -nE '/^(URIs:|deb )/s,.*[[:space:]](https?://[^[:space:]]+/debian)/?([[:space:]].*)?$,\1,p' | head -n 1)
    [[ -n $found ]] || fail "no Debian mirror in this machine's apt configuration, so no $package: use tests/run.sh --without-mysql"
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
    names=$(apt-cache "${options[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$package" |
        grep '^[a-z0-9]' | sort -u | grep -vE "$unwanted") || return
    # shellcheck disable=SC2086 # names of packages have no spaces
    (cd "$folder/debs" && apt-get "${options[@]}" download $names) || return
}

# Fetches and unpacks it, once for all runs, and prints the folder.
unpack() { # FOLDER
    local home=${XDG_CACHE_HOME:-$HOME/.cache}/nestling folder=$1 work log deb
    [[ -x $home/$folder/$program ]] && { printf '%s\n' "$home/$folder"; return; }
    command -v apt-get apt-cache dpkg >/dev/null || fail "no apt-get and dpkg on this machine to get $package with: use tests/run.sh --without-mysql"
    mkdir -p "$home"
    work=$(mktemp -d "$home/$folder.XXXXXX")
    # shellcheck disable=SC2064 # the folder of now is meant
    trap "rm -rf -- '$work'" EXIT
    log=$work/log
    if ! fetch "$work/apt" >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        fail "$package could not be fetched from Debian's $suite suite (the last lines are above): use tests/run.sh --without-mysql where it cannot be reached"
    fi
    for deb in "$work"/apt/debs/*.deb; do dpkg -x "$deb" "$work/root" || fail "$deb could not be unpacked"; done
    works "$work/root" || fail "the unpacked $program does not run on this machine: use tests/run.sh --without-mysql"
    chmod -R a+rX "$work/root"
    # Renaming is atomic: nobody sees half of it. Who was faster has made the same.
    mv -T "$work/root" "$home/$folder" 2>/dev/null || [[ -x $home/$folder/$program ]] || fail "cannot write to $home"
    printf '%s\n' "$home/$folder"
}
