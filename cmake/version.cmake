# The version stands in one place, the public header; pyproject.toml reads it there, too.
set(POND_VERSION "")
foreach(part MAJOR MINOR PATCH)
  file(STRINGS ${CMAKE_CURRENT_SOURCE_DIR}/abi/include/millpond/millpond.h line
       REGEX "^#define POND_VERSION_${part} [0-9]+$")
  string(REGEX MATCH "[0-9]+$" number "${line}")
  list(APPEND POND_VERSION ${number})
endforeach()
list(JOIN POND_VERSION . POND_VERSION)
