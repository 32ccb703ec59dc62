set(POND_MYSQL_LIBRARY libmariadb CACHE STRING
    "MySQL's client library by its pkg-config name: libmariadb or mysqlclient")
option(POND_MYSQL_THREADS "MySQL calls block on a thread per connection; always so with mysqlclient"
       OFF)
if(NOT POND_MYSQL_LIBRARY STREQUAL libmariadb)
  set(POND_MYSQL_THREADS ON)
endif()
option(POND_MYSQL_BUNDLE_PLUGINS
       "Copy libmariadb's authentication plugins into the Python package, and use those" OFF)
pond_driver(mysql "MySQL and MariaDB" MYSQL ${POND_MYSQL_LIBRARY})
if(POND_DRIVER_MYSQL)
  pond_driver_needs_crypto()
  foreach(name POND_MYSQL_THREADS POND_MYSQL_BUNDLE_PLUGINS)
    if(${name})
      list(APPEND POND_DRIVER_DEFINITIONS ${name})
    endif()
  endforeach()
endif()
