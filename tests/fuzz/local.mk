# files of tests/fuzz
