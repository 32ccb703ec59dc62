# The programs of examples/ffi, built against an installed copy of the library.
. tests/support/build.sh

ffi=$PWD/build/ffi
ffi_languages="c cpp python luajit node go rust"

# The library, installed where the programs look for it; build/release must be there.
install_for_ffi() {
    local component
    for component in library development; do
        logged ffi-install cmake --install build/release --prefix "$ffi" --component $component
    done
}

# build_ffi LANGUAGE: with the language's own tools; what is up to date is left alone.
build_ffi() {
    local source=examples/ffi/$1 program=$ffi/$1/quickstart
    local -x PKG_CONFIG_PATH=$ffi/lib/pkgconfig
    mkdir -p "$ffi/$1"
    case $1 in
    c)
        logged ffi-c cc -std=c11 -Wall -Wextra -Werror -o "$program" $source/quickstart.c \
            $(pkg-config --cflags --libs millpond)
        ;;
    cpp)
        need_packages g++
        logged ffi-cpp c++ -std=c++17 -Wall -Wextra -Werror -o "$program" $source/quickstart.cpp \
            $(pkg-config --cflags --libs millpond)
        ;;
    python) ;;
    # OpenResty's own, which the test of nginx needs: Debian has no room for both
    luajit) command -v luajit >/dev/null || need_packages luajit2 ;;
    node)
        command -v npm >/dev/null || need_packages nodejs npm
        if ! cmp -s $source/package.json "$ffi/node/package.json"; then
            cp $source/package.json "$ffi/node"
            logged ffi-node npm install --silent --no-audit --no-fund --prefix "$ffi/node"
        fi
        cp $source/*.js "$ffi/node"
        ;;
    go)
        command -v go >/dev/null || need_packages golang-go
        (cd $source && GOCACHE=$ffi/go-cache GOTOOLCHAIN=local GOFLAGS=-mod=mod \
            go build -o "$program" .) >build/ffi-go.log 2>&1 ||
            { cat build/ffi-go.log >&2; exit 1; }
        ;;
    rust)
        command -v cargo >/dev/null || need_packages cargo
        logged ffi-rust cargo build --quiet --offline --target-dir "$ffi/rust" \
            --manifest-path $source/Cargo.toml
        ;;
    *) echo "no program in $1; there are: $ffi_languages" >&2 && exit 2 ;;
    esac
}

# run_ffi LANGUAGE DRIVER DATABASE [KEY=VALUE ...]
run_ffi() {
    local language=$1
    local -x LD_LIBRARY_PATH=$ffi/lib
    shift
    case $language in
    python) python3 examples/ffi/python/quickstart.py "$@" ;;
    luajit)
        LUA_PATH="$PWD/bindings/luajit/?.lua;;" luajit examples/ffi/luajit/quickstart.lua "$@"
        ;;
    node) node "$ffi/node/quickstart.js" "$@" ;;
    rust) "$ffi/rust/debug/quickstart" "$@" ;;
    *) "$ffi/$language/quickstart" "$@" ;;
    esac
}

# nginx with its Lua module, for tests/openresty.
need_openresty() {
    need_packages nginx libnginx-mod-http-lua luajit2
}

need_ffi() {
    local language
    install_for_ffi
    for language in $ffi_languages; do build_ffi "$language"; done
}
