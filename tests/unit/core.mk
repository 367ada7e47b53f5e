# unit tests of core
if HAVE_CHECK
core_test_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS)

check_PROGRAMS += tests/unit/test-config
tests_unit_test_config_SOURCES = tests/unit/test-config.c
tests_unit_test_config_CFLAGS = $(core_test_cflags)
tests_unit_test_config_LDADD = libjackdaw.la $(CHECK_LIBS)
endif
