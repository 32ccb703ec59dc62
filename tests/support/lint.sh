# cppcheck over all C code; what it may say is in cppcheck.supp, with reasons.
check_c() {
    mkdir -p build/cppcheck
    logged cppcheck cppcheck -j2 -q --error-exitcode=1 --cppcheck-build-dir=build/cppcheck \
        --enable=warning,performance,portability,style --std=c11 --library=posix \
        --suppressions-list=tests/support/cppcheck.supp --inline-suppr -Icore -Iabi/include \
        -Ibindings/lua -D_GNU_SOURCE \
        '-DPy_BEGIN_ALLOW_THREADS={' '-DPy_END_ALLOW_THREADS=}' \
        core abi bindings examples/c examples/ffi/c
}

# The programs in other languages, in each language's own shape. A toolchain may lack its formatter.
check_examples() {
    [ -z "$(gofmt -l examples/ffi/go)" ] || { echo "gofmt -w examples/ffi/go" >&2; exit 1; }
    command -v rustfmt >/dev/null || return 0
    (cd examples/ffi/rust && rustfmt --check --edition 2021 src/main.rs build.rs)
}
