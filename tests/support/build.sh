# The builds that the runners need. Sourced from the top folder; quiet unless something is wrong.
. tests/support/packages.sh
. tests/support/servers.sh

venv=build/venv

# logged NAME COMMAND...: run quietly; show what it said if it fails.
logged() {
    local log="build/$1.log"
    shift
    "$@" >"$log" 2>&1 || { cat "$log" >&2; echo "failed: $*" >&2; exit 1; }
}

need_build_packages() {
    need_packages build-essential cmake ninja-build pkg-config libuv1-dev libmd-dev libpq-dev \
        libmariadb-dev libsqlite3-dev libssl-dev
}

need_lua() {
    need_packages lua5.4 liblua5.4-dev luarocks lua-luv lua-busted lua-check
}

# The Lua module in build/rocks, installed as a user would; LUA_PATH and LUA_CPATH lead to it.
need_lua_module() {
    need_lua
    local state
    state=$(git ls-files -co --exclude-standard -- abi bindings/lua cmake core CMakeLists.txt |
        sort | xargs sha256sum 2>/dev/null | sha256sum)
    if [ "$(cat build/rocks.done 2>/dev/null)" != "$state" ]; then
        logged rocks luarocks --lua-version 5.4 --tree build/rocks \
            make bindings/lua/millpond-scm-1.rockspec
        echo "$state" >build/rocks.done
    fi
    export LUA_PATH="$PWD/build/rocks/share/lua/5.4/?.lua;$PWD/build/rocks/share/lua/5.4/?/init.lua;;"
    export LUA_CPATH="$PWD/build/rocks/lib/lua/5.4/?.so;;"
}

# The programs of examples/lua, on SQLite.
run_lua_examples() {
    local folder
    folder=$(mktemp -d)
    lua5.4 examples/lua/quickstart.lua "$folder/quickstart.db"
    lua5.4 examples/lua/luv_server.lua
    logged embed-configure cmake -S examples/lua/embed -B build/embed -G Ninja
    logged embed-build cmake --build build/embed
    build/embed/embed "sqlite:///$folder/embed.db" examples/lua/embed
    rm -r "$folder"
}

# need_venv REQUIREMENTS...: the virtual environment, with these files' packages.
need_venv() {
    need_packages python3 python3-venv python3-dev
    [ -x $venv/bin/python ] || logged venv python3 -m venv $venv
    local wanted
    wanted=$(cat "$@" | sha256sum)
    local done=$venv/${1//\//-}.done
    [ "$(cat "$done" 2>/dev/null)" = "$wanted" ] && return 0
    local arguments=()
    local file
    for file in "$@"; do arguments+=(-r "$file"); done
    logged pip $venv/bin/python -m pip install -q "${arguments[@]}"
    echo "$wanted" >"$done"
}

# The documentation's tools, apart: they depend on much that tests must not see.
need_docs_venv() {
    venv=build/docs-venv need_venv docs/requirements.txt
}

# install_module NAME PIP-OPTION...: the Python module; built anew only if a source changed.
install_module() {
    local name="$1"
    shift
    local state
    state=$(git ls-files -co --exclude-standard -- abi bindings cmake core CMakeLists.txt \
        pyproject.toml | sort | xargs sha256sum 2>/dev/null | sha256sum)
    [ "$(cat "build/$name.done" 2>/dev/null)" = "$state" ] && return 0
    logged "$name" $venv/bin/python -m pip install -q --no-deps "$@" .
    echo "$state" >"build/$name.done"
}

# The Python module, installed as a user would.
need_module() {
    install_module module --force-reinstall
}

# The same in build/module-mysqlclient, with Oracle's client library.
need_module_with_mysqlclient() {
    need_mysqlclient
    PKG_CONFIG_PATH=$PWD/$servers/mysqlclient/lib/pkgconfig \
        install_module module-mysqlclient --upgrade --target build/module-mysqlclient \
        -C cmake.define.POND_MYSQL_LIBRARY=mysqlclient
}

# The same in build/module-asan, for with_asan.
need_module_with_asan() {
    install_module module-asan --upgrade --target build/module-asan -C build-dir=build/wheel-asan \
        -C cmake.define.POND_SANITIZE=address,undefined
}

# with_asan COMMAND...: beside the servers, with the module that has the address sanitizer built in.
with_asan() {
    with_servers env PYTHONPATH=build/module-asan ASAN_OPTIONS=detect_leaks=0 \
        LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)" "$@"
}

# configure_and_build FOLDER OPTION...
configure_and_build() {
    local folder="$1"
    shift
    logged "$(basename "$folder")-configure" cmake -S . -B "$folder" -G Ninja "$@"
    logged "$(basename "$folder")-build" cmake --build "$folder" --parallel
}
