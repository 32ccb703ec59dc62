# What can be chosen, and the compiler flags that follow from it.
option(POND_DRIVER_POSTGRES "PostgreSQL, through libpq" ON)
option(POND_DRIVER_MYSQL "MySQL and MariaDB" ON)
set(POND_MYSQL_LIBRARY libmariadb CACHE STRING
    "MySQL's client library by its pkg-config name: libmariadb or mysqlclient")
option(POND_MYSQL_THREADS "MySQL calls block on a thread per connection; always so with mysqlclient"
       OFF)
if(NOT POND_MYSQL_LIBRARY STREQUAL libmariadb)
  set(POND_MYSQL_THREADS ON)
endif()
option(POND_MYSQL_BUNDLE_PLUGINS
       "Copy libmariadb's authentication plugins into the Python package, and use those" OFF)
option(POND_DRIVER_SQLITE "SQLite" ON)
option(POND_BUILD_SHARED "Build libmillpond.so" ON)
option(POND_BUILD_PYTHON "Build the Python module" OFF)
option(POND_BUILD_LUA "Build the Lua module" OFF)
option(POND_BUILD_EXAMPLES "Build the C examples" OFF)
option(POND_BUILD_TESTS "Build the C tests" OFF)
option(POND_BUILD_FUZZERS "Build the fuzzers; needs clang" OFF)
option(POND_DEVELOPMENT "Warnings are errors" OFF)
option(POND_FAULT_INJECTION "Let tests make allocation N fail" OFF)
set(POND_SANITIZE "" CACHE STRING "Sanitizers for -fsanitize=, such as address,undefined")

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

add_library(pond_flags INTERFACE)
target_compile_definitions(pond_flags INTERFACE _GNU_SOURCE)
target_compile_options(pond_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wvla
                                            $<$<BOOL:${POND_DEVELOPMENT}>:-Werror>)
if(POND_SANITIZE)
  target_compile_options(pond_flags INTERFACE -fsanitize=${POND_SANITIZE}
                                              -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(pond_flags INTERFACE -fsanitize=${POND_SANITIZE})
endif()
if(POND_FAULT_INJECTION)
  target_compile_definitions(pond_flags INTERFACE POND_FAULT_INJECTION)
endif()
