module millpond.example/quickstart

go 1.19
