noinst_LTLIBRARIES += libloop.la
libloop_la_SOURCES = \
	src/loop/context.c src/loop/context.h \
	src/loop/fiber.c src/loop/fiber.h \
	src/loop/internal.h \
	src/loop/io.c src/loop/io.h \
	src/loop/ledger.c src/loop/ledger.h \
	src/loop/mailbox.c src/loop/mailbox.h \
	src/loop/offload.c src/loop/offload.h \
	src/loop/timer.c src/loop/timer.h src/loop/wheel.h \
	src/loop/worker.c src/loop/worker.h
libloop_la_CFLAGS = $(AM_CFLAGS) -pthread
libloop_la_LIBADD = $(EVENT_LIBS) -lpthread
