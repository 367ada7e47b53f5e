noinst_LTLIBRARIES += libbus.la
libbus_la_SOURCES = \
	src/bus/bus.c src/bus/bus.h \
	src/bus/wire.c src/bus/wire.h
