#!/usr/bin/env bash
# Run a command in a clean Debian: nothing but its minimal system and Python, and where libraries that
# a wheel must bring are part of that (Python's own sqlite3 needs one), they are hidden.
#
#   clean_root.sh make SUITE ROOT          a root folder, by debootstrap; quick if it is there
#   clean_root.sh run ROOT COMMAND...      in it, with this machine's network and, if there, pyenv
#   clean_root.sh run-bare ROOT COMMAND... the same without those libraries
set -eu

make_root() {
    [ -d "$2" ] && return 0
    rm -rf "$2.new"
    debootstrap --variant=minbase --include=python3,python3-venv "$1" "$2.new" >"$2.log" 2>&1 ||
        { cat "$2.log" >&2; exit 1; }
    mkdir -p "$2.new/root/.pyenv"
    mv "$2.new" "$2"
}

# Mounts are seen by the command alone, and gone when it ends.
run_in() {
    local bare="$1" root="$2"
    shift 2
    export root bare
    exec unshare --mount --pid --fork bash -c '
        set -eu
        mount -t proc proc "$root/proc"
        [ ! -d "$HOME/.pyenv" ] || mount --bind "$HOME/.pyenv" "$root/root/.pyenv"
        if [ "$bare" = yes ]; then
            find "$root/usr/lib" -regextype egrep -type f \
                -regex ".*/lib(crypto|gnutls|gssapi_krb5|krb5|ldap|mariadb|md|pq|sqlite3|ssl|uv)[-.].*" |
                while read -r file; do mount --bind /dev/null "$file"; done
        fi
        exec chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
    ' bash "$@"
}

verb="$1"
shift
case "$verb" in
make) make_root "$@" ;;
run) run_in no "$@" ;;
run-bare) run_in yes "$@" ;;
*) echo "unknown: $verb" >&2 && exit 2 ;;
esac
