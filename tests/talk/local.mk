# files of tests/talk, and what every test that needs a server starts from
EXTRA_DIST += tests/with-server tests/lib/server
