pond_driver(sqlite "SQLite" SQLITE sqlite3>=3.38)
