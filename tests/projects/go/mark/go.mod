module example.org/mark

go 1.18
