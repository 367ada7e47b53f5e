# The clients of others, who log in and chat.
EXTRA_DIST += tests/interop/test-clients tests/interop/certs.py tests/interop/clients.py \
	tests/interop/orders.py tests/interop/process.py tests/interop/aioxmpp-client \
	tests/interop/slixmpp-client

noinst_PROGRAMS += tests/interop/strophe
tests_interop_strophe_SOURCES = tests/interop/strophe.c
tests_interop_strophe_CFLAGS = $(AM_CFLAGS) $(STROPHE_CFLAGS)
tests_interop_strophe_LDADD = $(STROPHE_LIBS)

# Loaded before clients that cannot be told where their server is.
noinst_LTLIBRARIES += tests/interop/redirect.la
tests_interop_redirect_la_SOURCES = tests/interop/redirect.c
tests_interop_redirect_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere
