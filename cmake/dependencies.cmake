# The libraries that millpond stands on; README says why each is there.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(LIBMD REQUIRED IMPORTED_TARGET libmd)
if(POND_BUILD_LUA)
  pkg_check_modules(LUA REQUIRED IMPORTED_TARGET lua5.4)
endif()
