pond_driver(postgres "PostgreSQL, through libpq" LIBPQ libpq>=14)
if(POND_DRIVER_POSTGRES)
  pond_driver_needs_crypto()
endif()
