# files of tests/lib
