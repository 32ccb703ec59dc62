# The drivers: each has a folder in core/drivers, and what it is built with in driver.cmake there.
set(POND_DRIVERS "")            # names of those that are built
set(POND_DRIVERS_OFF "")
set(POND_DRIVER_PACKAGES "")    # prefixes of what pkg-config found
set(POND_DRIVER_DEFINITIONS "")

# An option POND_DRIVER_<NAME>; if it is on, pkg-config finds the client library.
macro(pond_driver name description package module)
  string(TOUPPER ${name} upper)
  option(POND_DRIVER_${upper} "${description}" ON)
  if(POND_DRIVER_${upper})
    pkg_check_modules(${package} REQUIRED IMPORTED_TARGET ${module})
    list(APPEND POND_DRIVERS ${name})
    list(APPEND POND_DRIVER_PACKAGES ${package})
  else()
    list(APPEND POND_DRIVERS_OFF ${name})
  endif()
endmacro()

# For drivers that need it beside the client library.
macro(pond_driver_needs_crypto)
  pkg_check_modules(LIBCRYPTO REQUIRED IMPORTED_TARGET libcrypto)
  list(APPEND POND_DRIVER_PACKAGES LIBCRYPTO)
  list(REMOVE_DUPLICATES POND_DRIVER_PACKAGES)
endmacro()

file(GLOB driver_files CONFIGURE_DEPENDS core/drivers/*/driver.cmake)
foreach(file IN LISTS driver_files)
  include(${file})
endforeach()
