module example.org/podlogin

go 1.21
