# unit tests of net
if HAVE_CHECK
net_test_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS) -pthread
net_test_libs = libnet.la libloop.la libbase.la $(OPENSSL_LIBS) $(CHECK_LIBS)
net_test_help = tests/unit/net-help.c tests/unit/net-help.h tests/unit/scratch.h

check_PROGRAMS += tests/unit/test-conn
tests_unit_test_conn_SOURCES = tests/unit/test-conn.c $(net_test_help)
tests_unit_test_conn_CFLAGS = $(net_test_cflags)
tests_unit_test_conn_LDADD = $(net_test_libs)

check_PROGRAMS += tests/unit/test-tls
tests_unit_test_tls_SOURCES = tests/unit/test-tls.c $(net_test_help)
tests_unit_test_tls_CFLAGS = $(net_test_cflags)
tests_unit_test_tls_LDADD = $(net_test_libs)

check_PROGRAMS += tests/unit/test-listener
tests_unit_test_listener_SOURCES = tests/unit/test-listener.c $(net_test_help)
tests_unit_test_listener_CFLAGS = $(net_test_cflags)
tests_unit_test_listener_LDADD = $(net_test_libs)

check_PROGRAMS += tests/unit/test-proxy
tests_unit_test_proxy_SOURCES = tests/unit/test-proxy.c
tests_unit_test_proxy_CFLAGS = $(net_test_cflags)
tests_unit_test_proxy_LDADD = $(net_test_libs)

check_PROGRAMS += tests/unit/test-conn-close
tests_unit_test_conn_close_SOURCES = tests/unit/test-conn-close.c $(net_test_help)
tests_unit_test_conn_close_CFLAGS = $(net_test_cflags)
tests_unit_test_conn_close_LDADD = $(net_test_libs)

check_PROGRAMS += tests/unit/test-conn-move
tests_unit_test_conn_move_SOURCES = tests/unit/test-conn-move.c $(net_test_help)
tests_unit_test_conn_move_CFLAGS = $(net_test_cflags)
tests_unit_test_conn_move_LDADD = $(net_test_libs)

check_PROGRAMS += tests/unit/test-conn-chaos
tests_unit_test_conn_chaos_SOURCES = tests/unit/test-conn-chaos.c $(net_test_help)
tests_unit_test_conn_chaos_CFLAGS = $(net_test_cflags)
tests_unit_test_conn_chaos_LDADD = $(net_test_libs)
endif
