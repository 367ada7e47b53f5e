# The server itself. A module finds the server's functions in the program, so all of them must be in it, whether
# the server calls them or not: libtool merges convenience libraries whole into another one, but takes
# from them only what is needed for a program.
noinst_LTLIBRARIES += libjackdaw.la
libjackdaw_la_SOURCES =
libjackdaw_la_LIBADD = libcore.la libbus.la libcache.la libstore.la libnet.la libxmpp.la libxml.la \
	libloop.la libbase.la

sbin_PROGRAMS += jackdawd
jackdawd_SOURCES = src/main.c
jackdawd_CPPFLAGS = $(AM_CPPFLAGS) -DSYSCONFDIR='"$(sysconfdir)/jackdaw"'
jackdawd_CFLAGS = $(AM_CFLAGS) -pthread
jackdawd_LDFLAGS = $(AM_LDFLAGS) -export-dynamic -pthread \
	-Wl,--whole-archive,.libs/libjackdaw.a,--no-whole-archive
jackdawd_LDADD = $(EVENT_LIBS) $(EXPAT_LIBS) $(OPENSSL_LIBS) $(ICU_LIBS) $(SQLITE_LIBS) $(PQ_LIBS) \
	$(MEMCACHED_LIBS) $(CONFUSE_LIBS) $(JANSSON_LIBS) $(SYSTEMD_LIBS) $(Z_LIBS) -ldl -lm
jackdawd_DEPENDENCIES = libjackdaw.la
if STATIC_MODULES
jackdawd_LDFLAGS += -Wl,-u,jackdaw_static_modules
jackdawd_LDADD += libmodules.la $(OPENSSL_LIBS) $(JANSSON_LIBS) $(Z_LIBS)
jackdawd_DEPENDENCIES += libmodules.la
endif
