# What can be chosen, and the compiler flags that follow from it.
option(POND_BUILD_TESTS "Build the C tests" OFF)
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
