# The load generator, the relay that is the floor of its comparisons, and what drives both.
noinst_PROGRAMS += tests/bench/load tests/bench/relay

tests_bench_load_SOURCES = \
	tests/bench/load.c \
	tests/bench/chat.c tests/bench/idle.c tests/bench/login.c tests/bench/scenario.h \
	tests/bench/client.c tests/bench/client.h \
	tests/bench/hist.c tests/bench/hist.h \
	tests/bench/negotiate.c tests/bench/negotiate.h \
	tests/bench/opts.c tests/bench/opts.h \
	tests/bench/proc.c tests/bench/proc.h \
	tests/bench/report.c tests/bench/report.h \
	tests/bench/sasl.c tests/bench/sasl.h \
	tests/bench/scan.c tests/bench/scan.h
tests_bench_load_LDADD = libbase.la $(OPENSSL_LIBS) $(JANSSON_LIBS)

tests_bench_relay_SOURCES = tests/bench/relay.c
tests_bench_relay_LDADD = libbase.la $(OPENSSL_LIBS) $(EXPAT_LIBS)

EXTRA_DIST += tests/bench/README.md tests/bench/run tests/bench/servers.py tests/bench/smoke

if HAVE_CHECK
check_PROGRAMS += tests/bench/test-parts
tests_bench_test_parts_SOURCES = tests/bench/test-parts.c \
	tests/bench/hist.c tests/bench/sasl.c tests/bench/scan.c
tests_bench_test_parts_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_bench_test_parts_LDADD = libbase.la $(CHECK_LIBS) $(OPENSSL_LIBS)
endif
