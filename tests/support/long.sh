# What tests/run --long does beyond the plain run: long_PART for each part, bounded in time, so that
# a hang is a failure. Sourced after build.sh.
long_parts="fuzz contend asan valgrind other_servers oracle_library vitess patroni pgpool spider"

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

# ---- Engines that speak PostgreSQL's or MySQL's protocol; tests/support/engines.py has the quirks

# conformance NAME...: files of tests/python, and always those of entities.
conformance() {
    printf 'tests/python/test_%s.py ' "$@"
    echo tests/python/test_entity_*.py
}
conformance_of_all="same_everywhere values fetch errors transactions stream statement_cache \
    one_statement in_lists float_digits json_limits cancel pool_sessions ended_sessions"

# The keyspace with two shards has no tables but those with a VSchema: those of three files.
long_vitess() {
    need_vitess
    local run="python3 tests/support/postgres_server.py python3 tests/support/vitess_server.py"
    local one="$venv/bin/python -X dev -m pytest -k mysql"
    $(limit 20) $run $one -m "not once" $(conformance $conformance_of_all)
    MILLPOND_VITESS_SHARDS=2 $(limit 15) $run $one $(conformance same_everywhere transactions)
    with_servers $(limit 10) $venv/bin/python -X dev -m pytest tests/engines/test_vitess.py
}

long_patroni() {
    need_patroni
    $(limit 20) python3 tests/support/mariadb_server.py python3 tests/support/patroni_cluster.py \
        $venv/bin/python -X dev -m pytest -k postgres -m "not once" \
        $(conformance $conformance_of_all)
    with_servers $(limit 15) $venv/bin/python -X dev -m pytest -s tests/engines/test_patroni.py
}

long_pgpool() {
    need_packages pgpool2
    $(limit 20) python3 tests/support/mariadb_server.py python3 tests/support/pgpool_server.py \
        $venv/bin/python -X dev -m pytest -k postgres -m "not once" \
        $(conformance $conformance_of_all)
    MILLPOND_PGPOOL_BALANCE=off $(limit 10) python3 tests/support/mariadb_server.py \
        python3 tests/support/pgpool_server.py $venv/bin/python -X dev -m pytest -k postgres \
        $(conformance same_everywhere cancel pool_sessions)
}

long_spider() {
    need_packages mariadb-server mariadb-plugin-spider
    with_servers $(limit 10) $venv/bin/python -X dev -m pytest tests/engines/test_spider.py
}
