# need_packages NAME...: make sure that Debian packages are there; quiet, and skips what is.
mkdir -p build

need_packages() {
    local missing=()
    local name
    for name in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed ||
            missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "Please install these packages first: ${missing[*]}" >&2
        echo "  sudo apt-get install ${missing[*]}" >&2
        exit 1
    fi
    echo "installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    export RUNLEVEL=1 # what is installed here is not started as a service
    ( # one at a time: parts of a run that are side by side may both want some
        flock 9
        apt-get update -qq >build/apt.log 2>&1 || true
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >>build/apt.log 2>&1 ||
            { cat build/apt.log >&2; exit 1; }
    ) 9>build/apt.lock
}
