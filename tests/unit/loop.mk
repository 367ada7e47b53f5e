# unit tests of loop
if HAVE_CHECK
loop_test_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS)
loop_test_libs = libloop.la libbase.la $(CHECK_LIBS)
loop_test_crew = tests/unit/loop-crew.c tests/unit/loop-crew.h

check_PROGRAMS += tests/unit/test-fiber
tests_unit_test_fiber_SOURCES = tests/unit/test-fiber.c $(loop_test_crew)
tests_unit_test_fiber_CFLAGS = $(loop_test_cflags)
tests_unit_test_fiber_LDADD = $(loop_test_libs)

check_PROGRAMS += tests/unit/test-ledger
tests_unit_test_ledger_SOURCES = tests/unit/test-ledger.c $(loop_test_crew)
tests_unit_test_ledger_CFLAGS = $(loop_test_cflags)
tests_unit_test_ledger_LDADD = $(loop_test_libs)

check_PROGRAMS += tests/unit/test-mailbox
tests_unit_test_mailbox_SOURCES = tests/unit/test-mailbox.c $(loop_test_crew)
tests_unit_test_mailbox_CFLAGS = $(loop_test_cflags)
tests_unit_test_mailbox_LDADD = $(loop_test_libs)

check_PROGRAMS += tests/unit/test-offload
tests_unit_test_offload_SOURCES = tests/unit/test-offload.c $(loop_test_crew)
tests_unit_test_offload_CFLAGS = $(loop_test_cflags)
tests_unit_test_offload_LDADD = $(loop_test_libs)

check_PROGRAMS += tests/unit/test-timer
tests_unit_test_timer_SOURCES = tests/unit/test-timer.c $(loop_test_crew)
tests_unit_test_timer_CFLAGS = $(loop_test_cflags)
tests_unit_test_timer_LDADD = $(loop_test_libs)

check_PROGRAMS += tests/unit/test-worker
tests_unit_test_worker_SOURCES = tests/unit/test-worker.c $(loop_test_crew)
tests_unit_test_worker_CFLAGS = $(loop_test_cflags)
tests_unit_test_worker_LDADD = $(loop_test_libs)

# Under ThreadSanitizer the first must be reported and its twin must not. Not among TESTS.
noinst_PROGRAMS += tests/unit/tsan-seeded-race tests/unit/tsan-no-race
tests_unit_tsan_seeded_race_SOURCES = tests/unit/tsan-seeded-race.c $(loop_test_crew)
tests_unit_tsan_seeded_race_CFLAGS = $(loop_test_cflags)
tests_unit_tsan_seeded_race_LDADD = $(loop_test_libs)
tests_unit_tsan_no_race_SOURCES = $(tests_unit_tsan_seeded_race_SOURCES)
tests_unit_tsan_no_race_CFLAGS = $(loop_test_cflags) -DGUARDED
tests_unit_tsan_no_race_LDADD = $(loop_test_libs)
endif
