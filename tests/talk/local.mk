# files of tests/talk
