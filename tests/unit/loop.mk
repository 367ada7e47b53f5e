# unit tests of loop
if HAVE_CHECK
loop_test_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS)
loop_test_libs = libloop.la libbase.la $(CHECK_LIBS)
loop_test_crew = tests/unit/loop-crew.c tests/unit/loop-crew.h

check_PROGRAMS += tests/unit/test-fiber
tests_unit_test_fiber_SOURCES = tests/unit/test-fiber.c $(loop_test_crew)
tests_unit_test_fiber_CFLAGS = $(loop_test_cflags)
tests_unit_test_fiber_LDADD = $(loop_test_libs)
endif
