noinst_LTLIBRARIES += libbase.la
libbase_la_SOURCES = \
	src/base/arena.c src/base/arena.h \
	src/base/atoms.c src/base/atoms.h src/base/atoms.def \
	src/base/banned.h \
	src/base/clock.c src/base/clock.h \
	src/base/err.c src/base/err.h \
	src/base/hash.c src/base/hash.h \
	src/base/log.c src/base/log.h \
	src/base/log_system.c src/base/log_system.h \
	src/base/macros.h \
	src/base/mem.c src/base/mem.h \
	src/base/quota.c src/base/quota.h \
	src/base/strbuf.c src/base/strbuf.h \
	src/base/suggest.c src/base/suggest.h \
	src/base/throttle.c src/base/throttle.h
libbase_la_LIBADD = $(SYSTEMD_LIBS)
