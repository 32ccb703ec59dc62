-- In a clone: luarocks --lua-version 5.4 make bindings/lua/millpond-scm-1.rockspec
rockspec_format = "3.0"
package = "millpond"
version = "scm-1"
source = { url = "git+file://." }
description = {
  summary = "PostgreSQL, MySQL/MariaDB and SQLite through one pooled interface",
  detailed = [[
    Pooled connections, timeouts that stop the work on the server, safe cancellation, one SQL
    placeholder, one tree of errors, entities with history. In coroutines calls wait by yielding,
    elsewhere by blocking. Needs the development packages of libuv, libpq, MariaDB Connector/C,
    SQLite, OpenSSL and libmd, and CMake.]],
  license = "MIT",
  labels = { "database", "postgresql", "mysql", "sqlite", "async" },
}
supported_platforms = { "unix" }
dependencies = { "lua >= 5.4, < 5.5" }
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "Release",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    POND_BUILD_LUA = "ON",
    POND_BUILD_SHARED = "OFF",
    POND_LUA_CDIR = "$(LIBDIR)",
    POND_LUA_DIR = "$(LUADIR)",
  },
}
