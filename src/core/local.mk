# files of src/core
include src/core/headers.mk

noinst_LTLIBRARIES += libcore.la
libcore_la_SOURCES = \
	src/core/admin.h \
	src/core/admin_call.c src/core/admin_call.h \
	src/core/admin_protocol.h \
	src/core/admin_server.c src/core/admin_server.h \
	src/core/config.c src/core/config.h \
	src/core/config_doc.c \
	src/core/config_read.c src/core/config_read.h \
	src/core/config_schema.c src/core/config_schema.h \
	src/core/hook.c src/core/hook.h \
	src/core/host.c src/core/host.h \
	src/core/host_secret.c src/core/host_secret.h \
	src/core/loader.c src/core/loader.h \
	src/core/modules.c src/core/modules.h \
	src/core/option.c src/core/option.h
libcore_la_CPPFLAGS = $(AM_CPPFLAGS) -DJACKDAW_MODULE_DIR='"$(moduledir)"'
libcore_la_LIBADD = $(CONFUSE_LIBS) $(JANSSON_LIBS) $(OPENSSL_LIBS) -ldl
