# What tests/run --long does beyond the plain run: long_PART for each part, bounded in time, so that
# a hang is a failure. Sourced after build.sh.
long_parts="fuzz contend asan valgrind other_servers oracle_library"

need_long_packages() {
    need_packages clang libclang-rt-14-dev debootstrap valgrind
}

# limit MINUTES: put before a command.
limit() {
    echo timeout --signal=INT --kill-after=60 "${1}m"
}

long_fuzz() {
    $(limit 30) tests/fuzz/run 60
}

# Ten million contended acquires.
long_contend() {
    build_bench_c
    $(limit 20) build/bench-c/tests/bench/c/bench_pool contend 10000000
}

# The Python module with the address sanitizer built in.
long_asan() {
    need_module_with_asan
    with_asan $(limit 20) $venv/bin/python -m pytest tests/python/test_cancel.py \
        tests/python/test_values.py tests/python/test_errors.py tests/python/test_misuse.py \
        tests/adversity/test_rogue_server.py tests/python/test_robust.py
}

# The Python module under Valgrind: of memory alone, as CPython leaves bits undefined.
long_valgrind() {
    PYTHONMALLOC=malloc with_servers $(limit 30) valgrind --quiet --error-exitcode=9 \
        --leak-check=no --undef-value-errors=no --suppressions=tests/support/valgrind.supp \
        $venv/bin/python -m pytest -k "not duckdb" tests/python/test_getting_started.py \
        tests/python/test_fetch.py
}

# Adversity on MySQL 8 and PostgreSQL 18; storms as in the plain run, as one in full is enough.
long_other_servers() {
    MILLPOND_LONG="" with_other_servers $(limit 30) $venv/bin/python -X dev -m pytest \
        tests/adversity
}

# Adversity on MySQL 8 through Oracle's library.
long_oracle_library() {
    MILLPOND_LONG="" PYTHONPATH=build/module-mysqlclient \
        LD_LIBRARY_PATH=$servers/mysqlclient/lib \
        with_other_servers $(limit 30) $venv/bin/python -X dev -m pytest tests/adversity -k mysql
}
