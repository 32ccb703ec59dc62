# What `cmake --install` puts where: the library (component library), and what programs that use it
# are built with (component development).
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/millpond)

# millpond.pc is written when the prefix is known: `cmake --install --prefix` may give another.
foreach(folder LIBDIR INCLUDEDIR)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${folder}}")
    set(pc_${folder} "${CMAKE_INSTALL_${folder}}")
  else()
    set(pc_${folder} "\\\${prefix}/${CMAKE_INSTALL_${folder}}")
  endif()
endforeach()
# What a program needs beside the static library, by plain names: their .pc files may be missing.
set(pc_private "")
foreach(name ${POND_DRIVER_PACKAGES} LIBUV LIBMD)
  foreach(library ${${name}_LIBRARIES})
    list(APPEND pc_private -l${library})
  endforeach()
endforeach()
list(REMOVE_DUPLICATES pc_private)
list(APPEND pc_private -lpthread -lm)
list(JOIN pc_private " " pc_private)

install(CODE "
  set(POND_PC_PRIVATE \"${pc_private}\")
  set(PROJECT_VERSION ${PROJECT_VERSION})
  set(POND_PC_LIBDIR \"${pc_LIBDIR}\")
  set(POND_PC_INCLUDEDIR \"${pc_INCLUDEDIR}\")
  configure_file(${CMAKE_CURRENT_SOURCE_DIR}/millpond.pc.in
                 ${CMAKE_CURRENT_BINARY_DIR}/millpond.pc @ONLY)" COMPONENT development)
configure_package_config_file(millpond-config.cmake.in millpond-config.cmake
                              INSTALL_DESTINATION ${package})
write_basic_package_version_file(millpond-config-version.cmake COMPATIBILITY SameMajorVersion)

install(TARGETS millpond EXPORT millpond
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
                NAMELINK_COMPONENT development)
install(TARGETS millpond_static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY include/millpond DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/millpond.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/millpond-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/millpond-config-version.cmake
        DESTINATION ${package} COMPONENT development)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/bindings/luajit/resty
        DESTINATION ${CMAKE_INSTALL_DATADIR}/lua/5.1 COMPONENT luajit)
install(EXPORT millpond NAMESPACE millpond:: FILE millpond-targets.cmake
        DESTINATION ${package} COMPONENT development)
